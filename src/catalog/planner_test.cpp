#include "catalog/planner.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "catalog/loader.h"

namespace eventbus {
namespace {

const PublisherView kApi{"service:api", false, "api"};
const PublisherView kAlice{"user:alice", true, "alice"};

constexpr std::string_view kCatalog = R"(
events:
  photo.uploaded:
    subject: photo:{data.photoId}
    owner: user:{data.userId}
    audience: [owner]
    publish: [service:api, permission]
  photo.progress:
    subject: photo:{data.photoId}
    audience: [owner, watchers]
    emit: photo:processing.update
    durability: transient
    latest: true
  photo.completed:
    subject: photo:{data.photoId}
    audience:
      - owner
      - to: watchers
        transform: { omit: [gps] }
        filter: { data: { visibility: [{ exists: false }, { anything-but: private }] } }
      - to: role:press
        transform: { omit: [gps, owner] }
        filter: { data: { public: [true] } }
      - to: everyone
        transform: { omit: [gps] }
        filter: { data: { public: [true] } }
  photo.given: { subject: "photo:{data.photoId}", owner: "user:{data.to}", transfer: true }
  photo.deleted: { subject: "photo:{data.photoId}", disown: true }
  photo.shared: { subject: "photo:{data.photoId}", grant: { watch: ["user:{data.with}", "role:{data.team}"] } }
  photo.unshared: { subject: "photo:{data.photoId}", revoke: { watch: "user:{data.with}" }, publish: [owner] }
  health: { audience: [role:admin, "user:{data.onCall}"] }
  notice: { audience: [everyone] }
  album.changed: { audience: [watchers] }
  board.changed: { audience: [watchers], publish: [owner] }
  chat.said:
    subject: chat:{data.room}
    owner: user:{data.from.id}
    audience: [watchers]
    publish: [user]
    bind: { data.from.id: "{principal.id}" }
  chat.typing:
    publish: [user]
    bind: { data.by: "{principal.id}" }
  "audit.**": { audience: ["role:audit"] }
  "*": {}
rooms: { photo: { watch: [owner] }, chat: { watch: [everyone] } }
)";

class PlannerTest : public testing::Test {
 protected:
    PlannerTest() : planner_(load()) {}

    static std::shared_ptr<const Catalog> load() {
        const Loaded loaded = parse_catalog(kCatalog, "test.yaml");
        for (const Problem& problem : loaded.problems) ADD_FAILURE() << problem.text();
        return loaded.catalog;
    }
    static Event event(std::string type, std::string data, std::string subject = {}) {
        return {.id = "1",
                .type = std::move(type),
                .source = "service:api",
                .subject = std::move(subject),
                .time = "2024-05-01T12:00:00Z",
                .traceparent = {},
                .data = std::move(data)};
    }

    Planner planner_;
};

std::string described(const Plan& plan) {
    std::string text;
    for (const Target& target : plan.audience) {
        text += target.to == Target::To::kOwner ? "owner" : target.room.key();
        if (target.variant > 0) text += "=" + plan.variants[target.variant - 1U];
        text += " ";
    }
    for (const GrantChange& grant : plan.grants)
        text += (grant.revoke ? "-" : "+") + grant.who.key() + " ";
    return text;
}

TEST_F(PlannerTest, RoutesEachEventToWhomTheCatalogSays) {
    struct Case {
        const char* type;
        const char* data;
        const char* subject;
        const char* routed;
    };
    const Case cases[] = {
        {"photo.uploaded", R"({"photoId":"1","userId":"u"})", "photo:1", "owner "},
        {"photo.progress", R"({"photoId":7})", "photo:7", "owner s:photo:7 "},
        {"photo.completed", R"({"photoId":"1","gps":{"lat":1}})", "photo:1",
         R"(owner s:photo:1={"photoId":"1"} )"},
        {"photo.completed", R"({"photoId":"1","visibility":"private"})", "photo:1", "owner "},
        {"photo.completed", R"({"photoId":"1","visibility":"all","public":true})", "photo:1",
         R"(owner s:photo:1={"photoId":"1","visibility":"all","public":true} )"
         R"(r:press={"photoId":"1","visibility":"all","public":true} e={"photoId":"1","visibility":"all","public":true} )"},
        {"photo.shared", R"({"photoId":"1","with":"bob","team":"x"})", "photo:1", "+u:bob +r:x "},
        {"photo.unshared", R"({"photoId":"1","with":"bob"})", "photo:1", "-u:bob "},
        {"health", R"({"onCall":"eve"})", "", "r:admin u:eve "},
        {"notice", "{}", "", "e "},
        {"audit.user.login", "{}", "", "r:audit "},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(std::string(c.type) + c.data);
        const Result<Plan> plan = planner_.plan(event(c.type, c.data), kApi, {});
        ASSERT_TRUE(plan) << plan.error().detail;
        EXPECT_EQ(plan->event.subject, c.subject);
        EXPECT_EQ(described(*plan), c.routed);
        EXPECT_EQ(plan->event.data, c.data);
    }
}

TEST_F(PlannerTest, CarriesWhatTheCatalogSaysOfTheType) {
    const auto uploaded =
        planner_.plan(event("photo.uploaded", R"({"photoId":"1","userId":"u"})"), kApi, {});
    const auto progress = planner_.plan(event("photo.progress", R"({"photoId":"1"})"), kApi, {});
    const auto given =
        planner_.plan(event("photo.given", R"({"photoId":"1","to":"bob"})"), kApi, {});
    ASSERT_TRUE(uploaded && progress && given);
    EXPECT_EQ(uploaded->name, "photo.uploaded");
    EXPECT_EQ(uploaded->owner, "u");
    EXPECT_FALSE(uploaded->transfer);
    EXPECT_EQ(uploaded->durability, Durability::kDurable);
    EXPECT_EQ(uploaded->retention.age, std::chrono::hours(7 * 24));
    EXPECT_EQ(uploaded->publisher, "service:api");
    EXPECT_EQ(progress->name, "photo:processing.update");
    EXPECT_EQ(progress->durability, Durability::kTransient);
    EXPECT_TRUE(progress->latest);
    EXPECT_EQ(given->owner, "bob");
    EXPECT_TRUE(given->transfer);
    EXPECT_FALSE(given->disown);
    EXPECT_TRUE(planner_.plan(event("photo.deleted", R"({"photoId":"1"})"), kApi, {})->disown);
}

TEST_F(PlannerTest, EqualPayloadsAreOneVariant) {
    const auto plan = planner_.plan(
        event("photo.completed", R"({"photoId":"1","public":true,"owner":"u","gps":1})"), kApi, {});
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->variants.size(), 2u);
    EXPECT_EQ(plan->audience[1].variant, plan->audience[3].variant);
    EXPECT_NE(plan->audience[1].variant, plan->audience[2].variant);
}

