#include "socketio/engine.h"

#include <algorithm>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "socketio/farewells.h"
#include "socketio/frames.h"
#include "support/engine_world.h"

namespace eventbus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Strings = std::vector<std::string>;

// Echoes what comes, and notes what happens.
class Echo final : public EngineHandler {
 public:
    void on_open(Session& session) override {
        last = &session;
        ++open;
        if (greets) session.send(text_frame("4hello"));
    }
    void on_text(Session& session, std::string_view message) override {
        log.emplace_back(message);
        if (act) return act(session);
        session.send(text_frame("4" + std::string(message)));
    }
    void on_binary(Session& session, std::string_view message) override {
        session.send(binary_frame(message));
    }
    void on_upgraded(Session&) override { log.emplace_back("(upgraded)"); }
    void on_drained(Session&) override { ++drained; }
    void on_receipt(Session&) override { log.emplace_back("(receipt)"); }
    void on_close(Session& session, CloseReason reason) override {
        if (last == &session) last = nullptr;
        --open;
        log.push_back("(" + std::string(to_string(reason)) + ")");
        if (at_close) at_close(session);
    }

    Session* last = nullptr;
    int open = 0;
    int drained = 0;
    bool greets = false;
    Strings log;
    std::function<void(Session&)> act;
    std::function<void(Session&)> at_close;
};

class EngineTest : public EngineWorld {
 protected:
    EngineTest() {
        for (std::size_t i = 0; i < 2; ++i) {
            lanes_[i]->serve(echoes_[i]);
            lanes_[i]->engine->set_hand_over(
                2, [this](std::size_t home, HttpExchange::Released released) {
                    EngineLane& lane = *lanes_[home];
                    lane.reactor.post([&lane, r = std::move(released)]() mutable {
                        lane.http.adopt(std::move(r));
                    });
                });
        }
    }
    ~EngineTest() override { end(); }

    bool is_closed_for(const char* reason) {
        return echo().open == 0 && !echo().log.empty() &&
               echo().log.back() == "(" + std::string(reason) + ")";
    }
    static Strings packets_of(std::string_view payload) {
        Strings packets;
        while (!payload.empty()) packets.emplace_back(take_part(payload, '\x1e'));
        return packets;
    }
    Echo& echo() { return echoes_[0]; }

    Echo echoes_[2];
};

// ---- wire notes 1 to 11: HTTP ----

TEST_F(EngineTest, AnOpenPacketSaysWhatTheNotesSay) {
    const RawResponse opened = get(kPolling);
    EXPECT_EQ(opened.status, 200);
    EXPECT_EQ(opened.field("Content-Type"), "text/plain; charset=UTF-8");
    EXPECT_EQ(opened.field("Cache-Control"), "no-store");
    EXPECT_EQ(opened.body.substr(29),
              R"(","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,)"
              R"("maxPayload":1000000})");
    EXPECT_NE(opened.body.substr(9, 20), get(kPolling).body.substr(9, 20));
}

TEST_F(EngineTest, ErrorsHaveTheReferencesBodiesAndOrder) {
    struct Case {
        const char* query;
        const char* body;
    };
    const Case cases[] = {
        {"EIO=4", R"({"code":0,"message":"Transport unknown"})"},
        {"EIO=4&transport=x&sid=y", R"({"code":0,"message":"Transport unknown"})"},
        {"EIO=4&transport=polling&sid=y", R"({"code":1,"message":"Session ID unknown"})"},
        {"EIO=4&transport=websocket", R"({"code":3,"message":"Bad request"})"},
        {"transport=polling", R"({"code":5,"message":"Unsupported protocol version"})"},
        {"EIO=3&transport=polling", R"({"code":5,"message":"Unsupported protocol version"})"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.query);
        const RawResponse refused = get(c.query);
        EXPECT_EQ(refused.status, 400);
        EXPECT_EQ(refused.body, c.body);
        EXPECT_EQ(refused.field("Content-Type"), "application/json");
    }
    EXPECT_EQ(post(kPolling, "4a").body, R"({"code":2,"message":"Bad handshake method"})");
    EXPECT_EQ(get(upgrade_of(open_polling())).body, R"({"code":3,"message":"Bad request"})");
}

TEST_F(EngineTest, AWebSocketIsRefusedInPlainTextBeforeThe101) {
    for (const char* query :
         {"EIO=3&transport=websocket", "EIO=4&transport=websocket&sid=nobody"}) {
        SCOPED_TRACE(query);
        EngineClient& c = client();
        c.upgrade(query);
        const RawResponse refused = response(c);
        EXPECT_EQ(refused.status, 400);
        EXPECT_EQ(refused.field("Connection"), "close");
        EXPECT_TRUE(refused.field("Content-Type").starts_with("text/plain"));
        EXPECT_TRUE(ends(c));
    }
}

