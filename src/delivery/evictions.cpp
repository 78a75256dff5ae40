#include "delivery/evictions.h"

#include <utility>

namespace eventbus {

std::vector<ReceiverId> find_evicted(const Members& members, const Eviction& eviction) {
    const Rooms& rooms = members.rooms();
    const RoomId watched = rooms.find(Room::subject(eviction.subject));
    if (watched == RoomId::kNone) return {};
    const RoomId whose = rooms.find(eviction.who);
    if (whose == RoomId::kNone) return {};
    // Who is in both: of a subject that thousands watch, one user has a few sockets.
    const bool few_are_whose = rooms.members(whose).size() < rooms.members(watched).size();
    const auto [fewer, other] =
        few_are_whose ? std::pair(whose, watched) : std::pair(watched, whose);
    std::vector<ReceiverId> evicted;
    for (const Rooms::Membership& one : rooms.members(fewer)) {
        if (members[one.member].receiver == nullptr) continue;
        if (rooms.membership(one.member, other) != nullptr) evicted.push_back(one.member);
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
