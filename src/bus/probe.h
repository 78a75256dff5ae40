#pragma once

#include "base/counters.h"

namespace eventbus {

// What bind() counts, in the sequencer's turn.
struct BindProbe {
    Counter subjects;         // owned or granted now
    Counter owner_conflicts;  // events that named another owner, and changed nothing
    Counter transfers;
    Counter disowned;  // ownerships that an event ended
    Counter lapsed;    // subjects that ended by owner_ttl
    Counter grants;
    Counter revokes;
    Counter evictions;
    Counter unowned;  // events for an owner whom nobody has named
    Counter refused_not_owner;
    Counter refused_bound;  // owners_max, grants_max
};

// What one reactor's publisher counts.
struct PublishProbe {
    Counter events;     // taken
    Counter refused;    // events of refused calls
    Counter forbidden;  // of these: calls by who may not
};

}  // namespace eventbus
