#include "groups/group_names.h"

#include "base/assert.h"

namespace eventbus {

void GroupNames::restore(const GroupKey& group, const std::string& owner) {
    Name& name = names_[group.name];
    if (!owner.empty()) set_owner(name, owner);
    if (name.topics.try_emplace(group.topic, Topic{.exists = true}).second) {
        count(name.owner, 1, 0);
    }
}

Result<std::string> GroupNames::claim(const GroupKey& group, const std::string& service,
                                      bool is_admitted) {
    const auto known = names_.find(group.name);
    const bool is_free = known == names_.end() || known->second.owner.empty();
    const std::string owner = is_free || service == group.name ? service : known->second.owner;
    if (owner != service && !is_admitted) {
        return Error{ErrorCode::kForbidden,
                     "the group name '" + group.name + "' belongs to service:" + owner +
                         "; give the group another name, or let this service in by the catalog's "
                         "`groups: { " +
                         group.name + ": { members: [service:" + service + "] } }`"};
    }
    const bool is_new = known == names_.end() || !known->second.topics.contains(group.topic);
    if (is_new && groups_of(owner) >= groups_per_service_max_) {
        return Error{.code = ErrorCode::kTooMany,
                     .detail = "service:" + owner + " has as many groups as it may " +
                               "(groups_per_service_max " +
                               std::to_string(groups_per_service_max_) +
                               "): name groups after what they do, not after processes, and "
                               "delete those that nobody uses any more",
                     .is_final = true};
    }
    Name& name = names_[group.name];
    set_owner(name, owner);
    if (is_new) count(owner, 1, 0);
    ++name.topics[group.topic].claims;
    return owner;
}

void GroupNames::release(const GroupKey& group) {
    Topic& topic = names_.at(group.name).topics.at(group.topic);
    BUS_ASSERT(topic.claims > 0);
    --topic.claims;
    forget_if_unused(group);
}

void GroupNames::set_exists(const GroupKey& group, bool exists) {
    const auto name = names_.find(group.name);
    BUS_ASSERT(name != names_.end());
    name->second.topics.at(group.topic).exists = exists;
    forget_if_unused(group);
}

void GroupNames::forget_if_unused(const GroupKey& group) {
    const auto name = names_.find(group.name);
    const auto topic = name->second.topics.find(group.topic);
    if (topic->second.exists || topic->second.claims > 0) return;
    count(name->second.owner, 0, 1);
    name->second.topics.erase(topic);
    if (name->second.topics.empty()) names_.erase(name);
}

void GroupNames::set_owner(Name& name, const std::string& owner) {
    if (name.owner == owner) return;
    count(name.owner, 0, name.topics.size());
    count(owner, name.topics.size(), 0);
    name.owner = owner;
}

void GroupNames::count(const std::string& owner, std::size_t more, std::size_t less) {
    std::size_t& groups = groups_of_[owner];
    BUS_ASSERT(groups + more >= less);
    groups += more;
    groups -= less;
    if (groups == 0) groups_of_.erase(owner);
}

std::size_t GroupNames::groups_of(const std::string& service) const {
    const auto found = groups_of_.find(service);
    return found == groups_of_.end() ? 0 : found->second;
}

}  // namespace eventbus
