#include "delivery/sought_rooms.h"

#include <utility>

#include "base/assert.h"

namespace eventbus {

void SoughtRooms::add(const Room& room) {
    if (room.is_pattern()) {
        ++patterns_;
    } else if (++members_[log_.room_key(room)] > 1) {
        return;
    }
    has_changed_ = true;
}

void SoughtRooms::remove(const Room& room) {
    if (room.is_pattern()) {
        --patterns_;
    } else {
        const auto found = members_.find(log_.room_key(room));
        BUS_ASSERT(found != members_.end());
        if (--found->second > 0) return;
        members_.erase(found);
    }
    has_changed_ = true;
}

const WantedRooms& SoughtRooms::wanted() {
    if (!std::exchange(has_changed_, false)) return wanted_;
    wanted_ = nullptr;
    if (patterns_ > 0 || members_.size() > kMax) return wanted_;
    auto keys = std::make_shared<std::vector<std::uint64_t>>();
    keys->reserve(members_.size());
    for (const auto& [key, count] : members_) keys->push_back(key);
    wanted_ = std::move(keys);
    return wanted_;
}

}  // namespace eventbus
