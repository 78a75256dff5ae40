#include "base/remembered.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eventbus {
namespace {

using std::chrono::seconds;

constexpr Clock::Time kStart = Clock::Time(std::chrono::hours(1));

TEST(Remembered, WhatIsOutOfTheWindowGoesBeforeWhatIsBeyondTheBound) {
    Remembered<int> keys({.window = seconds(10), .keys_max = 2});
    keys.add("a", "one", 1, kStart);
    keys.add("b", "two", 2, kStart + seconds(5));
    keys.add("c", "two", 3, kStart + seconds(5));

    EXPECT_TRUE(keys.forget(kStart + seconds(10)).empty());
    EXPECT_EQ(keys.find("a"), nullptr);
    keys.add("d", "three", 4, kStart + seconds(10));
    EXPECT_EQ(keys.forget(kStart + seconds(10)), (std::vector<int>{2}));
    ASSERT_NE(keys.find("c"), nullptr);
    EXPECT_EQ(*keys.find("d"), 4);
    EXPECT_EQ(keys.size(), 2U);
}

TEST(Remembered, TheLastOneCanBeTakenBack) {
    Remembered<int> keys({.window = seconds(10), .keys_max = 9});
    keys.add("a", "one", 1, kStart);
    keys.add("b", "one", 2, kStart);

    keys.undo_add();

    EXPECT_EQ(keys.find("b"), nullptr);
    keys.add("b", "one", 3, kStart);
    EXPECT_EQ(*keys.find("b"), 3);
    EXPECT_EQ(keys.size(), 2U);
}

}  // namespace
}  // namespace eventbus
