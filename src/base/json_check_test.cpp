#include "base/json_check.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <string>
#include <utility>

namespace eventbus {
namespace {

using namespace std::string_literals;

std::string nested(const std::string& open, const std::string& core, const std::string& close,
                   std::size_t levels) {
    std::string text;
    for (std::size_t i = 0; i < levels; ++i) text += open;
    text += core;
    for (std::size_t i = 0; i < levels; ++i) text += close;
    return text;
}

TEST(JsonCheck, TakesWhatRfc8259Allows) {
    const std::string cases[] = {
        "{}",
        "[]",
        "1",
        " \"a\" ",
        "null",
        "[-0, 1E5, 0.5e-3, 1e-400, 1e30, 123456789012345678901234567890.0]",
        "[18446744073709551615, -9223372036854775808]",
        R"(["\ud83d\ude00", "\u0000", "\/", "\\ud800"])",
        R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})",
        "[\"\xf0\x9f\x98\x80\"]",
        R"({"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"10":10})",
    };
    JsonChecker checker;
    for (const std::string& text : cases) {
        SCOPED_TRACE(text);
        const Result<> checked = checker.check(text);
        EXPECT_TRUE(checked) << checked.error().detail;
    }
}

TEST(JsonCheck, RefusesWhatOneReaderCouldReadOtherwise) {
    struct Case {
        const char* name;
        std::string text;
        const char* detail;  // a part of it
    };
    const Case cases[] = {
        {"nothing", "", "empty"},
        {"only space", "  ", "empty"},
        {"a second value", "{} {}", "well-formed"},
        {"text behind", "{}x", "well-formed"},
        {"a NUL behind", "{}\0"s, "well-formed"},
        {"a byte order mark", "\xef\xbb\xbf{}", "well-formed"},
        {"cut off", "[\"a\"", "well-formed"},
        {"cut off in a string", "[\"a", "end"},
        {"a comma too much", "[1,]", "well-formed"},
        {"single quotes", "['a']", "well-formed"},
        {"NaN", "[NaN]", "well-formed"},
        {"a leading zero", "[01]", "number"},
        {"no digit behind the dot", "[1.]", "number"},
        {"an integer of 65 bits", "[18446744073709551616]", "number"},
        {"a negative integer of 65 bits", "[-9223372036854775809]", "number"},
        {"infinite", "[1e400]", "number"},
        {"a control character", "[\"\x01\"]", "control"},
        {"an unknown escape", R"(["\x41"])", "escape"},
        {"no hex digits", R"(["\u00zz"])", "escape"},
        {"a lone high surrogate", R"(["\ud83d"])", "escape"},
        {"a lone low surrogate", R"(["\ude00"])", "escape"},
        {"two high surrogates", R"(["\ud83d\ud83d"])", "escape"},
        {"high, and no low behind it", R"(["\ud83d\u0041"])", "escape"},
        {"high, and far above low", R"(["\ud83d\uffff"])", "escape"},
        {"overlong UTF-8", "[\"\xc0\xaf\"]", "UTF-8"},
        {"a surrogate as UTF-8", "[\"\xed\xa0\x80\"]", "UTF-8"},
        {"a key twice", R"({"a":1,"b":2,"a":3})", "twice"},
        {"a key twice, once escaped", R"({"a":1,"\u0061":2})", "twice"},
        {"a key twice, deep", R"([{"x":[{"k":0,"k":0}]}])", "twice"},
        {"a key twice of many", R"({"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"1":10})",
         "twice"},
        {"the empty key twice", R"({"":1,"":2})", "twice"},
    };
    JsonChecker checker;
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const Result<> checked = checker.check(c.text);
        ASSERT_FALSE(checked);
        EXPECT_EQ(checked.error().code, ErrorCode::kBadRequest);
        EXPECT_NE(checked.error().detail.find(c.detail), std::string::npos)
            << checked.error().detail;
    }
}

TEST(JsonCheck, AllowsJust64Levels) {
    JsonChecker checker;
    for (const auto& [open, close] : {std::pair{"[", "]"}, std::pair{"{\"a\":", "}"}}) {
        EXPECT_TRUE(checker.check(nested(open, "1", close, 64)));
        EXPECT_FALSE(checker.check(nested(open, "1", close, 65)));
        EXPECT_FALSE(checker.check(nested(open, "[]", close, 64)));
        EXPECT_FALSE(checker.check(nested(open, "1", close, 100'000)));
        EXPECT_TRUE(checker.check(nested(open, "{}", close, 63)));
    }
}

TEST(JsonCheck, IsGoodForMoreAfterARefusalAndAfterAHugeText) {
    JsonChecker checker;
    const std::string huge = "[\"" + std::string(3'000'000, 'a') + "\"]";

    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(checker.check(huge));
        EXPECT_FALSE(checker.check("{\"a\":1,\"a\":1}"));
        EXPECT_FALSE(checker.check("["));
        EXPECT_TRUE(checker.check("{\"a\":1}"));
    }
}

TEST(JsonCheck, GivesTheDocument) {
    JsonChecker checker;

    const Result<simdjson::dom::element> document = checker.parse(R"(["a\n",{"b":7}])");

    ASSERT_TRUE(document);
    EXPECT_EQ(std::string_view(document->at(0)), "a\n");
    EXPECT_EQ(std::int64_t(document->at_pointer("/1/b")), 7);
}

}  // namespace
}  // namespace eventbus