TEST_F(EngineTest, AnUpgradeIn1_0IsIgnored) {
    EngineClient& c = client();
    c.send("GET /socket.io/?" + std::string(kWebSocket) +
           " HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    EXPECT_EQ(response(c).body, R"({"code":3,"message":"Bad request"})");
}

TEST_F(EngineTest, TraceIsRefusedWithWhatThePathTakes) {
    EngineClient& c = client();
    c.send("TRACE /socket.io/?" + std::string(kPolling) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const RawResponse refused = response(c);
    EXPECT_EQ(refused.status, 405);
    EXPECT_EQ(refused.field("Allow"), "GET, POST, OPTIONS");
}

TEST_F(EngineTest, ACompressedPostIsRefusedAndTheSessionStays) {
    const std::string session = open_polling();
    const RawResponse refused = post(session, "\x1f\x8b", "Content-Encoding: gzip\r\n");
    EXPECT_EQ(refused.status, 415);
    EXPECT_EQ(refused.field("Accept-Encoding"), "identity");
    EXPECT_EQ(post(session, "4a", "Content-Encoding: identity\r\n").body, "ok");
    EXPECT_EQ(get(session).body, "4a");
}

TEST_F(EngineTest, PacketsOfAPostComeBackByOnePoll) {
    const std::string session = open_polling();
    const RawResponse posted = post(session,
                                    "4a\x1e"
                                    "4b\x1e"
                                    "bAQIDBA==");
    EXPECT_EQ(posted.status, 200);
    EXPECT_EQ(posted.body, "ok");
    EXPECT_EQ(posted.field("Content-Type"), "text/html");
    EXPECT_EQ(get(session).body,
              "4a\x1e"
              "4b\x1e"
              "bAQIDBA==");
}

TEST_F(EngineTest, AMalformedPostEndsTheSession) {
    for (const char* body : {"", "4a\x1e", "x", "9", "2", "b!!"}) {
        SCOPED_TRACE(body);
        const std::string session = open_polling();
        EngineClient& waiting = poll(session);
        post(session, body);
        response(waiting);  // 4a, or 1
        EXPECT_TRUE(is_closed_for("parse error"));
        EXPECT_EQ(get(session).body, R"({"code":1,"message":"Session ID unknown"})");
    }
}

TEST_F(EngineTest, BinaryByItsContentTypeIsRefused) {
    const std::string session = open_polling();
    EXPECT_EQ(post(session, "4a", "Content-Type: application/octet-stream\r\n").status, 400);
    EXPECT_TRUE(is_closed_for("parse error"));
}

TEST_F(EngineTest, TwoPollsAtOnceEndTheSession) {
    const std::string session = open_polling();
    EngineClient& first = poll(session);
    EXPECT_EQ(get(session).status, 400);
    EXPECT_EQ(response(first).body, "1");
    EXPECT_EQ(get(session).status, 400);
}

TEST_F(EngineTest, APostWhileAnotherIsOnItsWayEndsTheSession) {
    const std::string session = open_polling();
    EngineClient& waiting = poll(session);
    EngineClient& first = client();
    first.send("POST /socket.io/?" + session +
               " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n4");
    loop_.settle();

    EXPECT_EQ(post(session, "4b").status, 400);
    EXPECT_EQ(response(waiting).body, "1");
    first.send("a");
    EXPECT_EQ(response(first).status, 400);
    EXPECT_EQ(echo().log, (Strings{"(transport close)"}));
}

TEST_F(EngineTest, OnePostAfterAnotherIsNoSecond) {
    const std::string session = open_polling();
    EngineClient& c = client();
    c.post(session, "4a");
    EXPECT_EQ(response(c).status, 200);
    c.post(session, "4b");
    EXPECT_EQ(response(c).status, 200);
    c.post(session, std::string(1'000'001, '4'));
    EXPECT_EQ(response(c).status, 413);
    EXPECT_EQ(post(session, "4c").status, 200);
    EXPECT_EQ(echo().log, (Strings{"a", "b", "c"}));
}

TEST_F(EngineTest, APostThatNeverComesWholeEndsTheSession) {
    const auto begin_post = [this] {
        EngineClient& c = client();
        c.send("POST /socket.io/?" + open_polling() +
               " HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n4");
        loop_.settle();
        return &c;
    };
    begin_post()->close();
    loop_.settle();
    EXPECT_TRUE(is_closed_for("transport close"));

    EngineClient* const slow = begin_post();
    pass(seconds(30));
    EXPECT_EQ(response(*slow).status, 408);
    EXPECT_TRUE(is_closed_for("transport close"));
}

TEST_F(EngineTest, AServerMayEndBeforeItsSessions) {
    open_polling();
    open_websocket();
    EngineClient& waiting = poll(open_polling());

    lanes_[0]->engine.reset();
    EXPECT_EQ(echo().open, 0);
    EXPECT_EQ(response(waiting).body, "1");
    lanes_[0]->serve(echo());
}

// As Chromium does when a kept connection breaks before the head of the answer is there.
TEST_F(EngineTest, APollThatIsSentOnceMoreEndsTheSessionWithWhatItsAnswerBrought) {
    const std::string query = open_polling();
    post(query, "4a");
    const std::string first = query + "&t=one";
    EngineClient& kept = client();
    kept.get(first);
    EXPECT_EQ(response(kept).body, "4a");
    kept.get(first);  // no other client would know why
    loop_.settle();
    EXPECT_EQ(echo().open, 1);
    post(query, "4b");
    EXPECT_EQ(response(kept).body, "4b");

    kept.close();
    EXPECT_EQ(get(first).status, 400);
    EXPECT_EQ(echo().open, 0);
}

TEST_F(EngineTest, APostThatIsSentOnceMoreIsAnsweredAndNotTakenAgain) {
    const std::string query = open_polling();
    for (const char* t : {"&t=one", "&t=two"}) {
        EXPECT_EQ(post(query + t, "4a").body, "ok");
        EXPECT_EQ(post(query + t, "4a").body, "ok");
    }
    EXPECT_EQ(echo().log, Strings({"a", "a"}));
    EngineClient& kept = client();
    for (int i = 0; i < 2; ++i) {
        kept.post(query + "&t=always", "4b");
        EXPECT_EQ(response(kept).body, "ok");
        EXPECT_EQ(post(query, "4c").body, "ok") << "says nothing";
    }
    EXPECT_EQ(echo().log, Strings({"a", "a", "b", "c", "b", "c"}));
}

TEST_F(EngineTest, ABodyOfManyPacketsIsHandledInOrderWithTurnsOfOthersInBetween) {
    constexpr int kPackets = 40;
    const std::string query = open_polling();
    const std::string other = open_polling();
    Strings expected;
    std::string body;
    for (int i = 0; i < kPackets; ++i) {
        expected.push_back(std::to_string(i));
        body += (body.empty() ? "4"
                              : "\x1e"
                                "4") +
                expected.back();
    }
    EngineClient& quick = client();
    echo().act = [&](Session&) {
        if (echo().log.size() == 1) quick.post(other, "4quick");
        clock_.advance(Reactor::kSlice);
    };
    EXPECT_EQ(post(query, body).body, "ok");
    EXPECT_EQ(response(quick).body, "ok");
    Strings handled = echo().log;
    const auto at = std::find(handled.begin(), handled.end(), "quick");
    ASSERT_NE(at, handled.end());
    EXPECT_LT(at - handled.begin(), kPackets / 2);
    handled.erase(at);
    EXPECT_EQ(handled, expected);
}

TEST_F(EngineTest, ABodyThatComesByAnotherReactorAmidOneEndsTheSession) {
    const std::string query = open_polling();
    EngineClient& elsewhere = client(1);
    echo().act = [&](Session&) {
        if (echo().log.size() == 1) elsewhere.post(query, "4late");
        clock_.advance(Reactor::kSlice);
    };
    std::string body = "4a";
    for (int i = 0; i < 40; ++i) {
        body +=
            "\x1e"
            "4a";
    }
    EXPECT_EQ(post(query, body).body, "ok");
    EXPECT_EQ(response(elsewhere).status, 400);
    EXPECT_EQ(echo().open, 0);
}

TEST_F(EngineTest, ABodyIsAnsweredThoughItsSessionEndsAmidIt) {
    const std::string query = open_polling();
    echo().act = [&](Session& session) {
        clock_.advance(Reactor::kSlice);
        if (echo().log.size() == 3) session.close(CloseReason::kServer);
    };
    EXPECT_EQ(post(query,
                   "4a\x1e"
                   "4b\x1e"
                   "4c\x1e"
                   "4d")
                  .body,
              "ok");
    EXPECT_EQ(echo().log, Strings({"a", "b", "c", "(server close)"}));
}

TEST_F(EngineTest, WhatIsPipelinedBehindTheLastPollFindsNoSession) {
    struct Case {
        const char* what;
        std::function<void(EngineClient&, std::string_view)> send;
    };
    const Case cases[] = {
        {"a poll", [](auto& c, auto query) { c.get(query); }},
        {"a post", [](auto& c, auto query) { c.post(query, "4a"); }},
        {"a WebSocket", [](auto& c, auto query) { c.upgrade(upgrade_of(query)); }},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.what);
        const std::string query = open_polling();
        EngineClient& client = poll(query);
        c.send(client, query);
        loop_.settle();
        post(query, "1");
        EXPECT_EQ(response(client).body, "6");
        EXPECT_EQ(response(client).status, 400);
        EXPECT_EQ(echo().open, 0);
    }
}

// Has room for four sessions that were admitted, and for four others.
class CrowdedEngineTest : public EngineWorld {
 protected:
    CrowdedEngineTest() : EngineWorld({.sessions_max = 4, .strangers_max = 4}, {}) {
        for (std::size_t i = 0; i < 2; ++i) lanes_[i]->serve(echoes_[i]);
        echoes_[0].act = [](Session& session) { session.admit(); };
    }
    ~CrowdedEngineTest() override { end(); }

    std::string admitted() {
        std::string session = open_polling();
        EXPECT_EQ(post(session, "4a").status, 200);
        return session;
    }
    const Strangers& strangers() { return lanes_[0]->engine->strangers(); }
    std::size_t strange_connections() { return lanes_[0]->strangers.size(); }

    Echo echoes_[2];
};

TEST_F(CrowdedEngineTest, ASessionThatWasNotAdmittedMakesRoomForAnother) {
    const std::string first = open_polling();
    EngineClient& polls = poll(first);
    EngineClient& ws = open_websocket();
    for (int i = 0; i < 3; ++i) open_polling();

    EXPECT_EQ(response(polls).body, "1");
    EXPECT_EQ(get(first).status, 400);
    EXPECT_EQ(strangers().now().get(), 4U);
    EXPECT_EQ(echoes_[0].open, 4);
    open_polling();
    EXPECT_TRUE(ends(ws));
    EXPECT_EQ(echoes_[0].log, (Strings{"(crowded out)", "(crowded out)"}));
    EXPECT_EQ(strangers().crowded_out().get(), 2U);
}

TEST_F(CrowdedEngineTest, OneThatWasAdmittedIsNotCrowdedOutNorCrowdsOut) {
    const std::string session = admitted();
    EngineClient& ws = open_websocket();
    ws.send_text("4a");
    loop_.settle();
    EXPECT_EQ(strangers().now().get(), 0U);

    for (int i = 0; i < 10; ++i) open_polling();

    EXPECT_EQ(post(session, "4b").status, 200);
    ws.send_text("4b");
    loop_.settle();
    EXPECT_EQ(echoes_[0].open, 6);
}

TEST_F(CrowdedEngineTest, ASessionThatIsPipelinedBehindOneIsOpenedOnceThatOneIsOver) {
    std::vector<EngineClient*> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(&poll(open_polling()));
        clients.back()->get(kPolling);  // one more, that takes the place of the next
    }
    loop_.settle();
    const int most = echoes_[0].open;
    open_polling();
    for (EngineClient* client : clients) {
        EXPECT_EQ(response(*client).body, "1");
        EXPECT_TRUE(response(*client).body.starts_with("0{"));
    }
    EXPECT_EQ(echoes_[0].open, most);
}

