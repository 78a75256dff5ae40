#include "catalog/catalog.h"

#include <gtest/gtest.h>

#include "catalog/loader.h"

namespace eventbus {
namespace {

std::shared_ptr<const Catalog> load(std::string_view yaml) {
    Loaded loaded = parse_catalog(yaml, "test.yaml");
    for (const Problem& problem : loaded.problems) EXPECT_TRUE(problem.warning) << problem.text();
    return loaded.catalog;
}

TEST(Catalog, AnEntryOfItsOwnGoesBeforePatternsInTheOrderOfTheFile) {
    const auto catalog = load(
        "events:\n  \"audit.*\": {}\n  \"audit.**\": {}\n  audit.login: {}\n  photo.uploaded: "
        "{}\n");
    ASSERT_TRUE(catalog);
    const auto rule_of = [&](std::string_view type) {
        const EventRule* rule = catalog->find(type);
        return rule ? rule->type : std::string();
    };
    EXPECT_EQ(rule_of("audit.login"), "audit.login");
    EXPECT_EQ(rule_of("audit.logout"), "audit.*");
    EXPECT_EQ(rule_of("audit.user.made"), "audit.**");
    EXPECT_EQ(rule_of("photo.uploaded"), "photo.uploaded");
    EXPECT_EQ(rule_of("photo"), "");
    EXPECT_EQ(catalog->nearest_type("photo.uplaoded"), "photo.uploaded");
    EXPECT_EQ(catalog->nearest_type("something.else"), "");
    EXPECT_EQ(catalog->types(),
              (std::vector<std::string>{"audit.*", "audit.**", "audit.login", "photo.uploaded"}));
}

TEST(Catalog, WithoutAWordAnyServiceMayPublishAndConsumeAndNoUser) {
    const auto catalog = load("events: { a.a: { audience: [everyone] } }");
    ASSERT_TRUE(catalog);
    const EventRule& rule = *catalog->find("a.a");
    for (const AccessRule* access : {&rule.publish, &rule.consume}) {
        EXPECT_TRUE(access->names_service("worker"));
        EXPECT_FALSE(access->permission);
        EXPECT_FALSE(access->users);
        EXPECT_FALSE(access->users_if_owner);
    }
    EXPECT_EQ(rule.durability, Durability::kDurable);
    EXPECT_EQ(rule.retention.age, std::chrono::hours(7 * 24));
    EXPECT_EQ(rule.retention.bytes_max, 0u);
    EXPECT_EQ(catalog->watch_rule("photo"), nullptr);
}

TEST(Catalog, WordsNarrowAndWiden) {
    const auto catalog = load(R"(
defaults: { publish: [service:api], retain: { age: 2d, bytes: 1KB } }
events:
  a.a: { consume: [service:worker, permission] }
  a.b: { publish: [owner, permission], subject: "a:{data.id}", retain: { bytes: 2KB } }
  a.c: { publish: [user], bind: { data.userId: "{principal.id}" }, durability: transient, latest: true }
  a.d: { publish: [] }
rooms:
  a: { watch: [owner, role:admin, role:staff] }
  b: { watch: [] }
)");
    ASSERT_TRUE(catalog);
    const EventRule& a = *catalog->find("a.a");
    EXPECT_TRUE(a.publish.names_service("api"));
    EXPECT_FALSE(a.publish.names_service("worker"));
    EXPECT_TRUE(a.consume.names_service("worker"));
    EXPECT_FALSE(a.consume.names_service("api"));
    EXPECT_TRUE(a.consume.permission);
    const EventRule& b = *catalog->find("a.b");
    EXPECT_FALSE(b.publish.names_service("api"));
    EXPECT_TRUE(b.publish.users_if_owner);
    EXPECT_TRUE(b.publish.permission);
    EXPECT_EQ(b.retention.age, std::chrono::hours(48));
    EXPECT_EQ(b.retention.bytes_max, 2000u);
    const EventRule& c = *catalog->find("a.c");
    EXPECT_TRUE(c.publish.users);
    EXPECT_TRUE(c.latest);
    EXPECT_EQ(c.durability, Durability::kTransient);
    EXPECT_FALSE(catalog->find("a.d")->publish.names_service("api"));
    const WatchRule* watch = catalog->watch_rule("a");
    ASSERT_NE(watch, nullptr);
    EXPECT_TRUE(watch->owner);
    EXPECT_FALSE(watch->permission);
    EXPECT_FALSE(watch->everyone);
    EXPECT_EQ(watch->roles, (std::vector<std::string>{"admin", "staff"}));
    EXPECT_NE(catalog->watch_rule("b"), nullptr);
}

// What the tree itself may not hold in a file; the others are in tests/catalogs/broken.
TEST(Catalog, BytesThatAreNoTextAreRefusedWithTheirLine) {
    struct Case {
        std::string yaml;
        const char* says;
    };
    const Case cases[] = {
        {"events:\n  t.a:\n    emit: \"x\xE9y\"\n", "t:3: `emit` is not UTF-8; save the file as"},
        {"events:\n  t.a: {}\n  t.b: {} # caf\xE9\n", "t:3: the line is not UTF-8"},
        {"events:\n  t.a:\n    audience: [{ to: everyone, transform: { set: { \"\xE9\": 1 } } }]\n",
         "t:3: a key is not UTF-8"},
        {"events:\n  t.a:\n    audience: [\"user:\xED\xA0\x80\"]\n",
         "t:3: `audience` is not UTF-8"},
        {std::string("\xFF\xFE"
                     "e\0v\0",
                     6),
         "t:1: the file is UTF-16"},
        // yaml-cpp takes it for the end of the file, and would drop what follows.
        {"events:\n  t.a: {}\n  \x04\n  t.b: { audiense: [owner] }\n",
         "t:3: the line holds the control character 0x04"},
        {"events:\n\tt.a: {}\n", "t:2: it is not YAML: the line is indented with a tab"},
        {"events:\n  t.a:\n    audience:\n\t- everyone\n",
         "t:4: it is not YAML: the line is indented with a tab"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.says);
        const Loaded loaded = parse_catalog(c.yaml, "t");
        EXPECT_EQ(loaded.catalog, nullptr);
        ASSERT_EQ(loaded.problems.size(), 1u);
        EXPECT_TRUE(loaded.problems[0].text().starts_with(c.says)) << loaded.problems[0].text();
    }
    EXPECT_TRUE(
        load("\xEF\xBB\xBF"
             "events: { t.a: { emit: \"caf\xC3\xA9\" } } # \t tabs are fine here\r\n"));
}

TEST(Catalog, WarningsLoad) {
    struct Case {
        const char* yaml;
        const char* says;
    };
    const Case cases[] = {
        {"events:\n  \"a.**\": {}\n  \"a.*\": {}\n",
         "t:3: warning: the pattern 'a.*' is never reached"},
        {"events:\n  a.a: { subject: \"a:{data.id}\", audience: [owner] }\n",
         "t:2: warning: 'a.a' goes to the owner"},
        {"events:\n  a.a: { subject: \"a:{data.id}\", audience: [watchers] }\n",
         "t:2: warning: 'a.a' goes to watchers"},
        {"events:\n  a.a:\n    bind: { data.x: \"{principal.id}\" }\n",
         "t:3: warning: `bind` has no effect"},
        {"events:\n  a.a:\n    audience:\n      - to: everyone\n        filter: { data: { x: [{ "
         "anything-but: y }] } }\n",
         "t:5: warning: `anything-but` on `data.x`"},
        {"events:\n  a.a:\n    audience:\n      - to: everyone\n        filter:\n          data:\n"
         "            x:\n              - >\n                b\n",
         "t:8: warning: a text of `data.x` ends with a line break"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.yaml);
        const Loaded loaded = parse_catalog(c.yaml, "t");
        EXPECT_NE(loaded.catalog, nullptr);
        ASSERT_EQ(loaded.problems.size(), 1u);
        EXPECT_TRUE(loaded.problems[0].text().starts_with(c.says)) << loaded.problems[0].text();
    }
}

TEST(Catalog, BoundsAreKept) {
    std::string lines = "events:\n  a.a:\n    audience: [";
    for (int i = 0; i < 65; ++i) lines += "everyone, ";
    EXPECT_EQ(parse_catalog(lines + "everyone]\n", "t").catalog, nullptr);

    std::string types = "events:\n";
    for (std::size_t i = 0; i < kCatalogTypesMax; ++i) types += "  t" + std::to_string(i) + ":\n";
    EXPECT_NE(parse_catalog(types, "t").catalog, nullptr);
    EXPECT_EQ(parse_catalog(types + "  one.more:\n", "t").catalog, nullptr);

    std::string wrong = "events:\n";
    for (int i = 0; i < 1000; ++i) wrong += "  t" + std::to_string(i) + ": 7\n";
    EXPECT_EQ(parse_catalog(wrong, "t").problems.size(), 100u);
}

}  // namespace
}  // namespace eventbus
