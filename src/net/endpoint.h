#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace eventbus {

// An address to listen on.
struct Endpoint {
    std::string host;  // a numeric IPv4 or IPv6 address, or "localhost"
    std::uint16_t port = 0;
};

// "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080" (all addresses).
// Errors: kBadRequest, with what is wrong.
Result<Endpoint> parse_endpoint(std::string_view text);
std::string to_string(const Endpoint& endpoint);

// Whether only this machine can reach it: 127.0.0.0/8, ::1, localhost.
bool is_loopback(const Endpoint& endpoint);

}  // namespace eventbus
