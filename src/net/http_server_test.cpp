#include "net/http_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/reactor_loop.h"
#include "support/seeded_random.h"
#include "support/served.h"

namespace eventbus {
namespace {

using std::chrono::seconds;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

std::string get(std::string_view path) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n";
}
std::string post(std::string_view body, std::string_view more = {}) {
    return "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n" + std::string(more) + "\r\n" + std::string(body);
}

class HttpServerTest : public testing::Test {
 protected:
    explicit HttpServerTest(HttpSettings settings = {.queue_bytes_max = 64 * 1024,
                                                     .connections_max = 3})
        : served_(0, clock_, settings) {}
    ~HttpServerTest() override {
        served_.script.act = nullptr;
        held_.clear();
        loop_.turn();
        served_.server.connections().close_all();
        loop_.turn();
    }

    RawClient& client(int receive_bytes = 0) {
        clients_.push_back(
            std::make_unique<RawClient>(RawClient::connect(served_.port, receive_bytes)));
        loop_.add(*clients_.back());
        return *clients_.back();
    }
    RawResponse response(RawClient& from) {
        std::optional<RawResponse> got;
        EXPECT_TRUE(loop_.run_until([&] { return (got = from.take_response()).has_value(); }));
        return got.value_or(RawResponse{});
    }
    void hold() {
        served_.script.act = [this](SharedExchange exchange) {
            held_.push_back(std::move(exchange));
        };
    }
    bool wait_for_held(std::size_t count) {
        return loop_.run_until([&] { return held_.size() == count; });
    }

