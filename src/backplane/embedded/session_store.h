#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <variant>
#include <vector>

#include "admission/probe.h"
#include "admission/session_index.h"
#include "admission/session_store.h"
#include "backplane/embedded/database.h"
#include "base/clock.h"
#include "base/result.h"
#include "log/epochs.h"

namespace rocksdb {
class DB;
class Status;
}  // namespace rocksdb

namespace eventbus {

// Sessions in a RocksDB of their own, in `sessions/` of the data directory (session_codec.h has the
// values):
//
//   "f"              → "2"  the format
//   "l"              → boot id of the machine, "open" or "clean"
//   "c"              → the wall clock and the time of sessions (8 bytes each, ms since 1970), as
//                      they were at a write, at most a second before the last one
//   "e"              → the epoch of the log in which it was opened, and the one before, which the
//                      log knew then; strings of log/bytes.h
//   "s" pid          → record
//   "p" pid          → where, once it has changed
//   "r" pid NUL room → room of a topic, by Room::key()
//
// A write goes to the write-ahead log and is not synced: it survives the end of the process. A
// machine that stopped without a clean end may have lost the newest ones, and which is not known:
// then all sessions are unknown (its boot id has changed). So they are if the end of the store is
// damaged, and if it has been open since, so that it is a copy of earlier sessions: the log says in
// which epoch it last was. It says its epoch before the log does, so a start that fails in between
// changes nothing; nor does a run in which it takes no writes, or one of an earlier release.
//
// Sessions expire by a time of their own, which runs with the process and, from its end to the next
// start, with the wall clock. A wall clock that is set back meanwhile, or is more than a day ahead,
// is not believed: then no time has passed. So a clock that is wrong at a start ends no session. Of
// the release before, which stored no "c", the session that expires last was the last one written.
//
// A claim is not written: with the process all owners are gone. Without room on the disk no session
// is made or changed, and those that are known can be claimed as they are stored.
//
// Thread:  any; the work is done by a thread of its own, which takes all that waits as one batch.
// Bounded: as SessionStore says; work that waits or is being done by waiting_bytes_max: past it
//          kUnavailable and kNotNow, but for the end and the release of sessions, which each socket
//          asks for once. One piece of work is always taken.
class EmbeddedSessionStore final : public SessionStore {
 public:
    struct Settings {
        std::filesystem::path data_dir;  // exists
        SessionIndex::Settings index;
        std::size_t waiting_bytes_max = 64 << 20;  // 100,000 sign-ins, at about 600 bytes each
        std::string boot_id;                       // empty: the machine's
        std::uint64_t free_bytes_min = kFreeBytesMin;
        rocksdb::Env* env = nullptr;  // the disk; tests give one that fails
        std::chrono::milliseconds retry_after{1'000};
        int open_files_max = 64;
    };

    // What the log knows. The current epoch is not on disk yet.
    struct Life {
        Epochs epochs;
        std::string last_open_in;  // LogStore::sessions_open_in()
        // LogStore::is_epoch_stored(); none: it is. Until then no session is written, since the
        // next start would take its places for those of another log.
        std::function<bool()> is_epoch_stored = {};
    };

    // Errors: kUnavailable: another process has it, it is of a newer format, or it is damaged.
    static Result<std::unique_ptr<EmbeddedSessionStore>> open(Settings settings, const Clock& clock,
                                                              const Life& life);

    // Writes what waits, and says on disk that the end was clean.
    ~EmbeddedSessionStore() override;
    EmbeddedSessionStore(const EmbeddedSessionStore&) = delete;
    EmbeddedSessionStore& operator=(const EmbeddedSessionStore&) = delete;

    void create(SessionRecord record, SessionOwner& owner, Callback<Result<Claim>> done) override;
    void claim(std::string_view pid, std::string_view principal, SessionOwner& owner,
               Callback<Result<std::optional<Claimed>>> done) override;
    void change(std::string_view pid, Claim claim, SessionChange change, SessionOwner& owner,
                Callback<Written> done) override;
    void release(std::string_view pid, Claim claim, std::optional<SessionChange::At> at) override;
    void end(std::string_view pid, Claim claim) override;

