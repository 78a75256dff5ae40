#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "log/log.h"
#include "log/tail.h"
#include "support/fake_clock.h"
#include "support/loop.h"
#include "support/plans.h"
#include "support/position_literal.h"

// What every Log keeps. A backend's test includes this once, and says
//
//   INSTANTIATE_TEST_SUITE_P(Memory, LogContract, testing::Values(&make_memory_log));

namespace eventbus {

// A log with the table of subjects as its binder, and the disk that outlives it.
class LogUnderTest {
 public:
    virtual ~LogUnderTest() = default;

    // What the log is opened with, as bound of its dedupe window.
    static constexpr std::size_t kDedupeKeysMax = 100;

    // Ends the log as a crash does, and begins the next life: readers are added between the two.
    virtual void open() = 0;
    virtual void start() = 0;
    virtual void crash() = 0;
    virtual Log& log() = 0;

    FakeClock clock;
    Loop loop;  // the thread of the test
};
using MakeLog = std::unique_ptr<LogUnderTest> (*)();

class LogContract : public testing::TestWithParam<MakeLog> {
 protected:
    void SetUp() override {
        under_test_ = GetParam()();
        begin_life();
    }
    void TearDown() override { reader_.reset(); }

    Log& log() { return under_test_->log(); }
    FakeClock& clock() { return under_test_->clock; }

    void restart() {
        reader_.reset();
        under_test_->crash();
        begin_life();
    }

    Result<std::vector<Receipt>> append(std::vector<Plan> plans) {
        std::optional<Result<std::vector<Receipt>>> answer;
        log().append(std::move(plans), under_test_->loop,
                     [&](Result<std::vector<Receipt>> receipts) { answer = std::move(receipts); });
        under_test_->loop.run_until([&] { return answer.has_value(); });
        return std::move(*answer);
    }
    Result<std::vector<Receipt>> append(Plan plan) {
        std::vector<Plan> plans;
        plans.push_back(std::move(plan));
        return append(std::move(plans));
    }
    Position position_of(Plan plan) {
        const auto receipts = append(std::move(plan));
        EXPECT_TRUE(receipts.has_value()) << receipts.error().detail;
        return receipts ? receipts->front().position : Position();
    }

    Page read(Position after, std::size_t limit) {
        std::optional<Result<Page>> answer;
        log().read(after, limit, under_test_->loop,
                   [&](Result<Page> page) { answer = std::move(page); });
        EXPECT_FALSE(answer.has_value()) << "a page is posted";
        under_test_->loop.run_until([&] { return answer.has_value(); });
        EXPECT_TRUE(answer->has_value());
        return std::move(**answer);
    }

    // What a reactor sees next.
    std::vector<SharedEntry> shown() {
        std::vector<SharedEntry> entries;
        while (const SharedEntry* entry = reader_->next()) entries.push_back(*entry);
        return entries;
    }
    std::vector<std::string> shown_ids() { return ids(shown()); }
    static std::vector<std::string> ids(const std::vector<SharedEntry>& entries) {
        std::vector<std::string> found;
        for (const SharedEntry& entry : entries) found.push_back(entry->event.id);
        return found;
    }
    const TailReader& reader() const { return *reader_; }

 private:
    class NoWaker final : public Tail::Waker {
        void wake_if_asleep() override {}
    };

    void begin_life() {
        under_test_->open();
        reader_.emplace(log().tail(), waker_, 4096);
        under_test_->start();
    }

