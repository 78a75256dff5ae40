#include "log/dedupe.h"

#include <gtest/gtest.h>

#include "support/plans.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

using std::chrono::seconds;

constexpr Clock::Time kStart = Clock::Time(std::chrono::hours(1));

TEST(Dedupe, AKeyIsOfPublisherSourceAndId) {
    const Plan plan = make_plan("a");
    Plan other = make_plan("a");
    EXPECT_EQ(Dedupe::key(plan), Dedupe::key(other));
    other.event.source = "x";
    EXPECT_NE(Dedupe::key(plan), Dedupe::key(other));
    // What is moved from one part to the next is another key.
    Plan left = make_plan("bc");
    left.event.source = "a";
    Plan right = make_plan("c");
    right.event.source = "ab";
    EXPECT_NE(Dedupe::key(left), Dedupe::key(right));
}

TEST(Dedupe, AKeyIsForgottenWhenItsWindowIsOverAndNotBefore) {
    Dedupe dedupe({.window = seconds(10), .keys_max = 100});
    dedupe.add("a", {1_pos, 11, false}, kStart);
    dedupe.add("b", {2_pos, 22, true}, kStart + seconds(1));
    dedupe.commit();

    EXPECT_EQ(dedupe.forget(kStart + seconds(10) - std::chrono::nanoseconds(1)), 0u);
    ASSERT_NE(dedupe.find("a"), nullptr);
    EXPECT_EQ(dedupe.find("a")->content_hash, 11u);
    EXPECT_EQ(dedupe.forget(kStart + seconds(10)), 0u);
    EXPECT_EQ(dedupe.find("a"), nullptr);
    ASSERT_NE(dedupe.find("b"), nullptr);
    EXPECT_TRUE(dedupe.find("b")->unowned);
    EXPECT_EQ(dedupe.size(), 1u);
}

TEST(Dedupe, BeyondTheBoundTheOldestIsForgottenAndCounted) {
    Dedupe dedupe({.window = seconds(10), .keys_max = 2});
    for (const char* key : {"a", "b", "c"}) dedupe.add(key, {}, kStart);
    dedupe.commit();

    EXPECT_EQ(dedupe.forget(kStart), 1u);

    EXPECT_EQ(dedupe.find("a"), nullptr);
    EXPECT_NE(dedupe.find("b"), nullptr);
    EXPECT_NE(dedupe.find("c"), nullptr);
}

TEST(Dedupe, UndoTakesBackWhatWasNotCommittedAndNothingElse) {
    Dedupe dedupe({.window = seconds(10), .keys_max = 100});
    dedupe.add("a", {1_pos, 1, false}, kStart);
    dedupe.commit();
    dedupe.add("b", {2_pos, 2, false}, kStart);
    dedupe.add("c", {3_pos, 3, false}, kStart);

    dedupe.undo();
    dedupe.undo();

    EXPECT_NE(dedupe.find("a"), nullptr);
    EXPECT_EQ(dedupe.find("b"), nullptr);
    EXPECT_EQ(dedupe.find("c"), nullptr);
    dedupe.add("b", {4_pos, 4, false}, kStart);
    dedupe.commit();
    EXPECT_EQ(dedupe.find("b")->position, 4_pos);
}

}  // namespace
}  // namespace eventbus
