#pragma once

#include <chrono>
#include <cstddef>

namespace eventbus {

// The limits and times of groups. `_max` of one group but for groups_max.
struct GroupSettings {
    std::chrono::milliseconds ack_wait = std::chrono::seconds(30);
    std::chrono::milliseconds retry_first = std::chrono::seconds(1);  // doubled with each attempt
    std::chrono::milliseconds retry_max = std::chrono::seconds(60);
    std::chrono::milliseconds nack_delay_max = std::chrono::hours(24);  // longer ones are cut to it
    std::chrono::milliseconds idle_ttl = std::chrono::hours(24 * 30);   // 0: never

    std::size_t groups_max = 1000;   // of one reactor; one more is refused
    std::size_t members_max = 1000;  // one more is refused
    std::size_t in_flight_max =
        10'000;  // with members; then nothing is given out until some is acked
    std::size_t waiting_max = 100'000;  // to be given out again; then nothing new is given out
    std::size_t pending_max = 256;      // read ahead; then reading waits
    std::size_t pending_bytes_max = std::size_t{1} << 20U;  // the last of them may pass it
    std::size_t page_max = 128;                             // entries asked of the log at once
    std::size_t entries_per_turn = 1024;  // of the tail, for all groups of a reactor
};

}  // namespace eventbus
