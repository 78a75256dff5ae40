#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/chunked.h"
#include "delivery/behind.h"
#include "delivery/probe.h"
#include "delivery/receiver.h"
#include "delivery/rooms.h"
#include "log/tail.h"

namespace eventbus {

struct Member {
    Receiver* receiver = nullptr;  // null: free, or about to be
    Encoder* encoder = nullptr;
    Position given;                  // Place::given
    Position through;                // nothing up to here is to be given live
    std::unique_ptr<Behind> behind;  // null: live

    // A frame of the entry at `position` is queued in order.
    void shown(Position position) {
        given = std::max(given, position);
        through = position;
    }
};

// The receivers of one reactor and the rooms that they are in, of which the tail is told so that it
// wakes the reactor for them.
//
// Thread:  reactor.
// Bounded: by its callers, as Rooms.
// Invariant: while pinned, the members of a room stay where they are; one that was removed has no
//          receiver, and its id is not used again before.
class Members {
 public:
    Members(TailReader& reader, DeliveryProbe& probe) : reader_(reader), probe_(probe) {}

    ReceiverId add(Receiver& receiver, Encoder& encoder);
    void remove(ReceiverId id);  // it is not behind

    // Not while pinned. False: it is in the room already; it is not in it.
    bool join(ReceiverId id, const Room& room, Position at);
    bool leave(ReceiverId id, const Room& room);
    bool set_joined_at(ReceiverId id, const Room& room, Position at);

    // Somebody goes over the members of rooms. Each pin() needs its unpin().
    void pin() { ++pins_; }
    void unpin();

    // Calls visit(ReceiverId, Member&) for each that is there.
    template <class Visit>
    void for_each(Visit&& visit);

    Member& operator[](ReceiverId id) { return members_[static_cast<std::size_t>(id)]; }
    const Member& operator[](ReceiverId id) const { return members_[static_cast<std::size_t>(id)]; }
    bool is_in(ReceiverId id, const Room& room) const { return membership(id, room) != nullptr; }
    const Rooms::Membership* membership(ReceiverId id, const Room& room) const;

    const Rooms& rooms() const { return rooms_; }
    // Rooms of patterns, few.
    std::span<const RoomId> patterns() const { return patterns_; }

 private:
    void free_removed();

    TailReader& reader_;
    DeliveryProbe& probe_;
    Rooms rooms_;
    Chunked<Member> members_;
    std::vector<ReceiverId> free_;
    std::vector<ReceiverId> removed_;
    std::vector<RoomId> patterns_;
    std::size_t pins_ = 0;
};

template <class Visit>
void Members::for_each(Visit&& visit) {
    for (std::size_t i = 0; i < members_.size(); ++i) {
        if (members_[i].receiver != nullptr) visit(static_cast<ReceiverId>(i), members_[i]);
    }
}

}  // namespace eventbus
