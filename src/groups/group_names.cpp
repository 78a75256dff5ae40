#include "groups/group_names.h"

#include <utility>

#include "base/assert.h"

namespace eventbus {

void GroupNames::restore(const StoredGroup& group) {
    Name& name = names_[group.key.name];
    // A crash may have left the older owner with some groups of a name that was taken over.
    const StoredState& state = group.state;
    const std::string& owner = state.name_owner.empty() ? state.owner : state.name_owner;
    if (name.owner.empty() || owner == group.key.name) name.owner = owner;
    const auto [topic, is_new] = name.topics.try_emplace(group.key.topic, Topic{.exists = true});
    if (is_new) set_owner(topic->second, state.owner);
}

Result<GroupNames::Claim> GroupNames::claim(const GroupKey& group, const std::string& service,
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
    // Of one that a stranger made of its name, its service is the owner only once it joins.
    const Topic* const made = find(group);
    const bool counts_anew = made == nullptr || (service == owner && made->owner != owner);
    if (counts_anew && groups_of(owner) >= groups_per_service_max_) {
        return Error{.code = ErrorCode::kTooMany,
                     .detail = "service:" + owner + " has as many groups as it may " +
                               "(groups_per_service_max " +
                               std::to_string(groups_per_service_max_) +
                               "): name groups after what they do, not after processes, and "
                               "delete those that nobody uses any more",
                     .is_final = true};
    }
    Name& name = names_[group.name];
    Claim claim{.name_owner = owner, .group_owner = {}, .taken_over = {}};
    if (std::exchange(name.owner, owner) != owner) {
        for (const auto& [topic, its] : name.topics)
            claim.taken_over.push_back({group.name, topic});
    }
    Topic& topic = name.topics[group.topic];
    if (counts_anew) set_owner(topic, owner);
    claim.group_owner = topic.owner;
    ++topic.claims;
    return claim;
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
    uncount(topic->second.owner);
    name->second.topics.erase(topic);
    if (name->second.topics.empty()) names_.erase(name);
}

const GroupNames::Topic* GroupNames::find(const GroupKey& group) const {
    const auto name = names_.find(group.name);
    if (name == names_.end()) return nullptr;
    const auto topic = name->second.topics.find(group.topic);
    return topic == name->second.topics.end() ? nullptr : &topic->second;
}

void GroupNames::set_owner(Topic& topic, const std::string& owner) {
    uncount(topic.owner);
    if (!owner.empty()) ++groups_of_[owner];
    topic.owner = owner;
}

void GroupNames::uncount(const std::string& owner) {
    if (owner.empty()) return;
    const auto groups = groups_of_.find(owner);
    BUS_ASSERT(groups != groups_of_.end());
    if (--groups->second == 0) groups_of_.erase(groups);
}

std::size_t GroupNames::groups_of(const std::string& service) const {
    const auto found = groups_of_.find(service);
    return found == groups_of_.end() ? 0 : found->second;
}

}  // namespace eventbus
