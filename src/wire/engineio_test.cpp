#include "wire/engineio.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eventbus::engineio {
namespace {

using namespace std::string_literals;

// The packets of a payload as text, joined by |; ends in "error" after a wrong one.
std::string read(std::string_view body) {
    std::string seen;
    PayloadReader reader(body);
    while (!reader.is_done()) {
        const Result<Packet> packet = reader.next();
        if (!packet) {
            EXPECT_TRUE(reader.is_done());
            return seen + "error";
        }
        seen += std::to_string(static_cast<int>(packet->type)) + (packet->is_binary ? "b" : "") +
                ":" + std::string(packet->data) + "|";
    }
    return seen;
}

TEST(EngineIo, ReadsPayloads) {
    struct Case {
        const char* name;
        std::string body;
        std::string seen;
    };
    const Case cases[] = {
        {"one", "4hello", "4:hello|"},
        {"each type",
         "0\x1e"
         "1\x1e"
         "2\x1e"
         "3\x1e"
         "4\x1e"
         "5\x1e"
         "6",
         "0:|1:|2:|3:|4:|5:|6:|"},
        {"two",
         "4a\x1e"
         "4b",
         "4:a|4:b|"},
        {"binary", "bAQIDBA==", "4b:\x01\x02\x03\x04|"},
        {"binary between",
         "4a\x1e"
         "bYQ==\x1e"
         "4b",
         "4:a|4b:a|4:b|"},
        {"empty binary", "b", "4b:|"},
        {"an event", "42[\"a\xe2\x82\xac\"]", "4:2[\"a\xe2\x82\xac\"]|"},
        {"nothing", "", "error"},
        {"a separator behind", "4a\x1e", "4:a|error"},
        {"a separator before",
         "\x1e"
         "4a",
         "error"},
        {"two separators",
         "4a\x1e\x1e"
         "4b",
         "4:a|error"},
        {"an unknown type", "7", "error"},
        {"a letter", "abc", "error"},
        {"nothing is read behind a wrong one",
         "4a\x1e"
         "x\x1e"
         "4b",
         "4:a|error"},
        {"base64 without padding", "bAQIDBA", "error"},
        {"base64 of 1 character", "bA", "error"},
        {"base64 for URLs", "b-_-_", "error"},
        {"base64 with a space", "bAQID BA==", "error"},
        {"= within base64", "bAQ==AQID", "error"},
        {"= only", "b====", "error"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(read(c.body), c.seen);
    }
}

TEST(EngineIo, WhatIsWrittenIsReadBack) {
    std::string every_byte;
    for (int c = 0; c < 256; ++c) every_byte += static_cast<char>(c);
    std::string payload;
    for (std::size_t size : {0u, 1u, 2u, 3u, 4u, 255u, 256u}) {
        append_to_payload(payload,
                          encode_packet({PacketType::kMessage, true, every_byte.substr(0, size)}));
        append_to_payload(payload, encode_packet({PacketType::kMessage, false, "text"}));
    }
    PayloadReader reader(payload);
    for (std::size_t size : {0u, 1u, 2u, 3u, 4u, 255u, 256u}) {
        const Result<Packet> binary = reader.next();
        ASSERT_TRUE(binary);
        EXPECT_TRUE(binary->is_binary);
        EXPECT_EQ(binary->data, every_byte.substr(0, size));
        const Result<Packet> text = reader.next();
        ASSERT_TRUE(text);
        EXPECT_EQ(text->data, "text");
    }
    EXPECT_TRUE(reader.is_done());
    EXPECT_EQ(encode_packet({PacketType::kPong, false, kProbe}), "3probe");
}

TEST(EngineIo, TheOpenPacketHasJustItsFiveKeys) {
    EXPECT_EQ(encode_open({.sid = "RLZX6Pjhc-iUdW5uAAAA"}),
              R"(0{"sid":"RLZX6Pjhc-iUdW5uAAAA","upgrades":["websocket"],"pingInterval":25000,)"
              R"("pingTimeout":20000,"maxPayload":1000000})");
    EXPECT_EQ(encode_open({.sid = "a",
                           .may_upgrade = false,
                           .ping_interval = std::chrono::milliseconds(300),
                           .ping_timeout = std::chrono::milliseconds(200),
                           .payload_bytes_max = 9}),
              R"(0{"sid":"a","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":9})");
}

TEST(EngineIo, JudgesRequestsInTheOrderOfTheReference) {
    constexpr auto kUnknown = Refusal::kUnknownTransport;
    constexpr auto kSid = Refusal::kUnknownSid;
    constexpr auto kMethod = Refusal::kBadHandshakeMethod;
    constexpr auto kBad = Refusal::kBadRequest;
    constexpr auto kVersion = Refusal::kUnsupportedVersion;
    constexpr std::optional<Transport> kNone;
    struct Case {
        const char* method;
        const char* query;
        bool is_upgrade;
        std::optional<Transport> session;
        std::variant<Ask, Refusal> judged;
    };
    const Case cases[] = {
        {"GET", "EIO=4&transport=polling", false, kNone, Ask::kOpenPolling},
        {"GET", "t=abc&transport=polling&b64=1&EIO=4&x", false, kNone, Ask::kOpenPolling},
        {"GET", "EIO=4&transport=polling&sid=", false, kNone, Ask::kOpenPolling},
        {"GET", "EIO=4&transport=websocket", true, kNone, Ask::kOpenWebSocket},
        {"GET", "EIO=4&transport=polling&sid=s", false, Transport::kPolling, Ask::kPoll},
        {"POST", "EIO=4&transport=polling&sid=s", false, Transport::kPolling, Ask::kPost},
        {"GET", "EIO=4&transport=websocket&sid=s", true, Transport::kPolling, Ask::kUpgrade},
        {"GET", "EIO=4&transport=websocket&sid=s", true, Transport::kWebSocket, Ask::kUpgrade},
        {"GET", "transport=polling&sid=s", false, Transport::kPolling,
         Ask::kPoll},  // only a handshake asks EIO

        {"GET", "", false, kNone, kUnknown},
        {"GET", "EIO=4", false, kNone, kUnknown},
        {"GET", "EIO=4&transport=", false, kNone, kUnknown},
        {"GET", "EIO=4&transport=abc&sid=s", false, kNone, kUnknown},
        {"GET", "EIO=4&transport=polling&transport=polling", false, kNone, kUnknown},
        {"GET", "EIO=4&transport=webtransport", false, kNone, kUnknown},
        {"GET", "EIO=4&xtransport=polling", false, kNone, kUnknown},
        {"POST", "transport=abc", false, kNone, kUnknown},

        {"GET", "EIO=4&transport=polling&sid=x", false, kNone, kSid},
        {"POST", "transport=polling&sid=x", false, kNone, kSid},
        {"GET", "EIO=4&transport=websocket&sid=x", false, kNone, kSid},
        {"GET", "EIO=4&transport=websocket&sid=x", true, kNone, kSid},

        {"POST", "EIO=4&transport=polling", false, kNone, kMethod},
        {"POST", "transport=polling", false, kNone, kMethod},
        {"PUT", "EIO=4&transport=websocket", false, kNone, kMethod},
        {"HEAD", "EIO=4&transport=polling", false, kNone, kMethod},

        {"GET", "EIO=4&transport=websocket", false, kNone, kBad},
        {"GET", "transport=websocket", false, kNone, kBad},
        {"GET", "EIO=4&transport=polling", true, kNone, kBad},
        {"GET", "EIO=4&transport=websocket&sid=s", false, Transport::kPolling, kBad},
        {"GET", "EIO=4&transport=websocket&sid=s", false, Transport::kWebSocket, kBad},
        {"GET", "EIO=4&transport=polling&sid=s", false, Transport::kWebSocket, kBad},
        {"POST", "EIO=4&transport=polling&sid=s", false, Transport::kWebSocket, kBad},
        {"GET", "EIO=4&transport=polling&sid=s", true, Transport::kPolling, kBad},
        {"DELETE", "EIO=4&transport=polling&sid=s", false, Transport::kPolling, kBad},

        {"GET", "transport=polling", false, kNone, kVersion},
        {"GET", "EIO=3&transport=polling", false, kNone, kVersion},
        {"GET", "EIO=abc&transport=polling", false, kNone, kVersion},
        {"GET", "EIO=&transport=polling", false, kNone, kVersion},
        {"GET", "EIO=4&EIO=4&transport=polling", false, kNone, kVersion},
        {"GET", "EIO=3&transport=websocket", true, kNone, kVersion},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(testing::Message()
                     << c.method << " ?" << c.query << (c.is_upgrade ? " upgrade" : ""));
        EXPECT_EQ(judge({c.method, parse_query(c.query), c.is_upgrade, c.session}), c.judged);
    }
}

TEST(EngineIo, RefusalsHaveTheBodiesThatClientsKnow) {
    EXPECT_EQ(refusal_body(Refusal::kUnknownTransport),
              R"({"code":0,"message":"Transport unknown"})");
    EXPECT_EQ(refusal_body(Refusal::kUnknownSid), R"({"code":1,"message":"Session ID unknown"})");
    EXPECT_EQ(refusal_body(Refusal::kBadHandshakeMethod),
              R"({"code":2,"message":"Bad handshake method"})");
    EXPECT_EQ(refusal_body(Refusal::kBadRequest), R"({"code":3,"message":"Bad request"})");
    EXPECT_EQ(refusal_body(Refusal::kForbidden), R"({"code":4,"message":"Forbidden"})");
    EXPECT_EQ(refusal_body(Refusal::kUnsupportedVersion),
              R"({"code":5,"message":"Unsupported protocol version"})");
    EXPECT_EQ(http_status(Refusal::kForbidden), 403);
    EXPECT_EQ(http_status(Refusal::kUnknownSid), 400);
}

}  // namespace
}  // namespace eventbus::engineio
