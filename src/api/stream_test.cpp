// GET /v1/stream against the real hub and a log in memory, with clients that read the bytes.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admission/memory_session_store.h"
#include "api/api.h"
#include "api/event_source.h"
#include "catalog/loader.h"
#include "log/log_reader.h"
#include "log/memory_log.h"
#include "support/fake_clock.h"
#include "support/plain_binder.h"
#include "support/plans.h"
#include "support/reactor_loop.h"
#include "support/seeded_random.h"
#include "support/served.h"

namespace eventbus {
namespace {

using std::chrono::seconds;

constexpr std::string_view kCatalog = R"(
events:
  photo.uploaded: { subject: "photo:{data.photoId}", audience: [watchers] }
rooms:
  photo: { watch: [owner] }
)";

// Takes "USER" as a token, which expires when the test says.
class Tokens final : public TokenVerifier {
 public:
    explicit Tokens(const Clock& clock) : clock_(clock) {}

    Result<SharedPrincipal> verify(std::string_view token) override {
        if (token == "bad") return Error{ErrorCode::kUnauthorized, "the signature does not fit"};
        if (clock_.wall_now() >= expire_at) return Error{ErrorCode::kTokenExpired, "it was due"};
        return std::make_shared<const Principal>(
            Principal{.id = std::string(token), .expires_at = expire_at});
    }

    Clock::WallTime expire_at = Clock::WallTime::max();

 private:
    const Clock& clock_;
};

// Answers when the test says so.
class LateWatches final : public Watches {
 public:
    void ask(WatchQuestion, Executor&, Callback<Result<WatchAnswer>> done) override {
        asked.push_back(std::move(done));
    }
    void answer(Result<WatchAnswer> answer) {
        for (auto& done : std::exchange(asked, {})) done(answer);
    }
    std::vector<Callback<Result<WatchAnswer>>> asked;
};

class NoWaker final : public Tail::Waker {
 public:
    void wake_if_asleep() override {}
};

class StreamTest : public testing::Test {
 protected:
    StreamTest() {
        log_.start();
        served_.script.act = [this](SharedExchange exchange) { api_.on_request(exchange); };
        served_.reactor.add_turn_hook([this] {
            return hub_.deliver().more == View::More::kNo ? Reactor::Again::kNo
                                                          : Reactor::Again::kAfterFlush;
        });
    }
    ~StreamTest() override {
        served_.server.connections().close_all();
        loop_.turn();
    }

    // A client that has asked for a stream and got what there is; with `receive_bytes`, one that
    // reads nothing until it is told to.
    RawClient& open(std::string_view query, std::string_view fields = {}, int receive_bytes = 0) {
        clients_.push_back(
            std::make_unique<RawClient>(RawClient::connect(served_.port, receive_bytes)));
        RawClient& client = *clients_.back();
        loop_.add(client);
        client.read(receive_bytes == 0);
        client.send("GET /v1/stream?" + std::string(query) + " HTTP/1.1\r\nHost: bus\r\n" +
                    std::string(fields) + "\r\n");
        loop_.settle();
        return client;
    }
    RawClient& open_as(std::string_view user, std::string_view more = {}) {
        return open("", "Authorization: Bearer " + std::string(user) + "\r\n" + std::string(more));
    }
    // As a browser's EventSource asks.
    RawClient& event_source(std::string_view query, std::string_view last_id = {}) {
        std::string fields = "Accept: text/event-stream\r\n";
        if (!last_id.empty()) fields += "Last-Event-ID: " + std::string(last_id) + "\r\n";
        return open(query, fields);
    }
    void drop(RawClient& client) {
        client.close();
        loop_.settle();
    }
    static int status_of(RawClient& client) {
        const std::string& text = client.received();
        return text.size() < 12 ? 0 : std::stoi(text.substr(9, 3));
    }
    // The last id that the client has seen.
    static std::string last_id(RawClient& client) {
        const auto at = client.received().rfind("id: ");
        if (at == std::string::npos) return {};
        return client.received().substr(at + 4, client.received().find('\n', at) - at - 4);
    }
    static bool has(RawClient& client, std::string_view text) {
        return client.received().find(text) != std::string::npos;
    }
    std::string ticket_of(std::string_view user) {
        clients_.push_back(std::make_unique<RawClient>(RawClient::connect(served_.port)));
        RawClient& client = *clients_.back();
        loop_.add(client);
        client.send("POST /v1/tickets HTTP/1.1\r\nHost: bus\r\nAuthorization: Bearer " +
                    std::string(user) + "\r\n\r\n");
        loop_.settle();
        const std::string& text = client.received();
        const auto at = text.find("{\"ticket\":\"") + 11;
        return text.substr(at, text.find('"', at) - at);
    }

