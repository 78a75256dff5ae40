#include "wire/socketio.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eventbus::socketio {
namespace {

using namespace std::string_literals;

// Everything that a packet says, as one line; "error" for a refused one.
std::string describe(const Result<Packet>& packet) {
    if (!packet) {
        EXPECT_EQ(packet.error().code, ErrorCode::kBadRequest);
        return "error";
    }
    std::string line =
        std::to_string(static_cast<int>(packet->type)) + " " + std::string(packet->nsp);
    if (packet->ack_id) line += " ack " + std::to_string(*packet->ack_id);
    if (packet->is_binary()) line += " +" + std::to_string(packet->attachment_count);
    if (packet->is_event()) line += " " + std::string(packet->name);
    for (const std::string_view argument : packet->arguments)
        line += " <" + std::string(argument) + ">";
    if (!packet->is_event() && !packet->is_ack()) line += " " + std::string(packet->json);
    return line;
}

std::string parse(std::string_view text) {
    Parser parser;
    return describe(parser.parse(text));
}

TEST(SocketIo, ReadsPackets) {
    struct Case {
        std::string text;
        const char* seen;
    };
    const Case cases[] = {
        {"0", "0 / "},
        {"0{}", "0 / {}"},
        {R"(0{"token":"a"})", R"(0 / {"token":"a"})"},
        {"0/nope", "0 /nope "},
        {"0/nope,", "0 /nope "},
        {R"(0/chat?x=1,{"a":1})", R"(0 /chat?x=1 {"a":1})"},
        {"1", "1 / "},
        {"1/nope", "1 /nope "},
        {"1/nope,", "1 /nope "},
        {R"(2["hello"])", "2 / hello"},
        {R"(2["hello",1,"two",{"three":[3,{}]},[],null])",
         R"(2 / hello <1> <"two"> <{"three":[3,{}]}> <[]> <null>)"},
        {R"(212["hello"])", "2 / ack 12 hello"},
        {R"(2/admin,456["project:delete",123])", "2 /admin ack 456 project:delete <123>"},
        {R"(2["a\"],[\\",1])", R"(2 / a"],[\ <1>)"},
        {R"(2["\u0061b","\\\"",-1.5e3])", R"(2 / ab <"\\\""> <-1.5e3>)"},
        {"2 [ \"a\" , { \"b\" : [ 1 , 2 ] } ,\t3\n] ", "2 / a <{ \"b\" : [ 1 , 2 ] }> <3>"},
        {"2[7,true]", "2 / 7 <true>"},
        {"2[\"\"]", "2 / "},
        {R"(2["x",{"_placeholder":true,"num":9}])", R"(2 / x <{"_placeholder":true,"num":9}>)"},
        {"312[]", "3 / ack 12"},
        {R"(3/admin,456["ok",{}])", R"(3 /admin ack 456 <"ok"> <{}>)"},
        {"3007[1]", "3 / ack 7 <1>"},
        {"39007199254740991[]", "3 / ack 9007199254740991"},
        {R"(4{"message":"no"})", R"(4 / {"message":"no"})"},
        {R"(4/x,"no")", R"(4 /x "no")"},
        {R"(51-["x",{"_placeholder":true,"num":0}])",
         R"(5 / +1 x <{"_placeholder":true,"num":0}>)"},
        {R"(52-/a,3["x",[{"y":{"_placeholder":true,"num":1}}],{"_placeholder":true,"num":1}])",
         R"(5 /a ack 3 +2 x <[{"y":{"_placeholder":true,"num":1}}]> <{"_placeholder":true,"num":1}>)"},
        {R"(50-["x"])", "5 / +0 x"},
        {R"(51-["x"])", "5 / +1 x"},
        {R"(51-["x",{"_placeholder":false,"num":7}])",
         R"(5 / +1 x <{"_placeholder":false,"num":7}>)"},
        {R"(61-7[{"num":0,"_placeholder":true}])",
         R"(6 / ack 7 +1 <{"num":0,"_placeholder":true}>)"},
        {R"(510-["x"])", "5 / +10 x"},
        // What browsers take, and JsonChecker does not.
        {R"(2["a",{"b":1,"b":2}])", R"(2 / a <{"b":1,"b":2}>)"},
        {R"(2["\ud83d",100000000000000000000,1e999])",
         "2 / \xEF\xBF\xBD <100000000000000000000> <1e999>"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text);
        EXPECT_EQ(parse(c.text), c.seen);
    }
}

