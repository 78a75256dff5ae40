#include "auth/principal.h"

#include <gtest/gtest.h>

namespace eventbus {
namespace {

TEST(Principal, MayDoWhatAPermissionCovers) {
    struct Case {
        const char* permission;
        const char* verb;
        const char* what;
        bool may;
    };
    const Case cases[] = {
        {"watch:photo:123", "watch", "photo:123", true},
        {"watch:photo:123", "watch", "photo:1234", false},
        {"watch:photo:123", "publish", "photo:123", false},
        {"watch:photo:*", "watch", "photo:123", true},
        {"watch:photo:*", "watch", "photo:a.b.c", true},  // a subject's whole id
        {"watch:photo:*", "watch", "album:123", false},
        {"watch:photo:*", "watch", "photo.uploaded", false},
        {"publish:photo.uploaded", "publish", "photo.uploaded", true},
        {"publish:photo.processing.*", "publish", "photo.processing.failed", true},
        {"publish:photo.processing.*", "publish", "photo.processing", false},
        {"publish:photo.processing.*", "publish", "photo.processing.a.b", false},
        {"consume:photo.**", "consume", "photo.processing.failed", true},
        {"consume:photo.**", "consume", "photos.uploaded", false},
        {"admin:**", "admin", "groups", true},
        {"watch:**", "watch", "photo:123", true},
        {"watch", "watch", "photo:123", false},
        {"watch:", "watch", "photo:123", false},
        {"watch:", "watch", "", false},
        {"watcher:photo:123", "watch", "photo:123", false},
        {"watch.photo:123", "watch", "photo:123", false},
        {"watch:photo:123", "watch:photo", "123", true},  // verbs are ours and hold no colon
        {":photo:123", "", "photo:123", true},
        {"", "watch", "photo:123", false},
    };
    for (const Case& c : cases) {
        Principal principal;
        principal.permissions = {"other:thing", c.permission};
        EXPECT_EQ(principal.may(c.verb, c.what), c.may)
            << c.permission << " / " << c.verb << " / " << c.what;
    }
}

TEST(Principal, UsersAndServicesOfOneNameAreNotOne) {
    const Principal user{.kind = Principal::Kind::kUser, .id = "api"};
    const Principal service{.kind = Principal::Kind::kService, .id = "api"};

    EXPECT_EQ(user.key(), "user:api");
    EXPECT_EQ(service.key(), "service:api");
}

// Clients keep it: another one would part them from what they have stored.
TEST(Principal, TheFingerprintIsOfTheWholeNameAndStaysAsItIs) {
    const Principal user{.kind = Principal::Kind::kUser, .id = "anna", .roles = {"admin"}};
    const Principal service{.kind = Principal::Kind::kService, .id = "anna"};

    EXPECT_EQ(user.fingerprint(), "wu0-8QMkcEYlDmB55DlYaA");
    EXPECT_NE(service.fingerprint(), user.fingerprint());
    EXPECT_EQ(service.fingerprint().size(), 22U);
}

TEST(Principal, HasTheRolesThatItsTokenNames) {
    const Principal admin{.roles = {"staff", "admin"}};

    EXPECT_TRUE(admin.has_role("admin"));
    EXPECT_FALSE(admin.has_role("adm"));
    EXPECT_FALSE(Principal{}.has_role(""));
}

}  // namespace
}  // namespace eventbus