    Position publish_to(const Room& room, std::string id, bool latest = false) {
        Plan plan = make_plan(std::move(id));
        plan.audience = {{.room = room}};
        plan.latest = latest;
        plan.event.data = R"({"text":")" + text_ + "\"}";
        plan.has_client_id = false;
        std::vector<Plan> plans;
        plans.push_back(std::move(plan));
        Position at;
        log_.append(std::move(plans), served_.reactor, [&](Result<std::vector<Receipt>> receipts) {
            ASSERT_TRUE(receipts);
            at = receipts->front().position;
        });
        loop_.settle();
        return at;
    }

    FakeClock clock_;
    SeededRandom random_{1};
    Served served_{0, clock_, {.queue_bytes_max = 64 * 1024}};
    ReactorLoop loop_{&served_.reactor};
    MemoryDisk disk_;
    PlainBinder binder_;
    MemoryLog log_{disk_, binder_, clock_, {}};
    NoWaker waker_;
    LogReader reader_{{log_, served_.reactor, clock_, waker_}, 256};
    Hub hub_{served_.reactor, clock_, log_, reader_};
    const std::shared_ptr<const Catalog> catalog_ = parse_catalog(kCatalog, "catalog.yaml").catalog;
    Publisher publisher_{
        {.log = log_, .reactor = served_.reactor, .clock = clock_, .random = random_},
        catalog_,
        10};
    LateWatches watches_;
    Tokens tokens_{clock_};
    const CorsPolicy cors_{{.origins = {"https://a.example"}}};
    SignIn sign_in_{tokens_, cors_, "cookie"};
    MemorySessions sessions_disk_;
    MemorySessionStore sessions_{sessions_disk_, clock_, {}};
    Admissions admissions_{
        {.reactor = served_.reactor,
         .clock = clock_,
         .random = random_,
         .log = log_,
         .hub = hub_,
         .watches = watches_,
         .sessions = sessions_,
         .post_at = [this](Clock::Time at,
                           Task task) { served_.reactor.post_at(at, std::move(task)); }},
        {.rooms_max = 10},
        catalog_};
    Api api_{{.reactor = served_.reactor,
              .clock = clock_,
              .log = log_,
              .publisher = publisher_,
              .admissions = admissions_,
              .sign_in = sign_in_,
              .cors = cors_,
              .metrics = [] { return std::string(); },
              .is_ready = [] { return Result<>(); },
              .resume_retention = {},
              .random = random_,
              .ticket_key = {},
              .reactors = 1,
              .hand_over = {}},
             {},
             10};
    std::string text_ = "x";
    std::vector<std::unique_ptr<RawClient>> clients_;
};

// ---- the place of a stream ----

TEST_F(StreamTest, BeginsWithAnIdFromWhichItCanComeBackBeforeItsFirstEvent) {
    publish_to(Room::user("ana"), "before");
    RawClient& first = open_as("ana");
    const std::string begin = last_id(first);
    EXPECT_EQ(begin, offset_text(log_, hub_.cursor()));
    drop(first);

    publish_to(Room::user("ana"), "missed");
    RawClient& again = open_as("ana", "Last-Event-ID: " + begin + "\r\n");

    EXPECT_TRUE(has(again, R"("id":"missed")")) << again.received();
    EXPECT_FALSE(has(again, R"("id":"before")"));
}

