#include "log/sequencer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/memory_log.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "support/plans.h"
#include "support/position_literal.h"

// The sequencer by way of the memory log, whose syncs a test holds back.

namespace eventbus {
namespace {

using Receipts = Result<std::vector<Receipt>>;

// Binds nothing but the position; refuses the type "refused"; stores a change for an owner.
class PlainBinder final : public Binder {
 public:
    Result<Bound> bind(Plan&& plan, Position position) override {
        if (plan.event.type == "refused") return Error{ErrorCode::kForbidden, "refused"};
        Bound bound{std::make_shared<Entry>(), {}};
        bound.entry->position = position;
        bound.entry->event = std::move(plan.event);
        bound.entry->durability = plan.durability;
        bound.entry->content_hash = plan.content_hash;
        if (!plan.owner.empty()) bound.changes.push_back({"owner", plan.owner});
        ++bound_;
        return bound;
    }
    void commit() override { committed += std::exchange(bound_, 0); }
    void undo() override { undone += std::exchange(bound_, 0); }
    Result<> load(std::span<const StoredView>) override { return {}; }

    int committed = 0;
    int undone = 0;

 private:
    int bound_ = 0;
};

// Another reactor than the caller's.
class ElsewhereExecutor final : public Executor {
 public:
    void post(Task task) override { tasks.push_back(std::move(task)); }
    bool is_here() const override { return false; }
    std::vector<Task> tasks;
};

class NoWaker final : public Tail::Waker {
    void wake_if_asleep() override {}
};

class SequencerTest : public testing::Test {
 protected:
    SequencerTest() { make({}); }

