#pragma once

#include "catalog/event_rule.h"
#include "catalog/problems.h"
#include "catalog/spec.h"

namespace eventbus {

// What entries of `events:` fall back on: the top-level key `defaults:`.
struct RuleDefaults {
    Retention retention{std::chrono::hours(7 * 24), 0};
    AccessRule publish;
    AccessRule consume;
};

// Each reads one part of a catalog, says what is wrong with it in `problems`, and returns what it
// could make of it.
EventRule read_event_rule(const SpecField& entry, const RuleDefaults& defaults, Problems& problems);
RuleDefaults read_defaults(const Spec& spec, Problems& problems);
WatchRule read_watch_rule(const SpecField& entry, Problems& problems);
GroupRule read_group_rule(const SpecField& entry, Problems& problems);

}  // namespace eventbus
