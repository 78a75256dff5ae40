#pragma once

#include "base/counters.h"

namespace eventbus {

// What the log counts. Changed in the sequencer's turn, but what says otherwise.
struct LogProbe {
    Counter appended;              // entries that got a position
    Counter duplicates;            // repeats that got the first one's answer
    Counter ids_reused;            // refused: the same id with other content
    Counter refused;               // appends, for any reason
    Counter pending_bytes;         // entries that are not visible yet
    LatencyHistogram append_time;  // of durable entries, until they are visible
    Counter dedupe_keys;           // remembered now
    Counter dedupe_dropped;        // forgotten before their time, as the table was full

    // Of the log thread.
    Counter syncs;
    Counter synced_entries;
    Counter swept_entries;  // taken by retention
    // While nothing is deleted for its age after a jump of the clock; else 0. Seconds, and those
    // since 1970.
    Counter hold_left_s;
    Counter hold_expected_s;
    Counter hold_clock_s;
    LatencyHistogram sync_time;

    // Of the reading thread.
    Counter pages_read;
};

// What one view counts of its way through the log. Changed by its reactor.
struct ViewProbe {
    Counter pages_read;  // from disk, as the tail was given up before the view came to it
    Counter lost;        // positions of these that are on no disk any more: transient, mostly
};

}  // namespace eventbus
