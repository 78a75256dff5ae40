#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace eventbus::websocket {

// The fields of a request that asks to become a WebSocket (RFC 6455, 4.2.1). What is missing is
// empty; fields that came several times are joined with commas.
struct UpgradeRequest {
    std::string_view method;
    std::string_view upgrade;
    std::string_view connection;
    std::string_view key;         // Sec-WebSocket-Key
    std::string_view version;     // Sec-WebSocket-Version
    std::string_view extensions;  // Sec-WebSocket-Extensions
};

// The answer to a request that cannot become one.
struct Refusal {
    int status;  // 400, 405 with `Allow: GET`, 426 with `Sec-WebSocket-Version: 13`
    std::string_view detail;
};

std::optional<Refusal> check_upgrade(const UpgradeRequest& request);

// Sec-WebSocket-Accept for the key of a request that was checked.
std::string accept_value(std::string_view key);

// Whether a list of tokens holds `token`, in any case.
bool list_contains(std::string_view list, std::string_view token);

// The value of Sec-WebSocket-Extensions that agrees to permessage-deflate without context takeover,
// for the first offer that can be had so (RFC 7692, 5.1 and 7.1); nothing when there is none.
// An offer that wants a server window below 2^15 is passed over: compressed frames are shared.
std::optional<std::string> agree_to_deflate(std::string_view offers);

}  // namespace eventbus::websocket
