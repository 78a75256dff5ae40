#pragma once

#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "groups/group_store.h"

namespace rocksdb {
class DB;
}

namespace eventbus {

// Groups in a RocksDB of their own, in `groups/` of the data directory. Keys, with NUL between the
// parts (no name and no pattern holds one) and positions as 8 bytes, big-endian:
//
//   "format"                       → "1"
//   "g" name NUL topic             → cursor (8), epoch
//   "f" name NUL topic NUL position → attempt (4), due in ms since 1970 (8; 0: a member has it)
//
// A write goes to the write-ahead log and is not synced: it survives the end of the process, and a
// power loss takes a run of the newest ones at most (an older cursor: repeats, nothing lost).
//
// Thread:  any; writing is done by a thread of its own, which takes all that waits as one batch.
//          The executors that it answers to outlive it.
// Bounded: by its callers, each of which has one write under way.
class EmbeddedGroupStore final : public GroupStore {
 public:
    // Opens or makes the store. `data_dir` exists.
    // Errors: kUnavailable: another process has it, it is of a newer format, or it is damaged.
    static Result<std::unique_ptr<EmbeddedGroupStore>> open(const std::filesystem::path& data_dir);

    // Writes what waits, and ends.
    ~EmbeddedGroupStore() override;
    EmbeddedGroupStore(const EmbeddedGroupStore&) = delete;
    EmbeddedGroupStore& operator=(const EmbeddedGroupStore&) = delete;

    Result<std::vector<StoredGroup>> load() override;
    void write(std::vector<GroupChange> changes, Executor& reply_to,
               Callback<Result<>> done) override;

 private:
    struct Waiting {
        std::vector<GroupChange> changes;
        Executor* reply_to = nullptr;
        Callback<Result<>> done;
    };

    explicit EmbeddedGroupStore(std::unique_ptr<rocksdb::DB> db);
    void run();
    Result<> write_all(const std::vector<Waiting>& writes);

    const std::unique_ptr<rocksdb::DB> db_;
    bool failed_ = false;  // the writing thread's
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Waiting> waiting_;  // under mutex_
    bool ending_ = false;           // under mutex_
    std::thread writer_;            // last: it uses all the others
};

}  // namespace eventbus
