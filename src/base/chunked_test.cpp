#include "base/chunked.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

namespace eventbus {
namespace {

TEST(Chunked, AnElementStaysWhereItIsWhileOthersCome) {
    Chunked<std::unique_ptr<int>> numbers;
    numbers.grow_to(1);
    auto* const first = &numbers[0];
    for (int i = 0; i < 1'000; ++i) {
        numbers.grow_to(static_cast<std::size_t>(i) + 1);
        numbers[static_cast<std::size_t>(i)] = std::make_unique<int>(i);
    }
    EXPECT_EQ(&numbers[0], first);
    ASSERT_EQ(numbers.size(), 1'000U);
    for (std::size_t i = 0; i < 1'000; ++i) {
        EXPECT_EQ(*std::as_const(numbers)[i], static_cast<int>(i));
    }
}

TEST(Chunked, WhatComesIsEmpty) {
    Chunked<int> numbers;
    numbers.grow_to(300);
    for (std::size_t i = 0; i < 300; ++i) EXPECT_EQ(numbers[i], 0);
}

}  // namespace
}  // namespace eventbus
