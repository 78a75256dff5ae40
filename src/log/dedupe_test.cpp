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

    EXPECT_TRUE(dedupe.forget(kStart + seconds(10) - std::chrono::nanoseconds(1)).empty());
    ASSERT_NE(dedupe.find("a"), nullptr);
    EXPECT_EQ(dedupe.find("a")->content_hash, 11u);
    EXPECT_TRUE(dedupe.forget(kStart + seconds(10)).empty());
    EXPECT_EQ(dedupe.find("a"), nullptr);
    ASSERT_NE(dedupe.find("b"), nullptr);
    EXPECT_TRUE(dedupe.find("b")->unowned);
    EXPECT_EQ(dedupe.size(), 1u);
}

TEST(Dedupe, BeyondTheBoundTheOldestOfThePublisherThatHasMostIsForgotten) {
    Dedupe dedupe({.window = seconds(10), .keys_max = 4});
    const std::string key_of_a = std::string("service:a") + '\0' + "source" + '\0' + "id";
    const auto key_of_b = [](int id) {
        return std::string("user:b") + '\0' + "source" + '\0' + std::to_string(id);
    };
    dedupe.add(key_of_a, {1_pos}, kStart);
    for (int id = 2; id <= 6; ++id) {
        dedupe.add(key_of_b(id), {Position(static_cast<std::uint64_t>(id))}, kStart);
    }
    dedupe.commit();

    const auto dropped = dedupe.forget(kStart);

    ASSERT_EQ(dropped.size(), 2U);
    EXPECT_EQ(dropped[0].position, 2_pos);
    EXPECT_EQ(dropped[1].position, 3_pos);
    EXPECT_NE(dedupe.find(key_of_a), nullptr) << "another publisher has pushed it out";
    EXPECT_EQ(dedupe.find(key_of_b(3)), nullptr);
    EXPECT_NE(dedupe.find(key_of_b(4)), nullptr);
    EXPECT_EQ(dedupe.size(), 4U);
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
