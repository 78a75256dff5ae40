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
#include "log/epochs.h"

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
    std::string owner = {};       // the service for which it counts; empty: not known
    std::string name_owner = {};  // to which its name belongs; empty: not known
    std::string epoch = {};       // in which the cursor's position was given
    Position cursor = {};         // every matching event up to here is acknowledged or in flight
    Position seen_through = {};   // of those above, so many were seen up to here
    Backlog::Count unread = {};
    std::chrono::milliseconds idle = {};  // that it has been without a member while a server ran

    friend bool operator==(const StoredState&, const StoredState&) = default;
};

// What a group is made of between two lives of the process.
struct StoredGroup {
    GroupKey key;
    StoredState state;
    std::vector<StoredFlight> in_flight = {};  // ascending
    // Where its cursor stood, in another branch of the log, before load() set it back.
    std::optional<Position> set_back_from = {};

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

// Sets `group` back to `shared`, the last position that its log and the one of now have in common:
// what it knows of those above it is of another branch. None: it knows of none.
std::optional<GroupChange> set_back(StoredGroup& group, Position shared);

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
//   (4) It keeps the epochs of the log in which its groups stand. With the first write after load()
//       those of the log of now take their place, and what load() has set back is written with it,
//       or load() would do the same again.
class GroupStore {
 public:
    virtual ~GroupStore() = default;

    // All groups, in any order, as they stand in the log of these epochs: each that stood in
    // another branch of it is set back to the last position that both share. Blocks; before the
    // first write.
    virtual Result<std::vector<StoredGroup>> load(const Epochs& log) = 0;

    // `done` is posted to `reply_to`, in the order of the writes of one caller.
    // Errors: kUnavailable, not now: nothing of it was written; kReadOnly, never again.
    virtual void write(SharedGroupChanges changes, Executor& reply_to, Callback<Result<>> done) = 0;
};

}  // namespace eventbus
