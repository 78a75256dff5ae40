#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "catalog/event_rule.h"
#include "catalog/problems.h"
#include "catalog/spec.h"

namespace eventbus {

// `publish:` and `consume:`.
AccessRule read_access(const SpecField& field, Problems& problems);

// `7d`, or { age: 7d, bytes: 1GB }.
Retention read_retention(const Spec& spec, Retention defaults, Problems& problems);

// A value or a list of values, as a list.
std::vector<const Spec*> as_list(const Spec& spec);

// Says of each key that is not among `known` that there is no such key, and which is near.
void refuse_unknown_keys(const Spec& map, std::span<const std::string_view> known,
                         std::string_view of_what, Problems& problems);

}  // namespace eventbus