    NoWaker waker_;
    std::unique_ptr<LogUnderTest> under_test_;
    std::optional<TailReader> reader_;
};

using Ids = std::vector<std::string>;

TEST_P(LogContract, PositionsRiseByOneAndEntriesAreShownInTheirOrder) {
    const auto first = append(make_plan("a"));
    std::vector<Plan> two;
    two.push_back(make_transient_plan("b"));
    two.push_back(make_plan("c"));
    const auto second = append(std::move(two));

    ASSERT_TRUE(first.has_value());
    ASSERT_TRUE(second.has_value());
    EXPECT_EQ(second->at(0).position, first->at(0).position + 1);
    EXPECT_EQ(second->at(1).position, first->at(0).position + 2);
    EXPECT_EQ(second->at(1).id, "c");
    EXPECT_FALSE(second->at(1).duplicate);
    EXPECT_EQ(log().frontier(), second->at(1).position);
    EXPECT_EQ(shown_ids(), (Ids{"a", "b", "c"}));
}

TEST_P(LogContract, AnEntryIsShownWithAllThatThePlanSaid) {
    Plan plan = make_owner_plan("a", "photo:1", "ann");
    plan.name = "photo:new";
    plan.variants = {R"({"x":1})"};
    plan.audience.push_back({.room = Room::role("admin"), .variant = 1});
    plan.latest = true;
    const Position position = position_of(std::move(plan));

    const auto entries = shown();

    ASSERT_EQ(entries.size(), 1u);
    const Entry& entry = *entries[0];
    EXPECT_EQ(entry.position, position);
    EXPECT_EQ(entry.name, "photo:new");
    EXPECT_EQ(entry.publisher, "service:api");
    EXPECT_TRUE(entry.latest);
    ASSERT_EQ(entry.deliveries.size(), 3u);
    EXPECT_EQ(entry.deliveries[0].room, Room::subject("photo:1"));
    EXPECT_EQ(entry.deliveries[1].room, Room::user("ann"));
    EXPECT_EQ(entry.deliveries[2].room, Room::role("admin"));
    EXPECT_EQ(entry.payload(entry.deliveries[2].variant), R"({"x":1})");
    EXPECT_EQ(entry.payload(0), R"({"id":"a"})");
    EXPECT_EQ(entry.published_at, clock().now());
}

TEST_P(LogContract, AnAppendIsAllOrNothing) {
    ASSERT_TRUE(append(make_owner_plan("a", "photo:1", "ann")).has_value());
    const Position before = log().frontier();
    Plan forbidden = make_plan("c", "photo:1");
    forbidden.publisher = "user:bob";
    forbidden.publisher_must_own = true;
    std::vector<Plan> plans;
    plans.push_back(make_owner_plan("b", "photo:2", "bob"));
    plans.push_back(std::move(forbidden));

    const auto refused = append(std::move(plans));

    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kForbidden);
    EXPECT_TRUE(refused.error().detail.starts_with("event 1: ")) << refused.error().detail;
    EXPECT_EQ(log().frontier(), before);
    EXPECT_EQ(shown_ids(), Ids{"a"});
    // Neither the owner, nor the id, nor the position of the good one has stayed.
    const auto again = append(make_owner_plan("b", "photo:2", "eve"));
    ASSERT_TRUE(again.has_value());
    EXPECT_FALSE(again->at(0).duplicate);
    EXPECT_EQ(again->at(0).position, before + 1);
    EXPECT_EQ(shown().at(0)->deliveries.at(1).room, Room::user("eve"));
}

TEST_P(LogContract, AnOwnerHoldsForTheNextEventOfTheSameAppend) {
    Plan progress = make_transient_plan("b", "photo:1");
    progress.audience = {{.to = Target::To::kOwner}};
    std::vector<Plan> plans;
    plans.push_back(make_owner_plan("a", "photo:1", "ann"));
    plans.push_back(std::move(progress));
    ASSERT_TRUE(append(std::move(plans)).has_value());

    const auto entries = shown();

    ASSERT_EQ(entries.size(), 2u);
    ASSERT_EQ(entries[1]->deliveries.size(), 1u);
    EXPECT_EQ(entries[1]->deliveries[0].room, Room::user("ann"));
}

TEST_P(LogContract, AnEventForAnOwnerWhomNobodyNamedIsStoredAndSaysSo) {
    Plan plan = make_plan("a", "photo:7");
    plan.audience = {{.to = Target::To::kOwner}};
    const auto receipts = append(std::move(plan));

    ASSERT_TRUE(receipts.has_value());
    EXPECT_TRUE(receipts->at(0).unowned);
    const Page page = read(Position(), 10);
    ASSERT_EQ(page.entries.size(), 1u);
    EXPECT_TRUE(page.entries[0]->unowned);
    EXPECT_TRUE(page.entries[0]->deliveries.empty());
}

TEST_P(LogContract, ARepeatIsStoredOnceAndGetsTheFirstAnswer) {
    for (const bool durable : {true, false}) {
        SCOPED_TRACE(durable);
        const std::string id = durable ? "durable" : "transient";
        const auto make = [&] { return durable ? make_plan(id) : make_transient_plan(id); };
        const Position first = position_of(make());

        const auto repeat = append(make());

        ASSERT_TRUE(repeat.has_value());
        EXPECT_TRUE(repeat->at(0).duplicate);
        EXPECT_EQ(repeat->at(0).position, first);
        EXPECT_EQ(repeat->at(0).id, id);
        EXPECT_EQ(shown_ids(), Ids{id});
    }
}

