#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/embedded/embedded_log.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/result.h"
#include "log/binder.h"
#include "log/dedupe.h"
#include "log/log.h"
#include "log/sequencer.h"

namespace rocksdb {
class DB;
class WriteBatch;
}  // namespace rocksdb

namespace eventbus {

// The log's RocksDB. Keys and values, positions and times (ms since 1970) as 8 bytes, big-endian,
// other numbers as in log/bytes.h:
//
//   "m" name              → "format": "1", "epoch": the text, "reserved", "lost": a position
//   "e" position          → the entry (log/entry_codec.h)
//   "r" type NUL position → when it was written, number of its bytes
//   "b" type              → bytes of the type (8), number of seconds and of bytes to retain
//   "d" position          → when, content hash (8), 1 if unowned, then the key (log/dedupe.h)
//   "s" key               → what the binder stores
//
// Thread:  open() and load() first; write() and sweep() the log thread; read() any.
// Invariants:
//   (1) What write() answered is on disk, and was written in order.
//   (2) A position is given only below "reserved" as it is on disk.
class LogStore {
 public:
    static Result<std::unique_ptr<LogStore>> open(const EmbeddedLogSettings& settings,
                                                  const Clock& clock, Random& random);
    ~LogStore();

    const std::string& epoch() const { return epoch_; }

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

    // Writes and syncs all of it as one batch.
    // Errors: kReadOnly; then nothing more may be written by this process.
    Result<> write(std::span<const Staged> staged, std::optional<Position> reserve);

    // Deletes what retention and the dedupe window no longer keep, at most kSweepEntries. True:
    // there may be more. `swept` counts entries.
    Result<bool> sweep(Position frontier, std::size_t& swept);
    bool has_entries() const { return !types_.empty(); }

    std::uint64_t free_bytes() const;

    // ---- any thread ---------------------------------------------------------------------------

    Result<Page> read(Position after, std::size_t limit, Position frontier) const;

 private:
    static constexpr std::size_t kSweepEntries = 1'024;

    struct Type {
        std::uint64_t bytes = 0;
        Retention retention;
        Position swept;  // nothing of it is left up to here
    };

    LogStore(const EmbeddedLogSettings& settings, const Clock& clock,
             std::unique_ptr<rocksdb::DB> db);
    Result<> read_meta(Random& random, bool is_damaged_at_end);
    Result<> make_new(Random& random);
    Result<> load_types();
    Result<> load_changes(Binder& binder) const;
    Result<> load_dedupe(Dedupe& dedupe) const;
    Result<std::optional<std::string>> get(std::string_view key) const;
    void put_entry(rocksdb::WriteBatch& batch, const Staged& staged, std::int64_t now_ms);
    void put_type(rocksdb::WriteBatch& batch, const std::string& name, const Type& type) const;
    Result<> commit(rocksdb::WriteBatch& batch, bool sync);
    Result<std::size_t> sweep_type(const std::string& name, Type& type, Position frontier,
                                   std::size_t entries_max, rocksdb::WriteBatch& batch);
    Result<std::size_t> sweep_oldest(Position frontier, std::size_t entries_max,
                                     rocksdb::WriteBatch& batch);
    std::size_t sweep_dedupe(std::size_t keys_max, rocksdb::WriteBatch& batch);

    const EmbeddedLogSettings settings_;
    const Clock& clock_;
    const std::unique_ptr<rocksdb::DB> db_;
    std::string epoch_;
    Position reserved_;
    std::atomic<Position> lost_through_{Position{}};
    StringMap<Type> types_;
    Position dedupe_swept_;
    Position swept_;  // nothing is left up to here
};

}  // namespace eventbus
