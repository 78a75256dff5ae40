#include "sim/witness.h"

#include <algorithm>
#include <utility>

namespace eventbus::sim {

std::string field_of(std::string_view data, std::string_view name) {
    const std::string start = '"' + std::string(name) + "\":\"";
    const std::size_t at = data.find(start);
    if (at == std::string_view::npos) return {};
    const std::string_view rest = data.substr(at + start.size());
    return std::string(rest.substr(0, rest.find('"')));
}

void Witness::see(const SharedEntry& entry) {
    const Position position = entry->position;
    if (position <= last_of_life_) fail("an entry was shown out of order");
    last_of_life_ = position;
    if (const auto known = entries_.find(position); known != entries_.end()) {
        if (known->second->event.id != entry->event.id) {
            fail("the position " + to_string(position) + " was used twice");
        }
        return;
    }
    if (!entries_.empty() && position < entries_.rbegin()->first) {
        fail("the entry " + to_string(position) + " came to be after later ones were seen");
    }
    entries_.emplace(position, entry);

    const Event& event = entry->event;
    const auto end = [&](const std::string& user) {
        if (!may_watch(event.subject, user)) ended_[{event.subject, user}].push_back(position);
    };
    std::string& owner = owners_[event.subject];
    if (event.type == "photo.uploaded" && owner.empty()) owner = field_of(event.data, "user");
    if (event.type == "photo.given" && owner != field_of(event.data, "user")) {
        const std::string before = std::exchange(owner, field_of(event.data, "user"));
        if (!before.empty()) end(before);
    }
    const std::string with = field_of(event.data, "with");
    if (event.type == "photo.shared") granted_.emplace(event.subject, with);
    if (event.type == "photo.unshared" && granted_.erase({event.subject, with}) > 0) end(with);
}

bool Witness::goes_to(const Entry& entry, const Room& room) const {
    return std::any_of(entry.deliveries.begin(), entry.deliveries.end(),
                       [&](const Delivery& delivery) { return delivery.room == room; });
}

std::optional<Position> Witness::right_ended(const std::string& subject, const std::string& user,
                                             Position from) const {
    const auto found = ended_.find({subject, user});
    if (found == ended_.end()) return std::nullopt;
    const auto at = std::upper_bound(found->second.begin(), found->second.end(), from);
    return at == found->second.end() ? std::nullopt : std::optional<Position>(*at);
}

bool Witness::may_watch(const std::string& subject, const std::string& user) const {
    const auto owner = owners_.find(subject);
    return (owner != owners_.end() && owner->second == user) || granted_.contains({subject, user});
}

}  // namespace eventbus::sim
