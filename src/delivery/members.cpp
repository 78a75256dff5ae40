#include "delivery/members.h"

#include <utility>

#include "base/assert.h"

namespace eventbus {

ReceiverId Members::add(Receiver& receiver, Encoder& encoder) {
    ReceiverId id;
    if (free_.empty()) {
        id = static_cast<ReceiverId>(members_.size());
        members_.grow_to(members_.size() + 1);
    } else {
        id = free_.back();
        free_.pop_back();
    }
    Member& added = (*this)[id];
    added.receiver = &receiver;
    added.encoder = &encoder;
    added.given = added.through = Position();
    probe_.members.add();
    return id;
}

void Members::remove(ReceiverId id) {
    Member& gone = (*this)[id];
    BUS_ASSERT(gone.receiver != nullptr && !gone.behind);
    gone.receiver = nullptr;
    probe_.members.subtract();
    removed_.push_back(id);
    if (pins_ == 0) free_removed();
}

void Members::unpin() {
    BUS_ASSERT(pins_ > 0);
    if (--pins_ == 0) free_removed();
}

void Members::free_removed() {
    for (const ReceiverId id : std::exchange(removed_, {})) {
        while (!rooms_.rooms_of(id).empty()) {
            leave(id, Room(rooms_.name(rooms_.rooms_of(id).back().room)));
        }
        free_.push_back(id);
    }
}

bool Members::join(ReceiverId id, const Room& room, Position at) {
    BUS_ASSERT(pins_ == 0);
    if (!rooms_.join(id, room, at)) return false;
    const RoomId joined = rooms_.find(room);
    if (rooms_.members(joined).size() > 1) return true;
    probe_.rooms.set(rooms_.size());
    if (room.is_pattern()) {
        patterns_.push_back(joined);
        reader_.want_all(true);
    } else {
        reader_.add_hint(rooms_.hash(joined));
    }
    return true;
}

bool Members::leave(ReceiverId id, const Room& room) {
    BUS_ASSERT(pins_ == 0);
    const RoomId left = rooms_.find(room);
    if (left == RoomId::kNone) return false;
    const std::size_t hash = rooms_.hash(left);
    const bool was_last = rooms_.members(left).size() == 1;
    if (!rooms_.leave(id, left)) return false;
    if (!was_last) return true;
    probe_.rooms.set(rooms_.size());
    if (room.is_pattern()) {
        std::erase(patterns_, left);
        reader_.want_all(false);
    } else {
        reader_.drop_hint(hash);
    }
    return true;
}

bool Members::set_joined_at(ReceiverId id, const Room& room, Position at) {
    if (!is_in(id, room)) return false;
    rooms_.set_joined_at(id, rooms_.find(room), at);
    return true;
}

const Rooms::Membership* Members::membership(ReceiverId id, const Room& room) const {
    const RoomId found = rooms_.find(room);
    return found == RoomId::kNone ? nullptr : rooms_.membership(id, found);
}

}  // namespace eventbus