TEST_F(StreamTest, IsAnsweredThoughRequestsCameBehindItWhichAreNot) {
    for (const std::size_t behind : {std::size_t{1}, std::size_t{5'000}}) {
        SCOPED_TRACE(behind);
        std::string requests;
        for (std::size_t i = 0; i < behind; ++i) {
            requests += "\r\nGET /v1/stream HTTP/1.1\r\nHost: bus\r\nAuthorization: Bearer ben\r\n";
        }
        RawClient& ana = open_as("ana", requests);
        publish_to(Room::user("ana"), "hers");
        publish_to(Room::user("ben"), "another's");

        EXPECT_EQ(status_of(ana), 200);
        EXPECT_EQ(ana.received().find("HTTP/1.1"), ana.received().rfind("HTTP/1.1"));
        EXPECT_TRUE(has(ana, R"("id":"hers")"));
        EXPECT_FALSE(has(ana, R"("id":"another's")"));
        EXPECT_FALSE(ana.saw_end());
    }
}

TEST_F(StreamTest, ThatGoesOnFromAPlaceBeginsWithThatPlace) {
    const Position place = publish_to(Room::user("ana"), "seen");
    publish_to(Room::user("ben"), "another's");
    RawClient& again = open_as("ana", "Last-Event-ID: " + offset_text(log_, place) + "\r\n");
    EXPECT_EQ(last_id(again), offset_text(log_, place));
}

TEST_F(StreamTest, TellsThatAPlaceIsUnknownBeforeItsFirstId) {
    RawClient& stream = open_as("ana", "Last-Event-ID: another.7\r\n");
    const std::string& text = stream.received();
    const auto told = text.find("event: resume.unknown\n");
    ASSERT_NE(told, std::string::npos) << text;
    EXPECT_LT(told, text.find("id: ")) << text;
    EXPECT_EQ(last_id(stream), offset_text(log_, hub_.cursor()));
    EXPECT_FALSE(has(open_as("ana", "Last-Event-ID: " + last_id(stream) + "\r\n"), "unknown"));
}

TEST_F(StreamTest, AHeartbeatCarriesThePlaceSoThatWhatWasForOthersIsNotReadAgain) {
    RawClient& ana = open_as("ana");
    const Position place = publish_to(Room::user("ben"), "another's");
    EXPECT_NE(last_id(ana), offset_text(log_, place));

    clock_.advance(SseStream::kHeartbeat);
    loop_.settle();

    EXPECT_EQ(last_id(ana), offset_text(log_, place));
    EXPECT_FALSE(has(ana, "data:"));  // and that is no event
}

TEST_F(StreamTest, APlaceNeverPassesWhatWaitsForTheStream) {
    text_ = std::string(20'000, 'x');
    for (int i = 0; i < 400; ++i) publish_to(Room::user("ana"), "much");
    RawClient& ana =
        open("since=" + offset_text(log_, Position{}), "Authorization: Bearer ana\r\n", 4'096);
    for (int i = 0; i < 3; ++i) {  // it is behind, and stays so
        clock_.advance(SseStream::kHeartbeat);
        loop_.settle();
    }
    EXPECT_EQ(api_.probe().streams.get(), 1U);
    ana.read(true);
    loop_.settle();

    // From no id would it come back behind an event that it has not seen.
    const std::string& text = ana.received();
    std::uint64_t last = 0;
    std::size_t ids = 0;
    for (auto at = text.find("\nid: "); at != std::string::npos; at = text.find("\nid: ", at + 1)) {
        const Result<Offset> id =
            parse_offset(text.substr(at + 5, text.find('\n', at + 1) - at - 5));
        ASSERT_TRUE(id);
        const auto position = id->position.number();
        EXPECT_GE(position, last);
        EXPECT_LE(position, last + 1);
        last = position;
        ++ids;
    }
    EXPECT_EQ(last, 400U);
    EXPECT_GE(ids, 404U);  // the first, the heartbeats', the events'
}

// ---- slow streams ----

TEST_F(StreamTest, AStreamThatIsReadSlowlySkipsOutdatedEventsOfTypesThatAreLatest) {
    RawClient& ana = open("", "Authorization: Bearer ana\r\n", 4'096);
    text_ = std::string(10'000, 'x');
    Position last;
    for (int i = 0; i < 1'000; ++i) last = publish_to(Room::user("ana"), "tick", true);
    EXPECT_EQ(api_.probe().streams.get(), 1U);

    ana.read(true);

    EXPECT_TRUE(loop_.run_until([&] { return last_id(ana) == offset_text(log_, last); }));
    EXPECT_LT(ana.received().size(), 1'000 * text_.size() / 2);
    EXPECT_EQ(api_.probe().slow_streams.get(), 0U);
}

TEST_F(StreamTest, AStreamThatIsReadTooSlowlyIsClosedAndCounted) {
    open("", "Authorization: Bearer ana\r\n", 4'096);
    text_ = std::string(10'000, 'x');
    for (int i = 0; i < 1'000 && api_.probe().streams.get() > 0; ++i) {
        publish_to(Room::user("ana"), "event");
    }
    EXPECT_EQ(api_.probe().streams.get(), 0U);
    EXPECT_EQ(api_.probe().slow_streams.get(), 1U);
    drop(open_as("ana"));
    EXPECT_EQ(api_.probe().slow_streams.get(), 1U);
}

TEST_F(StreamTest, TakesATopicThatIsNamedAgainForOne) {
    const std::string bearer = "Authorization: Bearer ana\r\n";
    std::string query = "topic=photo:0";
    for (int i = 1; i < 10; ++i) query += "&topic=photo:" + std::to_string(i);
    open(query + "&topic=photo:0", bearer);
    EXPECT_FALSE(watches_.asked.empty());
    EXPECT_EQ(status_of(open(query + "&topic=photo:10", bearer)), 429);
}

// ---- tickets and browsers ----

TEST_F(StreamTest, ATicketOpensItsStreamAgainWithTheLastIdAndMissesNothing) {
    const std::string query = "ticket=" + ticket_of("ana");
    std::string place;
    for (int n = 0; n < 3; ++n) {
        SCOPED_TRACE(n);
        RawClient& stream = event_source(query, place);
        EXPECT_EQ(status_of(stream), 200);
        EXPECT_EQ(has(stream, "\"id\":\"" + std::to_string(n) + "\""), n > 0);
        place = last_id(stream);
        drop(stream);
        publish_to(Room::user("ana"), std::to_string(n + 1));
        clock_.advance(std::chrono::hours(1));
    }
}

TEST_F(StreamTest, AUsedTicketWithoutAPlaceOpensNothing) {
    const std::string query = "ticket=" + ticket_of("ana");
    drop(event_source(query));
    EXPECT_EQ(status_of(open(query)), 401);

    RawClient& browser = event_source(query);
    EXPECT_EQ(status_of(browser), 200);
    EXPECT_TRUE(has(browser, "event: stream.refused\ndata: {\"code\":\"unauthorized\""))
        << browser.received();
    RawClient& with_nonsense = event_source(query, "nonsense");
    EXPECT_TRUE(has(with_nonsense, "event: stream.refused\n"));
    EXPECT_EQ(api_.probe().streams.get(), 0U);
}

TEST_F(StreamTest, ATicketEndsWithItsToken) {
    tokens_.expire_at = clock_.wall_now() + seconds(100);
    const std::string query = "ticket=" + ticket_of("ana");
    RawClient& stream = event_source(query);
    const std::string place = last_id(stream);
    EXPECT_FALSE(has(stream, "token.expired"));

    clock_.advance(seconds(101));
    loop_.settle();
    EXPECT_TRUE(has(stream, "event: token.expired\ndata: {\"code\":\"token_expired\""))
        << stream.received();
    EXPECT_TRUE(has(stream, "0\r\n\r\n"));

    drop(stream);
    RawClient& again = event_source(query, place);
    EXPECT_EQ(status_of(again), 200);
    EXPECT_TRUE(has(again, "event: token.expired\n")) << again.received();
    EXPECT_EQ(api_.probe().streams.get(), 0U);
}

TEST_F(StreamTest, WhatCanPassLaterIsAnEndToAnEventSourceAndAStatusToOthers) {
    const std::string query = "topic=photo:1&ticket=" + ticket_of("ana");
    RawClient& browser = event_source(query);
    watches_.answer(Error{ErrorCode::kUnavailable, "the log has ended"});
    loop_.settle();
    EXPECT_EQ(status_of(browser), 200);
    EXPECT_TRUE(has(browser, "Content-Type: text/event-stream\r\n"));
    EXPECT_TRUE(has(browser, "\r\n\r\nretry: 2000\n: unavailable: the log has ended\n\n"))
        << browser.received();
    EXPECT_FALSE(has(browser, "event:"));

    RawClient& program =
        open("topic=photo:1", "Authorization: Bearer ana\r\nAccept: text/event-stream\r\n");
    watches_.answer(Error{ErrorCode::kUnavailable, "the log has ended"});
    loop_.settle();
    EXPECT_EQ(status_of(program), 503);
}

TEST_F(StreamTest, WhatCanNotPassIsAnEventToAnEventSource) {
    RawClient& forbidden = event_source("topic=photo:1&ticket=" + ticket_of("ana"));
    watches_.answer(Error{ErrorCode::kForbidden, "no"});
    loop_.settle();
    EXPECT_TRUE(has(forbidden,
                    "retry: 60000\nevent: stream.refused\ndata: "
                    "{\"code\":\"forbidden\",\"message\":\"no\"}\n\n"))
        << forbidden.received();

    for (const std::string_view query : {"topic=nonsense:", "topic=photo.**", "ticket=x"}) {
        SCOPED_TRACE(query);
        const std::string cookie = "Cookie: cookie=ana\r\nSec-Fetch-Site: same-origin\r\n";
        RawClient& refused = open(query, cookie + "Accept: text/event-stream\r\n");
        EXPECT_EQ(status_of(refused), 200);
        EXPECT_TRUE(has(refused, "event: stream.refused\n")) << refused.received();
    }
}

TEST_F(StreamTest, WhatTheServerAnswersByItselfCanBeReadByAnEventSourceIfItMayPass) {
    HttpRequest browser;
    browser.path = "/v1/stream";
    browser.headers.add("Accept", "text/event-stream");
    HttpRequest program = browser;
    program.headers.add("Authorization", "Bearer ana");
    HttpRequest elsewhere = browser;
    elsewhere.path = "/v1/events";
    const auto status_of = [&](const HttpRequest& request, ErrorCode code) {
        HttpResponse response = problem_response(Error{code, "detail"});
        response.close = true;
        api_.complete(request, response);
        EXPECT_TRUE(response.close);
        return response.status;
    };
    EXPECT_EQ(status_of(browser, ErrorCode::kUnavailable), 200);
    EXPECT_EQ(status_of(browser, ErrorCode::kInternal), 200);
    EXPECT_EQ(status_of(browser, ErrorCode::kTooLarge), 413);
    EXPECT_EQ(status_of(program, ErrorCode::kUnavailable), 503);
    EXPECT_EQ(status_of(elsewhere, ErrorCode::kUnavailable), 503);
}

TEST(EventSource, IsWhoAcceptsAStreamOrNamesALastIdAndSetsNoAuthorization) {
    const auto is_one = [](HttpHeaders headers) {
        HttpRequest request;
        request.headers = std::move(headers);
        return is_of_event_source(request);
    };
    EXPECT_TRUE(is_one({{"Accept", "text/event-stream"}}));
    EXPECT_TRUE(is_one({{"Accept", "text/html, Text/Event-Stream;q=0.9"}}));
    EXPECT_TRUE(is_one({{"Last-Event-ID", "e.1"}}));
    EXPECT_FALSE(is_one({{"Accept", "*/*"}}));
    EXPECT_FALSE(is_one({{"Accept", "text/event-stream"}, {"Authorization", "Bearer x"}}));
    EXPECT_FALSE(is_one({}));
}

}  // namespace
}  // namespace eventbus
