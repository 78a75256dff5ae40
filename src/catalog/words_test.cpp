#include "catalog/words.h"

#include <gtest/gtest.h>

namespace eventbus {
namespace {

TEST(Words, AnAgeIsANumberAndAUnit) {
    struct Case {
        const char* text;
        long long seconds;  // 0: refused
    };
    const Case cases[] = {
        {"45s", 45},
        {"30m", 1800},
        {"12h", 43'200},
        {"7d", 604'800},
        {"2w", 1'209'600},
        {"", 0},
        {"7", 0},
        {"d", 0},
        {"0d", 0},
        {"-7d", 0},
        {"7 d", 0},
        {"7days", 0},
        {"1.5h", 0},
        {"3650d", 315'360'000},
        {"3651d", 0},
        {"99999999999999999999d", 0},
        {"18446744073709551615w", 0},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text);
        const auto age = parse_age(c.text);
        EXPECT_EQ(age.value_or(std::chrono::seconds(0)).count(), c.seconds);
    }
}

TEST(Words, BytesAreCountedByThousandsOr1024) {
    struct Case {
        const char* text;
        unsigned long long bytes;  // 0: refused
    };
    const Case cases[] = {
        {"1", 1},
        {"64KB", 64'000},
        {"64KiB", 65'536},
        {"10MB", 10'000'000},
        {"1GiB", 1ULL << 30U},
        {"1TB", 1'000'000'000'000},
        {"0", 0},
        {"", 0},
        {"1kb", 0},
        {"1 GB", 0},
        {"-1", 0},
        {"99999999TiB", 0},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text);
        const auto bytes = parse_bytes(c.text);
        EXPECT_EQ(bytes.value_or(0), c.bytes);
    }
}

TEST(Words, NamesOfTheWireAreKnown) {
    EXPECT_TRUE(is_reserved_name("connect"));
    EXPECT_TRUE(is_reserved_name("resume.done"));
    EXPECT_FALSE(is_reserved_name("photo.connect"));
}

}  // namespace
}  // namespace eventbus
