#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace eventbus {

// A place in the log. Positions rise with each entry and are never used twice in one log. It is a
// type of its own, so that it cannot be mixed up with a count or a time: the difference of two is a
// count of positions (not of entries: some may hold none).
class Position {
 public:
    // Before the first entry.
    constexpr Position() = default;
    constexpr explicit Position(std::uint64_t number) : number_(number) {}

    constexpr std::uint64_t number() const { return number_; }
    constexpr bool is_before_first() const { return number_ == 0; }

    friend constexpr auto operator<=>(Position, Position) = default;

    friend constexpr Position operator+(Position a, std::uint64_t count) {
        return Position(a.number_ + count);
    }
    // Requires a place at least `count` above the start.
    friend constexpr Position operator-(Position a, std::uint64_t count) {
        return Position(a.number_ - count);
    }
    // Requires a >= b.
    friend constexpr std::uint64_t operator-(Position a, Position b) {
        return a.number_ - b.number_;
    }
    constexpr Position& operator+=(std::uint64_t count) { return *this = *this + count; }
    constexpr Position& operator++() { return *this += 1; }

 private:
    std::uint64_t number_ = 0;
};

// Above every entry that can ever be: "up to wherever the log goes".
inline constexpr Position kEndOfTime{std::numeric_limits<std::uint64_t>::max()};

inline std::string to_string(Position position) { return std::to_string(position.number()); }

}  // namespace eventbus

template <>
struct std::hash<eventbus::Position> {
    std::size_t operator()(eventbus::Position position) const noexcept {
        return std::hash<std::uint64_t>{}(position.number());
    }
};
