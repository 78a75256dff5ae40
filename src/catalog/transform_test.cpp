#include "catalog/transform.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json_check.h"
#include "catalog/spec.h"
#include "support/event_scope.h"

namespace eventbus {
namespace {

Result<Transform> compile(const std::string& yaml, int& line) {
    YamlFault fault;
    const Result<Spec> spec = spec_from_yaml(yaml, fault);
    EXPECT_TRUE(spec) << spec.error().detail;
    return Transform::compile(*spec, line);
}

TEST(Transform, MakesAnotherPayload) {
    struct Case {
        const char* yaml;
        const char* data;
        const char* payload;
    };
    const Case cases[] = {
        {"omit: [gps]", R"({"a":1,"gps":{"lat":1},"b":"x"})", R"({"a":1,"b":"x"})"},
        {"omit: [gps]", R"({"a":1})", R"({"a":1})"},
        {"omit: [gps]", R"({"gps":1})", "{}"},
        {"omit: [gps.lat]", R"({"gps":{"lat":1,"alt":2}})", R"({"gps":{"alt":2}})"},
        {"omit: [gps.lat]", R"({"gps":"none"})", R"({"gps":"none"})"},
        {"omit: [photos.gps]", R"({"photos":[{"id":1,"gps":2},{"id":3},"x",[{"gps":4}]]})",
         R"({"photos":[{"id":1},{"id":3},"x",[{}]]})"},
        {"pick: [a, c.d]", R"({"a":[1, 2],"b":2,"c":{"d":{"e":1},"f":2}})",
         R"({"a":[1,2],"c":{"d":{"e":1}}})"},
        {"pick: [c.d]", R"({"c":"secret"})", "{}"},
        {"pick: [list.id]", R"({"list":[{"id":1,"x":2},"secret",{"x":3}]})",
         R"({"list":[{"id":1},{}]})"},
        {"pick: [zzz]", R"({"a":1})", "{}"},
        {"rename: { photoId: id }", R"({"photoId":"1","b":2})", R"({"id":"1","b":2})"},
        {"rename: { photoId: id }", R"({"id":"old","photoId":"1"})", R"({"id":"1"})"},
        {"rename: { photoId: id }", R"({"id":"old"})", R"({"id":"old"})"},
        {"rename: { a: b, b: a }", R"({"a":1,"b":2})", R"({"b":1,"a":2})"},
        {"rename: { gps.lat: latitude }", R"({"gps":{"lat":1}})", R"({"gps":{"latitude":1}})"},
        {"{ pick: [gps], rename: { gps.lat: latitude } }", R"({"gps":{"lat":1,"x":2},"b":1})",
         R"({"gps":{"latitude":1,"x":2}})"},
        {"{ omit: [b], rename: { a: b } }", R"({"a":1,"b":2})", R"({"b":1})"},
        {"set: { by: '{principal.id}', kind: photo, n: 1.50, ok: true, none: null, e: '' }", "{}",
         R"({"by":"api","kind":"photo","n":1.50,"ok":true,"none":null,"e":""})"},
        {"set: { a: 'x' }", R"({"a":1,"b":2})", R"({"b":2,"a":"x"})"},
        {"set: { copy: '{data.list}' }", R"({"list":[1,{"a":null}]})",
         R"({"list":[1,{"a":null}],"copy":[1,{"a":null}]})"},
        {"set: { text: 'photo {data.id} of {data.n}' }", R"({"id":"1","n":2})",
         R"({"id":"1","n":2,"text":"photo 1 of 2"})"},
        {"set: { a: '{data.missing}', b: 'x{data.missing}' }", R"({"a":"kept"})",
         R"({"a":"kept"})"},
        {"{ omit: [id], set: { ref: '{data.id}' } }", R"({"id":5})", R"({"ref":5})"},
        {"{ rename: { a: b }, set: { b: 1 } }", R"({"a":2})", R"({"b":1})"},
        {"omit: [x]", R"({"s":"\"\\\n\u0001é","n":-1,"u":18446744073709551615,"d":1e300,"z":0.1})",
         R"({"s":"\"\\\n\u0001é","n":-1,"u":18446744073709551615,"d":1e+300,"z":0.1})"},
    };
    JsonChecker checker;
    for (const Case& c : cases) {
        SCOPED_TRACE(std::string(c.yaml) + " on " + c.data);
        int line = 0;
        const Result<Transform> transform = compile(c.yaml, line);
        ASSERT_TRUE(transform) << transform.error().detail;
        const EventScope event(c.data);
        const std::string payload = transform->apply(event.scope());
        EXPECT_EQ(payload, c.payload);
        EXPECT_TRUE(checker.check(payload));
    }
}

TEST(Transform, WhatIsNoneIsRefusedAtItsLine) {
    struct Case {
        const char* yaml;
        int line;
        const char* says;
    };
    const Case cases[] = {
        {"[a]", 1, "map"},
        {"{}", 1, "map"},
        {"omit: [a]\nomitt: [b]", 2, "did you mean 'omit'?"},
        {"pick: [a]\nomit: [b]", 2, "exclude each other"},
        {"omit: gps", 1, "list of fields"},
        {"omit: []", 1, "list of fields"},
        {"omit:\n  - a\n  - data gps", 3, "no field of the data"},
        {"omit:\n  - a\n  - a", 3, "named already"},
        {"omit:\n  - a\n  - a.b", 3, "named already"},
        {"omit:\n  - a.b\n  - a", 3, "named already"},
        {"omit: [7]", 1, "no field of the data"},
        {"rename: [a]", 1, "map of old and new names"},
        {"rename: { a: b.c }", 1, "no dot"},
        {"rename:\n  a: c\n  b: c", 3, "two fields"},
        {"pick: [a]\nrename:\n  b: c", 3, "pick does not name"},
        {"omit: [a]\nrename:\n  a: c", 3, "omit takes away"},
        {"set: [a]", 1, "map of fields and values"},
        {"set: { a.b: 1 }", 1, "first level"},
        {"set:\n  a: '{dat.x}'", 2, "names nothing"},
        {"set:\n  a: [1]", 2, "not a list"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.yaml);
        int line = 0;
        const Result<Transform> transform = compile(c.yaml, line);
        ASSERT_FALSE(transform);
        EXPECT_EQ(line, c.line);
        EXPECT_NE(transform.error().detail.find(c.says), std::string::npos)
            << transform.error().detail;
    }
}

}  // namespace
}  // namespace eventbus
