#include "socketio/server.h"

#include <algorithm>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "socketio/frames.h"
#include "support/engine_world.h"

namespace eventbus {
namespace {

using std::chrono::seconds;
using Strings = std::vector<std::string>;

class ServerTest : public EngineWorld {
 protected:
    ServerTest() : servers_{{lanes_[0]->reactor, {}}, {lanes_[1]->reactor, {}}} {
        for (std::size_t i = 0; i < 2; ++i) lanes_[i]->serve(servers_[i]);
        for (const char* of : {"/", "/chat"}) {
            Namespace& nsp = servers_[0].of(of);
            nsp.on_connect([this](const std::shared_ptr<Connecting>& connecting) {
                connections_.push_back(connecting);
                if (accepts_) accept(connecting);
            });
            nsp.on_disconnect([this](Socket& socket, CloseReason reason) {
                ended_.push_back(socket.nsp().name() + ": " + std::string(to_string(reason)));
                if (on_end_) on_end_(socket);
            });
            nsp.on("echo", [](Socket& socket, const Arguments& arguments, Ack ack) {
                std::string json = "[";
                for (const auto argument : arguments.json) {
                    json.append(json.size() > 1 ? "," : "").append(argument);
                }
                json += "]";
                if (ack) return ack(json, arguments.attachments);
                socket.emit("[\"back\"," + json + "]");
            });
            nsp.on_any([this](Socket&, std::string_view name, const Arguments&, Ack ack) {
                others_.emplace_back(name);
                acks_.push_back(std::move(ack));
            });
        }
    }
    ~ServerTest() override { end(); }

    void accept(const std::shared_ptr<Connecting>& connecting) {
        const std::string sid = "s" + std::to_string(++made_);
        if (auto socket = connecting->accept(sid, pid_, nullptr)) sockets_.push_back(socket);
    }
    // A WebSocket that has joined the main namespace.
    EngineClient& join() {
        EngineClient& ws = open_websocket();
        ws.send_text("40");
        EXPECT_TRUE(next(ws).starts_with("40{"));
        return ws;
    }

