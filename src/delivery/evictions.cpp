#include "delivery/evictions.h"

namespace eventbus {

std::vector<ReceiverId> find_evicted(const Members& members, const Eviction& eviction,
                                     Position at) {
    const Rooms& rooms = members.rooms();
    const RoomId watched = rooms.find(Room::subject(eviction.subject));
    if (watched == RoomId::kNone) return {};
    const RoomId whose = rooms.find(eviction.who);
    if (whose == RoomId::kNone) return {};
    // Who is in both: of a subject that thousands watch, one user has a few sockets.
    const bool few_are_whose = rooms.members(whose).size() < rooms.members(watched).size();
    std::vector<ReceiverId> evicted;
    for (const Rooms::Membership& one : rooms.members(few_are_whose ? whose : watched)) {
        const Rooms::Membership* const watching = rooms.membership(one.member, watched);
        if (watching == nullptr || watching->joined_at >= at) continue;
        if (members[one.member].receiver == nullptr) continue;
        if (rooms.membership(one.member, whose) != nullptr) evicted.push_back(one.member);
    }
    return evicted;
}

std::optional<Position> eviction_after(const Members& members, const TailReader& reader,
                                       ReceiverId id, std::string_view subject, Position as_of) {
    if (as_of >= reader.cursor()) return std::nullopt;
    if (as_of < reader.kept_after()) return as_of + 1;
    std::optional<Position> at;
    reader.for_each_after(as_of, true, {}, [&](const SharedEntry& entry) {
        for (const Eviction& eviction : entry->evictions) {
            if (eviction.subject == subject && members.is_in(id, eviction.who)) {
                at = entry->position;
            }
        }
        return !at;
    });
    return at;
}

}  // namespace eventbus
