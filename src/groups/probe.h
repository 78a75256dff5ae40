#pragma once

#include "base/counters.h"

namespace eventbus {

// What the groups of one reactor did. Its thread changes it, any reads.
struct GroupsProbe {
    Counter delivered;    // events given to members, repeats included
    Counter redelivered;  // of these: not the first time
    Counter acked;
    Counter nacked;
    Counter timed_out;       // not acknowledged within ack_wait
    Counter member_lost;     // in flight with a member that went away
    Counter stale_answers;   // acks and nacks of deliveries that are no longer the member's
    Counter expired;         // taken by retention while in flight
    Counter expired_spans;   // reads that retention may have come before: it took entries above the
                             // group's place
    Counter found_by_timer;  // times a group read the log because the tail was not shown to it
    Counter read_failures;   // the log did not answer a page; tried again at the next tick
    Counter write_failures;  // the store failed: the groups are read-only
    Counter stalled;         // ticks at which a group had work, a ready member, and did nothing
    Counter refused_groups;  // groups_max
    Counter refused_members;  // members_max

    // As of the last tick.
    Counter groups;
    Counter members;
    Counter in_flight;  // given out or waiting to be given out again
    Counter lag;        // positions between the groups' cursors and the frontier, summed
};

}  // namespace eventbus
