#include "net/cors.h"

#include <gtest/gtest.h>

#include <string>

namespace eventbus {
namespace {

HttpRequest from(std::string origin) {
    HttpRequest request;
    if (!origin.empty()) request.headers.add("Origin", std::move(origin));
    return request;
}

TEST(Cors, OfARequestThatWasNotReadOnlyWhatHoldsForAllIsSaid) {
    HttpResponse to_any;
    CorsPolicy({.origins = {"*"}}).apply_unread(to_any);
    EXPECT_EQ(to_any.headers.find("Access-Control-Allow-Origin"), "*");

    HttpResponse to_listed;
    CorsPolicy({.origins = {"https://a.example"}, .loopback_origins = true})
        .apply_unread(to_listed);
    EXPECT_EQ(to_listed.headers.size(), 0u);
}

TEST(Cors, SaysWhoMayReadAndWhoMayHaveCookies) {
    const CorsPolicy listed({.origins = {"https://a.example"}});
    const CorsPolicy any({.origins = {"*"}});
    const CorsPolicy dev({.loopback_origins = true});
    struct Case {
        const CorsPolicy& policy;
        const char* origin;
        const char* allowed;  // Access-Control-Allow-Origin; empty: none
        bool credentials;
        const char* vary;
    };
    const Case cases[] = {
        {listed, "https://a.example", "https://a.example", true, "Origin"},
        {listed, "https://b.example", "", false, "Origin"},
        {listed, "https://a.example.evil", "", false, "Origin"},
        {listed, "", "", false, ""},
        {any, "https://b.example", "*", false, ""},
        {dev, "http://localhost:5173", "http://localhost:5173", true, "Origin"},
        {dev, "http://app.localhost", "http://app.localhost", true, "Origin"},
        {dev, "http://[::1]:80", "http://[::1]:80", true, "Origin"},
        {dev, "http://[::1].evil.example", "", false, "Origin"},
        {dev, "http://localhost.evil.example", "", false, "Origin"},
        {dev, "http://127.0.0.1.evil.example", "", false, "Origin"},
        {dev, "null", "", false, "Origin"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.origin);
        HttpResponse response;
        c.policy.apply(from(c.origin), response);
        const HttpHeaders& headers = response.headers;
        EXPECT_EQ(headers.find("Access-Control-Allow-Origin").value_or(""), c.allowed);
        EXPECT_EQ(headers.contains("Access-Control-Allow-Credentials"), c.credentials);
        EXPECT_EQ(headers.find("Vary").value_or(""), c.vary);
        EXPECT_EQ(c.policy.allows_credentials(c.origin), c.credentials);
    }
}

TEST(Cors, APreflightAllowsWhatItAsksFor) {
    const CorsPolicy any({.origins = {"*"}});
    HttpRequest request = from("https://b.example");
    request.headers.add("Access-Control-Request-Headers", "x-one, content-type");

    const HttpResponse response = any.preflight(request);

    EXPECT_EQ(response.status, 204);
    EXPECT_EQ(response.headers.find("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(response.headers.find("Access-Control-Allow-Headers"), "x-one, content-type");
    EXPECT_EQ(response.headers.find("Access-Control-Allow-Methods"), "GET, POST, OPTIONS");
}

TEST(Cors, TheServersOwnOriginIsTheOneThatItsHostNames) {
    EXPECT_TRUE(is_own_origin("https://Bus.example.com", "bus.example.com"));
    EXPECT_TRUE(is_own_origin("http://[::1]:8080", "[::1]:8080"));
    EXPECT_FALSE(is_own_origin("https://bus.example.com", "bus.example.com:8080"));
    EXPECT_FALSE(is_own_origin("https://app.example.com", "bus.example.com"));
    EXPECT_FALSE(is_own_origin("null", "null"));
    EXPECT_FALSE(is_own_origin("https://", ""));
    EXPECT_FALSE(is_own_origin("", ""));
}

}  // namespace
}  // namespace eventbus
