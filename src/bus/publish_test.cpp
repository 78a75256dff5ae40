#include "bus/publish.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bus/subjects.h"
#include "catalog/loader.h"
#include "log/memory_log.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "support/position_literal.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

using Receipts = Result<std::vector<Receipt>>;

constexpr const char* kCatalog = R"(
events:
  photo.uploaded:
    subject: photo:{data.photoId}
    owner: user:{data.userId}
    audience: [owner]
    publish: [service:api]
  photo.progress:
    subject: photo:{data.photoId}
    audience: [owner]
    durability: transient
  photo.renamed:
    subject: photo:{data.photoId}
    audience: [owner]
    publish: [owner, permission]
  photo.liked:
    subject: photo:{data.photoId}
    audience: [watchers]
    publish: [permission]
  audit.**:
    audience: [role:auditor]
    publish: [permission]
)";

std::shared_ptr<const Catalog> catalog_of(const char* yaml) {
    Loaded loaded = parse_catalog(yaml, "catalog.yaml");
    for (const Problem& problem : loaded.problems) {
        EXPECT_TRUE(problem.warning) << problem.text();
    }
    BUS_ASSERT(loaded.catalog != nullptr);
    return loaded.catalog;
}

Event event_of(std::string type, std::string data = R"({"photoId":"1","userId":"ann"})") {
    return {.type = std::move(type), .data = std::move(data)};
}

Principal service(std::string name, std::vector<std::string> permissions = {}) {
    return {.kind = Principal::Kind::kService, .id = std::move(name), .permissions = permissions};
}
Principal user(std::string id, std::vector<std::string> permissions = {}) {
    return {.kind = Principal::Kind::kUser, .id = std::move(id), .permissions = permissions};
}

class NoWaker final : public Tail::Waker {
    void wake_if_asleep() override {}
};

class PublisherTest : public testing::Test {
 protected:
    PublisherTest() { log_.start(); }

    Receipts publish(const Principal& principal, std::vector<Event> events) {
        std::optional<Receipts> answer;
        publisher_.publish(principal, std::move(events),
                           [&](Receipts receipts) { answer = std::move(receipts); });
        BUS_ASSERT(answer.has_value());
        return *answer;
    }
    Receipts publish(const Principal& principal, Event event) {
        return publish(principal, std::vector<Event>{std::move(event)});
    }
    SharedEntry last_shown() {
        SharedEntry last;
        while (const SharedEntry* entry = reader_.next()) last = *entry;
        return last;
    }

    MemoryDisk disk_;
    Subjects subjects_{{}};
    FakeClock clock_;
    FakeExecutor reactor_;
    SeededRandom random_{1};
    MemoryLog log_{disk_, subjects_, clock_, {}};
    NoWaker waker_;
    TailReader reader_{log_.tail(), waker_, 100};
    Publisher publisher_{{log_, reactor_, clock_, random_}, catalog_of(kCatalog), 3};
};

TEST_F(PublisherTest, WhatThePublisherLeftOutIsFilledIn) {
    const Receipts receipts = publish(service("api"), event_of("photo.uploaded"));

    ASSERT_TRUE(receipts.has_value()) << receipts.error().detail;
    const SharedEntry entry = last_shown();
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->event.source, "service:api");
    EXPECT_EQ(entry->event.subject, "photo:1");
    EXPECT_EQ(entry->event.time, "2023-12-19T00:00:00.000Z");
    EXPECT_EQ(entry->event.id, receipts->front().id);
    EXPECT_EQ(entry->publisher, "service:api");
    EXPECT_FALSE(entry->has_client_id);
    ASSERT_EQ(entry->deliveries.size(), 1u);
    EXPECT_EQ(entry->deliveries[0].room, Room::user("ann"));
}

TEST_F(PublisherTest, AnIdIsAUuidOfVersionSevenThatSortsByTime) {
    std::set<std::string> ids;
    std::string last;
    for (int i = 0; i < 100; ++i) {
        clock_.advance(std::chrono::milliseconds(1));
        const Receipts receipts = publish(service("api"), event_of("photo.uploaded"));
        ASSERT_TRUE(receipts.has_value());
        const std::string id = receipts->front().id;
        EXPECT_EQ(id.size(), 36u);
        EXPECT_EQ(id[14], '7');
        EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
        EXPECT_GT(id, last);
        last = id;
        ids.insert(id);
    }
    EXPECT_EQ(ids.size(), 100u);
}

