#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "event/event_reader.h"

namespace eventbus {

struct GatewaySettings {
    ReadLimits read_limits;                               // of what is published
    std::string cookie_name = "eventbus_token";           // empty: cookies sign nobody in
    std::size_t rooms_per_socket_max = 256;               // groups, too
    std::size_t queue_bytes_max = std::size_t{1} << 20U;  // that may wait for one socket
    std::size_t group_in_flight_default = 64;
    std::chrono::milliseconds dedupe_window = std::chrono::minutes(10);  // clients are told it
    std::chrono::milliseconds clock_skew{0};  // by which tokens are taken past their `exp`
    bool recovery = true;                     // clients get a pid, and sessions are kept
    std::vector<std::string> namespaces;      // served like the main one, beside it
};

}  // namespace eventbus