TEST_F(CrowdedEngineTest, ConnectionsOfASessionThatWasAdmittedAre) {
    const std::string session = open_polling();
    poll(session);
    EXPECT_EQ(strange_connections(), 2U) << "that of the handshake is open, too";

    EXPECT_EQ(post(session, "4a").status, 200);
    EXPECT_EQ(strange_connections(), 1U);

    EngineClient& ws = probe(session);
    EXPECT_EQ(strange_connections(), 1U);
    ws.send_text("5");
    loop_.settle();
    EngineClient& another = open_websocket();
    EXPECT_EQ(strange_connections(), 2U);
    another.send_text("4a");
    loop_.settle();
    EXPECT_EQ(strange_connections(), 1U);
}

TEST_F(CrowdedEngineTest, AConnectionIsNotAdmittedBySessionsThatWereNot) {
    const std::string session = open_polling();
    EXPECT_EQ(strange_connections(), 1U);
    EngineClient& c = client();
    c.post(session, "1");  // it ends
    EXPECT_EQ(response(c).status, 200);
    EXPECT_EQ(strange_connections(), 2U);
}

TEST_F(CrowdedEngineTest, WhenAllAreTakenByThoseThatWereAdmittedNoNewOneIs) {
    for (int i = 0; i < 4; ++i) admitted();
    EXPECT_EQ(get(kPolling).status, 503);
    EngineClient& ws = client();
    ws.upgrade(kWebSocket);
    EXPECT_EQ(response(ws).status, 503);
}

// Sets a cookie, and says nothing of what is compressed when it is small.
class StickyEngineTest : public EngineWorld {
 protected:
    StickyEngineTest() : EngineWorld({.compress_bytes_min = 100, .sticky_cookie = "io"}, {}) {
        for (std::size_t i = 0; i < 2; ++i) lanes_[i]->serve(echoes_[i]);
    }
    ~StickyEngineTest() override { end(); }
    Echo echoes_[2];
};

TEST_F(StickyEngineTest, OnlyTheAnswerThatOpensASessionSetsTheCookie) {
    const RawResponse opened = get(kPolling);
    const std::string sid = opened.body.substr(9, 20);
    EXPECT_EQ(opened.field("Set-Cookie"), "io=" + sid + "; Path=/; HttpOnly; SameSite=Lax");

    const std::string session = std::string(kPolling) + "&sid=" + sid;
    EXPECT_EQ(post(session, "4a").field("Set-Cookie"), "");
    EXPECT_EQ(get(session).field("Set-Cookie"), "");
    EXPECT_EQ(get("EIO=3&transport=polling").field("Set-Cookie"), "");
}

