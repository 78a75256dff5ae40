#include "base/json_text.h"

#include <gtest/gtest.h>
#include <simdjson.h>

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

}  // namespace
}  // namespace eventbus