TEST(SocketIo, RefusesWhatTheReferenceClosesFor) {
    const std::string cases[] = {
        "",
        "7",
        "a",
        "abc",
        "-1",
        " 2[\"a\"]",
        "0[]",
        "0\"a\"",
        "0null",
        "012{}",
        "0{",
        "0/a,{}x",
        "1{}",
        "1/a,1",
        "112",
        "2",
        "2{}",
        "2[]",
        "2[{}]",
        "2[null]",
        "2[true]",
        "2[[]]",
        "2abc[\"a\"]",
        "2\"a\"",
        "2[\"a\"",
        "2[\"a\"]]",
        "2[\"a\",]",
        "2[\"a\"]x",
        "2[\"a\",\"\xff\"]",
        "2[\"connect\"]",
        "2[\"connect_error\"]",
        "2[\"disconnect\"]",
        "2[\"disconnecting\"]",
        "2[\"newListener\"]",
        "2[\"removeListener\"]",
        "2[\"c\\u006fnnect\"]",
        "2/a",
        "2/a,",
        "29007199254740992[\"a\"]",
        "299999999999999999999999[\"a\"]",
        "2-1[\"a\"]",
        "2+1[\"a\"]",
        "3",
        "31",
        "3[]",
        "31{}",
        "4",
        "4[]",
        "45-",
        "5[\"a\"]",
        "5-[\"a\"]",
        "5abc-[\"a\"]",
        "51[\"a\"]",
        "51",
        "51-",
        "51-{}",
        "5-1-[\"a\"]",
        "51.5-[\"a\"]",
        "511-[\"a\"]",
        "599999999999999999999-[\"a\"]",
        "50-[\"x\",{\"_placeholder\":true,\"num\":0}]",
        "51-[\"x\",{\"_placeholder\":true,\"num\":1}]",
        "51-[\"x\",{\"_placeholder\":true,\"num\":-1}]",
        "51-[\"x\",{\"_placeholder\":true,\"num\":0.5}]",
        "51-[\"x\",{\"_placeholder\":true,\"num\":\"0\"}]",
        "51-[\"x\",{\"_placeholder\":true}]",
        "51-[\"x\",[[{\"a\":{\"_placeholder\":true,\"num\":3}}]]]",
        "61-[]",
        "2[\"a\"," + std::string(100'000, '[') + std::string(100'000, ']') + "]",
    };
    for (const std::string& text : cases) {
        SCOPED_TRACE(text.substr(0, 80));
        EXPECT_EQ(parse(text), "error");
    }
}

TEST(SocketIo, EveryPacketThatIsCutOffIsRefusedOrSaysLess) {
    const std::string text =
        R"(52-/admin,456["na\"me",{"_placeholder":true,"num":1},[1,{"a":"b"}],"c"])";
    const std::string whole = parse(text);
    ASSERT_NE(whole, "error");
    for (std::size_t size = 0; size < text.size(); ++size)
        EXPECT_EQ(parse(text.substr(0, size)), "error") << size;
}

TEST(SocketIo, SlicesAreOfTheTextItself) {
    Parser parser;
    const std::string text = R"(2["a",{"b":1}])";
    const Result<Packet> packet = parser.parse(text);
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->arguments[0].data(), text.data() + 6);
    EXPECT_EQ(packet->json.data(), text.data() + 1);
}

TEST(SocketIo, AParserGoesOnAfterManyAndAfterWrongOnes) {
    Parser parser;
    std::string many = "2[\"a\"";
    for (int i = 0; i < 1000; ++i) many += ",1";
    for (int round = 0; round < 3; ++round) {
        EXPECT_EQ(parser.parse(many + "]")->arguments.size(), 1000u);
        EXPECT_FALSE(parser.parse(many));
        EXPECT_EQ(describe(parser.parse("2[\"a\",2]")), "2 / a <2>");
    }
}

TEST(SocketIoAssembler, GathersAttachments) {
    Parser parser;
    Assembler assembler(parser, 1000);
    const std::string text =
        R"(52-["image",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}])";

    const auto waiting = assembler.feed_text(text);
    ASSERT_TRUE(waiting);
    EXPECT_FALSE(*waiting);
    ASSERT_TRUE(parser.parse("2[\"of another connection\"]"));
    const auto still_waiting = assembler.feed_binary("first");
    ASSERT_TRUE(still_waiting);
    EXPECT_FALSE(*still_waiting);
    const auto whole = assembler.feed_binary("\x00\xff"s);
    ASSERT_TRUE(whole);
    ASSERT_TRUE(*whole);

    EXPECT_EQ((*whole)->name, "image");
    EXPECT_EQ((*whole)->arguments[0], R"({"_placeholder":true,"num":1})");
    ASSERT_EQ((*whole)->attachments.size(), 2u);
    EXPECT_EQ((*whole)->attachments[0], "first");
    EXPECT_EQ((*whole)->attachments[1], "\x00\xff"s);
    EXPECT_TRUE(assembler.is_idle());
}

