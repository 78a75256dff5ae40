#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "log/position.h"

namespace eventbus {

// How many events a group has still to read, and about where they stand. It holds no event: a group
// that is behind reads them from the log, and what it then does not find there is gone. So this is
// both its lag and the proof of what it has lost.
//
// Thread:  one.
// Bounded: kStretchesMax; when there are more, neighbours become one, and what is gone is noticed
//          later, but never miscounted.
// Cost:    O(1), amortized.
class Backlog {
 public:
    struct Count {
        std::uint64_t durable = 0;
        std::uint64_t transient = 0;

        std::uint64_t total() const { return durable + transient; }
        friend bool operator==(const Count&, const Count&) = default;
    };

    static constexpr std::size_t kStretchesMax = 64;

    // An event stands at `position`, above all that were added.
    void add(Position position, bool is_transient);

    // `count` events stand above all that were added, up to `last`.
    void add(Position last, Count count);

    // The event at `position` was read; events are read in order.
    void took(Position position, bool is_transient);

    // All that the log has up to here was read. Returns what had been added and was not taken, once
    // the stretch in which it stood is passed.
    Count pass(Position through);

    const Count& count() const { return count_; }
    std::uint64_t size() const { return count_.total(); }

 private:
    struct Stretch {
        Position last;
        Count count;
    };
    void merge_neighbours();

    static constexpr std::uint64_t kStretchEvents = 256;

    std::deque<Stretch> stretches_;
    std::uint64_t stretch_events_ = kStretchEvents;
    Count count_;
};

}  // namespace eventbus