TEST_P(LogContract, TheSameIdIsAnotherEventOfAnotherPublisherOrSource) {
    Plan other_publisher = make_plan("a");
    other_publisher.publisher = "service:worker";
    Plan other_source = make_plan("a");
    other_source.event.source = "urn:camera";

    ASSERT_TRUE(append(make_plan("a")).has_value());
    for (Plan* plan : {&other_publisher, &other_source}) {
        const auto receipts = append(std::move(*plan));
        ASSERT_TRUE(receipts.has_value());
        EXPECT_FALSE(receipts->at(0).duplicate);
    }
}

TEST_P(LogContract, AnIdThatTheBusMadeIsNotLookedFor) {
    for (int i = 0; i < 2; ++i) {
        Plan plan = make_plan("a");
        plan.has_client_id = false;
        const auto receipts = append(std::move(plan));
        ASSERT_TRUE(receipts.has_value());
        EXPECT_FALSE(receipts->at(0).duplicate);
    }
}

TEST_P(LogContract, TheSameIdWithOtherContentIsRefused) {
    ASSERT_TRUE(append(make_plan("a")).has_value());
    Plan other = make_plan("a");
    ++other.content_hash;

    const auto refused = append(std::move(other));

    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kIdReused);
}

TEST_P(LogContract, AnIdTwiceInOneAppendIsOneEventOrRefused) {
    std::vector<Plan> same;
    same.push_back(make_plan("a"));
    same.push_back(make_plan("a"));
    std::vector<Plan> other;
    other.push_back(make_plan("b"));
    other.push_back(make_plan("b"));
    ++other[1].content_hash;

    const auto stored = append(std::move(same));
    const auto refused = append(std::move(other));

    ASSERT_TRUE(stored.has_value());
    EXPECT_FALSE(stored->at(0).duplicate);
    EXPECT_TRUE(stored->at(1).duplicate);
    EXPECT_EQ(stored->at(0).position, stored->at(1).position);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kIdReused);
    EXPECT_EQ(shown_ids(), Ids{"a"});
}

TEST_P(LogContract, BeyondTheWindowARepeatIsAnotherEvent) {
    ASSERT_TRUE(append(make_plan("a")).has_value());
    clock().advance(std::chrono::minutes(10) - std::chrono::milliseconds(1));
    EXPECT_TRUE(append(make_plan("a"))->at(0).duplicate);
    clock().advance(std::chrono::milliseconds(1));
    EXPECT_FALSE(append(make_plan("a"))->at(0).duplicate);
}

TEST_P(LogContract, NobodyPushesOutTheRepeatsOfOthers) {
    const auto plan_of = [](const char* publisher, std::size_t n) {
        Plan plan = make_plan(std::to_string(n));
        plan.publisher = publisher;
        return plan;
    };
    ASSERT_TRUE(append(plan_of("service:honest", 0)).has_value());
    for (std::size_t n = 0; n <= LogUnderTest::kDedupeKeysMax; ++n) {
        ASSERT_TRUE(append(plan_of("user:greedy", n)).has_value());
    }

    for (const char* when : {"in the same life", "after a crash"}) {
        SCOPED_TRACE(when);
        EXPECT_TRUE(append(plan_of("service:honest", 0))->at(0).duplicate);
        EXPECT_TRUE(append(plan_of("user:greedy", 2))->at(0).duplicate);
        shown();
        restart();
    }
    EXPECT_FALSE(append(plan_of("user:greedy", 0))->at(0).duplicate);
}

TEST_P(LogContract, PagesHoldTheDurableEntriesInOrder) {
    const Position a = position_of(make_plan("a"));
    position_of(make_transient_plan("b"));
    const Position c = position_of(make_plan("c"));
    const Position d = position_of(make_transient_plan("d"));

    const Page one = read(Position(), 1);
    const Page two = read(one.through, 1);
    const Page rest = read(two.through, 1);

    EXPECT_EQ(ids(one.entries), Ids{"a"});
    EXPECT_EQ(one.through, a);
    EXPECT_FALSE(one.at_end);
    EXPECT_EQ(ids(two.entries), Ids{"c"});
    EXPECT_GE(two.through, c);
    EXPECT_TRUE(rest.entries.empty());
    EXPECT_EQ(rest.through, d);
    EXPECT_TRUE(rest.at_end);
    EXPECT_EQ(rest.lost_through, 0_pos);
    EXPECT_EQ(ids(read(Position(), 10).entries), (Ids{"a", "c"}));
    EXPECT_TRUE(read(d + 100, 10).entries.empty());
}

