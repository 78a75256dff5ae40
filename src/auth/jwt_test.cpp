#include "auth/jwt.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "event/subject.h"
#include "support/fake_clock.h"

namespace eventbus {
namespace {

using std::chrono::seconds;
using namespace std::chrono_literals;

const std::string kSecret = "a secret of thirty-two bytes, ok";
const std::string kOtherSecret = "another secret of 32 bytes, also";
constexpr const char* kHeader = R"({"alg":"HS256","typ":"JWT"})";
constexpr std::int64_t kNow = 1'700'000'000;  // 2023-11-14T22:13:20Z

// Written again, and not the code under test: it is what other programs' tokens look like.
std::string base64url(std::string_view bytes) {
    std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    while (text.ends_with('=')) text.pop_back();
    for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return text;
}

std::string hmac_sha256(std::string_view text, const std::string& secret) {
    unsigned char digest[32];
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
    return std::string(reinterpret_cast<char*>(digest), size);
}

std::string token_of(std::string_view claims, std::string_view header = kHeader,
                     const std::string& secret = kSecret) {
    const std::string text = base64url(header) + "." + base64url(claims);
    return text + "." + base64url(hmac_sha256(text, secret));
}

class Jwt : public testing::Test {
 protected:
    Jwt() { clock_.set_wall(Clock::WallTime(seconds(kNow))); }

    static std::shared_ptr<const KeySet> keys(const std::string& secret = kSecret) {
        return std::make_shared<const KeySet>(*keys_of_secret(secret));
    }
    std::unique_ptr<JwtVerifier> verifier(ClaimRules rules = {}, std::size_t cached = 16) {
        return std::make_unique<JwtVerifier>(keys(), std::move(rules), clock_, cached);
    }