    FakeClock clock_;
    Served served_;
    ReactorLoop loop_{&served_.reactor};
    std::vector<std::unique_ptr<RawClient>> clients_;
    std::vector<SharedExchange> held_;
};

TEST_F(HttpServerTest, AConnectionIsKeptForTheNextRequestUnlessTheClientSaysOtherwise) {
    RawClient& c = client();
    c.send(get("/one"));
    EXPECT_EQ(response(c).body, "/one");
    c.send("GET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const RawResponse last = response(c);
    EXPECT_EQ(last.body, "/two");
    EXPECT_EQ(last.field("Connection"), "close");
    EXPECT_TRUE(loop_.run_until([&] { return c.saw_end(); }));
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrderHoweverTheyAreCut) {
    const std::string all = get("/1") + post("body") + get("/2") + get("/3");
    for (const std::size_t piece : {all.size(), std::size_t{1}, std::size_t{7}, std::size_t{50}}) {
        SCOPED_TRACE(piece);
        RawClient& c = client();
        for (std::size_t at = 0; at < all.size(); at += piece) {
            c.send(std::string_view(all).substr(at, piece));
            loop_.turn();
        }
        for (const char* body : {"/1", "/pbody", "/2", "/3"}) EXPECT_EQ(response(c).body, body);
        c.close();
        loop_.settle();
    }
}

TEST_F(HttpServerTest, APipelinedRequestIsNotReadWithinTheAnswerBeforeIt) {
    hold();
    RawClient& c = client();
    c.send(get("/one") + get("/two") + get("/three"));
    ASSERT_TRUE(wait_for_held(1));
    for (std::size_t n = 1; n <= 2; ++n) {
        held_[n - 1]->respond(text_response(200, held_[n - 1]->request.path));
        EXPECT_EQ(held_.size(), n);
        ASSERT_TRUE(wait_for_held(n + 1));
    }
    held_[2]->respond(text_response(200, held_[2]->request.path));
    for (const char* body : {"/one", "/two", "/three"}) EXPECT_EQ(response(c).body, body);
}

TEST_F(HttpServerTest, APipelinedRequestWaitsForTheAnswerBeforeIt) {
    hold();
    RawClient& c = client();
    c.send(get("/1") + get("/2"));
    ASSERT_TRUE(wait_for_held(1));
    loop_.settle();
    EXPECT_EQ(held_.size(), 1u);

    held_[0]->respond(text_response(200, "first"));
    ASSERT_TRUE(wait_for_held(2));
    held_[1]->respond(text_response(200, "second"));

    EXPECT_EQ(response(c).body, "first");
    EXPECT_EQ(response(c).body, "second");
}

TEST_F(HttpServerTest, WhatIsSentBehindARequestThatWaitsIsBoundedByTheKernel) {
    hold();
    RawClient& c = client();
    c.send(get("/1"));
    ASSERT_TRUE(wait_for_held(1));
    std::string much;
    while (much.size() < 100'000) much += kGet;
    c.send(much);
    loop_.settle();

    served_.script.act = nullptr;
    held_[0]->respond(text_response(200, "now"));
    held_.clear();
    EXPECT_EQ(response(c).body, "now");
    std::size_t answers = 0;
    ASSERT_TRUE(loop_.run_until([&] {
        while (c.take_response()) ++answers;
        return answers == much.size() / kGet.size();
    }));
}

TEST_F(HttpServerTest, ARequestThatDoesNotComeWholeInTimeIs408) {
    RawClient& half_a_head = client();
    half_a_head.send("GET / HTTP/1.1\r\nHo");
    RawClient& half_a_body = client();
    half_a_body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    RawClient& silent = client();
    loop_.settle();

    clock_.advance(seconds(9));
    loop_.settle();
    EXPECT_EQ(half_a_head.received(), "");
    clock_.advance(seconds(2));

    EXPECT_EQ(response(half_a_head).status, 408);
    EXPECT_TRUE(loop_.run_until([&] { return silent.saw_end(); }));
    EXPECT_EQ(silent.received(), "");
    EXPECT_EQ(half_a_body.received(), "");
    clock_.advance(seconds(20));  // a body has 30 s

    EXPECT_EQ(response(half_a_body).status, 408);
    EXPECT_EQ(served_.server.probe().timeouts.get(), 3u);
}

TEST_F(HttpServerTest, AnIdleConnectionIsClosedAndAnAnsweredOneIsNotTimedAsARequest) {
    RawClient& c = client();
    c.send(kGet);
    response(c);
    clock_.advance(seconds(60));
    loop_.settle();
    EXPECT_FALSE(c.saw_end());
    c.send(kGet);
    response(c);
    clock_.advance(seconds(76));
    EXPECT_TRUE(loop_.run_until([&] { return c.saw_end(); }));
    EXPECT_EQ(c.received(), "");
}

class HttpServerAfterAPauseTest : public HttpServerTest {
 protected:
    HttpServerAfterAPauseTest() : HttpServerTest({.connections_max = 200}) {}

    static constexpr auto kPause = seconds(100);  // longer than any of its time-outs
};

TEST_F(HttpServerAfterAPauseTest, KeptConnectionsAreServedWhatTheyWereSent) {
    for (int i = 0; i < 100; ++i) {
        client().send(kGet);
        response(*clients_.back());
    }

    for (const auto& one : clients_) one->send(post("hi"));
    clock_.advance(kPause);

    for (const auto& one : clients_) ASSERT_EQ(response(*one).body, "/phi");
}

TEST_F(HttpServerAfterAPauseTest, RequestsWhoseRestCameInTimeAreServed) {
    const std::string whole = post("hi");
    for (int i = 0; i < 100; ++i) {
        client().send(whole.substr(0, i % 2 == 0 ? 20 : whole.size() - 1));
    }
    loop_.settle();

    for (std::size_t i = 0; i < clients_.size(); ++i) {
        clients_[i]->send(whole.substr(i % 2 == 0 ? 20 : whole.size() - 1));
    }
    clock_.advance(kPause);

    for (const auto& one : clients_) ASSERT_EQ(response(*one).body, "/phi");
    EXPECT_EQ(served_.server.probe().timeouts.get(), 0u);
}

TEST_F(HttpServerAfterAPauseTest, ABodyOfSeveralReadsThatCameInTimeIsServed) {
    served_.script.body_max = 1 << 20;
    RawClient c = served_.roomy_client();
    loop_.add(c);
    const std::string whole = post(std::string(300'000, 'x'));
    c.send(whole.substr(0, 1'000));
    loop_.settle();

    c.send(whole.substr(1'000));
    ASSERT_FALSE(c.wants_to_send());
    clock_.advance(kPause);

    EXPECT_EQ(response(c).body.size(), 300'002u);
    loop_.forget(c);
}

TEST_F(HttpServerTest, ARequestThatIsBeingAnsweredHasNoTimeLimit) {
    hold();
    RawClient& c = client();
    c.send(kGet);
    ASSERT_TRUE(wait_for_held(1));
    clock_.advance(seconds(1'000));
    loop_.settle();
    held_[0]->respond(text_response(200, "late"));
    EXPECT_EQ(response(c).body, "late");
}

TEST_F(HttpServerTest, ABodyAboveTheLimitIs413WithoutBeingReadAndOneOfTheLimitIsTaken) {
    RawClient& fits = client();
    fits.send(post(std::string(100, 'x')));
    EXPECT_EQ(response(fits).status, 200);

    RawClient& much = client();
    much.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n");
    const RawResponse refused = response(much);
    EXPECT_EQ(refused.status, 413);
    EXPECT_EQ(refused.field("Connection"), "close");
    EXPECT_TRUE(loop_.run_until([&] { return much.saw_end(); }));
}

TEST_F(HttpServerTest, AnAnswerToHeadHasNoBodyThoughTheRequestBrokeHttp) {
    RawClient& c = client();
    c.send("HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
    ASSERT_TRUE(loop_.run_until([&] { return c.saw_end(); }));
    EXPECT_TRUE(c.received().starts_with("HTTP/1.1 413 ")) << c.received();
    EXPECT_TRUE(c.received().ends_with("\r\n\r\n")) << c.received();
}

TEST_F(HttpServerTest, NothingAfterAMalformedRequestIsReadAsOne) {
    RawClient& c = client();
    c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" +
           get("/smuggled"));
    EXPECT_EQ(response(c).status, 400);
    EXPECT_TRUE(loop_.run_until([&] { return c.saw_end(); }));
    EXPECT_TRUE(served_.script.paths.empty());
    EXPECT_EQ(c.received(), "");
}

TEST_F(HttpServerTest, AClientThatWaitsToSendItsBodyIsToldToGoOn) {
    RawClient& c = client();
    c.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    ASSERT_TRUE(loop_.run_until([&] { return !c.received().empty(); }));
    EXPECT_EQ(c.received(), kContinue);
    c.received().clear();
    c.send("ok");
    EXPECT_EQ(response(c).body, "/pok");
}

TEST_F(HttpServerTest, AClientThatGoesAwayAbortsItsRequestOnce) {
    hold();
    RawClient& c = client();
    c.send(kGet);
    ASSERT_TRUE(wait_for_held(1));
    int aborts = 0;
    held_[0]->on_abort([&] {
        ++aborts;
        held_.clear();  // as who waits for it does: the exchange ends in its own call
    });

    c.close();
    loop_.settle();

    EXPECT_EQ(aborts, 1);
    EXPECT_EQ(served_.server.connections().size(), 0u);
}

TEST_F(HttpServerTest, AnAnswerToAClientThatHasGoneDoesNothing) {
    hold();
    RawClient& c = client();
    c.send(kGet);
    ASSERT_TRUE(wait_for_held(1));
    held_[0]->on_abort([] {});
    c.close();
    loop_.settle();

    EXPECT_FALSE(held_[0]->is_open());
    EXPECT_FALSE(held_[0]->respond(text_response(200, "to nobody")));
}

TEST_F(HttpServerTest, AClientThatHasClosedItsSideGetsTheAnswersToWhatItHasSent) {
    hold();
    RawClient& c = client();
    c.send(post("first") + get("/second"));
    ASSERT_TRUE(wait_for_held(1));
    c.shut_down();
    loop_.settle();

    ASSERT_TRUE(held_[0]->is_open());
    EXPECT_TRUE(held_[0]->respond(text_response(200, "one")));
    EXPECT_EQ(response(c).body, "one");
    ASSERT_TRUE(wait_for_held(2));
    EXPECT_TRUE(held_[1]->respond(text_response(200, "two")));
    EXPECT_EQ(response(c).body, "two");
    EXPECT_TRUE(loop_.run_until([&] { return c.saw_end(); }));
    EXPECT_EQ(served_.server.connections().size(), 0u);
}

TEST_F(HttpServerTest, AnAnswerThatLeavesSlowlyIsNotCutWhenTheClientClosesItsSide) {
    const std::string large(4 << 20, 'x');  // more than the kernel takes
    served_.script.act = [&](const SharedExchange& exchange) {
        exchange->respond(text_response(200, large));
    };
    RawClient& c = client(4'096);
    c.read(false);
    c.send(kGet);
    loop_.settle();
    c.shut_down();
    loop_.settle();

    c.read(true);
    EXPECT_EQ(response(c).body.size(), large.size());
    EXPECT_TRUE(loop_.run_until([&] { return c.saw_end(); }));
}

TEST_F(HttpServerTest, WhoWaitsLongIsToldThatTheClientHasClosedItsSide) {
    hold();
    RawClient& c = client();
    c.send(kGet);
    ASSERT_TRUE(wait_for_held(1));
    bool aborted = false;
    held_[0]->on_abort([&] { aborted = true; });
    c.shut_down();
    EXPECT_TRUE(loop_.run_until([&] { return aborted && c.saw_end(); }));
}

TEST_F(HttpServerTest, APartOfARequestOfAClientThatHasClosedItsSideIsWaitedForNoLonger) {
    RawClient& c = client();
    c.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    loop_.settle();
    c.shut_down();
    EXPECT_TRUE(loop_.run_until([&] { return c.saw_end(); }));
    EXPECT_EQ(served_.server.connections().size(), 0u);
}

TEST_F(HttpServerTest, ASecondAnswerIsNoAnswer) {
    hold();
    RawClient& c = client();
    c.send(kGet);
    ASSERT_TRUE(wait_for_held(1));
    EXPECT_TRUE(held_[0]->respond(text_response(200, "one")));
    EXPECT_FALSE(held_[0]->respond(text_response(200, "two")));
    EXPECT_EQ(response(c).body, "one");
    loop_.settle();
    EXPECT_EQ(c.received(), "");
}

TEST_F(HttpServerTest, ADroppedRequestIsAnswered500) {
    served_.script.act = [](const SharedExchange&) {};
    RawClient& c = client();
    c.send(kGet);
    EXPECT_EQ(response(c).status, 500);
}

TEST_F(HttpServerTest, AClientThatDoesNotTakeItsAnswersIsClosedWithoutAnAbortFromWithin) {
    // To pipelined requests of a client that reads nothing; the large one finds too little room.
    bool aborted = false;
    std::size_t refused = 0;
    served_.script.act = [&](const SharedExchange& exchange) {
        exchange->on_abort([&] { aborted = true; });
        const bool is_blocked = exchange->connection()->queued_bytes() > 0;
        const std::size_t bytes = is_blocked ? 60'000 : 20'000;
        if (!exchange->respond(text_response(200, std::string(bytes, 'x')))) ++refused;
    };
    RawClient& c = client(4096);
    c.read(false);
    ASSERT_TRUE(loop_.run_until([&] { return served_.server.connections().size() == 1; }));
    for (int i = 0; i < 2'000 && served_.server.connections().size() > 0; ++i) {
        c.send(kGet);
        loop_.turn();
    }
    EXPECT_EQ(served_.server.connections().size(), 0u);
    EXPECT_EQ(refused, 1u);
    EXPECT_FALSE(aborted);
}

TEST_F(HttpServerTest, AnswersAboveTheQueuesBoundPassIfNothingElseWaits) {
    served_.script.act = [](const SharedExchange& exchange) {
        exchange->respond(text_response(200, std::string(300'000, 'x')));
    };
    RawClient& c = client();
    c.send(kGet);
    EXPECT_EQ(response(c).body.size(), 300'000u);
}

TEST_F(HttpServerTest, AnUpgradeHandsTheNextProtocolTheBytesBehindTheRequest) {
    struct Echo final : Protocol {
        explicit Echo(Connection& c) : connection(c) {}
        void on_bytes(std::span<char> bytes) override {
            connection.push(std::string(bytes.data(), bytes.size()));
        }
        void on_closed() override {}
        Connection& connection;
    };
    served_.script.act = [](const SharedExchange& exchange) {
        auto next = std::make_unique<Echo>(*exchange->connection());
        Echo& echo = *next;
        std::string rest = exchange->upgrade("HTTP/1.1 101 X\r\n\r\n", std::move(next));
        echo.on_bytes(rest);
    };
    RawClient& c = client();
    c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst");
    ASSERT_TRUE(loop_.run_until([&] { return c.received().ends_with("first"); }));
    c.send(" second");
    ASSERT_TRUE(loop_.run_until([&] { return c.received().ends_with("first second"); }));
    EXPECT_TRUE(c.received().starts_with("HTTP/1.1 101 X\r\n\r\n"));
    clock_.advance(seconds(1'000));  // no time-out of HTTP is left
    loop_.settle();
    EXPECT_FALSE(c.saw_end());
}

TEST_F(HttpServerTest, AboveItsConnectionsItRefusesWithAWordAndFarAboveWithout) {
    std::vector<RawClient*> kept;
    kept.reserve(3);
    for (int i = 0; i < 3; ++i) kept.push_back(&client());
    loop_.settle();
    RawClient& one_more = client();
    one_more.send(kGet);
    const RawResponse refused = response(one_more);
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.field("Completed"), "/a");  // by who knows what the client can read
    EXPECT_TRUE(loop_.run_until([&] { return one_more.saw_end(); }));

    for (std::size_t i = 0; i <= HttpServer::kRefusedMax; ++i) client();
    loop_.settle();
    EXPECT_LE(served_.server.connections().size(), 3 + HttpServer::kRefusedMax);
    EXPECT_TRUE(loop_.run_until([&] { return clients_.back()->saw_end(); }));
    EXPECT_EQ(clients_.back()->received(), "");

    kept[0]->send(kGet);
    EXPECT_EQ(response(*kept[0]).status, 200);
}

// Has room for three connections that were admitted, which a request to /in is, and four others.
class HttpServerStrangersTest : public testing::Test {
 protected:
    explicit HttpServerStrangersTest(std::size_t strangers_max = 4)
        : strangers_(strangers_max, random_),
          served_(0, clock_, {.connections_max = 3, .budget = budget_}, &strangers_) {
        served_.script.act = [](const SharedExchange& exchange) {
            if (exchange->request.path == "/in") exchange->connection()->admit();
            exchange->respond(text_response(200, exchange->request.path));
        };
    }
    ~HttpServerStrangersTest() override {
        served_.server.connections().close_all();
        loop_.turn();
        EXPECT_EQ(strangers_.size(), 0U);
    }

    RawClient& client() {
        clients_.push_back(std::make_unique<RawClient>(RawClient::connect(served_.port, 0)));
        loop_.add(*clients_.back());
        loop_.settle();
        return *clients_.back();
    }
    int status(RawClient& client, std::string_view path) {
        client.send(get(path));
        std::optional<RawResponse> got;
        EXPECT_TRUE(loop_.run_until(
            [&] { return (got = client.take_response()).has_value() || client.saw_end(); }));
        return got ? got->status : 0;
    }

    FakeClock clock_;
    SeededRandom random_{1};
    std::shared_ptr<ConnectionBudget> budget_ = std::make_shared<ConnectionBudget>(16);
    Strangers strangers_;
    Served served_;
    ReactorLoop loop_{&served_.reactor};
    std::vector<std::unique_ptr<RawClient>> clients_;
};

TEST_F(HttpServerStrangersTest, OneOfWhomNothingIsKnownMakesRoomForAnother) {
    RawClient& known = client();
    EXPECT_EQ(status(known, "/in"), 200);
    RawClient& oldest = client();
    for (int i = 0; i < 4; ++i) client();

    EXPECT_TRUE(oldest.saw_end());
    EXPECT_EQ(strangers_.size(), 4U);
    EXPECT_EQ(status(known, "/a"), 200);
    EXPECT_EQ(status(*clients_.back(), "/a"), 200);
    EXPECT_EQ(served_.server.probe().refused.get(), 0U);
}

TEST_F(HttpServerStrangersTest, WhenAllPlacesAreOfKnownOnesANewOneIsTold) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(status(client(), "/in"), 200);
    EXPECT_EQ(status(client(), "/a"), 503);
    clients_.front()->close();
    loop_.settle();
    EXPECT_EQ(status(client(), "/a"), 200);
}

class HttpServerFewDescriptorsTest : public HttpServerStrangersTest {
 protected:
    HttpServerFewDescriptorsTest() : HttpServerStrangersTest(100) {}
};

TEST_F(HttpServerFewDescriptorsTest, OneOfWhomNothingIsKnownMakesRoomForAll) {
    for (int i = 0; i < 30; ++i) client();
    EXPECT_EQ(status(client(), "/in"), 200);
    EXPECT_EQ(served_.server.probe().refused.get(), 0U);
    EXPECT_TRUE(budget_->has_room_to_tell());
}

// Of one process, whose reactors get connections as the kernel likes.
TEST(HttpServers, ShareTheConnectionsThatThereAreDescriptorsFor) {
    FakeClock clock;
    const HttpSettings settings{.budget = std::make_shared<ConnectionBudget>(16)};
    Served one(0, clock, settings);
    Served other(1, clock, settings);
    ReactorLoop loop{&one.reactor, &other.reactor};
    std::vector<std::unique_ptr<RawClient>> clients;
    const auto connect = [&](Served& to) -> RawClient& {
        clients.push_back(std::make_unique<RawClient>(RawClient::connect(to.port)));
        loop.add(*clients.back());
        return *clients.back();
    };
    const auto status = [&](RawClient& client) {
        std::optional<RawResponse> got;
        EXPECT_TRUE(loop.run_until(
            [&] { return (got = client.take_response()).has_value() || client.saw_end(); }));
        return got ? got->status : 0;
    };

    for (int i = 0; i < 14; ++i) connect(i < 10 ? one : other).send(kGet);
    for (const auto& client : clients) ASSERT_EQ(status(*client), 200);
    for (Served* const to : {&one, &other}) {  // the last two are told
        RawClient& told = connect(*to);
        told.send(kGet);
        EXPECT_EQ(status(told), 503);
    }
    EXPECT_EQ(status(connect(one)), 0);
    EXPECT_EQ(status(connect(other)), 0);

    clients.clear();  // all of them go
    loop = ReactorLoop{&one.reactor, &other.reactor};
    ASSERT_TRUE(loop.run_until([&] { return settings.budget->open() == 0; }));
    connect(other).send(kGet);
    EXPECT_EQ(status(*clients.back()), 200);
    for (Served* const served : {&one, &other}) {
        served->server.connections().close_all();
        served->reactor.run_once();
    }
}

TEST_F(HttpServerTest, WhatItAnswersByItselfIsCompletedByTheHandler) {
    const auto answer_to = [this](std::string_view request) {
        RawClient& c = client();
        c.send(request);
        loop_.settle();
        clock_.advance(seconds(40));
        std::string field = response(c).field("Completed");
        c.close();
        loop_.settle();
        return field;
    };
    EXPECT_EQ(answer_to("no request\r\n\r\n"), "unread");
    EXPECT_EQ(answer_to("GET / HTTP/1.1\r\nHo"), "unread");
    EXPECT_EQ(answer_to("POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n"), "/long");
    EXPECT_EQ(answer_to("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"), "/slow");
    served_.script.act = [](const SharedExchange&) {};
    EXPECT_EQ(answer_to(get("/dropped")), "/dropped");
    served_.server.stop_keeping_alive();
    EXPECT_EQ(answer_to(get("/refused")), "/refused");
}

TEST_F(HttpServerTest, WhenItStopsKeepingAliveOpenConnectionsEndAfterTheirNextAnswer) {
    RawClient& c = client();
    loop_.settle();
    served_.server.stop_keeping_alive();
    c.send(kGet);
    EXPECT_EQ(response(c).field("Connection"), "close");
    EXPECT_TRUE(loop_.run_until([&] { return c.saw_end(); }));
    RawClient& late = client();
    late.send(kGet);
    EXPECT_EQ(response(late).status, 503);
}

TEST_F(HttpServerTest, ARequestIsHandedOverWithWhatIsUnsentAndWhatFollows) {
    // The second of three pipelined requests belongs to another reactor; the answer to the first
    // has not left yet.
    Served other(1, clock_, {});
    ReactorLoop both{&served_.reactor, &other.reactor};
    served_.script.act = [&](const SharedExchange& exchange) {
        if (exchange->request.path == "/1") {
            exchange->respond(text_response(200, "here"));
            return;
        }
        other.reactor.post([&other, released = exchange->release()]() mutable {
            other.server.adopt(std::move(released));
        });
    };
    RawClient c = RawClient::connect(served_.port);
    both.add(c);
    c.send(get("/1") + get("/2") + get("/3"));

    std::string bodies;
    ASSERT_TRUE(both.run_until([&] {
        while (const auto got = c.take_response()) bodies += got->body;
        return bodies.size() == 8;
    }));
    EXPECT_EQ(bodies, "here/2/3");
    EXPECT_EQ(served_.server.probe().requests.get() + other.server.probe().requests.get(), 3u);
    EXPECT_EQ(served_.server.connections().size(), 0u);
    EXPECT_EQ(other.server.connections().size(), 1u);
    other.server.connections().close_all();
    both.settle();
}

// Reactors end one after the other, so one that is done may be handed a request by one that is not.
TEST_F(HttpServerTest, AServerThatHasClosedAllItsConnectionsTakesNoMore) {
    Served other(1, clock_, {});
    ReactorLoop both{&served_.reactor, &other.reactor};
    served_.script.act = [&](const SharedExchange& exchange) {
        other.reactor.post([&other, released = exchange->release()]() mutable {
            other.server.adopt(std::move(released));
        });
    };
    other.server.connections().close_all();
    RawClient handed_over = RawClient::connect(served_.port);
    RawClient accepted = RawClient::connect(other.port);
    both.add(handed_over);
    both.add(accepted);
    handed_over.send(kGet);

    EXPECT_TRUE(both.run_until([&] { return handed_over.saw_end() && accepted.saw_end(); }));
    EXPECT_EQ(other.server.connections().size(), 0u);
    EXPECT_EQ(other.script.paths.size(), 0u);
}

TEST_F(HttpServerTest, ARequestThatWaitsForItsContinueCanBeHandedOver) {
    Served other(1, clock_, {});
    ReactorLoop both{&served_.reactor, &other.reactor};
    served_.script.act = [&](const SharedExchange& exchange) {
        other.reactor.post([&other, released = exchange->release()]() mutable {
            other.server.adopt(std::move(released));
        });
    };
    RawClient c = RawClient::connect(served_.port);
    both.add(c);
    c.send(post("hi", "Expect: 100-continue\r\n"));

    ASSERT_TRUE(both.run_until([&] { return c.received().ends_with("/phi"); }));
    EXPECT_TRUE(c.received().starts_with(kContinue));
    other.server.connections().close_all();
    both.settle();
}

TEST(ListenSocket, AnAddressThatAnotherListensOnIsRefusedWithTheMend) {
    const Result<ListenSocket> first = ListenSocket::open({"127.0.0.1", 0}, true);
    ASSERT_TRUE(first);
    const Result<ListenSocket> second = ListenSocket::open({"127.0.0.1", first->port()}, true);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().detail.find("another process listens"), std::string::npos);
    EXPECT_TRUE(ListenSocket::open({"127.0.0.1", first->port()}, false));  // a reactor of ours
}

}  // namespace
}  // namespace eventbus
