#include "wire/json_scan.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <string>
#include <vector>

#include "base/json_check.h"
#include "base/json_text.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

using Slices = std::vector<std::string_view>;

std::string fault_of(std::string_view text, std::optional<std::size_t> attachments = {}) {
    Slices slices;
    const JsonScan scan = scan_json(text, slices, attachments);
    return scan.fault == nullptr ? "" : scan.fault;
}

TEST(JsonScan, TakesWhatBrowsersTake) {
    for (const char* text : {"{}",
                             "[]",
                             "\"\"",
                             "0",
                             "-0",
                             "-1.5e-3",
                             "1E+9",
                             "1e999",
                             "100000000000000000000000",
                             "true",
                             "false",
                             "null",
                             " [ ] ",
                             "\t{\n\"a\"\r:[1 , 2]}",
                             "[[],{},[{}]]",
                             R"({"a":1,"a":2})",
                             R"("\ud800")",
                             R"("\uDC00\uD800")",
                             R"("\"\\\/\b\f\n\r\t\u00e9")",
                             "\"\x7F\xC3\xA9\"",
                             R"({"":{"":""}})"}) {
        SCOPED_TRACE(text);
        EXPECT_EQ(fault_of(text), "");
    }
}

TEST(JsonScan, RefusesWhatIsNoJson) {
    for (const char* text : {"",
                             " ",
                             "{",
                             "[",
                             "]",
                             "}",
                             "\"",
                             "\"\\",
                             "\"\\u",
                             "\"\\u12",
                             "\"\\u12g4\"",
                             "\"\\q\"",
                             "\"\\U0041\"",
                             "\"a\nb\"",
                             "\"\x1F\"",
                             "01",
                             "-",
                             "-a",
                             "+1",
                             "1.",
                             ".5",
                             "1e",
                             "1e+",
                             "1.e1",
                             "0x1",
                             "tru",
                             "truth",
                             "nul",
                             "NaN",
                             "Infinity",
                             "undefined",
                             "'a'",
                             "[,]",
                             "[1,]",
                             "[1 2]",
                             "[1]]",
                             "[1}",
                             "{1:2}",
                             "{\"a\"}",
                             "{\"a\":}",
                             "{\"a\":1,}",
                             "{\"a\" 1}",
                             "{\"a\":1 \"b\":2}",
                             "{,}",
                             "[] []",
                             "1 2",
                             "[1],",
                             "{\"a\":1]",
                             "/**/1",
                             "[\"a\"",
                             "[1,",
                             "{\"a\"",
                             "{\"a\":",
                             "{\"a\":1",
                             "\xEF\xBB\xBF[]"}) {
        SCOPED_TRACE(text);
        EXPECT_NE(fault_of(text), "");
    }
}

TEST(JsonScan, GivesTheElementsOfAnArrayWithoutSpaces) {
    const std::string text = R"( [ "a,]" , {"b":[1,2]},[ ] ,3 , null ] )";
    Slices slices;
    const JsonScan scan = scan_json(text, slices);

    ASSERT_EQ(scan.fault, nullptr);
    EXPECT_EQ(scan.kind, JsonKind::kArray);
    EXPECT_EQ(slices, (Slices{R"("a,]")", R"({"b":[1,2]})", "[ ]", "3", "null"}));
    EXPECT_EQ(slices[0].data(), text.data() + 3);
}

TEST(JsonScan, OnlyAnOuterArrayHasElements) {
    Slices slices;
    EXPECT_EQ(scan_json("[ ]", slices).kind, JsonKind::kArray);
    EXPECT_EQ(scan_json(R"({"a":[1,2],"b":3})", slices).kind, JsonKind::kObject);
    EXPECT_EQ(scan_json("\"[1,2]\"", slices).kind, JsonKind::kString);
    EXPECT_EQ(scan_json("-1", slices).kind, JsonKind::kNumber);
    EXPECT_EQ(scan_json("null", slices).kind, JsonKind::kWord);
    EXPECT_EQ(slices, Slices{});
}

TEST(JsonScan, WhatIsStrictTheCheckerTakes) {
    const auto with_keys = [](std::size_t keys) {
        std::string json = "{";
        for (std::size_t i = 0; i < keys; ++i) {
            json += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":[{\"a\":0}]";
        }
        return json + "}";
    };
    const auto nested = [](std::size_t levels) {
        return std::string(levels, '[') + std::string(levels, ']');
    };
    const struct {
        std::string text;
        bool is_strict;
    } cases[] = {
        {R"(["publish",{"type":"a","data":{"type":1,"n":-0.5},"id":"x\n"}])", true},
        {R"([{"a":1},{"a":2}])", true},
        {R"({"a":{"a":1},"b":{"a":1}})", true},
        {R"({"a":1,"aa":2,"A":3,"":4})", true},
        {R"({"a":1,"a":2})", false},
        {R"({"a":{"b":1},"c":[{}],"a":2})", false},
        {R"([{"a":1,"\u0061":2}])", false},
        {R"({"a\/":1,"a/":2})", false},
        {R"(["\ud800"])", false},
        {"[123456789012345678]", true},
        {"[1234567890123456789]", false},
        {"[1e999]", false},
        {with_keys(kScannedKeysMax - 1), true},
        {with_keys(kScannedKeysMax + 1), false},
        {nested(kJsonDepthMax), true},
        {nested(kJsonDepthMax + 1), false},
    };
    JsonChecker checker;
    for (const auto& c : cases) {
        SCOPED_TRACE(c.text);
        Slices slices;
        const JsonScan scan = scan_json(c.text, slices);

        EXPECT_EQ(scan.fault, nullptr);
        EXPECT_EQ(scan.is_strict, c.is_strict);
        EXPECT_TRUE(!scan.is_strict || checker.check(c.text));
    }
}

