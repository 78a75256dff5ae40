#include "api/tickets.h"

#include <gtest/gtest.h>

#include <string>

#include "support/fake_clock.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

SealKey key_of(char c) {
    SealKey key;
    key.bytes.fill(static_cast<std::byte>(c));
    return key;
}

struct TicketsTest : testing::Test {
    std::string made(std::string_view token) {
        const Result<std::string> ticket = tickets.make(token);
        EXPECT_TRUE(ticket);
        return ticket ? *ticket : std::string();
    }
    // The token of the ticket; empty: it is refused.
    static std::string opened(Tickets& by, std::string_view ticket, bool shows_a_place = false,
                              const std::string& user = "ana") {
        const Result<std::string> token = by.open(ticket, shows_a_place);
        if (token && !shows_a_place) by.note_use(ticket, Principal{.id = user});
        if (token) return *token;
        EXPECT_EQ(token.error().code, ErrorCode::kUnauthorized);
        return {};
    }

    FakeClock clock;
    SeededRandom random{1};
    Tickets tickets{3, 8, key_of('k'), random, clock};
};

TEST_F(TicketsTest, AreGoodForOneStreamWithinAMinute) {
    const std::string used = made("token");
    const std::string old = made("token");

    EXPECT_NE(used, old);
    EXPECT_EQ(used.find("token"), std::string::npos);
    clock.advance(Tickets::kTimeToLive / 2);
    EXPECT_EQ(opened(tickets, used), "token");
    EXPECT_EQ(opened(tickets, used), "");
    clock.advance(Tickets::kTimeToLive / 2);
    EXPECT_EQ(opened(tickets, old), "");
}

TEST_F(TicketsTest, OpenTheirStreamAgainAtAnyTimeIfAPlaceIsShown) {
    const std::string ticket = made("token");
    EXPECT_EQ(opened(tickets, ticket), "token");
    clock.advance(std::chrono::hours(5));
    EXPECT_EQ(opened(tickets, ticket, true), "token");
    EXPECT_EQ(opened(tickets, ticket, true), "token");
    EXPECT_EQ(opened(tickets, ticket), "");
}

TEST_F(TicketsTest, OutliveTheProcessThatMadeThem) {
    const std::string ticket = made("token");
    EXPECT_EQ(opened(tickets, ticket), "token");
    Tickets next{3, 8, key_of('k'), random, clock};
    EXPECT_EQ(opened(next, ticket, true), "token");
    EXPECT_EQ(opened(next, ticket), "") << "it was used before the restart";
    Tickets of_another_key{3, 8, key_of('l'), random, clock};
    EXPECT_EQ(opened(of_another_key, ticket, true), "");
}

TEST_F(TicketsTest, ThatWereUsedAreKnownUpToABound) {
    const auto use = [this](const std::string& user) {
        std::string ticket = made("token");
        EXPECT_EQ(opened(tickets, ticket, false, user), "token");
        return ticket;
    };
    const std::string of_ana = use("ana");
    const std::string first = use("eve");
    const std::string second = use("eve");
    for (std::size_t i = 2; i < Tickets::kUsedMax; ++i) use("eve");

    EXPECT_EQ(opened(tickets, second), "");
    EXPECT_EQ(opened(tickets, of_ana), "") << "another user has pushed it out";
    EXPECT_EQ(opened(tickets, first, false, "eve"), "token");  // it was forgotten
}

TEST_F(TicketsTest, OfAReleaseThatDidNotSayItsLifeOpenTheirStreamAgain) {
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(clock.wall_now().time_since_epoch())
            .count();
    const std::string ticket = seal(key_of('k'), random, std::to_string(ms) + " 3 token");
    EXPECT_EQ(tickets.home_of(ticket), 3U);
    EXPECT_EQ(opened(tickets, ticket), "");
    EXPECT_EQ(opened(tickets, ticket, true), "token");
}

TEST_F(TicketsTest, HoldTokensUpToTheirBound) {
    const std::string largest(Tickets::kTokenBytesMax, 't');
    EXPECT_EQ(opened(tickets, made(largest)), largest);
    const auto larger = tickets.make(largest + "t");
    ASSERT_FALSE(larger);
    EXPECT_EQ(larger.error().code, ErrorCode::kTooLarge);
}

TEST_F(TicketsTest, NameTheReactorThatKnowsTheirUseAndNobodyCanChangeIt) {
    const std::string ticket = made("token");
    EXPECT_EQ(tickets.home_of(ticket), 3U);
    for (std::size_t i = 0; i < ticket.size(); ++i) {
        std::string changed = ticket;
        changed[i] = changed[i] == '2' ? '1' : '2';
        EXPECT_FALSE(tickets.home_of(changed)) << changed;
        EXPECT_EQ(opened(tickets, changed, true), "") << changed;
    }
    for (const std::string_view more : {"0", "3.", " "}) {
        EXPECT_FALSE(tickets.home_of(std::string(more) + ticket)) << more;
        EXPECT_FALSE(tickets.home_of(ticket + std::string(more))) << more;
    }
}

TEST_F(TicketsTest, HaveOneHomeAlsoWhereTheServerWasStartedAgainWithFewerReactors) {
    const std::string ticket = made("token");
    const Tickets first{0, 2, key_of('k'), random, clock};
    Tickets second{1, 2, key_of('k'), random, clock};
    EXPECT_EQ(first.home_of(ticket), 1U);
    EXPECT_EQ(second.home_of(ticket), 1U);
    EXPECT_EQ(opened(second, ticket, true), "token");
}

TEST_F(TicketsTest, WhatIsNoTicketNamesNoReactorAndOpensNothing) {
    for (const char* text : {"", ".", "x", "1.short", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef",
                             "1.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"}) {
        EXPECT_FALSE(tickets.home_of(text)) << text;
        EXPECT_EQ(opened(tickets, text), "") << text;
        EXPECT_EQ(opened(tickets, text, true), "") << text;
    }
}

}  // namespace
}  // namespace eventbus
