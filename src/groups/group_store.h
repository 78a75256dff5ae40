#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/result.h"
#include "groups/group_key.h"
#include "log/offset.h"

namespace eventbus {

// An event that was given out and is not acknowledged.
struct StoredFlight {
    Position position;
    std::uint32_t attempt = 0;  // how often it was given out
    std::optional<Clock::WallTime> due =
        {};  // when it is to be given out again; none: a member has it

    friend bool operator==(const StoredFlight&, const StoredFlight&) = default;
};

// What a group is made of between two lives of the process.
struct StoredGroup {
    GroupKey key;
    std::string epoch;  // of the log that the positions belong to
    Position cursor;    // every matching event up to here is acknowledged or in flight
    std::vector<StoredFlight> in_flight = {};  // ascending

    friend bool operator==(const StoredGroup&, const StoredGroup&) = default;
};

// What became of one group since the last write.
struct GroupChange {
    GroupKey key;
    std::string epoch;
    Position cursor;
    std::vector<StoredFlight> put = {};  // in flight, new or changed
    std::vector<Position> erased = {};   // acknowledged, or gone from the log
};

// Seam: where groups are kept (memory, embedded on disk). load() is for the start; write() any
// thread.
//
// Invariants:
//   (1) A write is all or nothing, and writes are in order: what load() returns is the state after
//       some write, with all before it and none after it.
//   (2) A write that was answered survives kill -9. After a power loss load() may return an older
//       state: the events since then come again, and none is missing.
//   (3) After a failed write every later one fails too. Else a later cursor could stand above
//       events whose being in flight was not written.
class GroupStore {
 public:
    virtual ~GroupStore() = default;

    // All groups, in any order. Blocks; before the first write.
    virtual Result<std::vector<StoredGroup>> load() = 0;

    // `done` is posted to `reply_to`, in the order of the writes of one caller. While the disk
    // takes nothing it waits, and those behind it too. Errors: kReadOnly, it never will be; the
    // groups' state is that of the last write that succeeded.
    virtual void write(std::vector<GroupChange> changes, Executor& reply_to,
                       Callback<Result<>> done) = 0;
};

}  // namespace eventbus