TEST_P(LogContract, ARestartBeginsAnEpochAndOffsetsOfEarlierOnesStayItsOwn) {
    const Position a = position_of(make_plan("a"));
    const std::string offset = offset_text(log(), a);
    const Offset ahead{log().epochs().current(), a + 100'000'000};
    EXPECT_TRUE(log().epochs().holds(ahead));

    restart();

    const Position b = position_of(make_plan("b"));
    EXPECT_EQ(offset_text(log(), a), offset) << "it was written in the epoch of then";
    const auto known = eventbus::position_of(log(), *parse_offset(offset));
    ASSERT_TRUE(known) << known.error().detail;
    EXPECT_EQ(*known, a);
    EXPECT_NE(log().epochs().of(b), log().epochs().of(a));
    const auto other = eventbus::position_of(log(), ahead);
    ASSERT_FALSE(other) << "that epoch has ended below";
    EXPECT_EQ(other.error().code, ErrorCode::kBadOffset);

    restart();

    EXPECT_EQ(offset_text(log(), a), offset);
    EXPECT_EQ(log().epochs().past().size(), 2u);
}

TEST_P(LogContract, WhatWasAnsweredAsDurableIsThereAfterACrash) {
    std::vector<Position> positions;
    for (const char* id : {"a", "b", "c"}) positions.push_back(position_of(make_plan(id)));

    restart();

    const Page page = read(Position(), 10);
    EXPECT_EQ(ids(page.entries), (Ids{"a", "b", "c"}));
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(page.entries[i]->position, positions[i]);
    // Readers see them again, and know that this is all there is.
    EXPECT_EQ(reader().kept_after(), 0_pos);
    EXPECT_EQ(shown_ids(), (Ids{"a", "b", "c"}));
    EXPECT_TRUE(reader().is_at_end());
    EXPECT_EQ(page.entries[0]->deliveries.at(0).room, Room::subject("photo:1"));
}

TEST_P(LogContract, NoPositionIsUsedTwiceThoughACrashLosesTransientEntries) {
    ASSERT_TRUE(append(make_plan("a")).has_value());
    Position last;
    for (int i = 0; i < 100; ++i) last = position_of(make_transient_plan(std::to_string(i)));
    for (int life = 0; life < 3; ++life) {
        restart();
        EXPECT_GE(log().frontier(), last);
        EXPECT_EQ(shown_ids(), Ids{"a"});
        const Position next = position_of(make_transient_plan("life" + std::to_string(life)));
        EXPECT_GT(next, last);
        last = next;
    }
}

TEST_P(LogContract, OwnersAndRepeatsAreKnownAfterACrash) {
    ASSERT_TRUE(append(make_owner_plan("a", "photo:1", "ann")).has_value());
    clock().advance(std::chrono::minutes(5));

    restart();
    const auto repeat = append(make_owner_plan("a", "photo:1", "ann"));
    Plan reused = make_plan("a");
    ++reused.content_hash;
    const auto refused = append(std::move(reused));
    shown();
    ASSERT_TRUE(append(make_owner_plan("b", "photo:1", "eve")).has_value());

    ASSERT_TRUE(repeat.has_value());
    EXPECT_TRUE(repeat->at(0).duplicate);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kIdReused);
    EXPECT_EQ(shown().at(0)->deliveries.at(1).room, Room::user("ann"));
    clock().advance(std::chrono::minutes(10));
    EXPECT_FALSE(append(make_plan("a"))->at(0).duplicate) << "a restart makes the window endless";
}

TEST_P(LogContract, ARightThatATransientEventGaveIsThereAfterACrash) {
    Plan plan = make_transient_plan("a", "photo:1");
    plan.owner = "ann";
    ASSERT_TRUE(append(std::move(plan)).has_value());

    restart();
    ASSERT_TRUE(append(make_owner_plan("b", "photo:1", "eve")).has_value());

    EXPECT_EQ(shown().at(0)->deliveries.at(1).room, Room::user("ann"));
}

TEST_P(LogContract, ATransferMovesTheOwnershipAndEvictsTheOldOwner) {
    ASSERT_TRUE(append(make_owner_plan("a", "photo:1", "ann")).has_value());
    Plan transfer = make_owner_plan("b", "photo:1", "bob");
    transfer.transfer = true;
    ASSERT_TRUE(append(std::move(transfer)).has_value());

    const auto entries = shown();

    ASSERT_EQ(entries.size(), 2u);
    ASSERT_EQ(entries[1]->evictions.size(), 1u);
    EXPECT_EQ(entries[1]->evictions[0].subject, "photo:1");
    EXPECT_EQ(entries[1]->evictions[0].who, Room::user("ann"));
    EXPECT_EQ(entries[1]->deliveries.at(1).room, Room::user("bob"));
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LogContract);

}  // namespace eventbus
