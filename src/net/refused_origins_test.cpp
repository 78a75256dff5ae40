#include "net/refused_origins.h"

#include <gtest/gtest.h>

#include <string>

#include "support/fake_clock.h"

namespace eventbus {
namespace {

HttpRequest from(const std::string& origin, bool is_upgrade = false) {
    HttpRequest request;
    request.headers.add("Host", "bus.example");
    if (!origin.empty()) request.headers.add("Origin", origin);
    request.is_upgrade = is_upgrade;
    return request;
}

struct RefusedOriginsTest : testing::Test {
    // What it says to standard error of one request.
    std::string said_of(const HttpRequest& request) {
        testing::internal::CaptureStderr();
        origins.look_at(request);
        return testing::internal::GetCapturedStderr();
    }

    FakeClock clock;
    const CorsPolicy cors{{.origins = {"https://a.example"}}};
    RefusedOrigins origins{cors, clock};
};

TEST_F(RefusedOriginsTest, OneThatIsNotAllowedIsNamedWithTheSetting) {
    const std::string line = said_of(from("https://b.example"));
    EXPECT_NE(line.find("https://b.example"), std::string::npos) << line;
    EXPECT_NE(line.find("allowed_origins"), std::string::npos) << line;
    EXPECT_EQ(origins.count().get(), 1u);
}

TEST_F(RefusedOriginsTest, AreAllCountedAndOneIsSaidInTenSeconds) {
    EXPECT_NE(said_of(from("https://b.example")), "");
    EXPECT_EQ(said_of(from("https://c.example")), "");
    EXPECT_EQ(origins.count().get(), 2u);
    clock.advance(RefusedOrigins::kLineEvery);
    EXPECT_NE(said_of(from(std::string(10'000, 'x'))).find("xxx"), std::string::npos);
    clock.advance(RefusedOrigins::kLineEvery);
    EXPECT_LT(said_of(from(std::string(10'000, 'x'))).size(), 1'000u);
}

TEST_F(RefusedOriginsTest, AreNotTheAllowedTheOwnNoneAndThoseOfWebSockets) {
    for (const HttpRequest& request : {from("https://a.example"), from("https://bus.example"),
                                       from(""), from("https://b.example", true)}) {
        EXPECT_EQ(said_of(request), "");
    }
    EXPECT_EQ(origins.count().get(), 0u);
    const CorsPolicy any{{.origins = {"*"}}};
    RefusedOrigins none(any, clock);
    none.look_at(from("https://b.example"));
    EXPECT_EQ(none.count().get(), 0u);
}

}  // namespace
}  // namespace eventbus
