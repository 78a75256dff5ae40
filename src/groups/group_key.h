#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "log/offset.h"

namespace eventbus {

// One subscriber of groups, unique while the process lives: a socket. It may be a member of several
// groups.
enum class MemberId : std::uint64_t {};

// What names a group: its name and its type pattern.
struct GroupKey {
    std::string name;   // [a-z0-9-]{1,64}
    std::string topic;  // photo.*

    friend auto operator<=>(const GroupKey&, const GroupKey&) = default;
};
using SharedGroupKey = std::shared_ptr<const GroupKey>;

// "name:topic".
std::string to_string(const GroupKey& key);

// Errors: kBadRequest (name), kBadTopic (topic): the detail says what is allowed.
Result<> check(const GroupKey& key);

// The reactor on which the group lives, of `reactors`.
std::size_t home_of(const GroupKey& key, std::size_t reactors);

// One giving out of one event by one group: the place and the attempt make each different, and the
// epoch tells those of another branch of the log apart.
struct DeliveryId {
    GroupKey group;
    std::string epoch;  // in which the event was written; empty: by a server of the release before
    Position position;
    std::uint32_t attempt = 0;  // counted from 1

    friend bool operator==(const DeliveryId&, const DeliveryId&) = default;
};

// "name:topic:epoch.position.attempt". Members take it as opaque.
std::string to_string(const DeliveryId& id);

// Errors: kNotFound, no delivery can have this name.
Result<DeliveryId> parse_delivery_id(std::string_view text);

}  // namespace eventbus
