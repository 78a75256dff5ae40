#include "sim/witness.h"

#include <algorithm>
#include <utility>

#include "sim/trace.h"

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
    trace([&] {
        return "visible " + to_string(position) + ' ' + entry->event.type + ' ' + entry->event.data;
    });
    entries_.emplace(position, entry);
    learn(*entry);
}

void Witness::forget_after(Position through) {
    entries_.erase(entries_.upper_bound(through), entries_.end());
    std::erase_if(entries_, [](const auto& entry) {
        return entry.second->durability == Durability::kTransient;
    });
    owners_.clear();
    rights_.clear();
    for (const auto& [position, entry] : entries_) learn(*entry);
}

void Witness::learn(const Entry& entry) {
    const Event& event = entry.event;
    const std::string& subject = event.subject;
    if (event.type == "photo.uploaded" || event.type == "photo.given") {
        std::string& owner = owners_[subject];
        std::string user = field_of(event.data, "user");
        const bool begins = event.type == "photo.uploaded" && owner.empty();
        const bool changes = event.type == "photo.given" && owner != user;
        if (!begins && !changes) return;
        if (!owner.empty()) take({subject, owner, By::kOwnership}, entry.position);
        owner = std::move(user);
        give({subject, owner, By::kOwnership}, entry.position);
    }
    const auto granted = [&] { return Key{subject, field_of(event.data, "with"), By::kGrant}; };
    if (event.type == "photo.shared") give(granted(), entry.position);
    if (event.type == "photo.unshared") take(granted(), entry.position);
}

void Witness::give(const Key& key, Position at) {
    std::vector<Right>& rights = rights_[key];
    if (rights.empty() || rights.back().until != kEndOfTime) rights.push_back({at});
}

void Witness::take(const Key& key, Position at) {
    std::vector<Right>& rights = rights_[key];
    if (!rights.empty()) rights.back().until = std::min(rights.back().until, at);
}

bool Witness::goes_to(const Entry& entry, const Room& room) {
    return std::any_of(entry.deliveries.begin(), entry.deliveries.end(),
                       [&](const Delivery& delivery) { return delivery.room == room; });
}

std::vector<Witness::Right> Witness::rights_of(const std::string& subject,
                                               const std::string& user) const {
    std::vector<Right> rights;
    for (const By by : {By::kOwnership, By::kGrant}) {
        const auto found = rights_.find({subject, user, by});
        if (found == rights_.end()) continue;
        rights.insert(rights.end(), found->second.begin(), found->second.end());
    }
    return rights;
}

bool Witness::may_watch(const std::string& subject, const std::string& user, Position at) const {
    const std::vector<Right> rights = rights_of(subject, user);
    return std::any_of(rights.begin(), rights.end(),
                       [&](const Right& right) { return right.from < at && at < right.until; });
}

bool Witness::right_began(const std::string& subject, const std::string& user, Position at) const {
    const std::vector<Right> rights = rights_of(subject, user);
    return std::any_of(rights.begin(), rights.end(),
                       [&](const Right& right) { return right.from == at; });
}

Position Witness::watches_since(const std::string& subject, const std::string& user) const {
    Position since = kEndOfTime;
    for (const Right& right : rights_of(subject, user)) {
        if (right.until == kEndOfTime) since = std::min(since, right.from);
    }
    return since;
}

bool Witness::watches_ever_since(const std::string& subject, const std::string& user,
                                 Position at) const {
    const std::vector<Right> rights = rights_of(subject, user);
    while (at != kEndOfTime) {
        const auto next = std::find_if(rights.begin(), rights.end(), [&](const Right& right) {
            return right.from <= at && at < right.until;
        });
        if (next == rights.end()) return false;
        at = next->until;
    }
    return true;
}

void Witness::reload(bool gives, Position holds_after) {
    ++reloads_;
    if (gives && !gives_after_) gives_after_ = holds_after;
    if (gives) catalog_gave_until_ = kEndOfTime;
    if (!gives) gives_after_.reset();
}

void Witness::reload_has_ended(Position frontier) {
    if (!gives_after_) catalog_gave_until_ = std::min(catalog_gave_until_, frontier);
}

}  // namespace eventbus::sim
