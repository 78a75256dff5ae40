#include "net/strangers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "support/seeded_random.h"

namespace eventbus {
namespace {

struct Visitor final : Stranger {
    explicit Visitor(Strangers& its_pool) : pool(its_pool) {}
    ~Visitor() override { pool.remove(*this); }
    void give_way() override { is_gone = true; }
    Strangers& pool;
    bool is_gone = false;
};

struct StrangersTest : testing::Test {
    void come(int count, const std::string& from) {
        for (int i = 0; i < count; ++i) {
            visitors.push_back(std::make_unique<Visitor>(pool));
            pool.add(*visitors.back(), *IpAddress::parse(from), now);
        }
    }
    // The places of those who were closed.
    std::vector<std::size_t> gone() const {
        std::vector<std::size_t> places;
        for (std::size_t i = 0; i < visitors.size(); ++i) {
            if (visitors[i]->is_gone) places.push_back(i);
        }
        return places;
    }

    void wait() { now += Strangers::kGrace; }

    Clock::Time now;
    SeededRandom random{1};
    Strangers pool{400, random};
    std::vector<std::unique_ptr<Visitor>> visitors;
};

TEST_F(StrangersTest, BehindOneAddressMayHaveHalfOfThePool) {
    come(200, "192.0.2.1");
    EXPECT_TRUE(gone().empty());

    wait();
    come(2, "192.0.2.1");
    EXPECT_EQ(gone(), (std::vector<std::size_t>{0, 1}));
    EXPECT_EQ(pool.size(), 200U);
    EXPECT_EQ(pool.crowded_out().get(), 2U);

    come(Strangers::kPerOriginMax, "192.0.2.2");
    EXPECT_EQ(gone().size(), 2U) << "others have the other half";
    wait();
    come(1, "192.0.2.2");
    EXPECT_EQ(gone(), (std::vector<std::size_t>{0, 1, 202}));
}

TEST_F(StrangersTest, BehindAProxyOnThisMachineMayHaveAllOfThePool) {
    for (const char* own : {"127.0.0.1", "::1"}) {
        come(200, own);
        EXPECT_TRUE(gone().empty()) << own;
    }
    come(1, "192.0.2.1");
    EXPECT_EQ(gone(), (std::vector<std::size_t>{0}));
}

TEST_F(StrangersTest, MakeRoomAtTheBoundWhereMostAre) {
    come(200, "192.0.2.1");
    for (int i = 0; i < 200; ++i) come(1, "198.51.100." + std::to_string(i));
    EXPECT_EQ(pool.size(), 400U);
    EXPECT_TRUE(gone().empty());

    come(1, "203.0.113.1");
    EXPECT_EQ(gone(), (std::vector<std::size_t>{0}));
    EXPECT_EQ(pool.now().get(), 400U);
}

// A flood of those who never sign in, from the address of an office too, and from so many others
// that an office of two has most of all.
TEST_F(StrangersTest, GiveWayAtFirstOnlyToOthersWhoAreAsNew) {
    come(399, "192.0.2.1");
    wait();
    come(100, "192.0.2.2");
    EXPECT_EQ(pool.size(), 400U);
    EXPECT_EQ(gone().size(), 99U);
    EXPECT_LT(gone().back(), 399U) << "none of the new ones";

    for (int i = 0; i < 400; ++i) come(1, "198.51.100." + std::to_string(i % 256));
    const std::vector<std::size_t> all = gone();
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [](std::size_t place) { return place >= 399; }))
        << "nobody was there for longer";
    EXPECT_EQ(pool.size(), 400U);
}

TEST_F(StrangersTest, OfWhomOneHasMostMakeRoomByAgeWhileThatOneIsNew) {
    for (int i = 0; i < 200; ++i) come(1, "198.51.100." + std::to_string(i));
    for (int i = 0; i < 199; ++i) come(1, "203.0.113." + std::to_string(i));
    wait();
    come(2, "192.0.2.2");
    come(10, "192.0.2.2");
    EXPECT_EQ(gone().size(), 11U);
    EXPECT_EQ(gone().back(), 10U);
}

TEST_F(StrangersTest, ThatHaveLeftTakeNoRoom) {
    come(400, "192.0.2.1");
    for (const auto& visitor : visitors) pool.remove(*visitor);
    EXPECT_EQ(pool.size(), 0U);
    EXPECT_EQ(pool.now().get(), 0U);
    come(200, "192.0.2.1");
    EXPECT_TRUE(gone().empty());
}

TEST(OriginOf, IsAnAddressOfVersion4OrTheHostsPartOfVersion6) {
    const auto origin = [](const char* text) { return origin_of(*IpAddress::parse(text)); };
    EXPECT_EQ(origin("192.0.2.1"), origin("::ffff:192.0.2.1"));
    EXPECT_NE(origin("192.0.2.1"), origin("192.0.2.2"));
    EXPECT_EQ(origin("2001:db8::1"), origin("2001:db8::ffff:0:0:1"));
    EXPECT_NE(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
}

}  // namespace
}  // namespace eventbus
