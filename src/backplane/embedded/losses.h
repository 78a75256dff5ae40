#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "log/log.h"

namespace eventbus {

// What retention took: the last position of each type.
//
// Thread:  any.
// Bounded: kTypesMax types; past it the half that lost least lately count as one, of any type.
// Cost:    O(types) for a reader of what was lost in part, O(1) else.
class Losses {
 public:
    static constexpr std::size_t kTypesMax = 10'000;

    // `type` may have lost all up to `through`; empty: any type. Returns the types that are no
    // longer known by themselves.
    std::vector<std::string> note(std::string_view type, Position through);

    Position of(std::string_view type) const;
    Position of_any() const;      // of those that are not known by themselves
    Position through() const;     // of all
    std::uint64_t count() const;  // of calls of note(): the same number, the same losses
    std::vector<Lost> after(Position position) const;

 private:
    std::vector<std::string> merge_half();

    mutable std::mutex mutex_;
    StringMap<Position> types_;
    Position any_;
    Position through_;
    std::uint64_t count_ = 0;
};

}  // namespace eventbus
