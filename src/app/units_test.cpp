#include "app/units.h"

#include <gtest/gtest.h>

namespace eventbus {
namespace {

using namespace std::chrono_literals;

TEST(Units, ReadsTimes) {
    struct Case {
        const char* text;
        std::chrono::milliseconds time;
    };
    const Case cases[] = {{"0s", 0ms},    {"500ms", 500ms}, {"25s", 25s}, {"25 s", 25s},
                          {"10m", 10min}, {"24h", 24h},     {"7d", 168h}, {"1500ms", 1500ms}};
    for (const Case& c : cases) {
        const auto time = parse_duration(c.text);
        ASSERT_TRUE(time) << c.text;
        EXPECT_EQ(*time, c.time) << c.text;
    }
    for (const char* wrong : {"", "25", "s", "-1s", "+1s", "1.5s", "25sec", "25 ", "25  s", " 25s",
                              "99999999999999999999s", "9223372036854775807d"}) {
        EXPECT_FALSE(parse_duration(wrong)) << wrong;
    }
}

TEST(Units, ReadsSizes) {
    struct Case {
        const char* text;
        std::uint64_t bytes;
    };
    const Case cases[] = {{"0", 0},           {"65536", 65536},    {"64k", 65536},
                          {"64KiB", 65536},   {"64kB", 64'000},    {"1MiB", 1'048'576},
                          {"1MB", 1'000'000}, {"1 MB", 1'000'000}, {"10G", 10'737'418'240},
                          {"7B", 7}};
    for (const Case& c : cases) {
        const auto bytes = parse_size(c.text);
        ASSERT_TRUE(bytes) << c.text;
        EXPECT_EQ(*bytes, c.bytes) << c.text;
    }
    for (const char* wrong :
         {"", "k", "-1", "1.5M", "1 000", "1Mib", "1TB", "18446744073709551615G"}) {
        EXPECT_FALSE(parse_size(wrong)) << wrong;
    }
}

TEST(Units, ReadsCounts) {
    EXPECT_EQ(*parse_count("1000000"), 1'000'000u);
    EXPECT_EQ(*parse_count("1_000_000"), 1'000'000u);
    for (const char* wrong : {"", "_", "1k", "-1", "1e6", "99999999999999999999"}) {
        EXPECT_FALSE(parse_count(wrong)) << wrong;
    }
}

TEST(Units, WritesWhatItReads) {
    for (const char* text : {"0s", "1500ms", "25s", "10m", "36h", "1d"}) {
        EXPECT_EQ(format_duration(*parse_duration(text)), text);
    }
    for (const char* text : {"0", "7", "1MB", "64KiB", "1MiB", "10GiB", "1025"}) {
        EXPECT_EQ(format_size(*parse_size(text)), text);
    }
}

}  // namespace
}  // namespace eventbus
