#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace eventbus {

// Times and sizes as people write them in settings. Errors: kBadRequest, with the form expected.

// 500ms, 25s, 10m, 24h, 7d: a whole number and its unit.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
std::string format_duration(std::chrono::milliseconds time);  // in the largest unit that fits

// 65536, 64k, 1MiB, 1MB: k, M, G and KiB, MiB, GiB count by 1024, kB, MB, GB by 1000.
Result<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);  // in the largest unit that fits

// A whole number, perhaps with _ or ' between digits.
Result<std::uint64_t> parse_count(std::string_view text);

}  // namespace eventbus
