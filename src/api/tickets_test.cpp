#include "api/tickets.h"

#include <gtest/gtest.h>

#include "support/seeded_random.h"

namespace eventbus {
namespace {

constexpr Clock::Time kNow{};

SharedPrincipal principal(const char* id) {
    return std::make_shared<const Principal>(Principal{.id = id});
}

TEST(Tickets, AreGoodOnceAndForAMinute) {
    SeededRandom random(1);
    Tickets tickets(3, random);
    const SharedPrincipal ana = principal("ana");

    const std::string used = tickets.make(ana, kNow);
    const std::string old = tickets.make(ana, kNow);

    EXPECT_NE(used, old);
    EXPECT_EQ(Tickets::reactor_of(used), 3U);
    EXPECT_EQ(tickets.take(used, kNow + Tickets::kTimeToLive / 2)->id, "ana");
    EXPECT_FALSE(tickets.take(used, kNow));
    EXPECT_FALSE(tickets.take(old, kNow + Tickets::kTimeToLive));
    EXPECT_FALSE(tickets.take("3.nonsense", kNow));
}

TEST(Tickets, TheOldestMakesRoom) {
    SeededRandom random(1);
    Tickets tickets(0, random);
    const std::string first = tickets.make(principal("ana"), kNow);
    const std::string second = tickets.make(principal("ben"), kNow);
    for (std::size_t i = 1; i < Tickets::kTicketsMax; ++i) tickets.make({}, kNow);

    EXPECT_FALSE(tickets.take(first, kNow));
    EXPECT_EQ(tickets.take(second, kNow)->id, "ben");
}

TEST(Tickets, WhatIsNoTicketNamesNoReactor) {
    for (const char* text : {"", ".", "x", "1.short", "x.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef",
                             "-1.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"}) {
        EXPECT_FALSE(Tickets::reactor_of(text)) << text;
    }
}

}  // namespace
}  // namespace eventbus
