#include "base/json_walk.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/json_check.h"
#include "base/json_text.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

using simdjson::dom::element;

std::vector<std::string_view> elements_of(std::string_view array) {
    std::vector<std::string_view> slices;
    JsonWalk walk(array);
    for (walk.enter(); !walk.is_at_end();) slices.push_back(walk.take_value());
    return slices;
}

TEST(JsonWalk, GivesEachValueAsItWasWritten) {
    using Slices = std::vector<std::string_view>;
    EXPECT_EQ(elements_of("[]"), Slices{});
    EXPECT_EQ(elements_of(" [ ] "), Slices{});
    EXPECT_EQ(elements_of("[1]"), Slices{"1"});
    EXPECT_EQ(elements_of("\t[ -1.5e3 ,\r\n true,null ]"), (Slices{"-1.5e3", "true", "null"}));
    EXPECT_EQ(elements_of(R"(["a,]", "\"", "\\", "\\\"]", ""])"),
              (Slices{R"("a,]")", R"("\"")", R"("\\")", R"("\\\"]")", R"("")"}));
    EXPECT_EQ(elements_of(R"([ {"a":[{"b":"}"}]} , [[],{}],{} ])"),
              (Slices{R"({"a":[{"b":"}"}]})", "[[],{}]", "{}"}));
}

TEST(JsonWalk, GivesKeysWithTheirValues) {
    JsonWalk walk(R"( { "a" : 1 ,"b\"c":{"x" : [] }, "" :"s" } )");
    std::vector<std::string_view> seen;
    for (walk.enter(); !walk.is_at_end();) {
        seen.push_back(walk.take_key());
        seen.push_back(walk.take_value());
    }
    EXPECT_EQ(seen, (std::vector<std::string_view>{R"("a")", "1", R"("b\"c")", R"({"x" : [] })",
                                                   R"("")", R"("s")"}));
}

TEST(JsonWalk, GoesOnBehindWhatItHasLeft) {
    JsonWalk walk(R"([ {"a":[ ] } ,[1 , 2], "x" ])");
    walk.enter();
    ASSERT_EQ(walk.peek(), '{');
    walk.enter();
    EXPECT_EQ(walk.take_key(), R"("a")");
    EXPECT_EQ(walk.take_value(), "[ ]");
    EXPECT_TRUE(walk.is_at_end());
    walk.leave();
    ASSERT_EQ(walk.peek(), '[');
    walk.enter();
    EXPECT_EQ(walk.take_value(), "1");
    EXPECT_EQ(walk.take_value(), "2");
    walk.leave();
    EXPECT_EQ(walk.take_value(), R"("x")");
    EXPECT_TRUE(walk.is_at_end());
    walk.leave();
    EXPECT_EQ(walk.peek(), '\0');
}

TEST(JsonWalk, TakesAWholeDocument) {
    for (const std::string_view json : {"7", "\"x\"", "null", "{\"a\":[1,2]}", "[]"}) {
        EXPECT_EQ(JsonWalk(" \n" + std::string(json) + " ").take_value().size(), json.size());
        EXPECT_EQ(JsonWalk(json).take_value(), json);
    }
}

// A document of random values, with space here and there.
std::string random_json(SeededRandom& random, int levels) {
    const auto space = [&] { return std::string(random.below(3) == 0 ? " \n" : ""); };
    const auto text = [&] {
        constexpr std::string_view kPieces[] = {
            "a", "\\\"", "\\\\", "}", "]", ",", "\\u0041", "\\n", "\\ud83d\\ude00", "\xc3\xa9"};
        std::string made = "\"";
        for (auto left = random.below(6); left > 0; --left) made += kPieces[random.below(10)];
        return made + '"';
    };
    const std::uint64_t kind = random.below(levels > 0 ? 6 : 4);
    if (kind == 0) return text();
    if (kind < 4) return std::vector<std::string>{"-1.5e3", "null", "42"}[kind - 1];
    std::string made = kind == 4 ? "[" : "{";
    const std::uint64_t count = random.below(4);
    for (std::uint64_t i = 0; i < count; ++i) {
        if (i > 0) made += ',' + space();
        if (kind == 5) made += "\"k" + std::to_string(i) + "\"" + space() + ":" + space();
        made += random_json(random, levels - 1) + space();
    }
    return made + (kind == 4 ? "]" : "}");
}

// Compares what the walk says of `text` with what the parser made of it.
void expect_alike(const element& value, std::string_view text) {
    if (value.is_object()) {
        JsonWalk walk(text);
        walk.enter();
        for (const auto field : simdjson::dom::object(value)) {
            ASSERT_FALSE(walk.is_at_end());
            EXPECT_EQ(json_unescaped(walk.take_key()), field.key);
            expect_alike(field.value, walk.take_value());
        }
        EXPECT_TRUE(walk.is_at_end());
    } else if (value.is_array()) {
        JsonWalk walk(text);
        walk.enter();
        for (const element item : simdjson::dom::array(value)) {
            ASSERT_FALSE(walk.is_at_end());
            expect_alike(item, walk.take_value());
        }
        EXPECT_TRUE(walk.is_at_end());
    } else if (value.is_string()) {
        EXPECT_EQ(json_unescaped(text), std::string_view(value));
    } else {
        EXPECT_EQ(simdjson::minify(value), text == "-1.5e3" ? "-1500.0" : text);
    }
}

TEST(JsonWalk, SaysWhatTheParserSaysOfRandomDocuments) {
    SeededRandom random(5);
    JsonChecker checker;
    for (int i = 0; i < 5'000; ++i) {
        const std::string json = random_json(random, 5);
        SCOPED_TRACE(json);
        const Result<element> parsed = checker.parse(json);
        ASSERT_TRUE(parsed) << parsed.error().detail;
        expect_alike(*parsed, JsonWalk(json).take_value());
        if (HasFailure()) return;
    }
}

TEST(JsonWalk, StaysWithinTextThatIsMalformed) {
    for (const std::string_view json :
         {"", " ", "{", "[", "[1", "[1,", "{\"a", "{\"a\"", "{\"a\":", "[\"\\", "\"", "]", "}}",
          "{\"a\":{\"b\":[", "\"\\\"", "[[[", "{:,"}) {
        SCOPED_TRACE(json);
        JsonWalk walk(json);
        walk.enter();
        for (int i = 0; i < 10 && !walk.is_at_end(); ++i) {
            walk.take_key();
            walk.take_value();
        }
        JsonWalk(json).take_value();
    }
}

}  // namespace
}  // namespace eventbus
