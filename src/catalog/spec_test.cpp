#include "catalog/spec.h"

#include <gtest/gtest.h>

#include <string>

namespace eventbus {
namespace {

using Kind = Spec::Kind;

TEST(Spec, YamlScalarsHaveTheTypesOfYaml12) {
    struct Case {
        const char* yaml;
        Kind kind;
        const char* text;
    };
    const Case cases[] = {
        {"abc", Kind::kString, "abc"},
        {"'7'", Kind::kString, "7"},
        {"\"true\"", Kind::kString, "true"},
        {"7", Kind::kNumber, "7"},
        {"-7.50e3", Kind::kNumber, "-7.50e3"},
        {"007", Kind::kString, "007"},
        {"1_000", Kind::kString, "1_000"},
        {"0x1f", Kind::kString, "0x1f"},
        {".5", Kind::kString, ".5"},
        {"1.", Kind::kString, "1."},
        {"1e", Kind::kString, "1e"},
        {"yes", Kind::kString, "yes"},
        {"True", Kind::kBool, ""},
        {"false", Kind::kBool, ""},
        {"~", Kind::kNull, ""},
        {"null", Kind::kNull, ""},
        {"7d", Kind::kString, "7d"},
        {"photo:{data.id}", Kind::kString, "photo:{data.id}"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.yaml);
        YamlFault fault;
        const Result<Spec> spec = spec_from_yaml("x: " + std::string(c.yaml), fault);
        ASSERT_TRUE(spec) << spec.error().detail;
        const Spec* x = spec->find("x");
        ASSERT_NE(x, nullptr);
        EXPECT_EQ(x->kind, c.kind);
        EXPECT_EQ(x->text, c.text);
    }
}

TEST(Spec, LinesAndAliasesAreKept) {
    YamlFault fault;
    const Result<Spec> spec =
        spec_from_yaml("a: &one\n  b: [1,\n   2]\nc: *one\n&k d: *k\n", fault);
    ASSERT_TRUE(spec) << spec.error().detail;
    EXPECT_EQ(spec->fields[1].line, 4);
    EXPECT_EQ(spec->find("a")->find("b")->items[1].line, 3);
    EXPECT_EQ(spec->find("c")->find("b")->items[1].text, "2");
    EXPECT_EQ(spec->find("d")->text, "d");
}

TEST(Spec, AliasesThatMultiplyAreBounded) {
    std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 20; ++i) {
        const std::string before = "*a" + std::to_string(i - 1);
        yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
        for (int j = 0; j < 10; ++j) yaml += (j ? ", " : "") + before;
        yaml += "]\n";
    }
    YamlFault fault;
    const Result<Spec> spec = spec_from_yaml(yaml, fault);
    ASSERT_FALSE(spec);
    EXPECT_EQ(spec.error().detail, "it has too many values");
}

TEST(Spec, WhatIsNoCatalogsYamlIsRefused) {
    struct Case {
        std::string yaml;
        const char* says;
    };
    const Case cases[] = {
        {"a: [", "not YAML"},
        {"a: 1\na: 2", "twice, first in line 1"},
        {"? [a]\n: b", "a key is text"},
        {"~: b", "a key is text"},
        {"a: &x [*x]", "an alias names what surrounds it"},
        {"a: *unknown", "not YAML"},
        {"a: 1\n---\nb: 2", "second document"},
        {std::string(100, '[') + std::string(100, ']'), "nested too deeply"},
        {std::string(100'000, '['), ""},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.yaml.substr(0, 40));
        YamlFault fault;
        const Result<Spec> spec = spec_from_yaml(c.yaml, fault);
        ASSERT_FALSE(spec);
        EXPECT_NE(spec.error().detail.find(c.says), std::string::npos) << spec.error().detail;
        EXPECT_FALSE(fault.fix.empty());
        EXPECT_GT(fault.line, 0);
    }
}

TEST(Spec, NumbersAreExact) {
    const auto number = [](const char* text) { return spec_number(*spec_from_json(text)); };
    EXPECT_EQ(number("9007199254740993"), 9007199254740993.0L);
    EXPECT_EQ(number("18446744073709551615"), 18446744073709551615.0L);
    EXPECT_EQ(number("-9223372036854775808"), -9223372036854775808.0L);
    EXPECT_EQ(number("0.1"), static_cast<long double>(0.1));
}

}  // namespace
}  // namespace eventbus
