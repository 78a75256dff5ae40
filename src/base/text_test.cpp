#include "base/text.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace eventbus {
namespace {

TEST(Text, TrimTakesSpacesAndTabsOffBothEndsAndNothingElse) {
    EXPECT_EQ(trim(" \ta b\t "), "a b");
    EXPECT_EQ(trim("\na\r"), "\na\r");
    EXPECT_EQ(trim(" \t "), "");
    EXPECT_EQ(trim(""), "");
}

TEST(Text, OneLineEndIsLeftOutAndNoMore) {
    EXPECT_EQ(without_line_end("a\n"), "a");
    EXPECT_EQ(without_line_end("a\r\n"), "a");
    EXPECT_EQ(without_line_end("a\n\n"), "a\n");
    EXPECT_EQ(without_line_end(" a "), " a ");
    EXPECT_EQ(without_line_end(""), "");
}

TEST(Text, ACutLeavesNoPartOfACharacter) {
    EXPECT_EQ(cut("abc", 3), "abc");
    EXPECT_EQ(cut("abcd", 3), "abc");
    EXPECT_EQ(cut("ab\xe2\x82\xac", 4), "ab");
    EXPECT_EQ(cut("ab\xe2\x82\xac!", 5), "ab\xe2\x82\xac");
    EXPECT_EQ(cut("\x80\x80\x80", 2), "");
}

TEST(Text, OnlyLettersOfAsciiGetLower) {
    EXPECT_EQ(to_lower_case("A-Zz\xc3\x84["), "a-zz\xc3\x84[");
}

TEST(Text, PartsOfAListComeTrimmedInOrderAndEmptyOnesCount) {
    const auto parts = [](std::string_view list) {
        std::vector<std::string_view> taken;
        while (!list.empty()) taken.push_back(take_part(list, ','));
        return taken;
    };
    using Parts = std::vector<std::string_view>;
    EXPECT_EQ(parts("gzip , deflate"), (Parts{"gzip", "deflate"}));
    EXPECT_EQ(parts("a,, b"), (Parts{"a", "", "b"}));
    EXPECT_EQ(parts("a,"), (Parts{"a"}));
    EXPECT_EQ(parts(""), Parts{});
}

TEST(Text, OnlyLettersOfAsciiAreTheSameInBothCases) {
    EXPECT_TRUE(equals_ignoring_case("Keep-Alive", "kEEP-aLIVE"));
    EXPECT_FALSE(equals_ignoring_case("a", "ab"));
    EXPECT_FALSE(equals_ignoring_case("[", "{"));
    EXPECT_FALSE(equals_ignoring_case("\xc4", "\xe4"));
}

}  // namespace
}  // namespace eventbus
