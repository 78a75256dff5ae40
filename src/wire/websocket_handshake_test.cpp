#include "wire/websocket_handshake.h"

#include <gtest/gtest.h>

namespace eventbus::websocket {
namespace {

constexpr UpgradeRequest kGood{.method = "GET",
                               .upgrade = "websocket",
                               .connection = "Upgrade",
                               .key = "dGhlIHNhbXBsZSBub25jZQ==",
                               .version = "13",
                               .extensions = ""};

UpgradeRequest with(std::string_view UpgradeRequest::*field, std::string_view value) {
    UpgradeRequest request = kGood;
    request.*field = value;
    return request;
}

TEST(WebSocketHandshake, AcceptsWhatRfc6455Asks) {
    EXPECT_FALSE(check_upgrade(kGood));
    EXPECT_FALSE(check_upgrade(with(&UpgradeRequest::upgrade, "WebSocket")));
    EXPECT_FALSE(check_upgrade(with(&UpgradeRequest::upgrade, "h2c, websocket")));
    EXPECT_FALSE(check_upgrade(with(&UpgradeRequest::connection, "keep-alive,  UPGRADE")));
    EXPECT_EQ(accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketHandshake, RefusesTheRestWithItsStatus) {
    struct Case {
        const char* name;
        UpgradeRequest request;
        int status;
    };
    const Case cases[] = {
        {"POST", with(&UpgradeRequest::method, "POST"), 405},
        {"no Upgrade", with(&UpgradeRequest::upgrade, ""), 400},
        {"another Upgrade", with(&UpgradeRequest::upgrade, "websocket2"), 400},
        {"no Connection", with(&UpgradeRequest::connection, ""), 400},
        {"Connection: close", with(&UpgradeRequest::connection, "close"), 400},
        {"no version", with(&UpgradeRequest::version, ""), 400},
        {"version 8", with(&UpgradeRequest::version, "8"), 426},
        {"version 13 twice", with(&UpgradeRequest::version, "13, 13"), 426},
        {"no key", with(&UpgradeRequest::key, ""), 400},
        {"a key of 15 bytes", with(&UpgradeRequest::key, "AAAAAAAAAAAAAAAAAAAA"), 400},
        {"a key of 17 bytes", with(&UpgradeRequest::key, "AAAAAAAAAAAAAAAAAAAAAAA="), 400},
        {"a key that is not base64", with(&UpgradeRequest::key, "dGhlIHNhbXBsZSBub25j*Q=="), 400},
        {"two keys",
         with(&UpgradeRequest::key, "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="), 400},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const auto refusal = check_upgrade(c.request);
        ASSERT_TRUE(refusal);
        EXPECT_EQ(refusal->status, c.status);
    }
}

TEST(WebSocketHandshake, AgreesToTheFirstOfferThatCanBeHad) {
    const std::string plain =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    struct Case {
        const char* offers;
        std::string answer;  // empty: none
    };
    const Case cases[] = {
        {"", ""},
        {"permessage-deflate", plain},
        {"permessage-deflate; client_max_window_bits", plain},
        {"permessage-deflate;client_max_window_bits=10", plain},
        {"permessage-deflate; client_max_window_bits=\"15\"", plain},
        {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", plain},
        {"permessage-deflate; server_max_window_bits=15", plain + "; server_max_window_bits=15"},
        {"permessage-deflate; server_max_window_bits=10", ""},
        {"permessage-deflate; server_max_window_bits=10, permessage-deflate", plain},
        {"permessage-deflate; server_max_window_bits", ""},
        {"permessage-deflate; client_max_window_bits=7", ""},
        {"permessage-deflate; client_max_window_bits=16", ""},
        {"permessage-deflate; client_max_window_bits=08", ""},
        {"permessage-deflate; client_max_window_bits=", ""},
        {"permessage-deflate; client_max_window_bits; client_max_window_bits=9", ""},
        {"permessage-deflate; server_no_context_takeover=1", ""},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
        {"permessage-deflate; mystery", ""},
        {"permessage-deflate; mystery, permessage-deflate", plain},
        {"x-webkit-deflate-frame", ""},
        {"foo; bar=\"a, permessage-deflate\", permessage-deflate", plain},
        {"foo; bar=\"a\\\", permessage-deflate", ""},
        {",,;;, permessage-deflate", plain},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.offers);
        EXPECT_EQ(agree_to_deflate(c.offers).value_or(""), c.answer);
    }
}

}  // namespace
}  // namespace eventbus::websocket
