// Members of groups behind the real gateway, groups and sockets, with clients that read bytes.

#include "gateway/group_seats.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "admission/memory_session_store.h"
#include "catalog/loader.h"
#include "gateway/gateway.h"
#include "groups/memory_group_store.h"
#include "log/log_reader.h"
#include "log/memory_log.h"
#include "support/engine_world.h"
#include "support/plain_binder.h"
#include "support/plans.h"

namespace eventbus {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLargeQueue = std::size_t{64} << 20U;

std::shared_ptr<const Catalog> catalog(const std::string& more = {}) {
    return parse_catalog("events: { photo.uploaded: {}, photo.gone: {} }\n" + more, "catalog.yaml")
        .catalog;
}
const std::string kAdmitsApi = "groups: { worker: { members: [\"service:api\"] } }\n";

// Takes the name of a service as its token.
class Services final : public TokenVerifier {
 public:
    Result<SharedPrincipal> verify(std::string_view token) override {
        return std::make_shared<const Principal>(
            Principal{.kind = Principal::Kind::kService, .id = std::string(token)});
    }
};

class NoWatches final : public Watches {
 public:
    void ask(WatchQuestion, Executor&, Callback<Result<WatchAnswer>>) override { ADD_FAILURE(); }
};

class NoWaker final : public Tail::Waker {
 public:
    void wake_if_asleep() override {}
};

class GroupSeatsTest : public EngineWorld {
 protected:
    GroupSeatsTest()
        : EngineWorld({.queue_bytes_max = kLargeQueue}, {.queue_bytes_max = kLargeQueue}) {
        lanes_[0]->serve(sockets_);
        lanes_[1]->serve(other_sockets_);
        gateway_.serve(sockets_);
        log_.start();
        reactor_.add_turn_hook([this] {
            const View::Next next = both(hub_.deliver(), groups_.deliver());
            return next.more == View::More::kNo ? Reactor::Again::kNo : Reactor::Again::kAfterFlush;
        });
    }
    ~GroupSeatsTest() override { end(); }

    // A socket of `service` that is a member of the group; with `receive_bytes`, of a client that
    // takes little at once.
    EngineClient& member(const std::string& service, const std::string& group,
                         const std::string& topic, int receive_bytes = 0) {
        EngineClient& ws = client(0, receive_bytes);
        ws.upgrade(kWebSocket);
        EXPECT_TRUE(next(ws).starts_with("0{"));
        ws.send_text("40{\"token\":\"" + service + "\"}");
        EXPECT_TRUE(next(ws).starts_with("40{"));
        ws.send_text(R"(421["subscribe",")" + topic + R"(",{"group":")" + group + "\"}]");
        EXPECT_TRUE(next(ws).starts_with(R"(431[{"ok":true)"));
        return ws;
    }
    void publish(std::size_t events, std::size_t bytes) {
        for (std::size_t i = 0; i < events; ++i) {
            Plan plan = make_plan("e" + std::to_string(++published_));
            plan.event.data = "{\"x\":\"" + std::string(bytes, 'x') + "\"}";
            std::vector<Plan> plans;
            plans.push_back(std::move(plan));
            log_.append(std::move(plans), reactor_, [](const auto& done) { ASSERT_TRUE(done); });
        }
        loop_.settle();
    }
    Groups::Status status() { return groups_.statuses().at(0); }
    void load(const std::string& more) {
        gateway_.set_catalog(catalog(more));
        loop_.settle();
    }

