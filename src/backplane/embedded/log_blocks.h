#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "log/entry.h"

namespace eventbus {

// A run of positions, and to which rooms its entries went: what a reader skips that looks for other
// rooms, and, as it outlives its entries, the proof that nothing of a room was lost.
//
// Of each key it has the upper 32 bits, so that it can be asked for thousands of rooms: one of them
// is found wrongly in one block of a thousand. A Bloom filter of this size would be as good, and
// cost as many probes of memory for each room.
//
//   "k" last position → first position (8), number of rooms; then 4 bytes for each room's key, and
//                       4 for each of a room with a type that went there; each part in order
struct LogBlock {
    Position first;
    Position last;
    std::string_view rooms;
    std::string_view rooms_of_types;

    // False: no entry went to any of the rooms (no entry of the type). May err with true. `sought`
    // is in order.
    bool may_hold_any(std::span<const std::uint64_t> sought) const;
    bool may_hold(std::uint64_t room, std::string_view type) const;

    // False: it is damaged, and says nothing.
    static bool read(std::string_view key, std::string_view value, LogBlock& block);
};

// The key of a room in a block.
std::uint64_t block_key(std::uint64_t secret, const Room& room);

// The block that is being written.
//
// Thread:  the log thread.
// Bounded: kEntries entries; the rooms of one are bounded by its event.
class OpenBlock {
 public:
    static constexpr std::size_t kEntries = 256;

    // The first begins behind `last`.
    void begin(std::uint64_t secret, Position last);

    void add(const Entry& entry);
    bool is_full() const { return count_ >= kEntries; }
    bool is_empty() const { return count_ == 0; }

    Position first() const { return first_; }
    Position last() const { return last_; }
    // Its value; the next one begins behind it.
    std::string finish();
    // What was added may not have been written: the next one begins with the next entry.
    void forget();

 private:
    std::uint64_t secret_ = 0;
    Position first_;
    Position last_;
    bool begins_with_next_ = false;
    std::size_t count_ = 0;
    std::vector<std::uint32_t> rooms_;
    std::vector<std::uint32_t> rooms_of_types_;
};

}  // namespace eventbus
