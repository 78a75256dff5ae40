#include "catalog/field.h"

#include <gtest/gtest.h>

#include <string>

namespace eventbus {
namespace {

constexpr std::string_view kData =
    R"( { "a" : 1 ,"b":{"a":"x","c":{"d":[1 , 2]}}, "ab":"no","\u0065":"é","f\"":0,"n":null } )";

std::string_view field(std::string_view path) {
    return find_field(kData.substr(1), *parse_field_path(path));
}

TEST(FindField, GivesWhatIsThereAsItWasWritten) {
    EXPECT_EQ(field("a"), "1");
    EXPECT_EQ(field("b.a"), R"("x")");
    EXPECT_EQ(field("b.c"), R"({"d":[1 , 2]})");
    EXPECT_EQ(field("b.c.d"), "[1 , 2]");
    EXPECT_EQ(field("ab"), R"("no")");
    EXPECT_EQ(field("n"), "null");
}

TEST(FindField, AKeyMayBeWrittenWithEscapes) { EXPECT_EQ(field("e"), R"("é")"); }

TEST(FindField, GoesThroughObjectsOnly) {
    for (const std::string_view path : {"c", "a.b", "b.c.d.e", "ab.a", "n.a", "f", "b.d"}) {
        EXPECT_EQ(field(path), "") << path;
    }
    EXPECT_EQ(find_field("{}", {"a"}), "");
}

TEST(NameIn, IsAStringOrAnInteger) {
    EXPECT_EQ(name_in(R"("")"), "");
    EXPECT_EQ(name_in(R"("a\u0062\"")"), "ab\"");
    EXPECT_EQ(name_in("0"), "0");
    EXPECT_EQ(name_in("-0"), "0");
    EXPECT_EQ(name_in("-9223372036854775808"), "-9223372036854775808");
    EXPECT_EQ(name_in("18446744073709551615"), "18446744073709551615");
    for (const std::string_view other : {"", "1.0", "1e3", "-1E3", "true", "null", "{}", "[1]"}) {
        EXPECT_EQ(name_in(other), std::nullopt) << other;
    }
}

}  // namespace
}  // namespace eventbus
