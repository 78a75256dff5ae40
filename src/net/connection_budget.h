#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <limits>

namespace eventbus {

// How many connections a process may have open: those that it has descriptors for, once stores and
// reactors have theirs. Shared by all reactors, since the kernel spreads connections as it likes.
//
// Thread:  any.
// Bounded: the last kToldMax, or an eighth if that is less, are for telling those who come that
//          there is no room; beyond max() they are closed without a word.
class ConnectionBudget {
 public:
    static constexpr std::size_t kToldMax = 256;

    explicit ConnectionBudget(std::size_t max = std::numeric_limits<std::size_t>::max())
        : max_(max), served_max_(max - std::min(max / 8, kToldMax)) {}

    void opened() { open_.fetch_add(1, std::memory_order_relaxed); }
    void closed() { open_.fetch_sub(1, std::memory_order_relaxed); }

    bool has_room_to_serve() const { return open() < served_max_; }
    bool has_room_to_tell() const { return open() < max_; }

    std::size_t open() const { return open_.load(std::memory_order_relaxed); }
    std::size_t max() const { return max_; }

 private:
    const std::size_t max_;
    const std::size_t served_max_;
    std::atomic<std::size_t> open_{0};
};

}  // namespace eventbus