    // Any thread.
    const SessionProbe& probe() const { return probe_; }
    const Database& database() const { return *database_; }

 private:
    struct Create {
        SessionRecord record;
        SessionOwner* owner = nullptr;
        Callback<Result<Claim>> done;
        Result<Claim> result = Claim{};
    };
    struct ClaimOf {
        std::string pid;
        std::string principal;
        SessionOwner* owner = nullptr;
        Callback<Result<std::optional<Claimed>>> done;
        std::optional<SessionIndex::Taken> taken = {};
    };
    struct Change {
        std::string pid;
        Claim claim{};
        SessionChange change;
        SessionOwner* owner = nullptr;
        Callback<Written> done;
        Written how = Written::kYes;
    };
    struct Release {
        std::string pid;
        Claim claim{};
        std::optional<SessionChange::At> at;
    };
    struct End {
        std::string pid;
        Claim claim{};
    };
    using Work = std::variant<Create, ClaimOf, Change, Release, End>;
    class Batch;
    class Answers;

    EmbeddedSessionStore(Settings settings, const Clock& clock, std::unique_ptr<Database> database,
                         const Life& life);
    Result<> load(const Life& life);
    Result<> load_time(rocksdb::DB& db);
    struct StoredTime {
        std::int64_t wall_ms = 0;
        std::int64_t time_ms = 0;  // of sessions
    };
    Result<std::optional<StoredTime>> read_time(rocksdb::DB& db) const;
    // `asker`: whose thread asks, and is answered; none: nobody is, and it may wait for others, for
    // Database::kLookEvery at most.
    void enqueue(Work work, Executor* asker);
    void run();
    void do_all(std::vector<Work>& works);

    // In order, into the index and the batch.
    void take(Create& create, Batch& batch);
    void take(ClaimOf& claim, Batch& batch);
    void take(Change& change, Batch& batch);
    void take(Release& release, Batch& batch);
    void take(End& end, Batch& batch);
    void forget(const std::string& pid, Batch& batch);
    // One of the release before is written in parts with the first of its changes, so that they
    // count; no other is touched. False: it cannot be read.
    bool convert(const std::string& pid, Claim claim, Batch& batch);
    // Once the batch was written, or not.
    void answer(Create& create, bool is_written, Answers& answers);
    void answer(ClaimOf& claim, bool is_written, Answers& answers);
    void answer(Change& change, bool is_written, Answers& answers);
    void answer(Release&, bool, Answers&) {}
    void answer(End&, bool, Answers&) {}
    static void refuse(Work& work);
    static std::size_t bytes_of(const Work& work);

    Result<std::optional<Claimed>> read(std::string_view pid, std::string_view principal,
                                        Claim claim) const;
    // What is told of a read that failed. None: it is damaged.
    Result<std::optional<Claimed>> unreadable(const rocksdb::Status& status) const;
    std::int64_t time_ms() const;
    void put_time(Batch& batch);
    std::string encode_time() const;
    void count();

    const Settings settings_;
    const Clock& clock_;
    const std::function<bool()> is_epoch_stored_;
    const std::unique_ptr<Database> database_;
    std::int64_t time_began_ms_ = 0;           // the time of sessions, less the monotonic clock
    std::optional<Clock::Time> time_written_;  // of the worker
    SessionIndex index_;                       // of the worker
    std::unordered_set<std::string> whole_;    // pids of those that the release before has written
    SessionProbe probe_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Work> waiting_;  // under mutex_
    std::size_t bytes_ = 0;      // under mutex_: of what waits or is being done
    bool is_woken_ = false;      // under mutex_: or will be in the asker's next turn
    bool ending_ = false;        // under mutex_
    std::thread worker_;         // last: it uses all the others
};

}  // namespace eventbus
