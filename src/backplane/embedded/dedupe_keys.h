#pragma once

#include <chrono>
#include <cstdint>

#include "backplane/embedded/database.h"
#include "base/clock.h"
#include "base/result.h"
#include "log/dedupe.h"
#include "log/sequencer.h"

namespace rocksdb {
class WriteBatch;
}  // namespace rocksdb

namespace eventbus {

// The dedupe window as the log keeps it on disk; its keys are shown in log_store.h.
//
// A key ages while the server runs, and by the monotonic clock: each holds what a count of running
// time said, which goes on at a start where the newest key left it. So neither a wall clock that is
// set nor the time that the server was off makes a publisher's repeat a new event.
//
// Thread:  load() first; then the log thread.
// Bounded: as Dedupe, and what it has forgotten since the last entry was written.
class DedupeKeys {
 public:
    DedupeKeys(const Clock& clock, Dedupe::Settings settings)
        : clock_(clock), settings_(settings) {}

    // Reads what is still within the window, at the start.
    // Errors: kUnavailable.
    Result<> load(Database& database, Dedupe& dedupe);

    // Puts the key of `staged`, if it has one, and takes away those that it says were forgotten.
    void put(rocksdb::WriteBatch& batch, const Staged& staged) const;

    // Takes the next slice of keys that are out of the window. True: there may be more.
    // Errors: as Database::write(); it is tried again.
    Result<bool> sweep(Database& database);

 private:
    static constexpr std::size_t kSliceKeys = 64;

    std::int64_t running_ms() const;

    const Clock& clock_;
    const Dedupe::Settings settings_;
    std::int64_t started_ms_ = 0;  // the count of running time at `started_`
    Clock::Time started_;
    Position swept_;  // no key is left up to here
};

}  // namespace eventbus
