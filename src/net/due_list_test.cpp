#include "net/due_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace eventbus {
namespace {

using std::chrono::milliseconds;

constexpr Clock::Time at(int ms) { return Clock::Time(milliseconds(ms)); }

class Item final : public Due {
 public:
    explicit Item(std::function<void()> act = {}) : act_(std::move(act)) {}
    int times = 0;

 private:
    void on_due() override {
        ++times;
        if (act_) act_();
    }
    std::function<void()> act_;
};

TEST(DueList, NothingIsDueBeforeItsTimeAndEverythingIsDueOnce) {
    DueList list{milliseconds(10)};
    Item first, second;
    list.arm(first, at(0));
    list.arm(second, at(5));

    EXPECT_EQ(list.next(), at(10));
    list.run(at(9));
    EXPECT_EQ(first.times, 0);
    list.run(at(10));
    EXPECT_EQ(first.times, 1);
    EXPECT_FALSE(first.is_armed());
    EXPECT_EQ(second.times, 0);
    EXPECT_EQ(list.next(), at(15));
    list.run(at(100));
    EXPECT_EQ(first.times, 1);
    EXPECT_EQ(second.times, 1);
    EXPECT_EQ(list.next(), Clock::Time::max());
}

TEST(DueList, ArmingAgainStartsAnew) {
    DueList list{milliseconds(10)};
    Item item, other;
    list.arm(item, at(0));
    list.arm(other, at(1));
    list.arm(item, at(8));

    list.run(at(17));

    EXPECT_EQ(item.times, 0);
    EXPECT_EQ(other.times, 1);
}

TEST(DueList, ADueThingMayDeleteItselfAndItsNeighbours) {
    DueList list{milliseconds(10)};
    std::vector<std::unique_ptr<Item>> items(5);
    int ran = 0;
    for (auto& item : items) item = std::make_unique<Item>();
    items[0] = std::make_unique<Item>([&] { ++ran, items[4].reset(), items[1].reset(); });
    items[2] = std::make_unique<Item>([&] { ++ran, items[2].reset(); });
    items[3] = std::make_unique<Item>([&] { ++ran; });
    for (auto& item : items) list.arm(*item, at(0));

    list.run(at(10));

    EXPECT_EQ(ran, 3);
    EXPECT_EQ(list.next(), Clock::Time::max());
}

TEST(DueList, WhatIsArmedWhileItRunsHasTheNextRunEvenWithoutADelay) {
    DueList list{milliseconds(0)};
    Item* again = nullptr;
    Item item([&] { list.arm(*again, at(10)); });
    again = &item;
    list.arm(item, at(0));

    list.run(at(10));

    EXPECT_EQ(item.times, 1);
    EXPECT_TRUE(item.is_armed());
}

TEST(DueList, AListThatEndsLeavesItsItemsDisarmed) {
    Item item;
    {
        DueList list{milliseconds(10)};
        list.arm(item, at(0));
    }
    EXPECT_FALSE(item.is_armed());
    item.disarm();
}

TEST(DueList, EqualsTheSlowModelOverRandomSteps) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        std::mt19937 random(seed);
        DueList list{milliseconds(10)};
        std::vector<Item> items(20);
        std::vector<int> due_at(items.size(), -1);
        std::vector<int> times(items.size(), 0);
        for (int now = 0; now < 300; ++now) {
            const std::size_t i = random() % items.size();
            if (random() % 3 == 0) {
                items[i].disarm();
                due_at[i] = -1;
            } else {
                list.arm(items[i], at(now));
                due_at[i] = now + 10;
            }
            list.run(at(now));
            for (std::size_t n = 0; n < items.size(); ++n) {
                if (due_at[n] != -1 && due_at[n] <= now) due_at[n] = -1, ++times[n];
                ASSERT_EQ(items[n].times, times[n]) << "item " << n << " at " << now;
                ASSERT_EQ(items[n].is_armed(), due_at[n] != -1);
            }
        }
    }
}

}  // namespace
}  // namespace eventbus
