#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace eventbus {
namespace {

using namespace std::string_literals;

TEST(Utf8, PiecesAndWholesAreJudgedAlike) {
    // All sequences of up to three bytes out of those at which rules change, cut in every way.
    const std::string edges =
        "\x41\x7f\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xdf\xe0\xe1\xed\xee\xef\xf0\xf1\xf4\xf5\xff"s;
    for (char a : edges) {
        for (char b : edges) {
            for (char c : edges) {
                const std::string text{a, b, c, '\x80'};
                Utf8Checker checker;
                bool is_fine = true;
                for (char byte : text) is_fine = is_fine && checker.feed({&byte, 1});
                Utf8Checker at_once;
                EXPECT_EQ(at_once.feed(text), is_fine);
                EXPECT_EQ(is_fine && at_once.feed("a"), is_utf8(text + "a"));
            }
        }
    }
}

}  // namespace
}  // namespace eventbus