TEST_F(StickyEngineTest, AnswersToPollsAreCompressedForWhoAcceptsIt) {
    const std::string origin = "Origin: https://a.example\r\n";
    const auto answer = [&](std::size_t bytes, std::string_view accept) {
        const std::string session = open_polling();
        EXPECT_TRUE(echoes_[0].last->send(text_frame(std::string(bytes, '4'))));
        return get(session, origin + std::string(accept));
    };
    const RawResponse gzip = answer(100, "Accept-Encoding: deflate;q=0.5, gzip\r\n");
    EXPECT_EQ(gzip.field("Content-Encoding"), "gzip");
    EXPECT_EQ(gzip.field("Vary"), "Accept-Encoding, Origin");
    EXPECT_LT(gzip.body.size(), 60u);
    EXPECT_TRUE(gzip.body.starts_with("\x1f\x8b"));
    EXPECT_EQ(answer(100, "Accept-Encoding: deflate\r\n").field("Content-Encoding"), "deflate");

    for (const char* accept : {"", "Accept-Encoding: gzip;q=0\r\n", "Accept-Encoding: br\r\n"}) {
        const RawResponse plain = answer(100, accept);
        EXPECT_EQ(plain.field("Content-Encoding"), "");
        EXPECT_EQ(plain.field("Vary"), "Accept-Encoding, Origin");
        EXPECT_EQ(plain.body, std::string(100, '4'));
    }
    for (const std::size_t bytes : {std::size_t{99}, EngineServer::kCompressedBytesMax + 1}) {
        const RawResponse plain = answer(bytes, "Accept-Encoding: gzip\r\n");
        EXPECT_EQ(plain.field("Content-Encoding"), "");
        EXPECT_EQ(plain.field("Vary"), "Origin");
        EXPECT_EQ(plain.body.size(), bytes);
    }
    EXPECT_EQ(lanes_[0]->engine->probe().compressed_polls.get(), 2u);
}

TEST_F(EngineTest, AnAbandonedPollEndsTheSession) {
    EngineClient& waiting = poll(open_polling());
    waiting.close();
    loop_.settle();
    EXPECT_TRUE(is_closed_for("transport close"));
}

TEST_F(EngineTest, AClientThatClosesLetsItsPollGo) {
    const std::string session = open_polling();
    EngineClient& waiting = poll(session);
    EXPECT_EQ(post(session, "1").body, "ok");
    EXPECT_EQ(response(waiting).body, "6");
    EXPECT_EQ(get(session).status, 400);
    EXPECT_TRUE(is_closed_for("client close"));
}

