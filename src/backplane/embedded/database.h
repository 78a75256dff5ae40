#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/embedded/disk_watch.h"
#include "backplane/embedded/expected_files.h"
#include "backplane/embedded/wal_check.h"
#include "base/counters.h"
#include "base/result.h"

namespace rocksdb {
class DB;
class Env;
class FileLock;
class SliceTransform;
class Status;
class WriteBatch;
struct Options;
}  // namespace rocksdb

namespace eventbus {

// Of a disk, where nobody says otherwise: what RocksDB's own files may need, and what was taken
// before it was known that there is no room.
inline constexpr std::uint64_t kFreeBytesMin = 256U << 20U;

// The RocksDB of one store: how it is opened, of which format it is, whether there is room to
// write, and what becomes of it when a write fails.
//
// A write that failed may have left anything behind, so nothing more is written to what was open
// then: it is closed, opened for reading only, and opened anew when the disk allows. The same holds
// for a start without room: it is read, and written to once there is.
//
// Its folder, or a file in it that is written to, may be removed, replaced or cut off while it is
// open (`rm -rf`, a restore from a backup, logrotate's copytruncate). RocksDB would not notice, and
// would write on into files that nobody can find, or behind a hole of zeros. So the writer looks
// whether LOCK, the manifest and the newest write-ahead log are still those that it has open, and
// as long, with each look() and at each synced write (at others, each kPlaceEvery; whether the log
// is, always); if they are not, it is closed for writing until the process ends.
//
// Files that go while nobody has it open are missed by the next start (expected_files.h), as is
// what zeros have overwritten in a write-ahead log (wal_check.h). Without a part of a write-ahead
// log it goes on as with one that is damaged. Without the end of a manifest it is not opened:
// RocksDB would delete the tables that only the rest names.
//
// A disk that does not answer at all is watched from another thread (disk_watch.h).
//
// Thread:  open() first; look() and write() one thread, the writer; the others any.
// Bounded: one that cannot be opened is tried again after `retry_after`, twice as long each time,
//          up to kRetryMax.
// Invariants:
//   (1) What was written by a write that failed is there as a whole or not at all, and only once it
//       is open again.
//   (2) A database of a newer format is not touched, nor is one without CURRENT, nor what lies in
//       the place of one that is gone.
//   (3) An end that is damaged, or was removed, is given up, never in silence: `prepare` is told of
//       it until it was done once.
class Database {
 public:
    // Whether it can be written.
    enum class State : std::uint8_t {
        kWritable,
        kNoRoom,  // open, but the disk is below free_bytes_min: only what must be is written
        kClosed,  // every write is refused; look() opens it again, if it is not gone
    };
    // A database that was opened for writing.
    struct Opened {
        rocksdb::DB& db;
        const Database& store;      // for what is said of it
        bool is_first = false;      // of this process
        bool lost_its_end = false;  // since `prepare` last was done
    };
    struct Settings {
        std::filesystem::path data_dir;  // exists
        std::string folder;              // in it
        std::string name;                // "the log", in what is said of it
        std::string consequence;         // "nothing is taken", while it cannot be written
        // How an operator does without it, if it is damaged.
        std::string remedy;

        std::string format_key;
        std::vector<std::string> formats;  // that can be read; the last is the one that is written
        // Converts it from an earlier format, and makes it whole, each time that it was opened for
        // writing. Errors: it stays closed.
        std::function<Result<>(const Opened&)> prepare = {};

