#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "log/bytes.h"
#include "log/position.h"

namespace eventbus {

// Keys of the log's RocksDB; log_store.h shows them all.

inline std::string fixed(std::uint64_t number) {
    std::string bytes;
    put_fixed(bytes, number);
    return bytes;
}

inline std::string key_of(char kind, Position position) { return kind + fixed(position.number()); }

inline std::string index_key(std::string_view type, Position position) {
    std::string key(1, 'r');
    key.append(type).append(1, '\0');
    put_fixed(key, position.number());
    return key;
}

// The position at the end of a key.
inline Position position_of(std::string_view key) {
    return Position(ByteReader(key.substr(key.size() - 8)).fixed());
}

inline std::int64_t to_ms(Clock::WallTime time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

inline Clock::WallTime from_ms(std::uint64_t ms) {
    return Clock::WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(ms)));
}

}  // namespace eventbus
