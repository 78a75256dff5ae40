#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace eventbus {

// `7d`, `12h`, `30m`, `45s`, `2w`: 1 s to 10 years.
std::optional<std::chrono::seconds> parse_age(std::string_view text);

// `1000000`, `64KB`, `10MB`, `1GB`, and by 1024 `64KiB`, `10MiB`, `1GiB`: from 1 on.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

// Names that Socket.IO, EventSource or the bus itself emits; an event may have none of them on the
// wire.
std::span<const std::string_view> reserved_names();
bool is_reserved_name(std::string_view name);

// What is wrong with a name that goes into a room or on the wire, perhaps with references in it:
// nobody would ever have it, or listen to it. Empty: nothing.
std::string name_fault(std::string_view name);

}  // namespace eventbus
