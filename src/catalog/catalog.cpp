#include "catalog/catalog.h"

#include <algorithm>
#include <utility>

#include "event/nearest.h"
#include "event/pattern.h"

namespace eventbus {

bool AccessRule::names_service(std::string_view name) const {
    return any_service || std::find(services.begin(), services.end(), name) != services.end();
}

Catalog::Catalog(std::vector<EventRule> events, StringMap<WatchRule> rooms,
                 StringMap<GroupRule> groups)
    : events_(std::move(events)), rooms_(std::move(rooms)), groups_(std::move(groups)) {
    for (const EventRule& rule : events_) {
        if (rule.is_pattern) {
            patterns_.push_back(&rule);
        } else {
            exact_.emplace(rule.type, &rule);
        }
    }
}

const EventRule* Catalog::find(std::string_view type) const {
    if (const auto at = exact_.find(type); at != exact_.end()) return at->second;
    const auto at = std::find_if(patterns_.begin(), patterns_.end(),
                                 [&](const EventRule* rule) { return matches(rule->type, type); });
    return at == patterns_.end() ? nullptr : *at;
}

const WatchRule* Catalog::watch_rule(std::string_view subject_kind) const {
    const auto at = rooms_.find(subject_kind);
    return at == rooms_.end() ? nullptr : &at->second;
}

bool Catalog::admits(std::string_view group_name, std::string_view service) const {
    const auto at = groups_.find(group_name);
    if (at == groups_.end()) return false;
    const std::vector<std::string>& services = at->second.services;
    return std::find(services.begin(), services.end(), service) != services.end();
}

std::string Catalog::nearest_type(std::string_view type) const {
    std::vector<std::string_view> known;
    known.reserve(events_.size());
    for (const EventRule& rule : events_) known.push_back(rule.type);
    return std::string(nearest(type, known));
}

std::vector<std::string> Catalog::types() const {
    std::vector<std::string> types;
    types.reserve(events_.size());
    for (const EventRule& rule : events_) types.push_back(rule.type);
    return types;
}

}  // namespace eventbus
