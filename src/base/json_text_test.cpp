#include "base/json_text.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "base/json_check.h"

namespace eventbus {
namespace {

TEST(JsonText, EveryStringIsReadBackAsItWas) {
    std::string every_ascii;
    for (int c = 0; c < 128; ++c) every_ascii += static_cast<char>(c);
    JsonChecker checker;
    for (const std::string& text :
         {std::string(), every_ascii, std::string("sch\xc3\xb6n"), std::string("\"\\\n")}) {
        const auto document = checker.parse(json_string(text));
        ASSERT_TRUE(document) << document.error().detail;
        EXPECT_EQ(std::string_view(*document), text);
    }
    EXPECT_EQ(json_string("a\"b\x01"), "\"a\\\"b\\u0001\"");
}

// Eight bytes are looked at together: what is beside a character must not change what becomes of
// it.
TEST(JsonText, EveryCharacterIsEscapedAlikeAtEveryPlace) {
    for (const char around : {'a', '!', '#', '[', ']', ' ', '\x1f', '\x7f', '\x80', '\xff'}) {
        const std::string plain = json_string(std::string(1, around));
        const std::string shown = plain.substr(1, plain.size() - 2);
        for (int c = 0; c < 256; ++c) {
            const std::string alone = json_string(std::string(1, static_cast<char>(c)));
            for (std::size_t at = 0; at < 20; ++at) {
                std::string text(20, around);
                text[at] = static_cast<char>(c);
                std::string expected = "\"";
                for (std::size_t i = 0; i < 20; ++i) {
                    expected += i == at ? alone.substr(1, alone.size() - 2) : shown;
                }
                ASSERT_EQ(json_string(text), expected + '"') << c << " at " << at;
            }
        }
    }
}

TEST(JsonText, EveryEscapeIsReadAsTheParserReadsIt) {
    JsonChecker checker;
    std::vector<std::string> strings{R"("\"\\\/\b\f\n\r\t")", R"("")", R"("plain")",
                                     R"("\uD834\udd1e x\u00e9\u0000")"};
    for (unsigned unit = 0; unit < 0x10000; unit += 7) {
        if (unit >= 0xD800 && unit < 0xE000) continue;
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\u%04x", unit);
        strings.push_back("\"a" + std::string(escape) + "b\"");
    }
    for (const std::string& string : strings) {
        const auto parsed = checker.parse(string);
        ASSERT_TRUE(parsed) << string;
        EXPECT_EQ(json_unescaped(string), std::string_view(*parsed)) << string;
    }
}

}  // namespace
}  // namespace eventbus
