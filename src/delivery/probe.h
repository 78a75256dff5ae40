#pragma once

#include "base/counters.h"

namespace eventbus {

// What one reactor's delivery counts.
struct DeliveryProbe {
    Counter members;             // receivers now
    Counter rooms;               // rooms with a member now
    Counter behind;              // receivers now that are behind
    Counter entries;             // read from the tail
    Counter deliveries;          // frames pushed live
    Counter resumed_deliveries;  // frames pushed by resumes and histories
    Counter catch_ups;           // begun
    Counter pages_read;          // of the log, for what the tail no longer has
    Counter pages_refused;       // that could not be read then, and are read again
    Counter inquiries;           // reads that say whether a loss could be some receivers' own
    Counter gaps;                // told to receivers
    Counter evictions;           // memberships that an entry ended, or may have
    Counter encoded;             // frames made
    LatencyHistogram publish_to_send;
};

}  // namespace eventbus
