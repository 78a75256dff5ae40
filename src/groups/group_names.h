#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "base/hash.h"
#include "base/result.h"
#include "groups/group_key.h"

namespace eventbus {

// To whom the names of groups belong, and how many groups each service has, over all reactors.
//
// A name belongs to the service of that name as soon as that one uses it, until then to the service
// that first did; it is free again with its last group.
//
// Thread:  one, whose home the directory names.
// Bounded: by groups_per_service_max of each service.
class GroupNames {
 public:
    explicit GroupNames(std::size_t groups_per_service_max)
        : groups_per_service_max_(groups_per_service_max) {}

    // A group that there is; before the first claim. `owner` may be empty: not known.
    void restore(const GroupKey& group, const std::string& owner);

    // `service` wants to be in this group, and to make it if there is none. `is_admitted`: the
    // catalog lets it into groups of this name. Returns to whom the name belongs. Needs a
    // release() when it is known whether the group exists.
    // Errors: kForbidden; kTooMany, the owner has as many groups as it may.
    Result<std::string> claim(const GroupKey& group, const std::string& service, bool is_admitted);
    void release(const GroupKey& group);

    // The group began or ended.
    void set_exists(const GroupKey& group, bool exists);

    std::size_t groups_of(const std::string& service) const;

 private:
    struct Topic {
        bool exists = false;
        std::size_t claims = 0;
    };
    struct Name {
        std::string owner;
        std::map<std::string, Topic> topics;
    };

    void set_owner(Name& name, const std::string& owner);
    void count(const std::string& owner, std::size_t more, std::size_t less);
    void forget_if_unused(const GroupKey& group);

    const std::size_t groups_per_service_max_;
    StringMap<Name> names_;
    StringMap<std::size_t> groups_of_;  // by service
};

}  // namespace eventbus
