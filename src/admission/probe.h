#pragma once

#include "base/counters.h"

namespace eventbus {

// What one reactor's admission counts.
struct AdmissionProbe {
    Counter take_overs;  // sockets that were closed since a newer one has their session
    Counter rechecks;    // rights that were asked for again, since an entry or the catalog changed
    Counter ended;       // rooms that were left for it
};

// What a store of sessions counts. Any thread reads it.
struct SessionProbe {
    Counter sessions;       // now
    Counter connected;      // of those, whose socket is connected
    Counter pushed_out;     // by a new one, at a bound
    Counter refused;        // new ones, for which there was no place
    Counter taken_over;     // changes of a socket whose session another has claimed
    Counter not_written;    // changes that could not be written
    Counter waiting_bytes;  // of work that the store has not done yet, now
};

}  // namespace eventbus
