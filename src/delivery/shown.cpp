#include "delivery/shown.h"

#include "event/pattern.h"

namespace eventbus {

void find_targets(const Entry& entry, const Rooms& rooms, std::span<const RoomId> patterns,
                  std::vector<LocalTarget>& targets) {
    targets.clear();
    for (const RoomId room : patterns) {
        if (!matches(rooms.name(room).name(), entry.event.type)) continue;
        targets.push_back({room, LocalTarget::kPattern});
    }
    for (std::size_t i = 0; i < entry.deliveries.size(); ++i) {
        const RoomId room = rooms.find(entry.deliveries[i].room);
        if (room != RoomId::kNone) targets.push_back({room, i});
    }
}

std::optional<std::uint16_t> shown_variant(const Entry& entry, std::span<const LocalTarget> targets,
                                           const Rooms& rooms, ReceiverId member,
                                           const Room* only) {
    bool is_wanted = only == nullptr || (only->is_subject() && only->name() == entry.event.subject);
    std::optional<std::uint16_t> variant;
    for (const LocalTarget& target : targets) {
        const Rooms::Membership* const membership = rooms.membership(member, target.room);
        if (membership == nullptr) continue;
        const Room& room = rooms.name(target.room);
        const bool counts =
            membership->joined_at < entry.position || (only != nullptr && room.is_of_people());
        if (!counts) continue;
        if (!variant) variant = target.variant_of(entry);
        is_wanted = is_wanted || room == *only;
        if (is_wanted) return variant;
    }
    return std::nullopt;
}

}  // namespace eventbus