    void make(MemoryLog::Settings settings) {
        reader_.reset();
        log_.reset();
        log_.emplace(disk_, binder_, clock_, settings);
        reader_.emplace(log_->tail(), waker_, 1'000);
        log_->start();
    }

    using Answer = std::shared_ptr<std::optional<Receipts>>;
    Answer append(std::vector<Plan> plans) {
        auto answer = std::make_shared<std::optional<Receipts>>();
        log_->append(std::move(plans), here_, [answer](Receipts receipts) { *answer = receipts; });
        return answer;
    }
    Answer append(Plan plan) {
        std::vector<Plan> plans;
        plans.push_back(std::move(plan));
        return append(std::move(plans));
    }
    static ErrorCode error_of(const Answer& answer) {
        return answer->has_value() && !(*answer)->has_value() ? (*answer)->error().code
                                                              : ErrorCode::kInternal;
    }
    static bool is_good(const Answer& answer) {
        return answer->has_value() && (*answer)->has_value();
    }
    std::string shown() {
        std::string ids;
        while (const SharedEntry* entry = reader_->next()) ids += (*entry)->event.id;
        return ids;
    }

    MemoryDisk disk_;
    PlainBinder binder_;
    FakeClock clock_;
    FakeExecutor here_;
    NoWaker waker_;
    std::optional<MemoryLog> log_;
    std::optional<TailReader> reader_;
};

TEST_F(SequencerTest, WhatHasNotToWaitIsAnsweredBeforeAppendReturns) {
    EXPECT_TRUE(is_good(append(make_transient_plan("a"))));
    EXPECT_TRUE(is_good(append(make_plan("b"))));
    EXPECT_EQ(here_.waiting(), 0u);
    EXPECT_EQ(shown(), "ab");
}

TEST_F(SequencerTest, AnAnswerForAnotherReactorIsPosted) {
    ElsewhereExecutor elsewhere;
    bool answered = false;
    std::vector<Plan> plans;
    plans.push_back(make_transient_plan("a"));
    log_->append(std::move(plans), elsewhere, [&](const Receipts&) { answered = true; });

    EXPECT_FALSE(answered);
    ASSERT_EQ(elsewhere.tasks.size(), 1u);
    elsewhere.tasks[0]();
    EXPECT_TRUE(answered);
}

TEST_F(SequencerTest, AnEntryIsShownWhenAllUpToItThatNeedsASyncHasOne) {
    log_->hold_syncs(true);
    const Answer a = append(make_transient_plan("a"));
    const Answer b = append(make_plan("b"));
    const Answer c = append(make_transient_plan("c"));
    const Answer d = append(make_plan("d"));
    const Answer e = append(make_transient_plan("e"));
    EXPECT_TRUE(is_good(a));
    EXPECT_EQ(shown(), "a");

    log_->sync(1);
    here_.run_all();
    EXPECT_TRUE(is_good(b) && is_good(c));
    EXPECT_FALSE(d->has_value() || e->has_value());
    EXPECT_EQ(shown(), "bc");

    log_->sync();
    EXPECT_FALSE(d->has_value()) << "who waited is posted to";
    here_.run_all();
    EXPECT_TRUE(is_good(d) && is_good(e));
    EXPECT_EQ(shown(), "de");
}

TEST_F(SequencerTest, AnAppendIsAnsweredOnceItsLastEntryIsVisible) {
    log_->hold_syncs(true);
    std::vector<Plan> plans;
    plans.push_back(make_plan("a"));
    plans.push_back(make_plan("b"));
    const Answer both = append(std::move(plans));
    log_->sync(1);
    here_.run_all();
    EXPECT_FALSE(both->has_value());
    log_->sync(1);
    here_.run_all();
    EXPECT_TRUE(is_good(both));
}

TEST_F(SequencerTest, ARepeatIsAnsweredWithItsFirstAndNotWithWhatCameBetween) {
    log_->hold_syncs(true);
    const Answer first = append(make_plan("a"));
    const Answer between = append(make_plan("b"));
    const Answer repeat = append(make_plan("a"));
    log_->sync(1);
    here_.run_all();
    EXPECT_TRUE(is_good(first) && is_good(repeat));
    EXPECT_FALSE(between->has_value());
    EXPECT_TRUE((**repeat)->front().duplicate);
    EXPECT_TRUE(is_good(append(make_plan("a")))) << "of a visible one at once";
}

TEST_F(SequencerTest, ARightThatATransientEntryChangesIsSyncedBeforeItIsShown) {
    log_->hold_syncs(true);
    Plan plan = make_transient_plan("a");
    plan.owner = "ann";
    const Answer answer = append(std::move(plan));
    EXPECT_FALSE(answer->has_value());
    EXPECT_EQ(shown(), "");
    log_->sync();
    here_.run_all();
    EXPECT_TRUE(is_good(answer));
    EXPECT_EQ(disk_.changes["owner"], "ann");
    EXPECT_TRUE(disk_.entries.empty()) << "the entry itself is kept in memory only";
}

TEST_F(SequencerTest, ARefusedAppendChangesNothing) {
    std::vector<Plan> plans;
    plans.push_back(make_plan("a"));
    plans.push_back(make_plan("b", "photo:1", "refused"));

    const Answer refused = append(std::move(plans));

    EXPECT_EQ(error_of(refused), ErrorCode::kForbidden);
    EXPECT_EQ(binder_.undone, 1);
    EXPECT_EQ(binder_.committed, 0);
    EXPECT_EQ(log_->frontier(), 0_pos);
    EXPECT_TRUE(disk_.entries.empty());
    const Answer again = append(make_plan("a"));
    ASSERT_TRUE(is_good(again));
    EXPECT_EQ((**again)->front().position, 1_pos);
    EXPECT_FALSE((**again)->front().duplicate);
}

TEST_F(SequencerTest, AfterAFailedSyncNothingPendingIsShownAndEverythingIsRefused) {
    append(make_plan("a"));
    log_->hold_syncs(true);
    const Answer durable = append(make_plan("b"));
    const Answer transient = append(make_transient_plan("c"));
    log_->fail_sync();
    here_.run_all();

    EXPECT_EQ(error_of(durable), ErrorCode::kReadOnly);
    EXPECT_EQ(error_of(transient), ErrorCode::kReadOnly);
    EXPECT_EQ(error_of(append(make_transient_plan("d"))), ErrorCode::kReadOnly);
    EXPECT_EQ(shown(), "a");
    EXPECT_EQ(log_->frontier(), 1_pos);
    EXPECT_FALSE(log_->is_writable());
    log_->set_full(false);
    EXPECT_EQ(error_of(append(make_plan("e"))), ErrorCode::kReadOnly) << "room does not fix it";
}

TEST_F(SequencerTest, WhatAFailedSyncCoveredIsShownInItsPlaceOnceItIsSynced) {
    append(make_plan("a"));
    log_->hold_syncs(true);
    append(make_plan("b"));
    append(make_transient_plan("c"));
    log_->fail_sync();
    EXPECT_EQ(shown(), "a");
    log_->recover();
    EXPECT_EQ(shown(), "") << "nothing of it is synced yet";

    const Answer later = append(make_plan("d"));
    const Answer repeat = append(make_plan("b"));
    log_->sync();
    here_.run_all();

    EXPECT_EQ(shown(), "bcd");
    EXPECT_TRUE(is_good(later));
    ASSERT_TRUE(is_good(repeat));
    EXPECT_TRUE((**repeat)->front().duplicate);
    EXPECT_EQ(log_->probe().pending_bytes.get(), 0u);
}

TEST_F(SequencerTest, AFullDiskIsRefusedUntilThereIsRoom) {
    log_->set_full(true);
    EXPECT_EQ(error_of(append(make_plan("a"))), ErrorCode::kReadOnly);
    EXPECT_FALSE(log_->is_writable());
    log_->set_full(false);
    EXPECT_TRUE(is_good(append(make_plan("a"))));
}

TEST_F(SequencerTest, OnePastThePendingBytesIsRefused) {
    make({.sequencer = {.pending_bytes_max = 1}});
    log_->hold_syncs(true);
    const Answer taken = append(make_plan("a"));
    EXPECT_EQ(error_of(append(make_plan("b"))), ErrorCode::kUnavailable);
    log_->sync();
    here_.run_all();
    EXPECT_TRUE(is_good(taken));
    append(make_plan("b"));
    log_->sync();
    EXPECT_EQ(shown(), "ab");
}

TEST_F(SequencerTest, AnAppendFromWithinAnAnswerIsTakenAfterIt) {
    std::vector<Position> positions;
    std::vector<Plan> plans;
    plans.push_back(make_transient_plan("a"));
    log_->append(std::move(plans), here_, [&](const Receipts& receipts) {
        positions.push_back(receipts->front().position);
        const Answer inner = append(make_transient_plan("b"));
        ASSERT_TRUE(is_good(inner));
        positions.push_back((**inner)->front().position);
    });
    EXPECT_EQ(positions, (std::vector<Position>{1_pos, 2_pos}));
}

TEST_F(SequencerTest, WhatWasNotSyncedDiesWithTheLogAndItsPositionsAreNotUsedAgain) {
    append(make_plan("a"));
    log_->hold_syncs(true);
    append(make_plan("b"));
    make({});
    EXPECT_EQ(shown(), "a");
    const Answer next = append(make_plan("b"));
    ASSERT_TRUE(is_good(next));
    EXPECT_FALSE((**next)->front().duplicate);
    EXPECT_GT((**next)->front().position, 2_pos);
}

}  // namespace
}  // namespace eventbus
