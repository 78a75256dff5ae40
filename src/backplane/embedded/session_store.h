#pragma once

#include <boost/multi_index/hashed_index.hpp>
#include <boost/multi_index/member.hpp>
#include <boost/multi_index/ordered_index.hpp>
#include <boost/multi_index_container.hpp>
#include <boost/static_string/static_string.hpp>
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
#include <utility>
#include <variant>
#include <vector>

#include "backplane/embedded/database.h"
#include "base/clock.h"
#include "base/result.h"
#include "delivery/session_store.h"

namespace rocksdb {
class WriteBatch;
}

namespace eventbus {

// Sessions in a RocksDB of their own, in `sessions/` of the data directory.
//
//   "f"     → "1"                                 the format
//   "l"     → boot id of the machine, "open" or "clean"
//   "s" pid → expires in ms since 1970 (8), then the record (session_codec.h)
//
// A write goes to the write-ahead log and is not synced: it survives the end of the process. A
// machine that stopped without a clean end may have lost the newest ones, and which is not known:
// then all sessions are unknown (its boot id has changed).
//
// Thread:  any; the work is done by a thread of its own, which takes all that waits as one batch.
// Bounded: by sessions_max: past it the one that expires first is forgotten; and by waiting_max:
//          past it kUnavailable. While the disk takes no writes nothing is put or forgotten. In
//          memory a session costs about 110 bytes.
class EmbeddedSessionStore final : public SessionStore {
 public:
    struct Settings {
        std::filesystem::path data_dir;  // exists
        std::size_t sessions_max = 200'000;
        std::size_t waiting_max = 100'000;
        std::string boot_id;  // empty: the machine's
        std::uint64_t free_bytes_min = kFreeBytesMin;
        int open_files_max = 64;
        std::chrono::milliseconds retry_after{1'000};  // of opening one that could not be written
        rocksdb::Env* env = nullptr;                   // the disk; tests give one that fails
    };

    // Errors: as Database::open().
    static Result<std::unique_ptr<EmbeddedSessionStore>> open(Settings settings,
                                                              const Clock& clock);

    // Writes what waits, and says on disk that the end was clean.
    ~EmbeddedSessionStore() override;
    EmbeddedSessionStore(const EmbeddedSessionStore&) = delete;
    EmbeddedSessionStore& operator=(const EmbeddedSessionStore&) = delete;

    void put(SessionRecord record, Executor& reply_to, Callback<Result<>> done) override;
    void find(std::string_view pid, Executor& reply_to,
              Callback<Result<std::optional<SessionRecord>>> done) override;
    void erase(std::string_view pid) override;

    // False while every put() is refused with kUnavailable. Any thread.
    bool is_writable() const { return database_->is_writable(); }
    const Database& database() const { return *database_; }

 private:
    struct Put {
        std::string pid;
        std::string value;
        std::int64_t expires_ms = 0;
        Executor* reply_to = nullptr;
        Callback<Result<>> done;
    };
    struct Find {
        std::string pid;
        Executor* reply_to = nullptr;
        Callback<Result<std::optional<SessionRecord>>> done;
    };
    struct Erase {
        std::string pid;
    };
    using Work = std::variant<Put, Find, Erase>;

    // A session on disk, found by its pid and by when it expires.
    struct Session {
        using Pid = boost::static_string<kPidBytesMax>;
        Pid pid;
        std::int64_t expires_ms;
    };
    using Known = boost::multi_index_container<
        Session, boost::multi_index::indexed_by<
                     boost::multi_index::hashed_unique<
                         boost::multi_index::member<Session, Session::Pid, &Session::pid>>,
                     boost::multi_index::ordered_non_unique<
                         boost::multi_index::member<Session, std::int64_t, &Session::expires_ms>>>>;

    EmbeddedSessionStore(Settings settings, const Clock& clock, std::unique_ptr<Database> database);
    Result<> load();
    void enqueue(Work work);
    static void answer(Work& work, const Error& error);
    void run();
    void do_all(std::vector<Work>& works);
    Result<> write_all(const std::vector<Work>& works);
    void remember(std::string_view pid, std::int64_t expires_ms);
    bool forget(std::string_view pid);
    bool knows(std::string_view pid) const;
    void forget_what_is_over(rocksdb::WriteBatch& batch);
    Result<std::optional<SessionRecord>> read(const std::string& pid) const;

    const Settings settings_;
    const Clock& clock_;
    const std::unique_ptr<Database> database_;
    Known known_;  // of the worker: every session on disk
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Work> waiting_;  // under mutex_
    bool ending_ = false;        // under mutex_
    std::thread worker_;         // last: it uses all the others
};

}  // namespace eventbus