TEST(JsonScan, LevelsAreBounded) {
    const auto nested = [](std::size_t levels) {
        return std::string(levels, '[') + std::string(levels, ']');
    };
    EXPECT_EQ(fault_of(nested(kJsonScanLevelsMax)), "");
    EXPECT_NE(fault_of(nested(kJsonScanLevelsMax + 1)), "");
}

TEST(JsonScan, PlaceholdersNameAttachments) {
    const std::string none = "a placeholder that names no attachment";
    const struct {
        const char* text;
        std::size_t attachments;
        bool is_good;
    } cases[] = {
        {R"([{"_placeholder":true,"num":0}])", 1, true},
        {R"([{"num":1,"_placeholder":true}])", 2, true},
        {R"([{"num":1,"_placeholder":true}])", 1, false},
        {R"([{"_placeholder":true,"num":0}])", 0, false},
        {R"([[{"a":{"_placeholder":true,"num":7}}]])", 7, false},
        {R"([{"_placeholder":true}])", 1, false},
        {R"([{"_placeholder":true,"num":-1}])", 1, false},
        {R"([{"_placeholder":true,"num":"0"}])", 1, false},
        {R"([{"_placeholder":true,"num":0.5}])", 1, false},
        {R"([{"_placeholder":true,"num":[0]}])", 1, false},
        {R"([{"_placeholder":true,"num":99999999999999999999999}])", 1, false},
        {R"([{"\u005fplaceholder":true,"num":7}])", 1, false},
        {R"([{"_placeholder":true,"num":7,"num":0}])", 1, true},
        {R"([{"_placeholder":false,"num":7}])", 1, true},
        {R"([{"_placeholder":"true","num":7}])", 1, true},
        {R"([{"_placeholder":true,"_placeholder":{}}])", 1, true},
        {R"(["_placeholder",true,{"a":"_placeholder"}])", 1, true},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(c.text);
        EXPECT_EQ(fault_of(c.text, c.attachments), c.is_good ? "" : none);
        EXPECT_EQ(fault_of(c.text), "");
    }
}

TEST(JsonScan, EscapesAreReadAsBrowsersDo) {
    const struct {
        const char* string;
        const char* text;
    } cases[] = {
        {R"("")", ""},
        {R"("plain")", "plain"},
        {R"("\"\\\/\b\f\n\r\t")", "\"\\/\b\f\n\r\t"},
        {R"("a\u0062\u00e9\u20AC\ud83d\ude00c")",
         "ab\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"
         "c"},
        {R"("\ud83d")", "\xEF\xBF\xBD"},
        {R"("\ude00\ud83d\ud83d\ude00")", "\xEF\xBF\xBD\xEF\xBF\xBD\xF0\x9F\x98\x80"},
        {R"("\ud83d\u0041")",
         "\xEF\xBF\xBD"
         "A"},
        {R"("\ud83d\n")", "\xEF\xBF\xBD\n"},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(c.string);
        EXPECT_EQ(fault_of(c.string), "");
        EXPECT_EQ(json_unescaped(c.string), c.text);
    }
}

// Whatever another reader takes, this one takes, and with the same elements; what only this one
// takes are the exceptions that it names.
TEST(JsonScan, AgreesWithAnotherReaderOnDocumentsThatWereDamaged) {
    SeededRandom random(7);
    const std::string documents[] = {
        R"(["na\u00efve \ud83d\ude00 text",{"a":[1,-2.5e3,{"b":null}],"c":true}, [ ],"\\\"",0])",
        R"([{"a":{"b":-1.5,"c":[{"d":1},{"d":"\n"}],"e":123456789012345678},"d":{"a":1,"c":2}}])"};
    const std::string alphabet = R"({}[]":,\u0019 -.eEtrfalsn"x)";
    const auto pick = [&random](std::size_t below) {
        return static_cast<std::size_t>(random.below(below));
    };
    JsonChecker checker;
    JsonChecker of_slices;
    int taken = 0;
    int strict = 0;
    for (int round = 0; round < 50'000; ++round) {
        std::string text = documents[pick(2)];
        for (std::size_t edits = pick(3); edits > 0; --edits) {
            const std::size_t at = pick(text.size());
            if (pick(3) == 0) {
                text.erase(at, 1 + pick(4));
            } else {
                text[at] = alphabet[pick(alphabet.size())];
            }
        }
        SCOPED_TRACE(text);
        Slices slices;
        const JsonScan scan = scan_json(text, slices);
        const auto parsed = checker.parse(text);
        if (scan.fault == nullptr && scan.is_strict) {
            ++strict;
            ASSERT_TRUE(parsed);
        }
        if (parsed) {
            ++taken;
            ASSERT_EQ(scan.fault, nullptr);
            if (!parsed->is_array()) continue;
            std::size_t i = 0;
            for (const simdjson::dom::element element : simdjson::dom::array(*parsed)) {
                ASSERT_LT(i, slices.size());
                ASSERT_TRUE(of_slices.check(slices[i])) << slices[i];
                std::string_view string;
                if (element.get_string().get(string) == simdjson::SUCCESS) {
                    ASSERT_EQ(json_unescaped(slices[i]), string);
                }
                ++i;
            }
            ASSERT_EQ(i, slices.size());
        } else if (scan.fault == nullptr) {
            const std::string& why = parsed.error().detail;
            ASSERT_TRUE(why.ends_with("half a surrogate pair or a control character") ||
                        why.ends_with("a key twice") || why.ends_with("out of range"))
                << why;
        }
    }
    EXPECT_GT(taken, 10'000);
    EXPECT_GT(strict, 5'000);
}

}  // namespace
}  // namespace eventbus
