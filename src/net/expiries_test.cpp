#include "net/expiries.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/reactor_loop.h"

namespace eventbus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Thing final : Expiring {
    explicit Thing(std::function<void()> what) : then(std::move(what)) {}
    void on_expired() override { then(); }
    std::function<void()> then;
};

struct ExpiriesTest : testing::Test {
    Clock::WallTime in(std::chrono::milliseconds time) const { return clock.wall_now() + time; }

    // Lets the time go on, as much as a reactor sleeps at once.
    void pass(milliseconds time) {
        clock.advance(time);
        ReactorLoop({&reactor}).settle();
    }

    FakeClock clock;
    Reactor reactor{0, clock};
    Expiries expiries{reactor, clock};
    std::string ended;
    Thing a{[this] { ended += 'a'; }};
    Thing b{[this] { ended += 'b'; }};
    Thing c{[this] { ended += 'c'; }};
};

TEST_F(ExpiriesTest, EndInTheirOrderAndNotBeforeTheirTime) {
    expiries.add(a, in(seconds(90)));
    expiries.add(b, in(milliseconds(1'500)));
    expiries.add(c, in(seconds(90)));

    pass(milliseconds(1'499));
    EXPECT_EQ(ended, "");
    pass(milliseconds(1'001));
    EXPECT_EQ(ended, "b");
    pass(seconds(87));
    EXPECT_EQ(ended, "b");
    pass(seconds(1));
    EXPECT_EQ(ended, "bac");
    EXPECT_TRUE(expiries.is_empty());
}

TEST_F(ExpiriesTest, GoWithTheWallClock) {
    expiries.add(a, in(seconds(3'600)));

    clock.set_wall(in(seconds(3'600)));
    pass(seconds(1));

    EXPECT_EQ(ended, "a");
}

TEST_F(ExpiriesTest, WhatNeverEndsIsNotKept) {
    expiries.add(a, Clock::WallTime::max());
    EXPECT_TRUE(expiries.is_empty());
}

TEST_F(ExpiriesTest, WhatIsGoneHasLeft) {
    auto deleted = std::make_unique<Thing>([this] { ended += 'x'; });
    expiries.add(*deleted, in(seconds(1)));
    expiries.add(a, in(seconds(1)));
    expiries.add(b, in(seconds(1)));

    deleted.reset();
    a.disarm();
    pass(seconds(2));

    EXPECT_EQ(ended, "b");
}

TEST_F(ExpiriesTest, OneThatEndsMayTakeAnotherWithIt) {
    auto other = std::make_unique<Thing>([this] { ended += 'x'; });
    Thing first([&] { other.reset(); });
    expiries.add(first, in(seconds(1)));
    expiries.add(*other, in(seconds(1)));
    expiries.add(a, in(seconds(1)));

    pass(seconds(2));

    EXPECT_EQ(other, nullptr);
    EXPECT_EQ(ended, "a");
}

TEST_F(ExpiriesTest, ATurnEndsNoMoreThanItsBoundAndTheNextOnesTheRest) {
    std::vector<std::unique_ptr<Thing>> things;
    for (std::size_t i = 0; i <= Expiries::kAtOnce; ++i) {
        things.push_back(std::make_unique<Thing>([this] { ended += '.'; }));
        expiries.add(*things.back(), in(seconds(1)));
    }
    expiries.add(a, in(seconds(5)));
    clock.advance(seconds(1));

    reactor.run_once();
    EXPECT_EQ(ended, std::string(Expiries::kAtOnce, '.'));
    ReactorLoop({&reactor}).settle();
    EXPECT_EQ(ended, std::string(Expiries::kAtOnce + 1, '.'));
    pass(seconds(4));
    EXPECT_TRUE(ended.ends_with('a'));
}

}  // namespace
}  // namespace eventbus