    SocketServer servers_[2];
    bool accepts_ = true;
    std::string pid_;
    int made_ = 0;
    std::vector<std::shared_ptr<Connecting>> connections_;
    std::vector<std::shared_ptr<Socket>> sockets_;
    Strings ended_;
    Strings others_;
    std::vector<Ack> acks_;
    std::function<void(Socket&)> on_end_;
};

// ---- wire notes 19, 20, 24, 25: joining and leaving ----

TEST_F(ServerTest, ConnectIsAnsweredWithTheSidAndAPidOnlyIfThereIsOne) {
    EngineClient& ws = open_websocket();
    ws.send_text(R"(40{"token":"x"})");
    EXPECT_EQ(next(ws), R"(40{"sid":"s1"})");
    EXPECT_EQ(connections_[0]->auth(), R"({"token":"x"})");
    pid_ = "p1";
    ws.send_text("40/chat,");
    EXPECT_EQ(next(ws), R"(40/chat,{"sid":"s2","pid":"p1"})");
    EXPECT_EQ(connections_[1]->auth(), "");
}

TEST_F(ServerTest, ARefusalLeavesTheConnectionOpenForAnotherNamespace) {
    accepts_ = false;
    EngineClient& ws = open_websocket();
    ws.send_text("40");
    loop_.settle();
    connections_[0]->refuse("token has expired", R"({"code":"unauthorized"})");
    EXPECT_EQ(next(ws), R"(44{"message":"token has expired","data":{"code":"unauthorized"}})");
    connections_[0]->refuse("twice");
    accepts_ = true;
    ws.send_text("40/chat");
    EXPECT_EQ(next(ws), R"(40/chat,{"sid":"s1"})");
    ws.send_text("40");  // and the refused one may be asked for again
    EXPECT_EQ(next(ws), R"(40{"sid":"s2"})");
}

TEST_F(ServerTest, AnUnknownNamespaceIsRefusedByName) {
    EngineClient& ws = open_websocket();
    for (const char* name : {"/nope", "/nope?x=1", "/ch", "/chat/"}) {
        ws.send_text("40" + std::string(name) + ",{}");
        EXPECT_EQ(next(ws), "44" + std::string(name) + R"(,{"message":"Invalid namespace"})");
    }
}

TEST_F(ServerTest, AClientThatHasJoinedNothingMaySendLittleAndBeRefusedAFewTimes) {
    EngineClient& large = open_websocket();
    large.send_text("40{\"x\":\"" + std::string(SocketServer::kConnectBytesMax, 'x') + "\"}");
    EXPECT_TRUE(next(large).starts_with("close:"));
    EngineClient& attaches = open_websocket();
    attaches.send_text(R"(451-["a",{"_placeholder":true,"num":0}])");
    attaches.send_binary("x");
    EXPECT_TRUE(next(attaches).starts_with("close:"));
    EngineClient& ws = open_websocket();
    for (std::size_t i = 1; i < SocketServer::kRefusedMax; ++i) {
        ws.send_text("40/nope");
        EXPECT_TRUE(next(ws).starts_with("44/nope"));
    }
    ws.send_text("40/nope");
    EXPECT_TRUE(next(ws).starts_with("44/nope"));
    EXPECT_TRUE(next(ws).starts_with("close:"));
    EXPECT_EQ(servers_[0].probe().malformed.get(), 3u);
}

TEST_F(ServerTest, WhatOneReadHoldsIsHandledInOrderWithTurnsOfOthersInBetween) {
    constexpr int kMessages = 40;
    EngineClient& many = join();
    EngineClient& other = join();
    Strings handled;
    Namespace& nsp = servers_[0].of("/");
    nsp.on("slow", [&](Socket&, const Arguments& arguments, const Ack&) {
        if (handled.empty()) other.send_text(R"(42["quick"])");
        handled.emplace_back(arguments.json[0]);
        clock_.advance(Reactor::kSlice);
    });
    nsp.on("quick", [&](Socket&, const Arguments&, const Ack&) { handled.emplace_back("quick"); });
    Strings expected;
    for (int i = 0; i < kMessages; ++i) {
        many.send_text("42[\"slow\"," + std::to_string(i) + "]");
        expected.push_back(std::to_string(i));
    }
    EXPECT_TRUE(loop_.run_until([&] { return handled.size() == kMessages + 1; }));
    const auto quick = std::find(handled.begin(), handled.end(), "quick");
    ASSERT_NE(quick, handled.end());
    EXPECT_LT(quick - handled.begin(), kMessages / 2);
    handled.erase(quick);
    EXPECT_EQ(handled, expected);
}

TEST_F(ServerTest, WhoJoinsNothingInTimeIsClosedInAWayThatItComesBackFrom) {
    EngineClient& ws = open_websocket();
    EngineClient& joined = join();
    ws.send_text("40/nope");
    next(ws);
    pass(seconds(10));
    EXPECT_EQ(all(ws), Strings({"close:1001"}));
    EXPECT_EQ(all(joined), Strings());
    EXPECT_EQ(servers_[0].probe().connect_timeouts.get(), 1u);
}

TEST_F(ServerTest, WhatTheReferenceClosesOverIsClosedOver) {
    const char* const packets[] = {
        "4",
        "4abc",
        "42{}",
        "42[]",
        R"(42[{"a":1}])",
        R"(42["connect"])",
        "4x",
        R"(42["a)",
        "44{}",
        "40",
        R"(42/chat,["echo"])",
        "41/chat",
        R"(42abc["echo"])",
        "40{",
        R"(42["a"]x)",
        "45-[\"a\"]",
    };
    for (const char* packet : packets) {
        SCOPED_TRACE(packet);
        EngineClient& ws = join();
        ws.send_text(packet);
        EXPECT_EQ(next(ws), "close:1008");
        EXPECT_TRUE(ends(ws));
    }
    EngineClient& first = open_websocket();
    first.send_text(R"(42["echo"])");  // before any CONNECT
    EXPECT_EQ(next(first), "close:1008");
    EXPECT_EQ(servers_[0].probe().sockets.get(), 0u);
}

TEST_F(ServerTest, ASecondConnectWhileTheFirstWaitsIsClosedOver) {
    accepts_ = false;
    EngineClient& ws = open_websocket();
    ws.send_text("40");
    ws.send_text("40");
    EXPECT_EQ(next(ws), "close:1008");
    EXPECT_FALSE(connections_[0]->is_open());
    EXPECT_EQ(connections_[0]->accept("late", "", nullptr), nullptr);
}

TEST_F(ServerTest, AClientLeavesANamespaceAndJoinsItAgain) {
    EngineClient& ws = join();
    ws.send_text("40/chat");
    next(ws);
    ws.send_text("41");
    loop_.settle();
    EXPECT_EQ(ended_, Strings({"/: client namespace disconnect"}));
    ws.send_text(R"(42/chat,["echo",1])");
    EXPECT_EQ(next(ws), R"(42/chat,["back",[1]])");
    ws.send_text("40");
    EXPECT_EQ(next(ws), R"(40{"sid":"s3"})");
}

TEST_F(ServerTest, TheServerPutsAClientOutForGoodOrSoThatItComesBack) {
    EngineClient& ws = join();
    ws.send_text("40/chat");
    next(ws);
    sockets_[1]->disconnect();
    sockets_[1]->disconnect();
    EXPECT_FALSE(sockets_[1]->emit(R"(["late"])"));
    EXPECT_EQ(all(ws), Strings({"41/chat,"}));
    sockets_[0]->emit(R"(["bye"])");
    sockets_[0]->close(CloseReason::kServer);
    EXPECT_EQ(all(ws), Strings({R"(42["bye"])", "close:1001"}));  // and no 41
    EXPECT_EQ(ended_, Strings({"/chat: server close", "/: server close"}));
}

TEST_F(ServerTest, WhatWasOnItsWayWhenTheServerPutTheClientOutEndsNothing) {
    EngineClient& ws = join();
    ws.send_text("40/chat");
    next(ws);
    sockets_[1]->disconnect();
    EXPECT_EQ(next(ws), "41/chat,");

    ws.send_text(R"(42/chat,["echo",1])");
    ws.send_text(R"(451-/chat,["echo",{"_placeholder":true,"num":0}])");
    ws.send_binary("x");
    ws.send_text("41/chat,");
    ws.send_text(R"(42["echo",2])");
    EXPECT_EQ(next(ws), R"(42["back",[2]])");
    ws.send_text("40/chat,");
    EXPECT_EQ(next(ws), R"(40/chat,{"sid":"s3"})");
    ws.send_text("41/chat,");
    ws.send_text(R"(42/chat,["echo",1])");  // now it knew

    EXPECT_EQ(all(ws), Strings({"close:1008"}));
}

TEST_F(ServerTest, ALastDisconnectReachesAPollingClientThatIsOnItsWay) {
    const std::string session = open_polling();
    post(session, "40");
    EXPECT_EQ(get(session).body, R"(40{"sid":"s1"})");
    sockets_[0]->disconnect();
    lanes_[0]->engine->close_all();
    EXPECT_EQ(get(session).body, "41");
    EXPECT_EQ(get(session).body, "1");
}

TEST_F(ServerTest, EveryNamespaceHearsOfTheEndOfTheConnectionOnce) {
    EngineClient& ws = join();
    ws.send_text("40/chat");
    next(ws);
    on_end_ = [](Socket& socket) {
        EXPECT_FALSE(socket.emit(R"(["x"])"));
        socket.close(CloseReason::kServer);
        socket.disconnect();
    };
    ws.close();
    loop_.settle();
    EXPECT_EQ(ended_, Strings({"/chat: transport close", "/: transport close"}));
    EXPECT_EQ(servers_[0].probe().sockets.get(), 0u);
}

TEST_F(ServerTest, ASocketThatIsLostWhileItIsAcceptedIsNone) {
    accepts_ = false;
    EngineClient& ws = open_websocket();
    ws.send_text("40");
    loop_.settle();
    ws.close();
    loop_.settle();
    EXPECT_FALSE(connections_[0]->is_open());
    EXPECT_EQ(connections_[0]->accept("s", "", nullptr), nullptr);
    connections_[0]->refuse("late");
    EXPECT_EQ(servers_[0].probe().connects.get(), 0u);
}

// ---- the request of a connection ----

TEST_F(ServerTest, TheRequestIsThereForEveryNamespaceAndIsLetGoOfOnceAllAreJoined) {
    accepts_ = false;
    EngineClient& ws = client();
    ws.send(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    next(ws);
    ws.send_text("40");
    ws.send_text("40/chat");
    loop_.settle();
    ASSERT_EQ(connections_.size(), 2u);
    accept(connections_[0]);
    EXPECT_EQ(connections_[1]->request().headers.find("Cookie"), "a=b");
    accept(connections_[1]);
    ws.send_text("41");
    ws.send_text("40");
    loop_.settle();
    ASSERT_EQ(connections_.size(), 3u);
    EXPECT_FALSE(connections_[2]->request().headers.contains("Cookie"));
}

TEST_F(ServerTest, AConnectThatWaitsForTheUpgradeIsAskedAgainWithItsRequest) {
    int asked = 0;
    servers_[0].of("/").on_connect([&](const std::shared_ptr<Connecting>& connecting) {
        ++asked;
        if (connecting->wait_for_upgrade()) return;
        EXPECT_TRUE(connecting->request().query.find("websocket") != std::string::npos);
        accept(connecting);
    });
    const std::string session = open_polling();
    post(session, "40");
    EXPECT_EQ(asked, 1);
    EngineClient& ws = probe(session);
    ws.send_text("5");
    EXPECT_EQ(next(ws), R"(40{"sid":"s1"})");
    EXPECT_EQ(asked, 2);
}

TEST_F(ServerTest, AConnectThatWaitsForAnUpgradeThatNeverComesIsAskedAgainBeforeTheClose) {
    int asked = 0;
    servers_[0].of("/").on_connect([&](const std::shared_ptr<Connecting>& connecting) {
        ++asked;
        if (!connecting->wait_for_upgrade()) connecting->refuse("nobody");
    });
    const std::string session = open_polling();
    post(session, "40");
    EngineClient& waiting = poll(session);
    pass(seconds(9));
    EXPECT_EQ(asked, 1);
    pass(seconds(1));
    EXPECT_EQ(asked, 2);
    EXPECT_EQ(response(waiting).body, R"(44{"message":"nobody"})");
    EXPECT_EQ(get(session).body, "1");
    EXPECT_EQ(get(session).status, 400);
}

TEST_F(ServerTest, AConnectOverAWebSocketHasNoUpgradeToWaitFor) {
    servers_[0].of("/").on_connect([](const std::shared_ptr<Connecting>& connecting) {
        EXPECT_FALSE(connecting->wait_for_upgrade());
        connecting->refuse("nobody");
    });
    EngineClient& ws = open_websocket();
    ws.send_text("40");
    EXPECT_EQ(next(ws), R"(44{"message":"nobody"})");
}

// ---- 21 to 23: events, attachments, acks ----

TEST_F(ServerTest, EventsComeToTheHandlerOfTheirNameAndOthersToOne) {
    EngineClient& ws = join();
    ws.send_text(R"(42["echo",1,"ä",{"b":[null]}])");
    EXPECT_EQ(next(ws), R"(42["back",[1,"ä",{"b":[null]}]])");
    ws.send_text(R"(42["other"])");
    ws.send_text("42[5]");
    loop_.settle();
    EXPECT_EQ(others_, Strings({"other", "5"}));
    EXPECT_EQ(servers_[0].probe().events.get(), 3u);
}

TEST_F(ServerTest, AcksAreSentOnceInAnyOrderWithTheIdsThatCame) {
    EngineClient& ws = join();
    ws.send_text(R"(42456["x"])");
    ws.send_text(R"(420["y"])");
    ws.send_text(R"(42["z"])");
    loop_.settle();
    ASSERT_EQ(acks_.size(), 3u);
    EXPECT_FALSE(acks_[2]);
    acks_[2]("[3]");
    acks_[1]("[2]");
    acks_[0]("[1]");
    acks_[0]("[1]");
    EXPECT_EQ(all(ws), Strings({"430[2]", "43456[1]"}));
    ws.send_text("4377[1]");  // an ack that nobody asked for is ignored
    ws.send_text(R"(427["echo"])");
    EXPECT_EQ(next(ws), "437[]");
}

TEST_F(ServerTest, AnAckAfterTheEndGoesNowhere) {
    EngineClient& ws = join();
    ws.send_text(R"(421["x"])");
    loop_.settle();
    ws.close();
    loop_.settle();
    acks_[0]("[1]");
    sockets_.clear();
    acks_[0]("[1]");
}

TEST_F(ServerTest, AttachmentsGoBothWaysAndPingsMayComeBetween) {
    EngineClient& ws = join();
    ws.send_text(R"(452-9["echo",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}])");
    ws.send_binary("one");
    ws.send(EngineClient::frame(websocket::Opcode::kPing, "p"));
    ws.send_text("3");  // a pong of Engine.IO
    ws.send_binary("two");
    EXPECT_EQ(
        all(ws),
        Strings({"pong:p", R"(462-9[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}])",
                 "binary:one", "binary:two"}));
}

TEST_F(ServerTest, AttachmentsComeOverPollingInTheSameOrALaterPost) {
    const std::string session = open_polling();
    post(session, "40");
    get(session);
    const std::string event = R"(451-1["echo",{"_placeholder":true,"num":0}])";
    const std::string answer = R"(461-1[{"_placeholder":true,"num":0}])"
                               "\x1e"
                               "bAQID";
    post(session, event +
                      "\x1e"
                      "bAQID");
    EXPECT_EQ(get(session).body, answer);
    post(session, event);
    post(session, "bAQID");
    EXPECT_EQ(get(session).body, answer);
}

TEST_F(ServerTest, AttachmentsThatDoNotFitCloseTheConnection) {
    const std::vector<Strings> cases = {
        {R"(451-["echo",{"_placeholder":true,"num":1}])", "binary"},
        {R"(451-["echo",{"_placeholder":true,"num":0}])", R"(42["echo"])"},
        {R"(4511-["echo"])"},
        {"binary"},
    };
    for (const Strings& packets : cases) {
        SCOPED_TRACE(packets[0]);
        EngineClient& ws = join();
        for (const std::string& packet : packets) {
            packet == "binary" ? ws.send_binary("x") : ws.send_text(packet);
        }
        EXPECT_EQ(next(ws), "close:1008");
    }
}

TEST_F(ServerTest, AHandlerMayEndTheConnectionInTheMiddleOfAPost) {
    servers_[0].of("/").on("end", [](Socket& socket, const Arguments&, Ack ack) {
        socket.close(CloseReason::kServer);
        ack("[]");
        EXPECT_FALSE(socket.emit(R"(["x"])"));
    });
    const std::string session = open_polling();
    post(session, "40");
    get(session);
    EXPECT_EQ(post(session, R"(421["end"])"
                            "\x1e"
                            R"(42["other"])")
                  .body,
              "ok");
    EXPECT_EQ(others_, Strings());
    EXPECT_EQ(get(session).body, "1");
}

TEST_F(ServerTest, ASocketThatEndsWithinAnEmitStaysUntilTheTurnIsOver) {
    const std::string session = open_polling();
    post(session, "40");
    Socket& socket = *sockets_[0];
    const std::weak_ptr<Socket> weak = socket.weak_from_this();
    sockets_.clear();

    while (socket.emit("[\"x\",\"" + std::string(1'000, 'x') + "\"]")) {
    }

    EXPECT_EQ(ended_, Strings({"/: slow client"}));
    EXPECT_FALSE(weak.expired());
    loop_.turn();
    EXPECT_TRUE(weak.expired());
}

TEST_F(ServerTest, ASlowClientIsClosedFromWithinAnEmit) {
    EngineClient& ws = client(0, 4096);
    ws.upgrade(kWebSocket);
    next(ws);
    ws.send_text("40");
    next(ws);
    ws.read(false);
    Socket& socket = *sockets_[0];
    const std::vector<std::string> attachments(2, std::string(20'000, 'x'));
    int sent = 0;
    while (socket.emit(R"(["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}])",
                       attachments)) {
        loop_.turn();
        ASSERT_LT(++sent, 5'000);
    }
    EXPECT_EQ(ended_, Strings({"/: slow client"}));
    EXPECT_FALSE(socket.is_connected());
    EXPECT_FALSE(socket.has_room());
}

TEST_F(ServerTest, WhoHadNoRoomIsToldWhenItHasAlsoAcrossAnUpgrade) {
    int drained = 0;
    servers_[0].of("/").on_drained([&](Socket&) { ++drained; });
    const std::string session = open_polling();
    post(session, "40");
    get(session);
    while (sockets_[0]->has_room()) sockets_[0]->emit(R"(["x"])");
    drained = 0;
    EngineClient& ws = probe(session);
    EXPECT_EQ(drained, 0);
    ws.send_text("5");
    loop_.settle();
    EXPECT_GE(drained, 1);
}

// ---- two reactors, each on its thread, and clients that come to the wrong one ----

TEST(SocketServerThreads, PollingClientsAreServedWhicheverReactorTheirRequestsReach) {
    const SystemClock clock;
    SystemRandom random;
    const CorsPolicy cors({});
    struct Lane final : HttpHandler {
        Lane(std::size_t index, const Clock& clock, Random& random, const CorsPolicy& cors)
            : reactor(index, clock),
              http(reactor, *this, {}),
              sockets(reactor, {}),
              engine(reactor, random, sockets, cors, {}) {}
        std::size_t body_bytes_max(const HttpRequest&) override { return 1'000'000; }
        void on_request(SharedExchange exchange) override {
            engine.on_request(std::move(exchange));
        }
        Reactor reactor;
        HttpServer http;
        SocketServer sockets;
        EngineServer engine;
        std::unique_ptr<Listener> listener;
    };
    std::unique_ptr<Lane> lanes[2];
    std::uint16_t ports[2];
    for (std::size_t i = 0; i < 2; ++i) {
        lanes[i] = std::make_unique<Lane>(i, clock, random, cors);
        lanes[i]->engine.set_hand_over(2, [&](std::size_t home, HttpExchange::Released released) {
            Lane& lane = *lanes[home];
            lane.reactor.post(
                [&lane, r = std::move(released)]() mutable { lane.http.adopt(std::move(r)); });
        });
        Namespace& nsp = lanes[i]->sockets.of("/");
        nsp.on_connect([](const std::shared_ptr<Connecting>& c) { c->accept("s", "", nullptr); });
        nsp.on("echo", [](Socket&, const Arguments& arguments, Ack ack) {
            ack("[" + std::string(arguments.json[0]) + "]");
        });
        Result<ListenSocket> socket = ListenSocket::open({"127.0.0.1", 0}, true);
        ASSERT_TRUE(socket);
        ports[i] = socket->port();
        lanes[i]->listener = std::make_unique<Listener>(
            lanes[i]->reactor, std::move(*socket),
            [&http = lanes[i]->http](Stream stream) { http.serve(std::move(stream)); });
    }
    std::vector<std::thread> threads;
    for (auto& lane : lanes) threads.emplace_back([&lane] { lane->reactor.run(); });

    const auto ask = [](EngineClient& c) {
        std::optional<RawResponse> got;
        while (!(got = c.take_response())) {
            if (!c.tick()) std::this_thread::yield();
            if (c.saw_end()) break;
        }
        return got.value_or(RawResponse{}).body;
    };
    for (std::size_t i = 0; i < 2; ++i) {
        EngineClient here(ports[i]);
        here.get("EIO=4&transport=polling");
        const std::string session = "EIO=4&transport=polling&sid=" + ask(here).substr(9, 20);
        here.post(session, "40");
        EXPECT_EQ(ask(here), "ok");
        here.get(session);
        EXPECT_EQ(ask(here), R"(40{"sid":"s"})");
        for (int n = 0; n < 50; ++n) {
            EngineClient poller(ports[(i + 1) % 2]);  // the wrong one
            EngineClient poster(ports[static_cast<std::size_t>(n) % 2]);
            poller.get(session);
            poster.post(session, "42" + std::to_string(n) + "[\"echo\",1]");
            EXPECT_EQ(ask(poller), "43" + std::to_string(n) + "[1]");
            EXPECT_EQ(ask(poster), "ok");
        }
    }

    for (auto& lane : lanes) {
        std::promise<void> done;
        lane->reactor.post([&] {
            lane->listener->stop();
            lane->engine.close_all();
            lane->http.connections().close_all();
            done.set_value();
        });
        done.get_future().wait();
    }
    for (auto& lane : lanes) lane->reactor.stop();
    for (std::thread& thread : threads) thread.join();
}

// ---- answers that the server asks for ----

TEST_F(ServerTest, TheClientIsAskedForAnAnswerAndGivesItOnce) {
    EngineClient& ws = join();
    Strings answers;
    const auto ask = [&] {
        sockets_[0]->emit_with_ack(R"(["ask",1])", seconds(5), [&](Result<Arguments> answer) {
            answers.push_back(answer ? std::string(answer->json[0]) + "," +
                                           std::to_string(answer->attachments.size())
                                     : std::string(answer.error().name()));
        });
    };
    ask();
    ask();
    EXPECT_EQ(next(ws), R"(420["ask",1])");
    EXPECT_EQ(next(ws), R"(421["ask",1])");

    ws.send_text(R"(431["second"])");
    ws.send_text(R"(430["first"])");
    ws.send_text(R"(430["again"])");
    ws.send_text(R"(4377["unknown"])");
    loop_.settle();

    EXPECT_EQ(answers, (Strings{R"("second",0)", R"("first",0)"}));
}

TEST_F(ServerTest, AnAnswerMayBeBinary) {
    EngineClient& ws = join();
    std::string got;
    sockets_[0]->emit_with_ack(R"(["ask"])", seconds(5), [&](Result<Arguments> answer) {
        if (answer) got = answer->attachments[0];
    });
    next(ws);
    ws.send_text(R"(461-0[{"_placeholder":true,"num":0}])");
    ws.send_binary("bytes");
    loop_.settle();
    EXPECT_EQ(got, "bytes");
}

TEST_F(ServerTest, AnAnswerThatDoesNotComeIsATimeoutAndOneOfALostClientIsUnavailable) {
    EngineClient& ws = join();
    Strings errors;
    const auto ask = [&](seconds timeout) {
        sockets_[0]->emit_with_ack(R"(["ask"])", timeout, [&](const Result<Arguments>& answer) {
            errors.emplace_back(answer ? "none" : answer.error().name());
        });
    };
    ask(seconds(1));
    ask(seconds(9));
    clock_.advance(seconds(2));
    loop_.settle();
    EXPECT_EQ(errors, Strings{"timeout"});

    ws.send_text("41");
    loop_.settle();
    EXPECT_EQ(errors, (Strings{"timeout", "unavailable"}));
    ask(seconds(1));
    EXPECT_EQ(errors.size(), 3u);
}

TEST_F(ServerTest, NoMoreAnswersAreWaitedForThanMayBe) {
    join();
    std::size_t refused = 0;
    for (std::size_t i = 0; i <= Socket::kAnswersMax; ++i) {
        sockets_[0]->emit_with_ack(R"(["x"])", seconds(5), [&](const Result<Arguments>& answer) {
            if (!answer && answer.error().code == ErrorCode::kTooMany) ++refused;
        });
    }
    EXPECT_EQ(refused, 1u);
}

}  // namespace
}  // namespace eventbus
