#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "groups/group_key.h"
#include "groups/group_store.h"

namespace eventbus {

// To whom the names of groups belong, and how many groups each service has, over all reactors.
//
// A name belongs to the service of that name as soon as that one uses it, until then to the service
// that first did; it is free again with its last group. A group counts for the service to which its
// name belonged when it was made, and for another one that has taken the name over once that one
// joins it: what strangers made of a name takes no place of its service.
//
// Thread:  one, whose home the directory names.
// Bounded: by groups_per_service_max of each service.
class GroupNames {
 public:
    explicit GroupNames(std::size_t groups_per_service_max)
        : groups_per_service_max_(groups_per_service_max) {}

    // A group that there is; before the first claim.
    void restore(const StoredGroup& group);

    struct Claim {
        std::string name_owner;
        std::string group_owner;           // for whom the group counts
        std::vector<GroupKey> taken_over;  // with the name, from another service
    };
    // `service` wants to be in this group, and to make it if there is none. `is_admitted`: the
    // catalog lets it into groups of this name. Needs a release() when it is known whether the
    // group exists.
    // Errors: kForbidden; kTooMany, the owner has as many groups as it may.
    Result<Claim> claim(const GroupKey& group, const std::string& service, bool is_admitted);
    void release(const GroupKey& group);

    // The group began or ended.
    void set_exists(const GroupKey& group, bool exists);

    std::size_t groups_of(const std::string& service) const;

 private:
    struct Topic {
        std::string owner;
        bool exists = false;
        std::size_t claims = 0;
    };
    struct Name {
        std::string owner;
        std::map<std::string, Topic> topics;
    };

    const Topic* find(const GroupKey& group) const;
    void set_owner(Topic& topic, const std::string& owner);
    void uncount(const std::string& owner);
    void forget_if_unused(const GroupKey& group);

    const std::size_t groups_per_service_max_;
    StringMap<Name> names_;
    StringMap<std::size_t> groups_of_;  // by service
};

}  // namespace eventbus
