#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/chunked.h"
#include "base/sharded.h"
#include "event/room.h"
#include "log/offset.h"

namespace eventbus {

enum class ReceiverId : std::uint32_t {};
enum class RoomId : std::uint32_t { kNone = 0xffffffff };

// Who is in which room, on one reactor.
//
// Thread:  reactor.
// Bounded: by its callers (rooms a member, members a reactor).
// Cost:    join, leave and find O(1) but for the rooms of the member; 24 bytes a membership, 100
//          and the name a room; the members of a room lie in one array.
class Rooms {
 public:
    struct Membership {
        ReceiverId member;
        std::uint32_t slot;  // into the member's list
        Position joined_at;  // it gets entries after this one
    };
    struct Joined {
        RoomId room;
        std::uint32_t place;  // into the room's members
    };

    Rooms() : ids_(0, Hash{*this}, Equal{*this}) {}
    Rooms(const Rooms&) = delete;
    Rooms& operator=(const Rooms&) = delete;

    // Puts `member` into `room` from `joined_at` on; false if it is there already.
    bool join(ReceiverId member, const Room& room, Position joined_at);

    // Its membership counts from `joined_at` on. Requires that it is there.
    void set_joined_at(ReceiverId member, RoomId room, Position joined_at);

    // False if it is not there.
    bool leave(ReceiverId member, RoomId room);

    RoomId find(const Room& room) const;
    const Room& name(RoomId room) const { return state(room).name; }
    std::size_t hash(RoomId room) const { return state(room).hash; }
    std::span<const Membership> members(RoomId room) const { return state(room).members; }
    std::span<const Joined> rooms_of(ReceiverId member) const;

    // The membership of `member` in `room`, or null.
    const Membership* membership(ReceiverId member, RoomId room) const;

    std::size_t size() const { return ids_.size(); }

 private:
    struct State {
        Room name = Room::everyone();
        std::size_t hash = 0;
        std::vector<Membership> members;
    };
    // The table holds ids; names stand once, in states_.
    struct Hash {
        using is_transparent = void;
        const Rooms& rooms;
        std::size_t operator()(RoomId id) const { return rooms.state(id).hash; }
        std::size_t operator()(const Room& room) const { return RoomHash{}(room); }
    };
    struct Equal {
        using is_transparent = void;
        const Rooms& rooms;
        bool operator()(RoomId a, RoomId b) const { return a == b; }
        bool operator()(const Room& a, RoomId b) const { return a == rooms.name(b); }
        bool operator()(RoomId a, const Room& b) const { return b == rooms.name(a); }
    };

    State& state(RoomId room) { return states_[static_cast<std::size_t>(room)]; }
    const State& state(RoomId room) const { return states_[static_cast<std::size_t>(room)]; }
    std::vector<Joined>& joined(ReceiverId member);
    RoomId make(const Room& room);

    Chunked<State> states_;
    std::vector<RoomId> free_;
    Sharded<std::unordered_set<RoomId, Hash, Equal>> ids_;
    Chunked<std::vector<Joined>> joined_;  // by member
};

}  // namespace eventbus
