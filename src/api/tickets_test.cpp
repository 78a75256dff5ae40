#include "api/tickets.h"

#include <gtest/gtest.h>

#include "support/seeded_random.h"

namespace eventbus {
namespace {

constexpr Clock::Time kNow{};

TEST(Tickets, AreGoodOnceAndForAMinute) {
    SeededRandom random(1);
    Tickets tickets(3, random);
    const Principal ana{.id = "ana"};

    const std::string used = tickets.make(ana, kNow);
    const std::string old = tickets.make(ana, kNow);

    EXPECT_NE(used, old);
    EXPECT_EQ(Tickets::reactor_of(used), 3U);
    EXPECT_EQ(tickets.take(used, kNow + Tickets::kTimeToLive / 2)->id, "ana");
    EXPECT_FALSE(tickets.take(used, kNow).has_value());
    EXPECT_FALSE(tickets.take(old, kNow + Tickets::kTimeToLive).has_value());
    EXPECT_FALSE(tickets.take("3.nonsense", kNow).has_value());
}

TEST(Tickets, TheOldestMakesRoom) {
    SeededRandom random(1);
    Tickets tickets(0, random);
    const std::string first = tickets.make(Principal{.id = "ana"}, kNow);
    const std::string second = tickets.make(Principal{.id = "ben"}, kNow);
    for (std::size_t i = 1; i < Tickets::kTicketsMax; ++i) tickets.make({}, kNow);

    EXPECT_FALSE(tickets.take(first, kNow).has_value());
    EXPECT_EQ(tickets.take(second, kNow)->id, "ben");
}

TEST(Tickets, WhatIsNoTicketNamesNoReactor) {
    for (const char* text : {"", ".", "x", "1.short", "x.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef",
                             "-1.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"}) {
        EXPECT_FALSE(Tickets::reactor_of(text).has_value()) << text;
    }
}

}  // namespace
}  // namespace eventbus
