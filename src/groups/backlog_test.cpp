#include "groups/backlog.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "support/position_literal.h"

namespace eventbus {
namespace {

using Count = Backlog::Count;

TEST(Backlog, WhatWasAddedAndNotTakenIsGoneOnceItsStretchIsPassed) {
    Backlog backlog;
    for (std::uint64_t p = 1; p <= 10; ++p) backlog.add(Position(p), p % 2 == 0);
    EXPECT_EQ(backlog.count(), (Count{5, 5}));

    backlog.took(1_pos, false);
    backlog.took(4_pos, true);
    EXPECT_EQ(backlog.size(), 8u);
    EXPECT_EQ(backlog.pass(9_pos), (Count{0, 0}));  // the stretch goes on to 10
    EXPECT_EQ(backlog.pass(10_pos), (Count{4, 4}));
    EXPECT_EQ(backlog.size(), 0u);
}

TEST(Backlog, ACountOfAnEarlierLifeIsReadLikeAnyOther) {
    Backlog backlog;
    backlog.add(1000_pos, {3, 0});
    backlog.add(2000_pos, false);
    for (const Position p : {7_pos, 9_pos}) backlog.took(p, false);
    EXPECT_EQ(backlog.size(), 2u);
    EXPECT_EQ(backlog.pass(2000_pos), (Count{2, 0}));
}

TEST(Backlog, AnEventThatNobodyCountedTakesNothingFromTheCount) {
    Backlog backlog;
    backlog.add(5_pos, false);
    backlog.took(3_pos, true);
    backlog.took(9_pos, false);
    EXPECT_EQ(backlog.count(), (Count{1, 0}));
}

// A plain list of what stands where. However coarse the stretches are, what is gone in the end is
// the same.
class BacklogRun : public testing::TestWithParam<std::uint64_t> {};

TEST_P(BacklogRun, EqualsTheSlowModel) {
    std::mt19937_64 dice(GetParam());
    const auto below = [&](std::uint64_t n) { return dice() % n; };
    Backlog backlog;
    std::map<Position, bool> unread;  // and whether it is transient
    Count model_gone;
    Count gone;
    Position end;
    Position read;
    const auto pass = [&](Position through) {
        read = through;
        for (auto at = unread.begin(); at != unread.end() && at->first <= through;) {
            ++(at->second ? model_gone.transient : model_gone.durable);
            at = unread.erase(at);
        }
        const Count passed = backlog.pass(through);
        gone.durable += passed.durable;
        gone.transient += passed.transient;
    };

    for (int step = 0; step < 60'000; ++step) {
        if (below(100) < 60) {
            end += 1 + below(3);
            const bool is_transient = below(2) == 0;
            unread[end] = is_transient;
            backlog.add(end, is_transient);
        } else if (below(500) == 0) {
            pass(read + below(end - read + 1));
        } else if (!unread.empty() && below(2) == 0) {
            const auto [position, is_transient] = *unread.begin();
            unread.erase(unread.begin());
            backlog.took(position, is_transient);
            pass(position);
        }
        ASSERT_GE(backlog.size(), unread.size());
        ASSERT_EQ(backlog.size() + gone.total(), unread.size() + model_gone.total());
    }
    pass(end);
    EXPECT_EQ(gone, model_gone);
    EXPECT_EQ(backlog.size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BacklogRun, testing::Range<std::uint64_t>(1, 11));

}  // namespace
}  // namespace eventbus
