#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "backplane/embedded/database.h"
#include "groups/group_store.h"

namespace eventbus {

// Groups in a RocksDB of their own, in `groups/` of the data directory. Keys, with NUL between the
// parts (no name and no pattern holds one) and positions as 8 bytes, big-endian:
//
//   "format"                       → "3"
//   "epochs"                       → those of the log in which the groups stand (log/epochs.h); not
//                                    in format 1
//   "g" name NUL topic             → cursor (8), seen through (8), unread durable (8) and
//                                    transient (8), idle in ms (8), bytes of the owner (1), owner,
//                                    epoch, NUL, the owner of the name
//   "f" name NUL topic NUL position → attempt (4), due in ms since 1970 (8; 0: a member has it),
//                                    delay in ms (8), 1 if it is transient (1)
//
// Of format 1 a group was its cursor and epoch, an event in flight its attempt and due time: 24 and
// 12 bytes at most. Of format 2 a group ended with its epoch, and no epoch holds a NUL. So they are
// told apart, and each becomes format 3 when it is next written.
//
// A write goes to the write-ahead log and is not synced: it survives the end of the process, and a
// power loss takes a run of the newest ones at most (an older cursor: repeats, nothing lost). One
// that the disk does not take now is refused with kUnavailable, and the database opened again.
//
// Thread:  any; writing is done by a thread of its own, which takes all that waits as one batch.
//          The executors that it answers to outlive it.
// Bounded: by its callers, each of which has one write under way.
class EmbeddedGroupStore final : public GroupStore {
 public:
    struct Settings {
        std::filesystem::path data_dir;  // exists
        std::uint64_t free_bytes_min = kFreeBytesMin;
        int open_files_max = 64;
        std::chrono::milliseconds look_every = Database::kLookEvery;
        std::chrono::milliseconds retry_after{1'000};  // of opening one that could not be written
        rocksdb::Env* env = nullptr;                   // the disk; tests give one that fails
    };

    // Opens or makes the store.
    // Errors: as Database::open().
    static Result<std::unique_ptr<EmbeddedGroupStore>> open(Settings settings);

    // Writes what waits, if the disk takes it, and ends.
    ~EmbeddedGroupStore() override;
    EmbeddedGroupStore(const EmbeddedGroupStore&) = delete;
    EmbeddedGroupStore& operator=(const EmbeddedGroupStore&) = delete;

    Result<std::vector<StoredGroup>> load(const Epochs& log) override;
    void write(SharedGroupChanges changes, Executor& reply_to, Callback<Result<>> done) override;

    // False while writes are refused. Any thread.
    const Database& database() const { return *database_; }

 private:
    struct Waiting {
        SharedGroupChanges changes;
        Executor* reply_to = nullptr;
        Callback<Result<>> done;
    };

    EmbeddedGroupStore(const Settings& settings, std::unique_ptr<Database> database);
    void run();
    Result<> write_all(const std::vector<Waiting>& writes);
    bool makes_group(const GroupChange& change) const {
        return !change.has_ended && !synced_.contains(change.key);
    }

    const std::chrono::milliseconds look_every_;
    const std::unique_ptr<Database> database_;
    std::string epochs_;                 // of the log of now, until they are written; then empty
    std::vector<GroupChange> set_back_;  // by load(), to be written with them
    std::set<GroupKey> synced_;          // those that a loss of power does not take away
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Waiting> waiting_;  // under mutex_
    bool ending_ = false;           // under mutex_
    std::thread writer_;            // last: it uses all the others
};

}  // namespace eventbus