TEST_F(EngineTest, ABodyAboveMaxPayloadIs413BeforeItCameAndOneOfItIsTaken) {
    const std::string session = open_polling();
    EXPECT_EQ(post(session, "4" + std::string(999'999, 'x')).status, 200);
    EngineClient& c = client();
    c.send("POST /socket.io/?" + session +
           " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n4");
    EXPECT_EQ(response(c).status, 413);
}

TEST_F(EngineTest, AMessageLargerThanQueueAndPollPassesAlone) {
    const std::string session = open_polling();
    const std::string large = "4" + std::string(900'000, 'x');
    ASSERT_TRUE(echo().last->send(text_frame(large)));
    EXPECT_EQ(get(session).body, large);
    EngineClient& ws = open_websocket();
    ASSERT_TRUE(echo().last->send(text_frame(large)));
    EXPECT_EQ(next(ws), large);
}

TEST_F(EngineTest, WhatWaitsIsSplitOverPollsInOrder) {
    const std::string session = open_polling();
    std::string expected;
    for (int i = 0; i < 40; ++i) {
        const std::string packet = "4" + std::to_string(i) + std::string(1'000, 'x');
        ASSERT_TRUE(echo().last->send(text_frame(packet)));
        expected += packet;
    }
    std::string got;
    int polls = 0;
    for (; got.size() < expected.size(); ++polls) {
        ASSERT_LT(polls, 10);
        std::string body = get(session).body;
        EXPECT_LE(body.size(), 16u * 1024);
        std::erase(body, '\x1e');
        got += body;
    }
    EXPECT_EQ(got, expected);
    EXPECT_EQ(polls, 3);
    EXPECT_GT(echo().drained, 0);
}

TEST_F(EngineTest, AnAnswerHoldsAtMost16PacketsAndTheNextPollGetsTheRestAtOnce) {
    const std::string query = open_polling();
    Strings sent;
    for (int i = 0; i < 40; ++i) {
        sent.push_back("4" + std::to_string(i));
        ASSERT_TRUE(echo().last->send(text_frame(sent.back())));
    }

    Strings got;
    for (const std::size_t expected : {16, 16, 8}) {
        const Strings packets = packets_of(get(query).body);  // none of them waits for anything
        EXPECT_EQ(packets.size(), expected);
        got.insert(got.end(), packets.begin(), packets.end());
    }
    EXPECT_EQ(got, sent);
}

TEST_F(EngineTest, APollThatWaitsGetsAtMost16PacketsToo) {
    const std::string query = open_polling();
    EngineClient& waiting = poll(query);
    for (int i = 0; i < 17; ++i) ASSERT_TRUE(echo().last->send(text_frame("4")));

    EXPECT_EQ(packets_of(response(waiting).body).size(), 16u);
    EXPECT_EQ(get(query).body, "4");
}

TEST_F(EngineTest, WhatIsSaidAtTheEndComesInAnswersOfAtMost16PacketsWithTheCloseAsTheLast) {
    for (const bool waits : {false, true}) {
        for (const int sent : {0, 15, 16, 40}) {
            SCOPED_TRACE(std::to_string(sent) + (waits ? ", a poll waits" : ""));
            const std::string query = open_polling();
            EngineClient* const waiting = waits ? &poll(query) : nullptr;
            for (int i = 0; i < sent; ++i) ASSERT_TRUE(echo().last->send(text_frame("4")));
            echo().last->close(CloseReason::kServer);

            Strings got;
            for (int n = 0; n < 10 && (got.empty() || got.back() != "1"); ++n) {
                const std::string body =
                    n == 0 && waits ? response(*waiting).body : get(query).body;
                const Strings packets = packets_of(body);
                EXPECT_LE(packets.size(), 16u);
                got.insert(got.end(), packets.begin(), packets.end());
            }
            Strings expected(static_cast<std::size_t>(sent), "4");
            expected.emplace_back("1");
            EXPECT_EQ(got, expected);
            EXPECT_EQ(get(query).status, 400);
        }
    }
}

TEST_F(EngineTest, ASlowPollingClientIsClosedAtTheBound) {
    open_polling();
    int sent = 0;
    while (echo().last != nullptr && echo().last->send(text_frame(std::string(1'000, '4')))) ++sent;
    EXPECT_EQ(sent, 65);  // of 1,000 bytes and a header of 4 each, 64 KiB
    EXPECT_TRUE(is_closed_for("slow client"));
}

TEST_F(EngineTest, EveryAnswerOfAnAllowedOriginHasItsCorsFields) {
    const std::string origin = "Origin: https://a.example\r\n";
    for (const RawResponse& r :
         {get(kPolling, origin), get("EIO=4", origin), post(open_polling(), "4a", origin)}) {
        EXPECT_EQ(r.field("Access-Control-Allow-Origin"), "https://a.example");
        EXPECT_EQ(r.field("Access-Control-Allow-Credentials"), "true");
        EXPECT_EQ(r.field("Vary"), "Origin");
    }
    for (const std::string& begin :
         {"POST /socket.io/?" + open_polling() + " HTTP/1.1\r\nHost: x\r\n" + origin +
              "Content-Length: 1000001\r\n\r\n",  // 413
          "POST /socket.io/?" + open_polling() + " HTTP/1.1\r\nHost: x\r\n" + origin +
              "Transfer-Encoding: chunked\r\n\r\nx\r\n",  // 400
          "POST /socket.io/?" + open_polling() + " HTTP/1.1\r\nHost: x\r\n" + origin +
              "Content-Length: 2\r\n\r\n4"}) {  // 408
        EngineClient& refused = client();
        refused.send(begin);
        loop_.settle();
        clock_.advance(seconds(30));
        EXPECT_EQ(response(refused).field("Access-Control-Allow-Origin"), "https://a.example");
    }
    EngineClient& c = client();
    c.send("OPTIONS /socket.io/?EIO=4 HTTP/1.1\r\nHost: x\r\n" + origin + "\r\n");
    const RawResponse preflight = response(c);
    EXPECT_EQ(preflight.status, 204);
    EXPECT_EQ(preflight.field("Access-Control-Allow-Methods"), "GET, POST, OPTIONS");
}

TEST_F(EngineTest, ParametersComeInAnyOrderAndUnknownOnesAreIgnored) {
    EXPECT_EQ(get("t=abc&transport=polling&b64=1&EIO=4").status, 200);
}

// ---- 12, 13: heartbeat ----

TEST_F(EngineTest, APingComesAfterTheIntervalAndSilenceAfterItEndsTheSession) {
    EngineClient& ws = open_websocket();
    pass(milliseconds(24'999));
    EXPECT_EQ(all(ws), Strings());
    pass(milliseconds(1));
    EXPECT_EQ(all(ws), Strings({"2"}));
    pass(milliseconds(19'999));
    ws.send_text("4data does not count");
    all(ws);
    EXPECT_EQ(echo().open, 1);
    pass(milliseconds(1));
    EXPECT_TRUE(is_closed_for("ping timeout"));
    EXPECT_EQ(all(ws), Strings({"close:1000"}));
    EXPECT_TRUE(ends(ws));
}

TEST_F(EngineTest, APollThatComesWithTheTimeOutFindsNoSession) {
    const std::string query = open_polling();
    pass(seconds(25));

    clock_.advance(seconds(20));  // and the reactor has not looked yet
    EXPECT_EQ(get(query).body, R"({"code":1,"message":"Session ID unknown"})");
    EXPECT_EQ(echoes_[0].log, (Strings{"(ping timeout)"}));
}

TEST_F(EngineTest, NobodyIsClosedAfterAPauseWhosePongCameInTime) {
    for (int i = 0; i < 60; ++i) open_websocket();
    pass(seconds(25));

    for (const auto& one : clients_) one->send_text("3");
    clock_.advance(seconds(60));
    loop_.settle();

    EXPECT_EQ(echo().open, 60);
    for (const auto& one : clients_) EXPECT_EQ(all(*one), Strings{"2"});
}

TEST_F(EngineTest, NobodyIsClosedAfterAPauseWhosePongLiesBehindOthersInANewConnection) {
    Strings sessions;
    for (int i = 0; i < 60; ++i) sessions.push_back(open_polling());
    pass(seconds(25));
    for (const std::string& session : sessions) EXPECT_EQ(get(session).body, "2");
    ASSERT_TRUE(echo().last->send(text_frame("4hello")));

    for (const std::string& session : sessions) {
        client().get(session);  // comes first, and is not told that the session has gone
        client().post(session, "3");
    }
    clock_.advance(seconds(60));
    loop_.settle();

    ASSERT_EQ(echo().open, 60);
    EngineClient& last_poll = *clients_[clients_.size() - 2];
    EXPECT_EQ(response(last_poll).body, "4hello");
}

TEST_F(EngineTest, APingThatLeavesLateShortensTheTimeOutByALittleAtMost) {
    EngineClient& prompt = open_websocket();
    pass(milliseconds(25'015));
    EXPECT_EQ(next(prompt), "2");
    pass(milliseconds(19'985));
    EXPECT_EQ(next(prompt), "close:1000");

    EngineClient& late = open_websocket();
    pass(seconds(40));  // the server stood still
    EXPECT_EQ(next(late), "2");
    pass(milliseconds(19'979));
    EXPECT_EQ(all(late), Strings{});
    pass(milliseconds(1));
    EXPECT_EQ(next(late), "close:1000");
}

TEST_F(EngineTest, APongStartsTheIntervalAnewAndOneThatNobodyAskedForDoesNot) {
    EngineClient& ws = open_websocket();
    pass(seconds(25));
    pass(seconds(10));
    ws.send_text("3");
    EXPECT_EQ(all(ws), Strings({"2"}));
    pass(seconds(24));
    ws.send_text("3");
    EXPECT_EQ(all(ws), Strings());
    pass(seconds(1));
    EXPECT_EQ(all(ws), Strings({"2"}));
}

TEST_F(EngineTest, APingOverPollingWaitsForThePollAndGoesAhead) {
    const std::string session = open_polling();
    ASSERT_TRUE(echo().last->send(text_frame("4data")));
    pass(seconds(25));
    EXPECT_EQ(get(session).body,
              "2\x1e"
              "4data");
    pass(seconds(20));
    EXPECT_TRUE(is_closed_for("ping timeout"));
}

TEST_F(EngineTest, APingOvertakesTheQueueOfASlowClient) {
    EngineClient& ws = client(0, 4096);
    ws.upgrade(kWebSocket);
    EXPECT_TRUE(next(ws).starts_with("0{"));
    ws.read(false);
    // More than the kernel takes.
    const SharedFrame data = text_frame("4" + std::string(1'000, 'x'));
    while (echo().last->queued_bytes() < 20'000) {
        ASSERT_TRUE(echo().last->send(data));
        loop_.turn();
    }
    ASSERT_TRUE(echo().last->send(text_frame("4end")));
    pass(seconds(25));
    ws.read(true);
    Strings got;
    while (got.empty() || got.back() != "4end") {
        got.push_back(next(ws));
        ASSERT_NE(got.back(), "");  // it did not come in time
    }
    const auto ping = std::find(got.begin(), got.end(), "2");
    ASSERT_NE(ping, got.end());
    EXPECT_GT(got.end() - ping, 10);
}

TEST_F(EngineTest, APongIsAReceiptOnceForWhatWasSentBeforeItsPing) {
    EngineClient& ws = open_websocket();
    const auto ping = [&] {
        pass(seconds(25));
        EXPECT_EQ(next(ws), "2");
    };
    const auto receipts_after_pong = [&] {
        ws.send_text("3");
        all(ws);
        return std::exchange(echo().log, {}).size();
    };
    ping();
    EXPECT_EQ(receipts_after_pong(), 0u) << "nobody wants one";
    echo().last->want_receipt();
    ping();
    EXPECT_EQ(receipts_after_pong(), 1u);
    ping();
    echo().last->want_receipt();
    EXPECT_EQ(receipts_after_pong(), 0u) << "the ping was on its way already";
    ping();
    EXPECT_EQ(receipts_after_pong(), 1u);
    EXPECT_EQ(receipts_after_pong(), 0u) << "nobody asked for this pong";
}

TEST_F(EngineTest, APongWhosePingOvertookSomethingIsNoReceipt) {
    const std::string session = open_polling();
    ASSERT_TRUE(echo().last->send(text_frame("4data")));
    echo().last->want_receipt();
    pass(seconds(25));
    EXPECT_EQ(get(session).body,
              "2\x1e"
              "4data");
    post(session, "3");
    EXPECT_EQ(echo().log, Strings());
    pass(seconds(25));
    EXPECT_EQ(get(session).body, "2");
    post(session, "3");
    EXPECT_EQ(echo().log, Strings({"(receipt)"}));
}

TEST_F(EngineTest, AReceiptComesOverAnUpgrade) {
    const std::string session = open_polling();
    ASSERT_TRUE(echo().last->send(text_frame("4data")));
    echo().last->want_receipt();
    EXPECT_EQ(get(session).body, "4data");
    pass(seconds(25));  // and the ping waits for a poll
    ASSERT_TRUE(echo().last->send(text_frame("4later")));
    EngineClient& ws = client();
    ws.upgrade(upgrade_of(session));
    ws.send(EngineClient::text("2probe") + EngineClient::text("5"));
    EXPECT_EQ(all(ws), Strings({"3probe", "2", "4later"}));
    ws.send_text("3");
    all(ws);
    EXPECT_EQ(echo().log, Strings({"(upgraded)", "(receipt)"}));
}

TEST_F(EngineTest, WebSocketPingsAreAnsweredInOrderAndCountNotAsPongs) {
    EngineClient& ws = open_websocket();
    std::string pings;
    Strings pongs;
    for (char c = 'a'; c < 'k'; ++c) {
        pings += EngineClient::frame(websocket::Opcode::kPing, std::string(1, c));
        pongs.push_back("pong:" + std::string(1, c));
    }
    ws.send(pings);
    EXPECT_EQ(all(ws), pongs);
    pass(seconds(25));
    ws.send(EngineClient::frame(websocket::Opcode::kPong, ""));
    pass(seconds(20));
    EXPECT_TRUE(is_closed_for("ping timeout"));
}

TEST_F(EngineTest, AFloodOfWebSocketPingsIsBoundedAndHarmsNobodyThatReads) {
    EngineClient& ws = open_websocket();
    std::string flood;
    for (int i = 0; i < 5'000; ++i) flood += EngineClient::frame(websocket::Opcode::kPing, "x");
    ws.send(flood);
    ws.send_text("4alive");
    const Strings got = all(ws);
    EXPECT_LT(got.size(), 1'000u);
    EXPECT_EQ(got.back(), "4alive");

    EngineClient& deaf = client(0, 4096);
    deaf.upgrade(kWebSocket);
    next(deaf);
    deaf.read(false);
    Session& session = *echo().last;
    for (int i = 0; i < 200 && echo().open == 2; ++i) {
        deaf.send(flood);
        for (int turn = 0; turn < 5; ++turn) loop_.turn();
        if (echo().open < 2) break;
        ASSERT_LE(session.queued_bytes(), 64u * 1024 + 16 * 1024);
    }
}

// ---- 14: upgrade ----

TEST_F(EngineTest, AnUpgradeSendsThePollHomeAndTakesTheQueueAlongInOrder) {
    const std::string session = open_polling();
    EngineClient& waiting = poll(session);
    EngineClient& ws = probe(session);
    EXPECT_EQ(response(waiting).body, "6");
    EXPECT_EQ(get(session).body, "6");
    post(session, "4one");
    EXPECT_EQ(get(session).body, "4one");  // until `5`, over polling
    post(session, "4two");
    ASSERT_TRUE(echo().last->send(text_frame("4three")));
    ws.send(EngineClient::text("5") + EngineClient::text("4four"));
    EXPECT_EQ(all(ws), Strings({"4two", "4three", "4four"}));
    EXPECT_EQ(get(session).body, R"({"code":3,"message":"Bad request"})");
    EXPECT_EQ(post(session, "4x").status, 400);
    EXPECT_EQ(echo().open, 1);
    EXPECT_EQ(lanes_[0]->engine->probe().websocket_sessions.get(), 1u);
    EXPECT_EQ(lanes_[0]->engine->probe().polling_sessions.get(), 0u);
}

TEST_F(EngineTest, APollThatWaitsAtTheUpgradeIsAnswered) {
    const std::string session = open_polling();
    EngineClient& ws = client();
    ws.upgrade(upgrade_of(session));
    EngineClient& waiting = poll(session);
    ws.send(EngineClient::text("2probe") + EngineClient::text("5"));
    EXPECT_EQ(response(waiting).body, "6");
    EXPECT_EQ(all(ws), Strings({"3probe"}));
}

TEST_F(EngineTest, AProbeThatGoesWrongLeavesTheSessionOnPolling) {
    const std::string wrong[] = {
        EngineClient::text("2hello"),
        EngineClient::text("5"),
        EngineClient::text("4early"),
        EngineClient::text(""),
        EngineClient::frame(websocket::Opcode::kBinary, "x"),
        EngineClient::frame(websocket::Opcode::kClose, ""),
        std::string("\x81\x01x"),  // not masked
    };
    for (const std::string& bytes : wrong) {
        const std::string session = open_polling();
        EngineClient& ws = client();
        ws.upgrade(upgrade_of(session), bytes);
        EXPECT_TRUE(next(ws).starts_with("close:"));
        EXPECT_TRUE(ends(ws));
        post(session, "4still");
        EXPECT_EQ(get(session).body, "4still");
        probe(session);  // and may be tried again
    }
}

TEST_F(EngineTest, AProbeThatIsLostOrTakesTooLongLeavesTheSessionOnPolling) {
    const std::string session = open_polling();
    probe(session).close();
    loop_.settle();
    post(session, "4one");
    EXPECT_EQ(get(session).body, "4one");

    EngineClient& ws = probe(session);
    pass(seconds(10));
    EXPECT_TRUE(next(ws).starts_with("close:"));
    post(session, "4two");
    EXPECT_EQ(get(session).body, "4two");
}

TEST_F(EngineTest, ASecondWebSocketIsOpenedAndClosedAndTheFirstLives) {
    const std::string session = open_polling();
    EngineClient& first = probe(session);
    for (const bool upgraded : {false, true}) {
        SCOPED_TRACE(upgraded);
        EngineClient& second = client();
        second.upgrade(upgrade_of(session), EngineClient::text("2probe"));
        EXPECT_EQ(next(second), "close:1000");
        EXPECT_TRUE(ends(second));
        if (!upgraded) first.send_text("5");
        first.send_text("4alive");
        EXPECT_EQ(next(first), "4alive");
    }
}

TEST_F(EngineTest, ASessionThatEndsDuringAnUpgradeTakesTheProbeAlong) {
    const std::string session = open_polling();
    EngineClient& ws = probe(session);
    echo().last->close(CloseReason::kServer);
    EXPECT_EQ(next(ws), "close:1000");
    ws.send_text("5");
    EXPECT_TRUE(ends(ws));
}

TEST_F(EngineTest, AProbeThatFloodsAndDoesNotReadIsClosedAlone) {
    const std::string session = open_polling();
    EngineClient& ws = client(0, 4096);
    ws.upgrade(upgrade_of(session), EngineClient::text("2probe"));
    EXPECT_EQ(next(ws), "3probe");
    ws.read(false);
    std::string flood;
    for (int i = 0; i < 10'000; ++i) flood += EngineClient::text("2probe");
    const std::size_t before = lanes_[0]->http.connections().size();
    for (int i = 0; i < 100 && lanes_[0]->http.connections().size() == before; ++i) {
        ws.send(flood);
        for (int turn = 0; turn < 20; ++turn) loop_.turn();
    }
    EXPECT_LT(lanes_[0]->http.connections().size(), before);
    post(session, "4alive");
    EXPECT_EQ(get(session).body, "4alive");
}

// ---- 15 to 17: WebSocket ----

TEST_F(EngineTest, FramesMayComeWithTheRequestAndByteByByte) {
    EngineClient& ws = client();
    ws.upgrade(kWebSocket,
               EngineClient::frame(websocket::Opcode::kPing, "p") + EngineClient::text("4early"));
    EXPECT_TRUE(next(ws).starts_with("0{"));
    EXPECT_EQ(all(ws), Strings({"pong:p", "4early"}));
    for (const char c : EngineClient::text("4slow")) {
        ws.send(std::string_view(&c, 1));
        loop_.turn();
    }
    EXPECT_EQ(next(ws), "4slow");
}

TEST_F(EngineTest, AWebSocketOpensWithoutUpgradesToOffer) {
    EngineClient& ws = client();
    ws.upgrade(kWebSocket);
    EXPECT_NE(next(ws).find(R"("upgrades":[])"), std::string::npos);
}

TEST_F(EngineTest, BinaryIsAFrameOfItsOwn) {
    EngineClient& ws = open_websocket();
    ws.send_binary(std::string("\x01\x00\x02", 3));
    EXPECT_EQ(next(ws), "binary:" + std::string("\x01\x00\x02", 3));
}

TEST_F(EngineTest, WhatBreaksAProtocolClosesTheWebSocketWithItsCode) {
    struct Case {
        const char* name;
        std::string bytes;
        const char* close;
    };
    const Case cases[] = {
        {"not masked", std::string("\x81\x01x"), "close:1002"},
        {"no UTF-8", EngineClient::text("4\xff"), "close:1007"},
        {"too big", std::string("\x81\xff\x00\x00\x00\x00\x10\x00\x00\x00mask", 14), "close:1009"},
        {"an empty packet", EngineClient::text(""), "close:1008"},
        {"an unknown packet", EngineClient::text("x"), "close:1008"},
        {"a ping of Engine.IO", EngineClient::text("2"), "close:1008"},
        {"an open packet", EngineClient::text("0"), "close:1008"},
        {"a close frame", EngineClient::frame(websocket::Opcode::kClose, ""), "close:1000"},
        {"a close packet", EngineClient::text("1"), "close:1000"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EngineClient& ws = open_websocket();
        ws.send(c.bytes);
        EXPECT_EQ(next(ws), c.close);
        EXPECT_TRUE(ends(ws));
        EXPECT_EQ(echo().open, 0);
    }
}

TEST_F(EngineTest, AWebSocketThatIsLostEndsItsSession) {
    open_websocket().close();
    loop_.settle();
    EXPECT_TRUE(is_closed_for("transport close"));
}

TEST_F(EngineTest, ASlowWebSocketIsClosedAtTheBoundFromWithinASend) {
    EngineClient& ws = client(0, 4096);
    ws.upgrade(kWebSocket);
    next(ws);
    ws.read(false);
    const SharedFrame data = text_frame("4" + std::string(1'000, 'x'));
    int sent = 0;
    while (echo().last != nullptr && echo().last->send(data)) {
        if (++sent % 8 == 0) loop_.turn();
        ASSERT_LT(sent, 50'000);
    }
    EXPECT_TRUE(is_closed_for("slow client"));
}

TEST_F(EngineTest, AHandshakeThatIsNoneIsAnsweredAsHttpSays) {
    EngineClient& c = client();
    c.send(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 12\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    const RawResponse refused = response(c);
    EXPECT_EQ(refused.status, 426);
    EXPECT_EQ(refused.field("Sec-WebSocket-Version"), "13");
    EXPECT_EQ(echo().open, 0);
}

TEST_F(EngineTest, AClientThatIsGoneBeforeItsUpgradeAnswerOpensNothing) {
    // An answer that it does not read fills its queue; then it asks for a WebSocket.
    EngineClient& c = client(0, 4096);
    c.read(false);
    const std::string session = open_polling();
    ASSERT_TRUE(echo().last->send(text_frame("4" + std::string(8'000'000, 'x'))));
    c.get(session);
    loop_.settle();
    const std::size_t before = lanes_[0]->http.connections().size();
    c.upgrade(kWebSocket);
    loop_.settle();
    EXPECT_EQ(lanes_[0]->http.connections().size(), before - 1);
    EXPECT_EQ(echo().open, 1);  // the polling one
    EXPECT_EQ(lanes_[0]->engine->probe().opened.get(), 2u);
    EXPECT_EQ(lanes_[0]->engine->probe().websocket_sessions.get(), 0u);
}

// ---- the end ----

TEST_F(EngineTest, WhatWasSentBeforeTheCloseIsToldBeforeIt) {
    echo().act = [](Session& session) {
        session.send(text_frame("4last words"));
        session.close(CloseReason::kServer);
        EXPECT_FALSE(session.send(text_frame("4too late")));
    };
    EngineClient& ws = open_websocket();
    ws.send_text("4end");
    EXPECT_EQ(all(ws), Strings({"4last words", "close:1001"}));

    const std::string waits = open_polling();
    EngineClient& waiting = poll(waits);
    EXPECT_EQ(post(waits, "4end").body, "ok");
    EXPECT_EQ(response(waiting).body, "4last words");
    EXPECT_EQ(get(waits).body, "1") << "for itself: clients close as soon as they see it";

    const std::string comes_back = open_polling();
    post(comes_back, "4end");
    EXPECT_EQ(get(comes_back).body, "4last words");
    EXPECT_EQ(get(comes_back).body, "1");
    EXPECT_EQ(get(comes_back).status, 400);

    const std::string comes_late = open_polling();
    post(comes_late, "4end");
    pass(seconds(11));
    EXPECT_EQ(get(comes_late).status, 400);
}

TEST_F(EngineTest, EndingAllEndsThoseThatAClosingOneEndsToo) {
    std::vector<Session*> all;
    for (int i = 0; i < 3; ++i) {
        open_websocket();
        all.push_back(echo().last);
    }
    echo().at_close = [&](Session&) {
        for (Session* const session : all) session->close(CloseReason::kServer);
    };
    lanes_[0]->engine->close_all();
    EXPECT_EQ(echo().open, 0);
    EXPECT_EQ(echo().log.size(), 3u) << "each once";
    loop_.settle();
}

TEST_F(EngineTest, AHandlerMaySendAtTheOpen) {
    echo().greets = true;
    EngineClient& ws = client();
    ws.upgrade(kWebSocket);
    EXPECT_TRUE(next(ws).starts_with("0{"));
    EXPECT_EQ(next(ws), "4hello");
    EXPECT_EQ(get(open_polling()).body, "4hello");
}

TEST(Farewells, AreBoundedInBytes) {
    FakeClock clock;
    Reactor reactor(0, clock);
    Farewells farewells(reactor);
    for (int i = 0; i < 100; ++i) farewells.keep(std::to_string(i), {std::string(100'000, 'x')});
    EXPECT_LE(farewells.bytes(), Farewells::kBytesMax);
    EXPECT_TRUE(farewells.take("0"));
    EXPECT_FALSE(farewells.take("0"));
    EXPECT_FALSE(farewells.take("99"));
    clock.advance(Farewells::kKept);
    reactor.run_once();
    EXPECT_EQ(farewells.bytes(), 0u);
}

// ---- two reactors ----

TEST_F(EngineTest, ARequestForASessionOfAnotherReactorIsHandedOver) {
    const std::string session = open_polling();  // of lane 0
    EngineClient& there = client(1);
    there.post(session, "4a");
    EXPECT_EQ(response(there).body, "ok");
    EngineClient& waiting = client(1);
    waiting.get(session);
    EXPECT_EQ(response(waiting).body, "4a");
    waiting.get(session);  // the connection lives on lane 0 now
    loop_.settle();
    there.post(session, "4b");
    EXPECT_EQ(response(waiting).body, "4b");
    EXPECT_EQ(response(there).body, "ok");
    EXPECT_EQ(lanes_[1]->engine->probe().handed_over.get(), 2u);

    EngineClient& ws = client(1);
    ws.upgrade(upgrade_of(session), EngineClient::text("2probe") + EngineClient::text("5"));
    EXPECT_EQ(next(ws), "3probe");
    ws.send_text("4c");
    EXPECT_EQ(next(ws), "4c");
    EXPECT_EQ(echoes_[1].open, 0);
}

TEST_F(EngineTest, PipelinedRequestsForTwoReactorsAreAnsweredInOrder) {
    const std::string here = open_polling();
    EngineClient& c = client(1);
    c.get(kPolling);
    c.post(here, "4a");
    c.get(here);
    EXPECT_TRUE(response(c).body.starts_with("0{"));
    EXPECT_EQ(response(c).body, "ok");
    EXPECT_EQ(response(c).body, "4a");
}

TEST_F(EngineTest, ASidThatNamesAReactorThatIsNotIsUnknown) {
    EXPECT_EQ(get(std::string(kPolling) + "&sid=_____aaaaaaaaaaaaaaa").body,
              R"({"code":1,"message":"Session ID unknown"})");
}

}  // namespace
}  // namespace eventbus
