#include "delivery/catch_up.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "delivery/hub.h"
#include "log/memory_log.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "support/late_log.h"
#include "support/plain_binder.h"
#include "support/plans.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

class IdEncoder final : public Encoder {
 public:
    SharedFrame encode(const Entry& entry, std::uint16_t, As) override {
        return std::make_shared<const Frame>(Frame{entry.event.id});
    }
};

class Client final : public Receiver {
 public:
    bool push(const SharedFrame& frame) override {
        got.push_back(frame->bytes);
        return true;
    }
    bool has_room() override { return true; }
    void on_caught_up(std::uint64_t missed) override { caught_up = missed; }
    void on_gap(Position, Position) override { ++gaps; }
    void on_history_given(const Room&) override {}
    void on_evicted(std::string_view, Position) override {}

    std::vector<std::string> got;
    std::optional<std::uint64_t> caught_up;
    int gaps = 0;
};

class NoWaker final : public Tail::Waker {
    void wake_if_asleep() override {}
};

// A log of which the tail's memory keeps the last 256 to 512 entries.
class CatchUpTest : public testing::Test {
 protected:
    CatchUpTest() { log_.start(); }

    Position publish(std::string id, const Room& room) {
        std::vector<Plan> plans{make_plan(std::move(id))};
        plans[0].audience = {{.room = room}};
        log_.append(std::move(plans), reactor_, [](const auto&) {});
        return log_.frontier();
    }
    void publish_to_others(int entries) {
        for (int i = 0; i < entries; ++i) {
            publish("other" + std::to_string(++published_), Room::user("other"));
        }
    }
    ReceiverId resume(Client& client, const std::string& user, Position after) {
        const ReceiverId id = hub_.add(client, encoder_);
        hub_.join(id, Room::user(user), 0_pos);
        hub_.resume(id, after);
        return id;
    }
    // One turn, in which at most one page comes.
    View::Next turn(bool pages_are_refused = false) {
        reactor_.run_all();
        const View::Next next = hub_.deliver();
        if (late_.has_waiting()) late_.answer(0, pages_are_refused);
        return next;
    }
    void deliver_all() {
        while (turn().more != View::More::kNo || reactor_.waiting() > 0 || late_.has_waiting()) {
        }
    }

    FakeClock clock_;
    FakeExecutor reactor_;
    PlainBinder binder_;
    MemoryDisk disk_;
    NoWaker waker_;
    MemoryLog log_{disk_, binder_, clock_, {}};
    LateLog late_{log_};
    LogReader reader_{{late_, reactor_, clock_, waker_}, 256};
    IdEncoder encoder_;
    Hub hub_{reactor_, clock_, late_, reader_};
    int published_ = 0;
};

TEST_F(CatchUpTest, AHundredThatMissedTheSameReadEachPageOnceTogether) {
    constexpr std::size_t kEntries = 10 * Behind::kPageEntries;
    publish_to_others(kEntries);
    publish("for user 7", Room::user("user 7"));
    publish_to_others(600);
    deliver_all();
    std::array<Client, 100> clients;
    for (std::size_t i = 0; i < clients.size(); ++i) {
        resume(clients[i], "user " + std::to_string(i), 0_pos);
    }
    deliver_all();
    for (std::size_t i = 0; i < clients.size(); ++i) {
        EXPECT_EQ(clients[i].caught_up, i == 7 ? 1u : 0u);
        EXPECT_EQ(clients[i].gaps, 0);
    }
    EXPECT_LE(hub_.probe().pages_read.get(), kEntries / Behind::kPageEntries + 2);
}

TEST_F(CatchUpTest, APageThatCannotBeReadNowIsReadAgainAfterAPauseAndIsNoGap) {
    publish("missed", Room::user("alice"));
    publish_to_others(1'000);
    deliver_all();
    Client alice;
    resume(alice, "alice", 0_pos);
    Clock::Time::duration pause{};
    for (int refusals = 0; refusals < 12; ++refusals) {
        SCOPED_TRACE(refusals);
        const std::size_t reads = late_.reads;
        while (late_.reads == reads) turn(true);
        turn();  // in which the refusal comes
        const std::optional<Clock::Time> again = turn().at;
        ASSERT_TRUE(again) << "nothing would wake the reactor for it";
        EXPECT_GE(*again - clock_.now(), pause) << "it asks faster and faster";
        pause = *again - clock_.now();
        EXPECT_LE(pause, CatchUp::kPauseMax);
        for (int i = 0; i < 10; ++i) turn();
        EXPECT_EQ(late_.reads, reads + 1) << "it asks without a pause";
        clock_.advance(pause);
    }
    EXPECT_EQ(alice.got.size(), 0u);
    deliver_all();
    EXPECT_EQ(alice.got, std::vector<std::string>({"missed"}));
    EXPECT_EQ(alice.gaps, 0);
    EXPECT_EQ(hub_.probe().pages_refused.get(), 12u);
}

TEST_F(CatchUpTest, ALittleBacklogDoesNotWaitForALargeOne) {
    publish_to_others(30 * Behind::kPageEntries);
    const Position near = log_.frontier();
    publish_to_others(600);
    deliver_all();
    Client far, little;
    resume(far, "far", 0_pos);
    for (int i = 0; i < 4; ++i) turn();  // it is on its way
    resume(little, "little", near);
    const std::uint64_t pages = hub_.probe().pages_read.get();
    while (!little.caught_up) turn();
    EXPECT_LE(hub_.probe().pages_read.get(), pages + 5);
    EXPECT_FALSE(far.caught_up);
    deliver_all();
    EXPECT_TRUE(far.caught_up);
}

TEST_F(CatchUpTest, WhatIsOwedToOneDoesNotDelayWhatIsLiveForAnother) {
    for (int i = 0; i < 5'000; ++i) publish("owed" + std::to_string(i), Room::user("behind"));
    deliver_all();
    Client behind, live;
    hub_.join(hub_.add(live, encoder_), Room::user("live"), log_.frontier());
    resume(behind, "behind", 0_pos);
    for (int i = 0; behind.got.size() < 5'000; ++i) {
        publish("live" + std::to_string(i), Room::user("live"));
        const std::size_t before = behind.got.size();
        turn();
        EXPECT_EQ(live.got.size(), static_cast<std::size_t>(i) + 1) << "it came a turn too late";
        EXPECT_LE(behind.got.size(), before + CatchUp::kWorkPerTurn / CatchUp::kWorkOfPush + 1);
        ASSERT_LT(i, 1'000);
    }
}

}  // namespace
}  // namespace eventbus
