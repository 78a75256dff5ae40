#pragma once

#include <ostream>

#include "log/position.h"

namespace eventbus {

// 42_pos, for tests.
constexpr Position operator""_pos(unsigned long long number) { return Position(number); }

// What GoogleTest shows of a position that is not the expected one.
inline void PrintTo(Position position, std::ostream* out) { *out << to_string(position); }

}  // namespace eventbus
