#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace eventbus {

struct GatewaySettings {
    std::size_t rooms_per_socket_max = 256;
    std::chrono::milliseconds session_ttl = std::chrono::hours(24);
    std::string cookie_name = "eventbus_token";  // empty: cookies sign nobody in
    std::size_t group_in_flight_default = 64;
};

}  // namespace eventbus