TEST_F(PublisherTest, AnIdThatIsGivenMakesARepeatOneEvent) {
    Event event = event_of("photo.uploaded");
    event.id = "upload-1";
    const Receipts first = publish(service("api"), event);
    clock_.advance(std::chrono::seconds(5));
    const Receipts repeat = publish(service("api"), event);
    event.data = R"({"photoId":"2","userId":"ann"})";
    const Receipts reused = publish(service("api"), event);

    ASSERT_TRUE(first.has_value());
    ASSERT_TRUE(repeat.has_value());
    EXPECT_TRUE(repeat->front().duplicate);
    EXPECT_EQ(repeat->front().position, first->front().position);
    ASSERT_FALSE(reused.has_value());
    EXPECT_EQ(reused.error().code, ErrorCode::kIdReused);
}

TEST_F(PublisherTest, WhoMayPublishIsWhatTheCatalogAndTheTokenSay) {
    ASSERT_TRUE(publish(service("api"), event_of("photo.uploaded")).has_value());  // ann owns 1
    const struct {
        const char* name;
        Principal who;
        const char* type;
        bool may;
    } cases[] = {
        {"the service that is listed", service("api"), "photo.uploaded", true},
        {"a service that is not", service("worker"), "photo.uploaded", false},
        {"a permission where none is asked for", service("worker", {"publish:photo.uploaded"}),
         "photo.uploaded", false},
        {"any service where nothing is said", service("worker"), "photo.progress", true},
        {"a user where nothing is said", user("ann"), "photo.progress", false},
        {"the owner", user("ann"), "photo.renamed", true},
        {"another user", user("bob"), "photo.renamed", false},
        {"another user with the permission", user("bob", {"publish:photo.*"}), "photo.renamed",
         true},
        {"a service where only owners may", service("api"), "photo.renamed", false},
        {"a permission of one type of a pattern", service("api", {"publish:audit.login"}),
         "audit.login", true},
        {"a permission of another type of it", service("api", {"publish:audit.login"}),
         "audit.logout", false},
        {"no permission", service("api"), "audit.login", false},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(c.name);
        const Receipts receipts = publish(c.who, event_of(c.type));
        EXPECT_EQ(receipts.has_value(), c.may);
        if (!receipts) {
            EXPECT_EQ(receipts.error().code, ErrorCode::kForbidden);
        }
    }
}

TEST_F(PublisherTest, AServiceMayNameAnotherSourceAndAUserMayNot) {
    Event event = event_of("photo.progress");
    event.source = "https://camera.example/7";
    ASSERT_TRUE(publish(service("worker"), event).has_value());
    EXPECT_EQ(last_shown()->event.source, "https://camera.example/7");

    Event liked = event_of("photo.liked");
    for (const char* source : {"user:bob", "service:api", "https://camera.example/7"}) {
        liked.source = source;
        const Receipts refused = publish(user("ann", {"publish:photo.liked"}), liked);
        ASSERT_FALSE(refused.has_value()) << source;
        EXPECT_EQ(refused.error().code, ErrorCode::kForbidden);
    }
    liked.source = "user:ann";
    EXPECT_TRUE(publish(user("ann", {"publish:photo.liked"}), liked).has_value());
}

TEST_F(PublisherTest, SeveralEventsAreAllOrNothingAndTheDetailNamesTheWrongOne) {
    const Receipts refused =
        publish(service("api"), {event_of("photo.uploaded"), event_of("photo.uplodded")});

    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kUnknownType);
    EXPECT_TRUE(refused.error().detail.starts_with("event 1: ")) << refused.error().detail;
    EXPECT_NE(refused.error().detail.find("photo.uploaded"), std::string::npos);
    EXPECT_EQ(log_.frontier(), 0_pos);
    EXPECT_EQ(publisher_.probe().refused.get(), 2u);
}

TEST_F(PublisherTest, OneMoreThanTheEventsOfACallIsRefusedAndSoIsNone) {
    const std::vector<Event> three(3, event_of("photo.progress"));
    std::vector<Event> four(4, event_of("photo.progress"));
    EXPECT_TRUE(publish(service("api"), three).has_value());
    EXPECT_EQ(publish(service("api"), four).error().code, ErrorCode::kTooLarge);
    EXPECT_EQ(publish(service("api"), std::vector<Event>{}).error().code, ErrorCode::kBadEvent);
    EXPECT_EQ(publisher_.probe().events.get(), 3u);
}

TEST_F(PublisherTest, AnotherCatalogHoldsForTheCallsThatFollow) {
    publisher_.set_catalog(catalog_of("events:\n  photo.deleted: { audience: [everyone] }\n"));
    EXPECT_EQ(publish(service("api"), event_of("photo.uploaded")).error().code,
              ErrorCode::kUnknownType);
    EXPECT_TRUE(publish(service("api"), event_of("photo.deleted")).has_value());
}

}  // namespace
}  // namespace eventbus
