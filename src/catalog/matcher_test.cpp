#include "catalog/matcher.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace eventbus {
namespace {

// The obvious definition, without escapes.
bool slow_match(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) return text.empty();
    if (pattern[0] == '*') {
        return slow_match(pattern.substr(1), text) ||
               (!text.empty() && slow_match(pattern, text.substr(1)));
    }
    return !text.empty() && pattern[0] == text[0] && slow_match(pattern.substr(1), text.substr(1));
}

TEST(Wildcard, EqualsTheSlowDefinition) {
    std::mt19937 random(11);
    const auto draw = [&](std::string_view letters, std::size_t length_max) {
        std::string text(random() % (length_max + 1), ' ');
        for (char& c : text) c = letters[random() % letters.size()];
        return text;
    };
    for (int i = 0; i < 50'000; ++i) {
        const std::string pattern = draw("ab*", 8);
        if (!Wildcard::is_valid(pattern)) continue;
        const std::string text = draw("ab", 12);
        ASSERT_EQ(Wildcard(pattern).matches(text), slow_match(pattern, text))
            << pattern << " on " << text;
    }
}

TEST(Wildcard, EscapesStandForThemselves) {
    EXPECT_TRUE(Wildcard(R"(a\*b\\*)").matches(R"(a*b\c)"));
    EXPECT_FALSE(Wildcard(R"(a\*b)").matches("axb"));
    EXPECT_FALSE(Wildcard::is_valid("a**b"));
    EXPECT_FALSE(Wildcard::is_valid(R"(a\b)"));
    EXPECT_FALSE(Wildcard::is_valid("a\\"));
    EXPECT_TRUE(Wildcard::is_valid("*a*"));
}

// With backtracking these would take the square of the length, or worse.
TEST(Wildcard, ALongValueIsReadOnce) {
    const std::string text(1'000'000, 'a');
    const std::string piece(200, 'a');
    EXPECT_FALSE(Wildcard("*" + piece + "b*" + piece + "b*").matches(text));
    EXPECT_FALSE(Wildcard("*a*a*a*a*a*a*a*a*a*a*b*a").matches(text));
}

}  // namespace
}  // namespace eventbus
