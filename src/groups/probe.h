#pragma once

#include <memory>
#include <vector>

#include "base/counters.h"
#include "groups/group_key.h"

namespace eventbus {

// What one group did and how it stands. Its home's thread changes it, any reads.
struct GroupProbe {
    explicit GroupProbe(SharedGroupKey of) : key(std::move(of)) {}

    const SharedGroupKey key;

    Counter delivered;    // events given to members, repeats included
    Counter redelivered;  // of these: not the first time
    Counter acked;
    Counter nacked;
    Counter timed_out;       // not acknowledged within ack_wait
    Counter member_lost;     // in flight with a member that went away
    Counter stale_answers;   // acks and nacks of deliveries that are no longer the member's
    Counter expired;         // durable events that retention took before they were handled
    Counter lost_transient;  // transient events that nobody had any more
    Counter stalls;          // times it stood still with work to do
    Counter set_back;        // positions, at the start: it had stood in another branch of the log

    Counter members;
    Counter in_flight;      // given out or waiting to be given out again
    Counter waiting;        // of these: with no member
    Counter lag;            // events that were never given out
    Counter pending_bytes;  // read ahead
};
using GroupProbes = std::vector<std::shared_ptr<const GroupProbe>>;

// What the groups of one reactor did together.
struct GroupsProbe {
    Counter groups;  // now
    Counter ended;   // groups without a member for group_idle_ttl
    Counter deleted;
    Counter read_failures;    // the log did not answer a page; tried again after a pause
    Counter write_failures;   // of the store
    Counter store_on_hold;    // 1: the store takes no writes now, so the groups wait
    Counter refused_groups;   // groups_max
    Counter refused_members;  // members_max
};

}  // namespace eventbus