// Each value is short enough; a room of that name could have nobody in it.
TEST(PlannerNames, OfMoreThan256BytesAreRefused) {
    for (const char* line :
         {R"(audience: ["user:{data.a}{data.b}"])", R"(audience: ["role:{data.a}{data.b}"])",
          R"(grant: { watch: "user:{data.a}{data.b}" })", R"(owner: "user:{data.a}{data.b}")"}) {
        SCOPED_TRACE(line);
        const Loaded loaded = parse_catalog(
            "events:\n  a.a:\n    subject: x:{id}\n    " + std::string(line) + "\n", "t");
        ASSERT_TRUE(loaded.catalog);
        Planner planner(loaded.catalog);
        const auto plan = [&](std::size_t bytes) {
            const std::string data = R"({"a":")" + std::string(200, 'a') + R"(","b":")" +
                                     std::string(bytes, 'b') + "\"}";
            return planner.plan({.id = "1",
                                 .type = "a.a",
                                 .source = "service:api",
                                 .subject = {},
                                 .time = "2024-05-01T12:00:00Z",
                                 .traceparent = {},
                                 .data = data},
                                kApi, {});
        };
        EXPECT_TRUE(plan(56));
        const Result<Plan> refused = plan(57);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::kBadSubject);
        EXPECT_NE(refused.error().detail.find("256 bytes"), std::string::npos);
    }
}

