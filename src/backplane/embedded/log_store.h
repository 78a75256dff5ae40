#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/embedded/database.h"
#include "backplane/embedded/dedupe_keys.h"
#include "backplane/embedded/embedded_log.h"
#include "backplane/embedded/log_blocks.h"
#include "backplane/embedded/log_retention.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "log/binder.h"
#include "log/dedupe.h"
#include "log/log.h"
#include "log/sequencer.h"

namespace rocksdb {
class WriteBatch;
}  // namespace rocksdb

namespace eventbus {

// The log's RocksDB. Keys and values, positions and times (ms since 1970) as 8 bytes, big-endian,
// other numbers as in log/bytes.h:
//
//   "m" name              → "format": "2", "epochs" (log/epochs.h; in format 1 "epoch", the name
//                           of the only one), "secret" (8), "clock" (retention_hold.h), "back" (a
//                           position and a time: the clock's last step back);
//                           positions: "reserved", "lost", "lostany", "dedupe"
//                           (dedupe_keys.h), "counted" and "clockat" (log_retention.h)
//   "e" position          → the entry (log/entry_codec.h)
//   "r" type NUL position → when it was written, number of its bytes
//   "b" type              → bytes of the type (8), number of seconds and of bytes to retain, the
//                           position up to which nothing of it is left (8; not in format 1), that
//                           up to which the bytes are counted at least (8; not in format 1)
//   "k" position          → a block that ends there (log_blocks.h)
//   "d" position          → when, in ms of running time (dedupe_keys.h), content hash (8), 1 if
//                           unowned, then the key (log/dedupe.h)
//   "s" key               → what the binder stores
//
// Thread:  open() and load() first; write() and sweep() the log thread; read() any.
// Invariants:
//   (1) What write() answered is on disk, and was written in order. What it could not write may be
//       there or not; it may be written again, which changes nothing then.
//   (2) A position is given only below "reserved" as it is on disk.
class LogStore {
 public:
    // Whether the files are those that this server's predecessor left, or a copy of a log that may
    // have gone on since: then what it had reserved may have been given there.
    enum class Origin { kOwn, kCopy };

    // Begins a new epoch; the last one has ended at what was reserved, of a copy at its newest
    // entry.
    static Result<std::unique_ptr<LogStore>> open(const EmbeddedLogSettings& settings,
                                                  const Clock& clock, Random& random,
                                                  Origin origin = Origin::kOwn);
    ~LogStore();

    const Epochs& epochs() const { return epochs_; }
    // The last epoch in which the store of sessions was open for writing, when the log began to
    // write; empty: none is known.
    const std::string& sessions_open_in() const { return sessions_open_in_; }
    // Whether a next start will know the current epoch. Any thread.
    bool is_epoch_stored() const { return epochs_are_written_; }
    // That it is in the current one: written with the epoch.
    void note_sessions() { sessions_open_in_ = epochs_.current(); }

    // ---- at the start -------------------------------------------------------------------------

    Result<> load(Binder& binder, Dedupe& dedupe);

    // The newest entries, oldest first, and a position after which they are all there is; at most
    // so many, and `bytes_max` of memory.
    struct Recent {
        std::vector<SharedEntry> entries;
        Position after;
    };
    Result<Recent> recent(std::size_t entries_max, std::size_t bytes_max) const;

    // Above everything that was ever given.
    Position head() const { return reserved_; }

    // ---- the log thread -----------------------------------------------------------------------

    // Whether it can be written now; opens it again if that is due.
    Database::State look() { return database_->look(); }

    // Writes and syncs all of it as one batch.
    // Errors: kReadOnly; then it is closed until look() could open it again.
    Result<> write(std::span<const Staged> staged, std::optional<Position> reserve);

    // Takes a slice of what retention no longer keeps.
    Result<LogRetention::Swept> sweep(Position frontier);
    const RetentionHold& hold() const { return retention_.hold(); }
    // As LogRetention::resume().
    bool resume_retention() { return retention_.resume(); }

    // ---- any thread ---------------------------------------------------------------------------

    Database::State state() const { return database_->state(); }
    const Database& database() const { return *database_; }

    // As Log::read().
    Result<Page> read(Position after, std::size_t limit, Position frontier,
                      const WantedRooms& wanted) const;
    std::uint64_t room_key(const Room& room) const { return block_key(secret_, room); }

 private:
    LogStore(const EmbeddedLogSettings& settings, const Clock& clock);
    Result<> open_database(Random& random);
    Result<> prepare(const Database::Opened& opened, Random& random);
    Result<> read_meta(Random& random);
    Result<std::optional<Epochs>> stored_epochs() const;
    Result<Position> newest_from(Position position) const;
    Result<> load_changes(Binder& binder) const;
    Result<> begin_blocks();
    Result<std::optional<std::string>> get(std::string_view key) const;
    void put_entry(rocksdb::WriteBatch& batch, const Staged& staged, std::int64_t now_ms);
    void put_block(rocksdb::WriteBatch& batch);
    // `rooms`: the wanted ones in order; null: all.
    std::vector<Lost> lost_of(rocksdb::DB& db, Position after,
                              const std::vector<std::uint64_t>* rooms) const;

    const EmbeddedLogSettings settings_;
    const Clock& clock_;
    std::unique_ptr<Database> database_;
    Epochs epochs_{std::string()};
    bool ends_at_newest_ = false;  // the epoch before
    std::atomic<bool> epochs_are_written_ = false;
    std::string sessions_open_in_;
    std::uint64_t secret_ = 0;
    Position reserved_;
    Position last_stored_;  // synced, by this process
    LogRetention retention_;
    DedupeKeys dedupe_keys_;
    OpenBlock block_;
    std::deque<Position> blocks_;  // where they end
};

}  // namespace eventbus
