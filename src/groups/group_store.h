#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/result.h"
#include "groups/backlog.h"
#include "groups/group_key.h"
#include "log/offset.h"

namespace eventbus {

// An event that was given out and is not acknowledged.
struct StoredFlight {
    Position position;
    std::uint32_t attempt = 0;                // how often it was given out
    std::optional<Clock::WallTime> due = {};  // again; none: a member has it
    std::chrono::milliseconds delay = {};     // of which `due` is the end
    bool is_transient = false;

    friend bool operator==(const StoredFlight&, const StoredFlight&) = default;
};

// What is kept of a group but for its events in flight.
struct StoredState {
    std::string owner = {};      // the service that it belongs to; empty: not known
    std::string epoch = {};      // of the log that the positions belong to
    Position cursor = {};        // every matching event up to here is acknowledged or in flight
    Position seen_through = {};  // of those above, so many were seen up to here
    Backlog::Count unread = {};
    std::chrono::milliseconds idle = {};  // that it has been without a member while a server ran

    friend bool operator==(const StoredState&, const StoredState&) = default;
};

// What a group is made of between two lives of the process.
struct StoredGroup {
    GroupKey key;
    StoredState state;
    std::vector<StoredFlight> in_flight = {};  // ascending

    friend bool operator==(const StoredGroup&, const StoredGroup&) = default;
};

// What became of one group since the last write.
struct GroupChange {
    GroupKey key;
    StoredState state;
    std::vector<StoredFlight> put = {};  // in flight, new or changed
    std::vector<Position> erased = {};   // acknowledged, or gone from the log
    bool has_ended = false;              // nothing is kept of it
};
using SharedGroupChanges = std::shared_ptr<const std::vector<GroupChange>>;

// Seam: where groups are kept (memory, embedded on disk). load() is for the start; write() any
// thread.
//
// Invariants:
//   (1) A write is all or nothing, and the writes of one caller are in order: what load() returns
//       is the state after some write of each, with all before it and none after it.
//   (2) A write that was answered survives kill -9. After a power loss load() may return an older
//       state: the events since then come again, and none is missing.
//   (3) After a write that was answered with kUnavailable its caller writes the same again before
//       anything else. Else a later cursor could stand above events whose being in flight was not
//       written.
class GroupStore {
 public:
    virtual ~GroupStore() = default;

    // All groups, in any order. Blocks; before the first write.
    virtual Result<std::vector<StoredGroup>> load() = 0;

    // `done` is posted to `reply_to`, in the order of the writes of one caller.
    // Errors: kUnavailable, not now: nothing of it was written; kReadOnly, never again.
    virtual void write(SharedGroupChanges changes, Executor& reply_to, Callback<Result<>> done) = 0;
};

}  // namespace eventbus
