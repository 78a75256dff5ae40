#include "net/input_sweep.h"

#include <gtest/gtest.h>

#include <chrono>

namespace eventbus {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kWatched = 10;

Clock::Time at(int ms) { return Clock::Time(std::chrono::hours(1)) + milliseconds(ms); }

// What one turn sees.
struct Turn {
    std::size_t ready = 0;
    bool may_have_more = false;
    bool left_some = false;
    bool took_posted = true;
    bool ran_all = true;
};

class InputSweepTest : public testing::Test {
 protected:
    // Makes a turn that asks the kernel at `ms`, begins then and takes no time.
    Clock::Time turn(int ms, const Turn& seen) {
        sweep_.begin_turn(at(ms), at(ms), at(ms), kWatched);
        sweep_.saw_ready(seen.ready, seen.may_have_more);
        if (seen.left_some) sweep_.left_some();
        sweep_.ran_posted(seen.took_posted, seen.ran_all);
        sweep_.end_input();
        return sweep_.seen_until();
    }

    InputSweep sweep_;
};

TEST_F(InputSweepTest, ATurnThatSeesAllIsASweep) {
    EXPECT_EQ(turn(1, {}), at(1));
    EXPECT_EQ(turn(2, {.ready = 3}), at(2));
}

TEST_F(InputSweepTest, WhatATurnLeavesIsWaitedForAndThenTheFirstLookCounts) {
    turn(1, {});
    EXPECT_EQ(turn(2, {.ready = 8, .may_have_more = true}), at(1));
    EXPECT_EQ(turn(3, {.ready = 1, .left_some = true}), at(1));
    EXPECT_EQ(turn(4, {}), at(2));
    EXPECT_EQ(turn(5, {}), at(5));
}

TEST_F(InputSweepTest, SocketsAndPostedTasksNeedNotBeSeenToTheirEndInOneTurn) {
    turn(1, {.left_some = true, .ran_all = false});
    EXPECT_EQ(turn(2, {.took_posted = false, .ran_all = false}), Clock::Time{});
    EXPECT_EQ(turn(3, {.left_some = true, .took_posted = false}), at(1));
}

TEST_F(InputSweepTest, TasksThatWereTakenBeforeItBeganDoNotCountAsSeen) {
    turn(1, {.left_some = true});
    EXPECT_EQ(turn(2, {.ran_all = false}), at(1));
    EXPECT_EQ(turn(3, {.took_posted = false}),
              at(1));  // what came meanwhile still lies behind them
    EXPECT_EQ(turn(4, {}), at(3));
}

TEST_F(InputSweepTest, ALoadThatLeavesSomethingEachTimeEndsASweepOnceEachOfItsSourcesHadItsTurn) {
    turn(0, {});
    for (int ms = 1; ms < static_cast<int>(kWatched + InputSweep::kBehindOne); ++ms) {
        ASSERT_EQ(turn(ms, {.ready = 1, .left_some = true}), at(0)) << ms;
    }
    EXPECT_EQ(turn(9'999, {.ready = 1, .left_some = true}), at(1));
}

TEST_F(InputSweepTest, ATurnThatBeginsOrEndsMuchTooLateHoldsItForAMoment) {
    turn(0, {});
    sweep_.begin_turn(at(1), at(2), at(2) + InputSweep::kPause, kWatched);
    const auto pause = static_cast<int>(InputSweep::kPause.count());
    const auto grace = static_cast<int>(InputSweep::kGrace.count());
    EXPECT_EQ(turn(2 + pause, {}), at(0));
    EXPECT_EQ(turn(2 + pause + grace - 1, {}), at(0));
    EXPECT_EQ(turn(2 + pause + grace, {}), at(1));

    sweep_.end_turn(at(3'000), at(3'000) + InputSweep::kPause - milliseconds(1));
    EXPECT_EQ(turn(4'000, {}), at(4'000));
    sweep_.end_turn(at(4'000), at(4'000) + InputSweep::kPause);
    EXPECT_EQ(turn(4'000 + pause, {}), at(4'000));
    EXPECT_EQ(sweep_.held_until(), at(4'000 + pause + grace));
}

}  // namespace
}  // namespace eventbus
