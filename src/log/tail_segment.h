#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "log/entry.h"

namespace eventbus {

// A run of visible entries, which ends when it holds kEntries or enough bytes. Entries below size()
// never change, so readers need no lock.
class TailSegment {
 public:
    static constexpr std::size_t kEntries = 256;

    // Bytes of the segments that there are, wherever they are held. It outlives them.
    class Memory {
     public:
        std::size_t bytes() const {
            const std::size_t freed = freed_.load(std::memory_order_acquire);
            return added_.load(std::memory_order_relaxed) - freed;
        }

     private:
        friend class TailSegment;
        std::atomic<std::size_t> added_{0};  // since ever, by the one thread that writes segments
        std::atomic<std::size_t> freed_{0};
    };

    TailSegment(Memory& memory, std::size_t bytes_max);
    ~TailSegment();
    TailSegment(const TailSegment&) = delete;
    TailSegment& operator=(const TailSegment&) = delete;

    // ---- readers ------------------------------------------------------------------------------

    struct Extent {
        std::size_t size = 0;      // entries [0, size) may be read
        bool is_complete = false;  // no more come, and next() is there
    };
    Extent extent() const;
    const SharedEntry& at(std::size_t i) const { return entries_[i]; }

    // Of a complete segment.
    Position end() const { return entries_[extent().size - 1]->position; }
    const std::shared_ptr<TailSegment>& next() const { return next_; }
    // False if no entry goes to a room with this hash. May err with true.
    bool may_hold(std::size_t room_hash) const;

    // ---- the writer ---------------------------------------------------------------------------

    // The segment that goes on behind this one, if this one is complete with `entry`.
    std::shared_ptr<TailSegment> add(SharedEntry entry);
    std::size_t bytes() const { return bytes_; }

 private:
    static constexpr std::size_t kFilterBits = 8192;
    static constexpr std::size_t kComplete = std::size_t{1} << 63U;

    Memory& memory_;
    const std::size_t bytes_max_;
    std::size_t bytes_ = 0;  // of the writer
    std::array<SharedEntry, kEntries> entries_;
    std::atomic<std::size_t> extent_{0};  // the size, and kComplete
    std::shared_ptr<TailSegment> next_;
    std::bitset<kFilterBits> rooms_;  // Bloom filter, two bits a room
};

}  // namespace eventbus
