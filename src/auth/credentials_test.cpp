#include "auth/credentials.h"

#include <gtest/gtest.h>

namespace eventbus {
namespace {

TEST(Credentials, ACookieCountsOnlyForOurOwnPages) {
    struct Case {
        const char* name;
        Credentials credentials;
        std::optional<std::string_view> token;
    };
    const Case cases[] = {
        {"nothing", {}, std::nullopt},
        {"a bearer", {.authorization = "Bearer abc"}, "abc"},
        {"the scheme in any case", {.authorization = "bEaReR abc"}, "abc"},
        {"another scheme", {.authorization = "Basic abc"}, std::nullopt},
        {"a bearer wins",
         {.authorization = "Bearer a",
          .cookie = "c",
          .origin = "https://x",
          .origin_may_use_cookie = true},
         "a"},
        {"a cookie of an allowed origin",
         {.cookie = "c", .origin = "https://x", .origin_may_use_cookie = true},
         "c"},
        {"a cookie of another origin",
         {.cookie = "c", .origin = "https://evil", .fetch_site = "same-origin"},
         std::nullopt},
        {"a GET of the same origin", {.cookie = "c", .fetch_site = "same-origin"}, "c"},
        {"a GET that nobody vouches for", {.cookie = "c"}, std::nullopt},
        {"a POST without an origin",
         {.cookie = "c", .fetch_site = "same-origin", .is_get = false},
         std::nullopt},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(find_token(c.credentials), c.token);
    }
}

TEST(Credentials, ACookieThatDoesNotCountIsNamedWithItsOriginAndTheSetting) {
    const auto said = [](const Credentials& credentials) {
        return no_token(credentials, "do that").detail;
    };
    EXPECT_EQ(said({}), "a token is missing: do that");
    EXPECT_EQ(said({.origin = "https://x"}), "a token is missing: do that");
    EXPECT_EQ(said({.cookie = "c"}),
              "the cookie signs in only what a browser sends for a page of an allowed origin: "
              "do that");
    EXPECT_EQ(said({.cookie = "c", .origin = "https://x"}),
              "the cookie does not sign in pages of https://x: if they are yours, add that origin "
              "to allowed_origins ('*' allows no cookies); or do that");
    const std::string longest(1000, 'o');
    EXPECT_LT(said({.cookie = "c", .origin = longest}).size(), 500U);
}

}  // namespace
}  // namespace eventbus
