#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "event/room.h"
#include "log/log.h"

namespace eventbus {

// The rooms of all members that are behind: for whom pages of the log are read, so that it can
// leave out what goes to nobody of them.
//
// Thread:  reactor.
// Bounded: by the rooms of members; more than kMax are not named to the log.
// Cost:    O(1) a room; wanted() O(rooms) after a change.
class SoughtRooms {
 public:
    static constexpr std::size_t kMax = 16'384;

    explicit SoughtRooms(const Log& log) : log_(log) {}

    // A member that is in the room is behind, or is so no longer.
    void add(const Room& room);
    void remove(const Room& room);

    // For Log::read(). Null: all is sought, since a pattern cannot be named, or there are too many.
    const WantedRooms& wanted();

 private:
    const Log& log_;
    std::unordered_map<std::uint64_t, std::uint32_t> members_;  // by room_key()
    std::size_t patterns_ = 0;
    WantedRooms wanted_;
    bool has_changed_ = true;
};

}  // namespace eventbus