    FakeClock clock_;
};

TEST_F(Jwt, AGoodTokenMakesItsPrincipal) {
    const auto user = verifier()->verify(token_of(
        R"({"sub":"alice","roles":["admin","staff"],"permissions":["watch:photo:*"],"exp":1700000060})"));

    ASSERT_TRUE(user) << user.error().detail;
    EXPECT_TRUE((**user).is_user());
    EXPECT_EQ((**user).id, "alice");
    EXPECT_EQ((**user).roles, (std::vector<std::string>{"admin", "staff"}));
    EXPECT_EQ((**user).permissions, (std::vector<std::string>{"watch:photo:*"}));
    EXPECT_EQ((**user).expires_at, Clock::WallTime(seconds(kNow + 60)));

    const auto service = verifier()->verify(token_of(R"({"service":"api","sub":"alice"})"));

    ASSERT_TRUE(service) << service.error().detail;
    EXPECT_TRUE((**service).is_service());
    EXPECT_EQ((**service).id, "api");
    EXPECT_EQ((**service).expires_at, Clock::WallTime::max());
}

TEST_F(Jwt, ClaimsThatAreTolerated) {
    const char* cases[] = {
        R"({"sub":"alice","roles":"admin"})",     // one string alone
        R"({"sub":"alice","roles":null})",        // none
        R"({"sub":"alice","exp":1700000000.5})",  // a fraction
        R"({"sub":"alice","nbf":1700000000,"iat":1700000000})",
        R"({"sub":"alice","aud":"somebody-else"})",  // no audience is asked
        R"({"sub":"alice","permissions":["read:users","watch:photo:my cat"]})",
        R"({"sub":"Алиса@example.com"})",
    };
    for (const char* claims : cases) {
        const auto verified = verifier()->verify(token_of(claims));
        EXPECT_TRUE(verified) << claims << ": " << verified.error().detail;
    }
}

TEST_F(Jwt, WrongClaimsAreRefusedAndSaidWhich) {
    struct Case {
        const char* claims;
        const char* detail;  // part of it
    };
    const Case cases[] = {
        {R"({"sub":"alice","exp":1699999970})", "30 s ago"},
        {R"({"sub":"alice","exp":1700000000})", "expired at 2023-11-14T22:13:20Z"},
        {R"({"sub":"alice","exp":1700000060000})", "not milliseconds"},
        {R"({"sub":"alice","exp":"1700000060"})", "`exp`"},
        {R"({"sub":"alice","exp":null})", "`exp`"},
        {R"({"sub":"alice","exp":-1})", "`exp`"},
        {R"({"sub":"alice","nbf":1700000005})", "in 5 s"},
        {R"({"sub":"alice","nbf":[]})", "`nbf`"},
        {R"({"sub":"alice","iat":1700000005})", "issued in the future"},
        {R"({})", "names nobody"},
        {R"({"sub":""})", "`sub`"},
        {R"({"sub":7})", "`sub`"},
        {R"({"sub":"a\u0000b"})", "`sub`"},
        {R"({"sub":"a\nb"})", "`sub`"},
        {R"({"sub":"alice","service":""})", "`service`"},
        {R"({"sub":"alice","service":null})", "`service`"},
        {R"({"sub":"alice","service":false})", "`service`"},
        {R"({"sub":"alice","service":["api"]})", "`service`"},
        {R"({"sub":"alice","service":"Api"})", "`service`"},
        {R"({"sub":"alice","service":"api/x"})", "`service`"},
        {R"({"sub":"alice","roles":{"admin":true}})", "`roles`"},
        {R"({"sub":"alice","roles":["admin",7]})", "`roles`"},
        {R"({"sub":"alice","roles":[""]})", "`roles`"},
        {R"({"sub":"alice","permissions":[["x"]]})", "`permissions`"},
        {R"({"sub":"alice","permissions":["openid"]})", "`permissions`"},
        {R"({"sub":"alice","permissions":["watch:"]})", "`permissions`"},
        {R"({"sub":"alice","permissions":[":photo:1"]})", "`permissions`"},
        {R"({"sub":"alice","permissions":["openid watch:photo:1"]})", "`permissions`"},
        {R"({"sub":"alice","permissions":"watch:photo:1 watch:"})", "`permissions`"},
        {R"({"sub":"alice","permissions":"watch:photo:1\nwatch:photo:2"})", "`permissions`"},
        {R"({"sub":"alice","permissions":true})", "`permissions`"},
        {R"({"sub":"alice","permissions":{"watch:photo:1":true}})", "`permissions`"},
        {R"({"service":"api","permissions":["openid"]})", "`permissions`"},
        {R"({"sub":"alice","sub":"bob"})", "payload"},
        {R"(["sub","alice"])", "payload"},
        {"{", "payload"},
        {"", "payload"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.claims);
        const auto verified = verifier()->verify(token_of(c.claims));
        ASSERT_FALSE(verified);
        EXPECT_NE(verified.error().detail.find(c.detail), std::string::npos)
            << verified.error().detail;
    }
}

TEST_F(Jwt, TheBoundsOfClaimsHold) {
    const auto with_roles = [](std::size_t count) {
        std::string roles;
        for (std::size_t i = 0; i < count; ++i) roles += (i == 0 ? "\"r\"" : ",\"r\"");
        return token_of(R"({"sub":"alice","roles":[)" + roles + "]}");
    };
    const auto with_user = [](std::size_t size) {
        return token_of(R"({"sub":")" + std::string(size, 'u') + R"("})");
    };
    const auto with_service = [](std::size_t size) {
        return token_of(R"({"service":")" + std::string(size, 's') + R"("})");
    };

    EXPECT_TRUE(verifier()->verify(with_roles(kRolesMax)));
    EXPECT_FALSE(verifier()->verify(with_roles(kRolesMax + 1)));
    EXPECT_TRUE(verifier()->verify(with_user(kUserIdBytesMax)));
    EXPECT_FALSE(verifier()->verify(with_user(kUserIdBytesMax + 1)));
    EXPECT_TRUE(verifier()->verify(with_service(kServiceNameBytesMax)));
    EXPECT_FALSE(verifier()->verify(with_service(kServiceNameBytesMax + 1)));
}

TEST_F(Jwt, OnlyAnExpiredTokenIsCalledExpired) {
    EXPECT_EQ(verifier()->verify(token_of(R"({"sub":"alice","exp":1})")).error().code,
              ErrorCode::kTokenExpired);
    EXPECT_EQ(verifier()->verify(token_of(R"({"sub":"alice","nbf":1800000000})")).error().code,
              ErrorCode::kUnauthorized);
    EXPECT_EQ(
        verifier()->verify(token_of(R"({"sub":"a","exp":1})", kHeader, kOtherSecret)).error().code,
        ErrorCode::kUnauthorized);
}

TEST_F(Jwt, TheClockSkewIsGivenOnBothSides) {
    const ClaimRules rules{.clock_skew = 30s};

    const auto late = verifier(rules)->verify(token_of(R"({"sub":"alice","exp":1699999971})"));
    ASSERT_TRUE(late) << late.error().detail;
    EXPECT_EQ((**late).expires_at, Clock::WallTime(seconds(kNow + 1)));
    EXPECT_FALSE(verifier(rules)->verify(token_of(R"({"sub":"alice","exp":1699999970})")));
    EXPECT_TRUE(verifier(rules)->verify(token_of(R"({"sub":"alice","nbf":1700000030})")));
    EXPECT_FALSE(verifier(rules)->verify(token_of(R"({"sub":"alice","nbf":1700000031})")));
    EXPECT_TRUE(verifier(rules)->verify(token_of(R"({"sub":"alice","iat":1700000030})")));
    EXPECT_FALSE(verifier(rules)->verify(token_of(R"({"sub":"alice","iat":1700000031})")));
}

TEST_F(Jwt, IssuerAndAudienceAreAskedWhenConfigured) {
    struct Case {
        const char* claims;
        bool is_good;
    };
    const Case cases[] = {
        {R"({"sub":"a","iss":"us","aud":"bus"})", true},
        {R"({"sub":"a","iss":"us","aud":["web","bus"]})", true},
        {R"({"sub":"a","iss":"us","aud":[]})", false},
        {R"({"sub":"a","iss":"us","aud":["web"]})", false},
        {R"({"sub":"a","iss":"us","aud":"bus2"})", false},
        {R"({"sub":"a","iss":"us","aud":{"bus":1}})", false},
        {R"({"sub":"a","iss":"us"})", false},
        {R"({"sub":"a","aud":"bus"})", false},
        {R"({"sub":"a","iss":"them","aud":"bus"})", false},
        {R"({"sub":"a","iss":["us"],"aud":"bus"})", false},
    };
    for (const Case& c : cases) {
        const auto verified =
            verifier({.issuer = "us", .audience = "bus"})->verify(token_of(c.claims));
        EXPECT_EQ(verified.has_value(), c.is_good) << c.claims;
    }
}

TEST_F(Jwt, ClaimsMayHaveOtherNames) {
    const ClaimRules rules{.user_claim = "uid",
                           .roles_claim = "https://example.com/roles",
                           .permissions_claim = "scopes",
                           .service_claim = "client"};

    const auto user = verifier(rules)->verify(token_of(
        R"({"uid":"alice","sub":"x","service":"y","https://example.com/roles":["admin"],"scopes":["a:b"]})"));
    ASSERT_TRUE(user) << user.error().detail;
    EXPECT_EQ((**user).key(), "user:alice");
    EXPECT_TRUE((**user).has_role("admin"));
    EXPECT_EQ((**user).permissions.size(), 1u);
    const auto service = verifier(rules)->verify(token_of(R"({"uid":"alice","client":"api"})"));
    ASSERT_TRUE(service) << service.error().detail;
    EXPECT_EQ((**service).key(), "service:api");
}

TEST_F(Jwt, ATextOfClaimsIsSplitAtBlanksAsAScopeOfOAuth) {
    const auto verified =
        verifier({.permissions_claim = "scope"})
            ->verify(token_of(R"({"sub":"alice","roles":"admin  staff ",)"
                              R"("scope":"openid watch:photo:1 :x email consume:photo.**"})"));

    ASSERT_TRUE(verified) << verified.error().detail;
    EXPECT_EQ((**verified).roles, (std::vector<std::string>{"admin", "staff"}));
    EXPECT_EQ((**verified).permissions,
              (std::vector<std::string>{"watch:photo:1", "consume:photo.**"}));
}

TEST_F(Jwt, AClaimMayLieInOthersButItsWholeNameGoesFirst) {
    const ClaimRules rules{.user_claim = "who.id",
                           .roles_claim = "realm_access.roles",
                           .permissions_claim = "resource_access.event.bus.roles",
                           .service_claim = "app.name"};
    struct Case {
        const char* claims;
        const char* key;                 // or what is said
        std::vector<std::string> roles;  // or permissions, of a service
    };
    const Case cases[] = {
        {R"({"who":{"id":"a"},"realm_access":{"roles":["admin"]}})", "user:a", {"admin"}},
        {R"({"who":{"id":"a"},"realm_access":{"roles":["x"]},"realm_access.roles":["admin"]})",
         "user:a",
         {"admin"}},
        {R"({"who":{"id":"a"},"realm_access":{}})", "user:a", {}},
        {R"({"who":{"id":"a"},"realm_access":null})", "user:a", {}},
        {R"({"who":{"id":"a"},"realm_access":{"roles":null}})", "user:a", {}},
        {R"({"who":{"id":"a"},"realm_access":["roles"]})",
         "`realm_access` is no object, so there is no `realm_access.roles`",
         {}},
        {R"({"who":{"id":"a"},"realm_access":{"roles":7}})", "`realm_access.roles` must be", {}},
        {R"({"who":"a"})", "`who` is no object", {}},
        {R"({"app":{"name":"api"},"resource_access":{"event":{"bus":{"roles":["a:b"]}}}})",
         "service:api",
         {"a:b"}},
        {R"({"app":{"name":"api"},"resource_access":{"event":{"bus":7}}})",
         "`resource_access.event.bus` is no object",
         {}},
        // A service that is none makes no user.
        {R"({"app":{"name":null},"who":{"id":"a"}})", "`app.name`", {}},
        {R"({"app":7,"who":{"id":"a"}})", "`app` is no object", {}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.claims);
        const auto verified = verifier(rules)->verify(token_of(c.claims));
        if (!verified) {
            EXPECT_NE(verified.error().detail.find(c.key), std::string::npos)
                << verified.error().detail;
            continue;
        }
        EXPECT_EQ((**verified).key(), c.key);
        EXPECT_EQ((**verified).is_user() ? (**verified).roles : (**verified).permissions, c.roles);
    }
}

TEST_F(Jwt, TheHeaderChoosesNothing) {
    struct Case {
        const char* header;
        const char* detail;
    };
    const Case cases[] = {
        {R"({"alg":"none"})", "`alg`"},
        {R"({"alg":"None"})", "`alg`"},
        {R"({"alg":"hs256"})", "`alg`"},
        {R"({"alg":"HS384"})", "`alg`"},
        {R"({"alg":"RS256"})", "sign with HS256"},
        {R"({"alg":"ES256"})", "`alg`"},
        {R"({"alg":null})", "`alg`"},
        {R"({"alg":["HS256"]})", "`alg`"},
        {R"({"typ":"JWT"})", "`alg`"},
        {R"({"alg":"HS256","crit":["exp"],"exp":1})", "`crit`"},
        {R"({"alg":"HS256","crit":[]})", "`crit`"},
        {R"({"alg":"HS256","kid":7})", "`kid`"},
        {R"({"alg":"none","alg":"HS256"})", "header"},
        {R"("HS256")", "header"},
        {"", "header"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.header);
        const auto verified = verifier()->verify(token_of(R"({"sub":"alice"})", c.header));
        ASSERT_FALSE(verified);
        EXPECT_EQ(verified.error().code, ErrorCode::kUnauthorized);
        EXPECT_NE(verified.error().detail.find(c.detail), std::string::npos)
            << verified.error().detail;
    }
}

TEST_F(Jwt, AKeyInTheHeaderIsNotTheKey) {
    const std::string jwk = R"({"kty":"oct","k":")" + base64url(kOtherSecret) + R"("})";
    const std::string header = R"({"alg":"HS256","jwk":)" + jwk + "}";

    EXPECT_FALSE(verifier()->verify(token_of(R"({"sub":"alice"})", header, kOtherSecret)));
    EXPECT_TRUE(verifier()->verify(token_of(R"({"sub":"alice"})", header)));
}

TEST_F(Jwt, WhatIsNotSignedWithTheKeyIsRefused) {
    const std::string good = token_of(R"({"sub":"alice"})");
    const std::size_t payload = good.find('.') + 1;
    const std::size_t signature = good.rfind('.') + 1;
    const std::string other = token_of(R"({"sub":"mallory"})");
    const std::string other_payload = other.substr(payload, other.rfind('.') - payload);

    EXPECT_TRUE(verifier()->verify(good));
    const std::string cases[] = {
        token_of(R"({"sub":"alice"})", kHeader, kOtherSecret),
        good.substr(0, payload) + other_payload + good.substr(signature - 1),
        good.substr(0, signature),      // no signature
        good.substr(0, signature - 1),  // not even its dot
        good.substr(0, good.size() - 4),
        good + "AAAA",
        good + ".",
        good + "=",
        good + "\n",
        " " + good,
        "Bearer " + good,
        good + ".AAAA.AAAA",  // five parts: a JWE
        ".",
        "..",
        "...",
        std::string("\0\0\0", 3),
        "",
        "not a token",
    };
    for (const std::string& token : cases) EXPECT_FALSE(verifier()->verify(token)) << token;
}

TEST_F(Jwt, EveryBitOfTheTokenCounts) {
    const auto under_test = verifier({}, 4);
    const std::string good = token_of(R"({"sub":"alice"})");
    for (std::size_t i = 0; i + 1 < good.size(); ++i) {  // the last letter has two unused bits
        std::string changed = good;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(under_test->verify(changed)) << i;
    }
}

TEST_F(Jwt, AHugeTokenIsRefusedUnread) {
    const auto padded = [](std::size_t size) {
        return token_of(R"({"sub":"alice","x":")" + std::string(size, 'x') + R"("})");
    };

    EXPECT_TRUE(verifier()->verify(padded(kTokenBytesMax / 2)));
    const auto refused = verifier()->verify(padded(kTokenBytesMax));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().detail.find("longer than 8192"), std::string::npos);
}

TEST_F(Jwt, NoErrorRepeatsTheToken) {
    const std::string secret_part = base64url(R"({"sub":"very-private","exp":1})");
    for (const std::string& token :
         {token_of(R"({"sub":"very-private","exp":1})"),
          token_of(R"({"sub":"very-private","exp":1})", kHeader, kOtherSecret)}) {
        const std::string detail = verifier()->verify(token).error().detail;
        EXPECT_EQ(detail.find(secret_part), std::string::npos) << detail;
        EXPECT_EQ(detail.find("very-private"), std::string::npos) << detail;
    }
}

TEST_F(Jwt, AKeySignsOnlyWhomItMay) {
    auto set = std::make_shared<KeySet>();
    ASSERT_TRUE(set->add(
        {.id = "web", .signs_services = false, .material = *jose::import_secret(kSecret)}));
    ASSERT_TRUE(set->add(
        {.id = "ops", .signs_users = false, .material = *jose::import_secret(kOtherSecret)}));
    JwtVerifier under_test(set, {}, clock_);
    const char* web = R"({"alg":"HS256","kid":"web"})";
    const char* ops = R"({"alg":"HS256","kid":"ops"})";

    EXPECT_TRUE(under_test.verify(token_of(R"({"sub":"alice"})", web, kSecret)));
    EXPECT_FALSE(under_test.verify(token_of(R"({"service":"api"})", web, kSecret)));
    EXPECT_TRUE(under_test.verify(token_of(R"({"service":"api"})", ops, kOtherSecret)));
    EXPECT_FALSE(under_test.verify(token_of(R"({"sub":"alice"})", ops, kOtherSecret)));
    EXPECT_FALSE(under_test.verify(token_of(R"({"sub":"alice"})", ops, kSecret)));
    EXPECT_FALSE(under_test.verify(token_of(R"({"sub":"a"})", R"({"alg":"HS256","kid":"x"})")));
    EXPECT_TRUE(under_test.verify(token_of(R"({"service":"api"})", kHeader, kOtherSecret)));
}

TEST_F(Jwt, AKnownTokenHasOnePrincipalForAll) {
    const auto under_test = verifier();
    const std::string token = token_of(R"({"sub":"alice"})");

    const auto first = under_test->verify(token);
    const auto second = under_test->verify(token);

    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->get(), second->get());
}

TEST_F(Jwt, AKnownTokenIsNotTakenAfterItExpired) {
    const auto under_test = verifier();
    const std::string token = token_of(R"({"sub":"alice","exp":1700000010})");

    ASSERT_TRUE(under_test->verify(token));
    clock_.advance(9s);
    EXPECT_TRUE(under_test->verify(token));
    clock_.advance(1s);
    const auto expired = under_test->verify(token);
    ASSERT_FALSE(expired);
    EXPECT_EQ(expired.error().code, ErrorCode::kTokenExpired);
}

TEST(TokenCache, KeepsAtMostItsBoundAndTheNewest) {
    TokenCache cache(2);
    const Clock::WallTime now{};
    const auto alice = std::make_shared<const Principal>(Principal{.id = "alice"});

    cache.put("one", alice);
    cache.put("one", alice);
    cache.put("two", alice);
    EXPECT_NE(cache.find("one", now), nullptr);
    cache.put("three", alice);

    EXPECT_EQ(cache.size(), 2u);
    EXPECT_EQ(cache.find("one", now), nullptr);
    EXPECT_NE(cache.find("two", now), nullptr);
    EXPECT_NE(cache.find("three", now), nullptr);
    EXPECT_EQ(cache.find("four", now), nullptr);
}

TEST(Secrets, HaveABound) {
    EXPECT_FALSE(jose::import_secret(""));
    EXPECT_FALSE(jose::import_secret(std::string(jose::kSecretBytesMin - 1, 's')));
    EXPECT_TRUE(jose::import_secret(std::string(jose::kSecretBytesMin, 's')));
    EXPECT_TRUE(jose::import_secret(std::string(jose::kSecretBytesMax, 's')));
    EXPECT_FALSE(jose::import_secret(std::string(jose::kSecretBytesMax + 1, 's')));
}

TEST(Keys, HaveABound) {
    KeySet set;
    for (std::size_t i = 0; i < KeySet::kKeysMax; ++i) {
        ASSERT_TRUE(set.add({.material = *jose::import_secret(kSecret)}));
    }
    EXPECT_FALSE(set.add({.material = *jose::import_secret(kSecret)}));
}

TEST_F(Jwt, AMintedTokenIsTakenForWhomItWasMinted) {
    const ClaimRules rules{.issuer = "us", .audience = "bus", .roles_claim = "r"};
    const Principal people[] = {
        {.id = "alice \"quoted\" \\ Алиса",
         .roles = {"admin", "staff"},
         .permissions = {"watch:photo:*"}},
        {.kind = Principal::Kind::kService, .id = "api", .permissions = {"admin:**"}},
    };
    for (const Principal& who : people) {
        SCOPED_TRACE(who.id);
        const auto token = mint_token(who, 60s, kSecret, rules, clock_.wall_now());
        ASSERT_TRUE(token) << token.error().detail;
        const auto verified = verifier(rules)->verify(*token);
        ASSERT_TRUE(verified) << verified.error().detail;
        EXPECT_EQ((**verified).key(), who.key());
        EXPECT_EQ((**verified).roles, who.roles);
        EXPECT_EQ((**verified).permissions, who.permissions);
        EXPECT_EQ((**verified).expires_at, clock_.wall_now() + 60s);
    }
}

TEST_F(Jwt, WhatNoVerifierTakesIsNotMinted) {
    const Principal wrong[] = {
        {.id = ""},
        {.id = "a\nb"},
        {.id = "alice", .roles = {""}},
        {.id = "alice", .permissions = {"openid"}},
        {.id = "caf\xE9"},
        {.id = "alice", .roles = {"caf\xE9"}},
        {.id = "alice", .permissions = std::vector<std::string>(kPermissionsMax + 1, "a:b")},
        {.kind = Principal::Kind::kService, .id = "Api"},
        {.kind = Principal::Kind::kService, .id = "api", .roles = {"admin"}},
    };
    for (const Principal& who : wrong) {
        EXPECT_FALSE(mint_token(who, 60s, kSecret, {}, clock_.wall_now())) << who.id;
    }
    EXPECT_FALSE(mint_token({.id = "alice"}, 60s, "short", {}, clock_.wall_now()));
}

}  // namespace
}  // namespace eventbus