    Reactor& reactor_ = lanes_[0]->reactor;
    MemoryDisk disk_;
    PlainBinder binder_;
    MemoryLog log_{disk_, binder_, clock_, {}};
    NoWaker waker_;
    LogReader reader_{{log_, reactor_, clock_, waker_}, 1'000};
    LogReader groups_reader_{{log_, reactor_, clock_, waker_}, 1'000};
    Hub hub_{reactor_, clock_, log_, reader_};
    MemoryGroupStore store_;
    const GroupSettings settings_{.ack_wait = 1s};
    Groups groups_{{.log = log_,
                    .reader = groups_reader_,
                    .store = store_,
                    .clock = clock_,
                    .random = random_,
                    .reactor = reactor_,
                    .on_listed = {},
                    .on_exists = [this](const GroupKey& group,
                                        bool exists) { directory_.post_exists(group, exists); }},
                   settings_,
                   {}};
    GroupsDirectory directory_{{{&reactor_, &groups_}}, GroupNames(100)};
    NoWatches watches_;
    MemorySessions sessions_disk_;
    MemorySessionStore sessions_{sessions_disk_, clock_, {}};
    Publisher publisher_{
        {.log = log_, .reactor = reactor_, .clock = clock_, .random = random_}, catalog(), 10};
    Admissions admissions_{
        {.reactor = reactor_,
         .clock = clock_,
         .random = random_,
         .log = log_,
         .hub = hub_,
         .watches = watches_,
         .sessions = sessions_,
         .post_at = [this](Clock::Time at, Task task) { reactor_.post_at(at, std::move(task)); }},
        {},
        catalog()};
    Services tokens_;
    Gateway gateway_{{.reactor = reactor_,
                      .clock = clock_,
                      .random = random_,
                      .log = log_,
                      .publisher = publisher_,
                      .admissions = admissions_,
                      .groups = directory_,
                      .tokens = tokens_,
                      .cors = cors_},
                     {.queue_bytes_max = kLargeQueue, .group_in_flight_default = 500},
                     catalog()};
    SocketServer sockets_{reactor_, {}};
    SocketServer other_sockets_{lanes_[1]->reactor, {}};
    std::size_t published_ = 0;
};

TEST_F(GroupSeatsTest, TheTimeForAnAnswerBeginsWhenTheConnectionHasTakenTheEvent) {
    EngineClient& worker = member("worker", "worker", "photo.*", 4'096);
    worker.read(false);
    publish(200, 100'000);
    ASSERT_EQ(status().in_flight, 200U);
    ASSERT_GT(gateway_.seats().held().get(), 0U) << "the kernel took all";

    for (int i = 0; i < 3; ++i) pass(settings_.ack_wait);

    const std::uint64_t late = status().totals.timed_out;
    EXPECT_GT(late, 0U) << "of those that it has";
    worker.read(true);
    std::size_t first = 0;
    std::size_t again = 0;
    for (const std::string& message : all(worker)) {
        if (message.find(R"("attempt":1)") != std::string::npos) ++first;
        if (message.find(R"("attempt":2)") != std::string::npos) ++again;
    }
    EXPECT_EQ(first, 200U);
    EXPECT_LT(again, 100U) << "those that waited were given out once";
    EXPECT_EQ(status().totals.timed_out, late);
    pass(settings_.ack_wait);
    EXPECT_GE(status().totals.timed_out, late + 200) << "from now on it has them all";
}

TEST_F(GroupSeatsTest, TheTimeBeginsOverPollingWhenTheClientComesBackForMore) {
    const std::string polling = open_polling();
    EXPECT_EQ(post(polling, R"(40{"token":"worker"})").body, "ok");
    EXPECT_TRUE(get(polling).body.starts_with("40{"));
    EXPECT_EQ(post(polling, R"(421["subscribe","photo.*"])").body, "ok");
    EXPECT_TRUE(get(polling).body.starts_with("431[{"));
    publish(3, 10);
    pass(settings_.ack_wait * 2);
    EXPECT_EQ(status().totals.timed_out, 0U) << "nobody has asked for them";

    EXPECT_NE(get(polling).body.find("e3"), std::string::npos);
    pass(settings_.ack_wait * 2);
    EXPECT_EQ(status().totals.timed_out, 0U) << "the answer may be on its way";

    poll(polling);
    pass(settings_.ack_wait);
    EXPECT_EQ(status().totals.timed_out, 3U);
}

// ---- a catalog that is loaded again -------------------------------------------------------------

TEST_F(GroupSeatsTest, ATakeOverPutsOutWhomTheCatalogNoLongerAdmits) {
    gateway_.set_catalog(catalog(kAdmitsApi));
    EngineClient& api = member("api", "worker", "photo.uploaded");
    load("");
    EXPECT_EQ(all(api), std::vector<std::string>{}) << "the name is its own";

    member("worker", "worker", "photo.gone");

    const std::string told = next(api);
    EXPECT_TRUE(told.starts_with(R"(42["watch.ended",)")) << told;
    EXPECT_NE(told.find("service:worker"), std::string::npos) << told;
    publish(1, 10);
    EXPECT_EQ(all(api), std::vector<std::string>{});
}

TEST_F(GroupSeatsTest, ATakeOverLeavesWhomTheCatalogAdmitsByThen) {
    EngineClient& api = member("api", "worker", "photo.uploaded");
    load(kAdmitsApi);

    EngineClient& worker = member("worker", "worker", "photo.gone");

    publish(1, 10);
    EXPECT_NE(next(api).find("e1"), std::string::npos);
    load("");
    EXPECT_TRUE(next(api).starts_with(R"(42["watch.ended",)"));
    EXPECT_EQ(all(worker), std::vector<std::string>{});
}

TEST_F(GroupSeatsTest, WhoeverMayNoLongerConsumeIsToldAndWhatItHadGoesToOthers) {
    EngineClient& api = member("api", "g", "photo.uploaded");
    publish(1, 10);
    EXPECT_NE(next(api).find("e1"), std::string::npos);

    load("defaults: { consume: [\"service:worker\"] }\n");

    EXPECT_TRUE(next(api).starts_with(R"(42["watch.ended",)"));
    EXPECT_EQ(status().members, 0U);
    EXPECT_EQ(status().totals.member_lost, 1U);
}

}  // namespace
}  // namespace eventbus
