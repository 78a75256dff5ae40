#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "log/entry.h"

namespace eventbus {

// A run of positions, and a filter of the rooms to which its entries go: what a reader skips that
// looks for other rooms, and, as it outlives its entries, the proof that nothing of a room was
// lost.
//
//   "k" last position → first position (8), then the bits of a Bloom filter: of each room's key,
//   and
//                       of each room with each type that went there
struct LogBlock {
    Position first;
    Position last;
    std::string_view bits;

    // False: no entry went to the room. May err with true.
    bool may_hold(std::uint64_t key) const;

    // Nothing: it is damaged, and says nothing.
    static bool read(std::string_view key, std::string_view value, LogBlock& block);
};

// The key of a room in a block, and of a room and a type.
std::uint64_t block_key(std::uint64_t secret, const Room& room);
std::uint64_t block_key(std::uint64_t room_key, std::string_view type);

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
    std::vector<std::uint64_t> keys_;
};

}  // namespace eventbus