        // Of a server that may have gone on: none is made, and its files are of different moments.
        bool is_copy = false;
        std::uint64_t free_bytes_min = kFreeBytesMin;
        rocksdb::Env* env = nullptr;  // the disk; tests give one that fails
        std::string boot_id;          // empty: the machine's
        std::chrono::milliseconds retry_after{1'000};
        std::chrono::milliseconds stalled_after{5'000};  // that the disk does not answer

        std::size_t memtable_bytes = 4U << 20U;
        // Groups of keys, each of which grows at its end: the memtable keeps the place of each, and
        // need not search for it.
        std::shared_ptr<const rocksdb::SliceTransform> growing_groups = {};
        std::size_t wal_bytes_max = 0;  // 0: as many as the memtables ask for
        int open_files_max = 64;
        bool compresses = false;
    };
    struct Probe {
        Counter failures;      // writes that failed, and openings
        Counter opened_again;  // after a failure or a start without room
        // Openings that found its end damaged or missing, or a damaged block when they were read.
        Counter damages;
    };

    // Errors: kUnavailable: another process has it, it is of a newer format, it is damaged, the
    // disk refuses, or it is new and there is no room. kNotFound: there is nothing to copy.
    static Result<std::unique_ptr<Database>> open(Settings settings);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // ---- the writer -----------------------------------------------------------------------------

    // Looks at the disk, and opens it again if that is due. To be called each kLookEvery at least.
    State look();
    static constexpr std::chrono::milliseconds kLookEvery{1'000};
    static constexpr std::chrono::milliseconds kPlaceEvery{20};

    // Errors: kReadOnly, it is closed: what was to be written may be there when it is open again.
    Result<> write(rocksdb::WriteBatch& batch, bool sync);

    // ---- any thread -----------------------------------------------------------------------------

    // A read of it failed. If a block is damaged, says so, the first time in each opening.
    Error read_failed(const rocksdb::Status& status);

    // Keeps it open while it is held, for reads; false: it is closed. The writer lets go of it
    // before it writes.
    class Reading {
     public:
        explicit operator bool() const { return db_ != nullptr; }
        rocksdb::DB* operator->() const { return db_; }
        rocksdb::DB& operator*() const { return *db_; }

     private:
        friend class Database;
        Reading(std::shared_lock<std::shared_mutex> lock, rocksdb::DB* db)
            : lock_(std::move(lock)), db_(db) {}
        std::shared_lock<std::shared_mutex> lock_;
        rocksdb::DB* db_;
    };
    Reading read() const;

    // Whether something may be missing that was written last, as after a loss of power on a disk
    // that keeps no promises. The writer, or before there is one.
    bool lost_its_end() const { return lost_its_end_; }

    State state() const { return state_; }
    bool is_writable() const { return state_ == State::kWritable; }
    // Whether its folder, or a file in it, was removed, replaced or cut off while it was open. It
    // stays so.
    bool is_gone() const { return is_gone_; }
    // Whether its disk answers.
    const DiskWatch& disk() const { return disk_; }
    // Which store takes no writes, why, and what to do; empty: it takes them.
    std::string refusal() const;
    const Probe& probe() const { return probe_; }
    const std::filesystem::path& path() const { return path_; }
    const std::string& name() const { return settings_.name; }

    // What a caller is told of a read that found it closed, that the disk refused, and of bytes
    // that cannot be right. A status that says so is a damage, too.
    Error unreadable(const std::string& why) const;
    Error unreadable(const rocksdb::Status& status) const;
    Error damaged(const std::string& what) const;

 private:
    class Watch;
    enum class Way : std::uint8_t { kWriting, kReading };
    // A file of it, as it was when it was first seen: RocksDB gives no name to two files.
    struct File {
        std::string path;
        std::uint64_t device = 0;  // 0, as inode: there is none
        std::uint64_t inode = 0;
        std::uint64_t bytes = 0;  // when it was last looked for; it only grows
    };

    explicit Database(Settings settings);
    static std::optional<File> file_at(std::string path);
    static bool is_there(File& file);
    Result<> open_first();
    Result<> open_for_writing(bool is_first);
    Result<> open_for_reading();
    rocksdb::Status open_as(Way way);
    std::string rest_without_current() const;
    std::string odd_file() const;
    Result<> sweep_empty_logs();
    rocksdb::Status open_without_end(rocksdb::Options& options, Way way, const std::string& damage,
                                     rocksdb::DB** opened);
    rocksdb::Status mark_lost_end(const std::string& why);
    std::string lost_end_mark() const;
    rocksdb::Status open_with(const rocksdb::Options& options, Way way, rocksdb::DB** opened);
    Result<bool> has_current_format(Way way);
    void open_again();
    void close();
    void fail(const std::string& why);
    void note_failure(const std::string& why);
    void put_off();
    void look_at_space();
    // A little more than the bound, or it would flap.
    std::uint64_t room_to_go_on() const {
        return settings_.free_bytes_min + settings_.free_bytes_min / 8;
    }
    bool look_at_place();
    void give_up_place();
    bool is_in_its_place();
    bool has_its_manifest();
    bool has_its_wal();
    void note_files();
    std::optional<std::string> manifest_named_by_current() const;
    State current_state() const;
    Error can_not_open(const rocksdb::Status& status) const;

    const Settings settings_;
    const std::filesystem::path path_;
    rocksdb::Env& env_;
    DiskWatch disk_;
    Probe probe_;
    std::atomic<State> state_{State::kClosed};
    std::atomic<bool> is_gone_{false};
    std::atomic<bool> has_room_{true};
    mutable std::mutex failure_mutex_;
    std::string failure_;  // the last that closed it

    // The writer's, but for what is read of db_.
    std::unique_ptr<WalCheck> wal_check_;  // of db_
    mutable std::shared_mutex mutex_;      // of db_ and lock_: exclusive where they change
    std::unique_ptr<rocksdb::DB> db_;
    rocksdb::FileLock* lock_ = nullptr;          // while it is open for reading only
    std::shared_ptr<Watch> watch_;               // of what is open
    bool lost_its_end_ = false;                  // what is open
    std::atomic<bool> has_told_damage_ = false;  // of a block of what is open
    bool is_for_writing_ = false;
    File lock_file_;              // LOCK, which RocksDB makes once
    File manifest_;               // as CURRENT names it; RocksDB makes another with a higher number
    File wal_;                    // the newest
    bool is_synced_ = true;       // all that was written
    std::uint64_t sequence_ = 0;  // RocksDB's number of the last entry
    ExpectedFiles expected_;
    std::chrono::steady_clock::time_point looked_at_{};  // its place
    bool may_pass_ = false;                              // why it could not be opened
    std::chrono::milliseconds pause_;                    // before the next try
    std::chrono::steady_clock::time_point next_try_;
};

}  // namespace eventbus