TEST_F(PlannerTest, RefusesWhatItCannotRoute) {
    struct Case {
        const char* type;
        const char* data;
        const char* subject;
        const PublisherView& publisher;
        ErrorCode code;
        const char* says;
    };
    const Case cases[] = {
        {"photo.uplaoded", "{}", "", kApi, ErrorCode::kUnknownType,
         "did you mean 'photo.uploaded'?"},
        {"quite.another", "{}", "", kApi, ErrorCode::kUnknownType, "add it to the catalog"},
        {"photo.progress", "{}", "", kApi, ErrorCode::kBadSubject, "{data.photoId}"},
        {"photo.progress", R"({"photoId":null})", "", kApi, ErrorCode::kBadSubject,
         "{data.photoId}"},
        {"photo.progress", R"({"photoId":""})", "", kApi, ErrorCode::kBadSubject, "is empty"},
        {"photo.progress", R"({"photoId":"1"})", "photo:2", kApi, ErrorCode::kBadSubject,
         "photo:1 by the catalog"},
        {"photo.uploaded", R"({"photoId":"1"})", "", kApi, ErrorCode::kBadSubject, "{data.userId}"},
        {"photo.shared", R"({"photoId":"1","with":"bob"})", "", kApi, ErrorCode::kBadSubject,
         "{data.team}"},
        {"health", "{}", "", kApi, ErrorCode::kBadSubject, "{data.onCall}"},
        {"album.changed", "{}", "", kApi, ErrorCode::kBadSubject, "with a `subject`"},
        {"album.changed", "{}", "album", kApi, ErrorCode::kBadSubject, "kind:id"},
        {"album.changed", "{}", "user:bob", kApi, ErrorCode::kBadSubject, "people"},
        {"disconnect", "{}", "", kApi, ErrorCode::kBadEvent, "Socket.IO"},
        {"photo.uploaded", R"({"photoId":"1","userId":"alice"})", "", kAlice, ErrorCode::kForbidden,
         "bind"},
        {"chat.said", R"({"room":"1","from":{"id":"bob"}})", "", kAlice, ErrorCode::kForbidden,
         "data.from.id must be \"alice\""},
        {"chat.said", R"({"room":"1"})", "", kAlice, ErrorCode::kForbidden, "data.from.id"},
        {"chat.said", R"({"room":"1","from":["alice"]})", "", kAlice, ErrorCode::kForbidden,
         "data.from.id"},
        {"chat.typing", R"({"by":"alice"})", "photo:1", kAlice, ErrorCode::kForbidden,
         "does not choose its subject"},
        {"album.changed", "{}", "album:1", kAlice, ErrorCode::kForbidden,
         "does not choose its subject"},
        {"board.changed", "{}", "", kAlice, ErrorCode::kBadSubject, "with a `subject`"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(std::string(c.type) + c.data);
        const auto plan = planner_.plan(event(c.type, c.data, c.subject), c.publisher, {});
        ASSERT_FALSE(plan);
        EXPECT_EQ(plan.error().code, c.code);
        EXPECT_NE(plan.error().detail.find(c.says), std::string::npos) << plan.error().detail;
    }
}

TEST_F(PlannerTest, AUserPublishesInTheirOwnName) {
    const auto said =
        planner_.plan(event("chat.said", R"({"room":"1","from":{"id":"alice"}})"), kAlice, {});
    const auto unshared =
        planner_.plan(event("photo.unshared", R"({"photoId":"1","with":"b"})"), kAlice, {});
    const auto by_service =
        planner_.plan(event("chat.said", R"({"room":"1","from":{"id":"bob"}})"), kApi, {});
    const auto unshared_by_service =
        planner_.plan(event("photo.unshared", R"({"photoId":"1","with":"b"})"), kApi, {});
    const auto board = planner_.plan(event("board.changed", "{}", "board:1"), kAlice, {});
    ASSERT_TRUE(said && unshared && by_service && unshared_by_service && board);
    EXPECT_EQ(said->owner, "alice");
    EXPECT_FALSE(said->publisher_must_own);
    EXPECT_TRUE(unshared->publisher_must_own);
    EXPECT_TRUE(board->publisher_must_own);
    EXPECT_EQ(by_service->owner, "bob");
    EXPECT_FALSE(unshared_by_service->publisher_must_own);
}

TEST_F(PlannerTest, TheHashIsOfWhatThePublisherSent) {
    const auto hash = [&](const std::string& type, const std::string& data,
                          const std::string& subject, const std::string& time, Given given) {
        Event made = event(type, data, subject);
        made.time = time;
        const auto plan = planner_.plan(std::move(made), kApi, given);
        EXPECT_TRUE(plan);
        EXPECT_EQ(plan->has_client_id, given.id);
        return plan->content_hash;
    };
    const std::string data = R"({"photoId":"1"})";
    const auto base = hash("photo.progress", data, "", "t1", {.id = true, .time = false});
    EXPECT_EQ(base, hash("photo.progress", data, "", "t2", {.id = true, .time = false}));
    EXPECT_NE(base, hash("photo.progress", data, "", "t1", {.id = true, .time = true}));
    EXPECT_NE(base, hash("photo.completed", data, "", "t1", {.id = true, .time = false}));
    EXPECT_NE(base,
              hash("photo.progress", R"({"photoId": "1"})", "", "t1", {.id = true, .time = false}));
    EXPECT_NE(base, hash("photo.progress", data, "photo:1", "t1", {.id = true, .time = false}));
    EXPECT_EQ(base, 0x19e147667186b9eaU) << "stored by logs: it must not change between versions";
}

TEST_F(PlannerTest, BuffersOfALargeEventDoNotChangeTheNext) {
    const std::string large =
        R"({"photoId":"1","public":true,"x":")" + std::string(900'000, 'x') + "\"}";
    ASSERT_TRUE(planner_.plan(event("photo.completed", large), kApi, {}));
    const auto next =
        planner_.plan(event("photo.completed", R"({"photoId":"2","gps":[1]})"), kApi, {});
    ASSERT_TRUE(next);
    EXPECT_EQ(next->event.subject, "photo:2");
    EXPECT_EQ(next->variants, std::vector<std::string>{R"({"photoId":"2"})"});
    const auto broken = planner_.plan(event("photo.completed", "[1]"), kApi, {});
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().code, ErrorCode::kBadEvent);
}

}  // namespace
}  // namespace eventbus
