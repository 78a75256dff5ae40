#include "delivery/rooms.h"

#include <utility>

#include "base/assert.h"

namespace eventbus {

bool Rooms::join(ReceiverId member, const Room& room, Position joined_at) {
    RoomId id = find(room);
    if (id == RoomId::kNone) {
        id = make(room);
    } else if (membership(member, id) != nullptr) {
        return false;
    }
    std::vector<Joined>& mine = joined(member);
    std::vector<Membership>& members = state(id).members;
    if (mine.empty()) mine.reserve(2);  // a user's own room and everyone
    mine.push_back({id, static_cast<std::uint32_t>(members.size())});
    members.push_back({member, static_cast<std::uint32_t>(mine.size() - 1), joined_at});
    return true;
}

void Rooms::set_joined_at(ReceiverId member, RoomId room, Position joined_at) {
    for (const Joined& joined : rooms_of(member)) {
        if (joined.room == room) state(room).members[joined.place].joined_at = joined_at;
    }
}

bool Rooms::leave(ReceiverId member, RoomId room) {
    const Membership* const found = membership(member, room);
    if (found == nullptr) return false;

    std::vector<Joined>& mine = joined(member);
    std::vector<Membership>& members = state(room).members;
    const std::uint32_t slot = found->slot;
    const std::uint32_t place = mine[slot].place;
    // Both lists close their gap with their last element, which has to learn its new place.
    members[place] = members.back();
    members.pop_back();
    if (place < members.size()) joined(members[place].member)[members[place].slot].place = place;
    mine[slot] = mine.back();
    mine.pop_back();
    if (slot < mine.size()) state(mine[slot].room).members[mine[slot].place].slot = slot;

    if (mine.empty()) std::vector<Joined>().swap(mine);
    if (members.empty()) {
        ids_.erase(room);
        state(room) = State{};
        free_.push_back(room);
    } else if (members.capacity() > 64 && members.size() < members.capacity() / 4) {
        members.shrink_to_fit();
    }
    return true;
}

RoomId Rooms::find(const Room& room) const {
    const RoomId* const found = ids_.find(room);
    return found == nullptr ? RoomId::kNone : *found;
}

std::span<const Rooms::Joined> Rooms::rooms_of(ReceiverId member) const {
    const auto index = static_cast<std::size_t>(member);
    if (index >= joined_.size()) return {};
    return joined_[index];
}

const Rooms::Membership* Rooms::membership(ReceiverId member, RoomId room) const {
    for (const Joined& joined : rooms_of(member)) {
        if (joined.room == room) return &state(room).members[joined.place];
    }
    return nullptr;
}

std::vector<Rooms::Joined>& Rooms::joined(ReceiverId member) {
    const auto index = static_cast<std::size_t>(member);
    if (index >= joined_.size()) joined_.grow_to(index + 1);
    return joined_[index];
}

RoomId Rooms::make(const Room& room) {
    RoomId id;
    if (free_.empty()) {
        id = static_cast<RoomId>(states_.size());
        states_.grow_to(states_.size() + 1);
    } else {
        id = free_.back();
        free_.pop_back();
    }
    state(id).name = room;
    state(id).hash = RoomHash{}(room);
    ids_.emplace(id);
    return id;
}

}  // namespace eventbus
