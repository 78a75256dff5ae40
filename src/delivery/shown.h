#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "delivery/rooms.h"
#include "log/entry.h"

namespace eventbus {

// A room with members here to which an entry goes: because its delivery names it, or its pattern
// has the entry's type.
struct LocalTarget {
    static constexpr std::size_t kPattern = ~std::size_t{0};
    RoomId room;
    std::size_t delivery;  // of the entry, or kPattern

    std::uint16_t variant_of(const Entry& entry) const {
        return delivery == kPattern ? std::uint16_t{0} : entry.deliveries[delivery].variant;
    }
    friend bool operator==(const LocalTarget&, const LocalTarget&) = default;
};

// Sets `targets` to those of `entry`, in the order in which they count: patterns, which see it
// whole, then its deliveries.
void find_targets(const Entry& entry, const Rooms& rooms, std::span<const RoomId> patterns,
                  std::vector<LocalTarget>& targets);

// Whether a member gets an entry, and as which variant: as the first of its targets that the member
// joined before it. The one answer for live delivery, catching up and histories.
//
// `only`: in a history of this room. It has what goes to the room and, if that is a subject's, all
// that concerns the subject and the member may see by another room; and there the rooms that it has
// from its token count from ever: an owner sees the past of a photo as an owner.
std::optional<std::uint16_t> shown_variant(const Entry& entry, std::span<const LocalTarget> targets,
                                           const Rooms& rooms, ReceiverId member,
                                           const Room* only = nullptr);

}  // namespace eventbus
