#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace eventbus {

// In which rooms one reactor may have a member: whether an entry is worth waking it for.
//
// Thread:  add() and drop() by the reactor, may_hold() by whoever holds the sequencer's turn.
// Bounded: by the rooms: 8 to 16 bytes for each of the most that there were at once. It grows with
//          them, so an answer is as exact with a million rooms as with ten.
// Cost:    O(1), mostly one cache line.
// Invariants:
//   (1) may_hold() is true for every room that was added and not dropped before it was called. For
//       another it is true once in 2^32 / rooms.
//   (2) At least half of a table's cells are empty, so every search ends.
class RoomHints {
 public:
    // Cells, each of which holds a room, held one that was dropped, or is empty.
    class Table {
     public:
        explicit Table(std::size_t cells);
        std::size_t size() const { return cells_.size(); }
        std::uint32_t at(std::size_t place) const;
        void set(std::size_t place, std::uint32_t mark);
        // The first place from where `mark` belongs whose cell `is_it`.
        template <class IsIt>
        std::size_t find(std::uint32_t mark, IsIt&& is_it) const;

     private:
        std::vector<std::atomic<std::uint32_t>> cells_;
        const unsigned shift_;
    };

    RoomHints();

    // The table that this has replaced, or null. A may_hold() that began before may still look into
    // it: the caller keeps it until that is over.
    [[nodiscard]] std::unique_ptr<const Table> add(std::size_t room_hash);

    // Takes back one add() of this hash.
    void drop(std::size_t room_hash);

    bool may_hold(std::size_t room_hash) const;

 private:
    std::unique_ptr<Table> own_;
    std::atomic<const Table*> table_;  // own_, as others see it
    std::size_t live_ = 0;             // cells that hold a room
    std::size_t used_ = 0;             // those, and dead ones, over which a search goes on
};

}  // namespace eventbus
