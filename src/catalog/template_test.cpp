#include "catalog/template.h"

#include <gtest/gtest.h>

#include <string>

#include "support/event_scope.h"

namespace eventbus {
namespace {

TEST(Template, TakesValuesOfTheEvent) {
    const EventScope event(
        R"({"photoId":"123","n":-7,"big":18446744073709551615,"deep":{"a-b":{"c_2":"x"}},"é":"y"})",
        {"user:u1", true, "u1"});
    struct Case {
        const char* text;
        const char* rendered;
    };
    const Case cases[] = {
        {"photo:{data.photoId}", "photo:123"},
        {"{data.n}/{data.big}", "-7/18446744073709551615"},
        {"{data.deep.a-b.c_2}", "x"},
        {"{type} {id} {source} {subject} {time}",
         "photo.uploaded id-1 service:api photo:1 2024-05-01T12:00:00Z"},
        {"by {principal.id}", "by u1"},
        {"{{{data.photoId}}}", "{123}"},
        {"no reference", "no reference"},
        {"", ""},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text);
        const Result<Template> made = Template::compile(c.text);
        ASSERT_TRUE(made) << made.error().detail;
        const Result<std::string> text = made->render(event.scope());
        ASSERT_TRUE(text) << text.error().detail;
        EXPECT_EQ(*text, c.rendered);
    }
}

TEST(Template, AValueThatIsNoNameRefusesTheEvent) {
    const EventScope event(
        R"({"empty":"","null":null,"yes":true,"real":1.5,"list":["a"],"map":{"a":1},)"
        R"("line":"a\nb","c1":"a\u0085b","del":"\u007f","long":")" +
        std::string(257, 'x') + R"(","fits":")" + std::string(256, 'x') + "\"}");
    const char* refused[] = {"missing", "empty", "null",   "yes",    "real",
                             "list",    "map",   "line",   "c1",     "del",
                             "long",    "map.b", "list.a", "list.0", "empty.a"};
    for (const char* field : refused) {
        SCOPED_TRACE(field);
        const Result<Template> made = Template::compile("photo:{data." + std::string(field) + "}");
        ASSERT_TRUE(made);
        const Result<std::string> text = made->render(event.scope());
        ASSERT_FALSE(text);
        EXPECT_EQ(text.error().code, ErrorCode::kBadSubject);
        EXPECT_NE(text.error().detail.find("{data." + std::string(field) + "}"), std::string::npos);
    }
    EXPECT_TRUE(Template::compile("photo:{data.fits}")->render(event.scope()));
}

TEST(Template, WhatItCanNotReadIsRefusedWithTheMend) {
    struct Case {
        std::string text;
        const char* says;
    };
    const Case cases[] = {
        {"{data.photoId", "partner"},
        {"photoId}", "partner"},
        {"{}", "names nothing"},
        {"{photoId}", "{data.photoId}"},
        {"{data}", "{data.FIELD}"},
        {"{data.}", "named by letters"},
        {"{data.a..b}", "named by letters"},
        {"{data.a b}", "named by letters"},
        {"{sourc}", "did you mean {source}?"},
        {"{principal.role}", "names nothing"},
        {std::string(1025, 'x'), "1024"},
        {"{data.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q}", "16 levels"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text);
        const Result<Template> made = Template::compile(c.text);
        ASSERT_FALSE(made);
        EXPECT_NE(made.error().detail.find(c.says), std::string::npos) << made.error().detail;
    }
}

}  // namespace
}  // namespace eventbus
