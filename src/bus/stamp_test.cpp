#include "bus/stamp.h"

#include <fmt/chrono.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "event/attributes.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

Clock::WallTime at_millis(std::int64_t millis) {
    return Clock::WallTime(std::chrono::milliseconds(millis));
}

TEST(EventTime, IsAsRfc3339Says) {
    struct Case {
        std::int64_t millis;
        const char* time;
    };
    const Case cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951'868'799'999, "2000-02-29T23:59:59.999Z"},
        {1'709'164'800'007, "2024-02-29T00:00:00.007Z"},
        {4'107'542'399'050, "2100-02-28T23:59:59.050Z"},
    };
    for (const Case& c : cases) EXPECT_EQ(make_event_time(at_millis(c.millis)), c.time);
}

TEST(EventTime, EqualsTheFormatterOverALongRun) {
    SeededRandom random(7);
    for (int i = 0; i < 10'000; ++i) {
        const auto millis = static_cast<std::int64_t>(random.below(8'000'000'000'000));
        const std::string expected =
            fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(millis / 1000), millis % 1000);

        EXPECT_EQ(make_event_time(at_millis(millis)), expected);
        EXPECT_TRUE(check_time(expected));
    }
}

TEST(EventTime, IsCutAtTheMillisecond) {
    using std::chrono::microseconds;
    EXPECT_EQ(make_event_time(Clock::WallTime(microseconds(1'999))), "1970-01-01T00:00:00.001Z");
}

// RFC 9562, A.6: the millisecond 0x017F22E279B0.
TEST(EventId, BeginsWithTheTimeAndSaysItsVersion) {
    SeededRandom random(1);
    for (int i = 0; i < 1'000; ++i) {
        const std::string id = make_event_id(random, at_millis(0x017F22E279B0));
        ASSERT_EQ(id.size(), 36u);
        EXPECT_EQ(id.substr(0, 15), "017f22e2-79b0-7");
        EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
        for (const std::size_t dash : {8U, 13U, 18U, 23U}) EXPECT_EQ(id[dash], '-');
    }
}

TEST(EventId, EveryRandomDigitVaries) {
    SeededRandom random(2);
    std::string seen[36];
    for (int i = 0; i < 1'000; ++i) {
        const std::string id = make_event_id(random, at_millis(0));
        for (std::size_t at = 0; at < id.size(); ++at) {
            if (seen[at].find(id[at]) == std::string::npos) seen[at] += id[at];
        }
    }
    for (const std::size_t at : {15U, 16U, 17U, 20U, 21U, 22U, 24U, 30U, 35U}) {
        EXPECT_EQ(seen[at].size(), 16u) << "digit " << at;
    }
    EXPECT_EQ(seen[19].size(), 4u);
}

TEST(EventId, SortsByTheMillisecond) {
    SeededRandom random(3);
    std::string before = make_event_id(random, at_millis(1));
    for (std::int64_t millis = 2; millis < 1'000'000'000; millis = millis * 3 / 2 + 1) {
        const std::string id = make_event_id(random, at_millis(millis));
        EXPECT_LT(before, id);
        before = id;
    }
}

}  // namespace
}  // namespace eventbus