TEST(SocketIoAssembler, WhatNeedsNoneIsWholeAtOnce) {
    Parser parser;
    Assembler assembler(parser, 1000);
    for (const char* text : {"2[\"a\"]", "0", "31[]"}) {
        const auto packet = assembler.feed_text(text);
        ASSERT_TRUE(packet);
        EXPECT_TRUE(*packet);
        EXPECT_TRUE(assembler.is_idle());
    }
}

TEST(SocketIoAssembler, NoTextComesBehindABinaryPacketWithoutAttachments) {
    Parser parser;
    for (const char* text : {"50-[\"a\"]", "60-7[]"}) {
        Assembler assembler(parser, 1000);
        const auto packet = assembler.feed_text(text);
        ASSERT_TRUE(packet);
        EXPECT_TRUE(*packet);
        for (int i = 0; i < 3; ++i) {
            const auto swallowed = assembler.feed_binary("nobody waits for it");
            ASSERT_TRUE(swallowed);
            EXPECT_FALSE(*swallowed);
        }
        EXPECT_FALSE(assembler.feed_text("2[\"a\"]"));
    }
}

TEST(SocketIoAssembler, RefusesWhatIsOutOfTurnOrTooMuch) {
    Parser parser;
    const std::string one = "51-[\"a\"]";
    {
        Assembler assembler(parser, 1000);
        EXPECT_FALSE(assembler.feed_binary("nobody announced it"));
        ASSERT_TRUE(assembler.feed_text(one));
        EXPECT_FALSE(assembler.feed_text("2[\"text in between\"]"));
    }
    {
        Assembler assembler(parser, one.size() + 5);
        ASSERT_TRUE(assembler.feed_text(one));
        EXPECT_EQ(assembler.feed_binary("123456").error().code, ErrorCode::kTooLarge);
        EXPECT_TRUE(assembler.feed_binary("12345"));
        EXPECT_EQ(assembler.feed_text("2[\"a\",\"much more\"]").error().code, ErrorCode::kTooLarge);
    }
}

TEST(SocketIoEncode, WritesWhatClientsRead) {
    const auto written = [](auto append, auto... arguments) {
        std::string out = "4";
        append(out, arguments...);
        return out;
    };
    EXPECT_EQ(written(append_connect, "/", "shWW", "ljrO"), R"(40{"sid":"shWW","pid":"ljrO"})");
    EXPECT_EQ(written(append_connect, "/chat", "shWW", ""), R"(40/chat,{"sid":"shWW"})");
    EXPECT_EQ(written(append_connect_error, "/nope", "Invalid namespace", ""),
              R"(44/nope,{"message":"Invalid namespace"})");
    EXPECT_EQ(
        written(append_connect_error, "/", "token has \"expired\"", R"({"code":"unauthorized"})"),
        R"(44{"message":"token has \"expired\"","data":{"code":"unauthorized"}})");
    EXPECT_EQ(written(append_event, EventHead{}, R"(["a",1])"), R"(42["a",1])");
    EXPECT_EQ(written(append_event, EventHead{.nsp = "/x", .ack_id = 0}, R"(["a"])"),
              R"(42/x,0["a"])");
    EXPECT_EQ(written(append_event, EventHead{.ack_id = 5, .attachments = 2}, R"(["a"])"),
              R"(452-5["a"])");
    EXPECT_EQ(written(append_ack, "/", 456u, "[]", 0u), "43456[]");
    EXPECT_EQ(written(append_ack, "/x", 7u, "[1]", 1u), "461-/x,7[1]");
    EXPECT_EQ(written(append_disconnect, "/"), "41");
    EXPECT_EQ(written(append_disconnect, "/x"), "41/x,");
    EXPECT_EQ(written(append_connect_request, "/", R"({"token":"t"})"), R"(40{"token":"t"})");
    EXPECT_EQ(written(append_connect_request, "/x", ""), "40/x,");
}

}  // namespace
}  // namespace eventbus::socketio
