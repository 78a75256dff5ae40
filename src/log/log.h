#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/frame.h"
#include "base/result.h"
#include "event/plan.h"
#include "log/entry.h"
#include "log/epochs.h"
#include "log/offset.h"

namespace eventbus {

class Log;
class Tail;

// What the publisher of one event is told.
struct Receipt {
    std::string id;
    Position position;
    bool duplicate = false;  // an earlier append of the same event; position is that one's
    bool unowned = false;
};
// Appends it as the members of a JSON object, as publishers are shown it on every wire:
// "id":…,"offset":…,"duplicate":…, and "unowned" if it is.
void append_receipt(std::string& json, const Receipt& receipt, const Log& log);

using AppendDone = Callback<Result<std::vector<Receipt>>>;

// What retention took of a type: entries up to `through` may be gone. Of any type, if it is empty.
struct Lost {
    std::string type;
    Position through;
};

// What read() found: entries in order, and how far the reading got.
struct Page {
    std::vector<SharedEntry> entries;
    Position through;       // everything up to here that is retained has been looked at
    bool at_end = false;    // `through` is the visible frontier
    Position lost_through;  // durable entries up to here may be gone by retention; 0: none
    // The same by type, above where the reading began; but for what is known to have gone to none
    // of the rooms that were wanted.
    std::vector<Lost> lost;
    // How often retention has taken something: as long as it stays, nothing else was lost. Above 0
    // if anything was.
    std::uint64_t losses = 0;
};
using ReadDone = Callback<Result<Page>>;

// For whom one reads: Log::room_key() of each room. Null: for all.
using WantedRooms = std::shared_ptr<const std::vector<std::uint64_t>>;

// Seam: the ordered log of events (memory, embedded on disk, Redis). Any thread.
//
// Invariants:
//   (1) Positions are given in one order; an entry is visible when all before it are, and, if it is
//       durable, when it is synced. What was visible once is never taken back by a crash, unless it
//       is transient.
//   (2) bind() runs for each event in that order: ownership and grants hold for all that follow.
//   (3) append() is all or nothing.
//   (4) After a failed sync every append is refused with kReadOnly until the disk takes writes
//   again,
//       and nothing that it covered is visible before it was written and synced again. Who was
//       refused while waiting does not know whether that will happen.
class Log {
 public:
    virtual ~Log() = default;

    // Appends `plans` in order; `done` gets a receipt for each, once all are visible. It is called
    // on `reply_to`: before append() returns if the caller is there and nothing had to be waited
    // for, else posted.
    // Errors: kIdReused, kForbidden (publisher_must_own), kUnavailable (owners_max), kTooMany
    // (grants of a subject), kReadOnly, kUnavailable (too much is waiting to be synced); then
    // nothing was appended.
    virtual void append(std::vector<Plan> plans, Executor& reply_to, AppendDone done) = 0;

    // Reads at most `limit` entries after `after`, oldest first, with whatever is retained of them.
    // `done` is posted to `reply_to`. Entries that go to none of the `wanted` rooms may be left out
    // (rooms of subjects have those about the subject too, rooms of patterns those of exactly that
    // type: who watches a wildcard reads for all).
    virtual void read(Position after, std::size_t limit, Executor& reply_to, ReadDone done,
                      WantedRooms wanted = nullptr) = 0;

    // The same for one room as long as this log lives, and unknown outside.
    virtual std::uint64_t room_key(const Room& room) const = 0;

    // The last visible position. Any thread, one atomic load.
    virtual Position frontier() const = 0;

    // They may change while the log runs (it was replaced): ask each time. Valid as long as the
    // log. Any thread.
    virtual const Epochs& epochs() const = 0;

    // The visible entries of late, in memory; every reactor reads it by its own cursor.
    virtual Tail& tail() = 0;

    // False from a failed sync until the disk takes writes again, and while it is full.
    virtual bool is_writable() const = 0;
};

// Whether `entry` goes to one of the `wanted` rooms.
bool is_wanted(const Log& log, const Entry& entry, const WantedRooms& wanted);

// By which a queue knows a frame of this entry that a newer one of the same type and subject
// replaces; none unless the type is `latest`. Nobody outside can choose subjects whose keys
// collide.
LatestKey latest_key(const Log& log, const Entry& entry);

// The offset of a position, as clients are shown it: the log makes it, and nobody keeps its epoch.
std::string offset_text(const Log& log, Position position);

// The position of an offset of this log, wherever it lies: it may be ahead of what is visible here.
// Errors: kBadOffset, of another log.
Result<Position> position_of(const Log& log, const Offset& offset);

}  // namespace eventbus
