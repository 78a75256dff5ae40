#include "backplane/embedded/retention_hold.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "support/fake_clock.h"

namespace eventbus {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr hours kDay{24};
constexpr hours kYear{24 * 365};

class RetentionHoldTest : public testing::Test {
 protected:
    // A start, after an earlier life that ended with a save.
    void start(std::optional<Clock::WallTime> newest = {}) {
        if (hold_) saved_ = hold_->encode();
        hold_.emplace(time_);
        EXPECT_TRUE(hold_->begin(saved_, newest, clock_.wall_now(), clock_.now()));
    }
    void run(milliseconds time) {
        clock_.advance(time);
        look();
    }
    void look() { hold_->look(clock_.wall_now(), clock_.now()); }
    void jump(milliseconds time) { clock_.set_wall(clock_.wall_now() + time); }

    FakeClock clock_;
    milliseconds time_ = kDay;
    std::optional<std::string> saved_;
    std::optional<RetentionHold> hold_;
};

TEST_F(RetentionHoldTest, AClockThatGoesAsItShouldHoldsNothing) {
    start(clock_.wall_now() - RetentionHold::kGapMax);
    EXPECT_FALSE(hold_->is_on());
    run(kDay * 30);
    EXPECT_FALSE(hold_->is_on()) << "however long it was not looked at";
    jump(RetentionHold::kStepMax);
    look();
    EXPECT_FALSE(hold_->is_on());
    jump(-kYear);
    look();
    EXPECT_FALSE(hold_->is_on()) << "what jumps back makes nothing old";
}

TEST_F(RetentionHoldTest, AnEmptyLogHasNothingToHold) {
    start();
    EXPECT_FALSE(hold_->is_on());
}

TEST_F(RetentionHoldTest, AStepOfMoreThanAnHourHoldsForItsTimeAndNamesBothTimes) {
    start();
    run(minutes(1));
    const Clock::WallTime right = clock_.wall_now();
    jump(RetentionHold::kStepMax + milliseconds(1));
    look();
    ASSERT_TRUE(hold_->is_on());
    EXPECT_EQ(hold_->expected(), right);
    EXPECT_EQ(hold_->clock(), clock_.wall_now());
    run(time_ - milliseconds(1));
    EXPECT_TRUE(hold_->is_on());
    EXPECT_EQ(hold_->left(), milliseconds(1));
    EXPECT_EQ(hold_->expected(), right + time_ - milliseconds(1));
    run(milliseconds(1));
    EXPECT_FALSE(hold_->is_on());
    run(kDay * 2);
    EXPECT_FALSE(hold_->is_on());
}

TEST_F(RetentionHoldTest, AStartMoreThanADayPastTheNewestEntryHolds) {
    const Clock::WallTime newest = clock_.wall_now();
    jump(RetentionHold::kGapMax + milliseconds(1));
    start(newest);
    ASSERT_TRUE(hold_->is_on());
    EXPECT_EQ(hold_->expected(), newest);
    EXPECT_TRUE(hold_->has_changed());
}

TEST_F(RetentionHoldTest, NeitherARestartNorANewEntryEndsIt) {
    const Clock::WallTime newest = clock_.wall_now();
    jump(kYear);
    start(newest);
    run(hours(10));
    start(clock_.wall_now());
    ASSERT_TRUE(hold_->is_on());
    EXPECT_EQ(hold_->left(), hours(14)) << "only time that it ran counts, and it counts once";
    run(hours(14));
    EXPECT_FALSE(hold_->is_on());
    start(clock_.wall_now());
    EXPECT_FALSE(hold_->is_on()) << "it has ended for this jump";
}

TEST_F(RetentionHoldTest, AnEntryThatAWrongClockHasDatedDoesNotHideTheJump) {
    start();
    run(minutes(1));
    saved_ = hold_->encode();
    hold_.reset();  // killed before the next look
    jump(kYear);
    start(clock_.wall_now());
    EXPECT_TRUE(hold_->is_on());
}

TEST_F(RetentionHoldTest, ItEndsWhenTheClockIsBackWhileRunningAndAtAStart) {
    for (const bool restarts : {false, true}) {
        SCOPED_TRACE(restarts);
        hold_.reset();
        saved_.reset();
        start();
        jump(kYear);
        look();
        run(hours(1));
        jump(-kYear + kDay * 30);
        look();
        EXPECT_TRUE(hold_->is_on()) << "a month ahead is not back";
        jump(-kDay * 30);
        if (restarts) {
            start(clock_.wall_now() + kYear);
        } else {
            look();
        }
        EXPECT_FALSE(hold_->is_on());
        look();
        EXPECT_FALSE(hold_->is_on());
        EXPECT_TRUE(hold_->has_changed());
    }
}

TEST_F(RetentionHoldTest, OfAStartTheTimeThatTheServerWasOffIsNotKnownSoADayAheadIsBack) {
    const Clock::WallTime newest = clock_.wall_now();
    jump(kYear);
    start(newest);
    jump(-kYear + hours(20));
    look();
    EXPECT_FALSE(hold_->is_on());
}

TEST_F(RetentionHoldTest, ASecondJumpBeginsItsTimeAnew) {
    start();
    const Clock::WallTime right = clock_.wall_now();
    jump(kDay);
    look();
    run(hours(20));
    jump(kYear);
    look();
    EXPECT_EQ(hold_->left(), time_);
    EXPECT_EQ(hold_->expected(), right + hours(20));
    jump(-kYear);
    look();
    EXPECT_TRUE(hold_->is_on()) << "the first jump is still there";
    jump(-kDay);
    look();
    EXPECT_FALSE(hold_->is_on());
}

TEST_F(RetentionHoldTest, AnOperatorEndsItForGood) {
    EXPECT_FALSE((start(), hold_->resume()));
    const Clock::WallTime newest = clock_.wall_now();
    hold_.reset();
    jump(kYear);
    start(newest);
    EXPECT_TRUE(hold_->resume());
    EXPECT_FALSE(hold_->is_on());
    EXPECT_TRUE(hold_->has_changed());
    EXPECT_FALSE(hold_->resume());
    run(hours(1));
    EXPECT_FALSE(hold_->is_on());
    start();
    EXPECT_FALSE(hold_->is_on()) << "after a restart, too";
}

TEST_F(RetentionHoldTest, ALogInWhichNothingWasStoredForDaysHoldsNothingIfTheServerRan) {
    start(clock_.wall_now());
    for (int day = 0; day < 10; ++day) run(kDay);
    start();
    EXPECT_FALSE(hold_->is_on());
}

TEST_F(RetentionHoldTest, AnEntryThatWasStoredSinceByAClockThatWasSetBackShowsTheNextJump) {
    start(clock_.wall_now());
    jump(-RetentionHold::kGapMax * 8);
    const Clock::WallTime newest = clock_.wall_now();
    jump(RetentionHold::kGapMax * 8);
    start(newest);
    EXPECT_TRUE(hold_->is_on());
}

TEST_F(RetentionHoldTest, ItIsSavedNowAndThenSoThatACrashDoesNotMakeItMuchLonger) {
    start();
    EXPECT_TRUE(hold_->is_to_be_saved());
    hold_->saved();
    run(RetentionHold::kSaveEvery - milliseconds(1));
    EXPECT_FALSE(hold_->is_to_be_saved());
    run(milliseconds(1));
    EXPECT_TRUE(hold_->is_to_be_saved());
    EXPECT_FALSE(hold_->has_changed());
}

TEST_F(RetentionHoldTest, WithoutTimeNothingIsHeldAndAShorterTimeShortensOneThatIsOn) {
    const Clock::WallTime newest = clock_.wall_now();
    jump(kYear);
    start(newest);
    time_ = hours(1);
    start(newest);
    EXPECT_EQ(hold_->left(), hours(1));
    time_ = hours(0);
    start(newest);
    EXPECT_FALSE(hold_->is_on());
    jump(kYear);
    look();
    EXPECT_FALSE(hold_->is_on());
}

TEST_F(RetentionHoldTest, WhatCannotBeReadIsNotTaken) {
    start();
    const std::string good = hold_->encode();
    for (const std::string& bad : {good.substr(0, good.size() - 1), good + "x", std::string()}) {
        RetentionHold hold(time_);
        EXPECT_FALSE(hold.begin(bad, {}, clock_.wall_now(), clock_.now()));
    }
}

}  // namespace
}  // namespace eventbus
