#include "net/endpoint.h"

#include <gtest/gtest.h>

namespace eventbus {
namespace {

TEST(Endpoint, IsReadAndWritten) {
    struct Case {
        const char* text;
        const char* host;  // null: refused
        int port;
    };
    const Case cases[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080},
        {"[::1]:0", "::1", 0},
        {"localhost:65535", "localhost", 65535},
        {":80", "0.0.0.0", 80},
        {"8080", nullptr, 0},
        {"::1:80", nullptr, 0},
        {"[::1:80", nullptr, 0},
        {"127.0.0.1:", nullptr, 0},
        {"127.0.0.1:65536", nullptr, 0},
        {"127.0.0.1:80x", nullptr, 0},
        {"bus.example.com:80", nullptr, 0},
        {"127.0.0.1.5:80", nullptr, 0},
        {"[127.0.0.1:80", nullptr, 0},
        {"[]:80", nullptr, 0},
        {"", nullptr, 0},
        {":", nullptr, 0},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text);
        const Result<Endpoint> endpoint = parse_endpoint(c.text);
        ASSERT_EQ(endpoint.has_value(), c.host != nullptr);
        if (c.host == nullptr) continue;
        EXPECT_EQ(endpoint->host, c.host);
        EXPECT_EQ(endpoint->port, c.port);
        if (c.text[0] == ':') continue;
        EXPECT_EQ(to_string(*endpoint), c.text);
    }
}

TEST(Endpoint, KnowsLoopbackByItsAddress) {
    for (const char* text : {"127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "localhost:1"}) {
        EXPECT_TRUE(is_loopback(*parse_endpoint(text))) << text;
    }
    for (const char* text : {"0.0.0.0:1", "[::]:1", "10.0.0.127:1", "[::2]:1"}) {
        EXPECT_FALSE(is_loopback(*parse_endpoint(text))) << text;
    }
}

}  // namespace
}  // namespace eventbus
