#include "backplane/embedded/session_store.h"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <fstream>

#include "backplane/embedded/session_codec.h"
#include "base/assert.h"
#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::string_view kFormat = "1";
constexpr std::string_view kOpen = "open ";
constexpr std::string_view kClean = "clean ";
constexpr std::size_t kForgottenAtOnce = 1'024;

using rocksdb::Slice;

std::string_view view(const Slice& bytes) { return {bytes.data(), bytes.size()}; }

// Changes with each start of the machine.
std::string machine_boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;  // empty where there is none: then every end that was not clean counts
}

rocksdb::Options options() {
    rocksdb::Options options;
    options.create_if_missing = true;
    // Of the records themselves this much is in memory: each is written twice while its client
    // signs in, and read only if it comes back.
    options.write_buffer_size = 2U << 20U;
    options.max_background_jobs = 2;
    options.max_open_files = 64;
    options.keep_log_file_num = 2;
    options.stats_dump_period_sec = 0;  // nobody reads it, and a thread would wake for it
    options.stats_persist_period_sec = 0;
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    return options;
}

Error can_not_open(const std::filesystem::path& path, const rocksdb::Status& status) {
    const std::string why = status.ToString();
    const bool is_taken = status.IsIOError() && why.find("lock") != std::string::npos;
    return {ErrorCode::kUnavailable,
            "can not open the sessions in " + path.string() + ": " + why +
                (is_taken ? " (another server uses this data directory: give this one its own, "
                            "--data DIR)"
                          : "")};
}

Error failed(const rocksdb::Status& status) {
    return {ErrorCode::kUnavailable, "the store of sessions failed: " + status.ToString()};
}

// Says in which life of the machine the store is, and whether it has ended well.
rocksdb::Status mark(rocksdb::DB& db, std::string_view how, const std::string& boot_id) {
    rocksdb::WriteOptions sync;
    sync.sync = true;
    return db.Put(sync, "l", std::string(how) + boot_id);
}

// Whether what is stored can be trusted: the last life ended well, or the machine still runs.
Result<bool> is_whole(rocksdb::DB& db, const std::string& boot_id) {
    std::string format;
    std::string life;
    const rocksdb::Status read = db.Get({}, "f", &format);
    if (read.IsNotFound()) {
        const rocksdb::Status written = db.Put({}, "f", Slice(kFormat.data(), kFormat.size()));
        if (!written.ok()) return failed(written);
        return true;
    }
    if (!read.ok()) return failed(read);
    if (format != kFormat) {
        return Error{ErrorCode::kUnavailable,
                     "the store of sessions has format " + format + ", and this server knows " +
                         std::string(kFormat) + ": start the newer server that wrote it"};
    }
    const rocksdb::Status known = db.Get({}, "l", &life);
    if (!known.ok() && !known.IsNotFound()) return failed(known);
    return life.starts_with(kClean) || (!boot_id.empty() && life == std::string(kOpen) + boot_id);
}

}  // namespace

Result<std::unique_ptr<EmbeddedSessionStore>> EmbeddedSessionStore::open(Settings settings,
                                                                         const Clock& clock) {
    if (settings.boot_id.empty()) settings.boot_id = machine_boot_id();
    const std::filesystem::path path = settings.data_dir / "sessions";
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options(), path.string(), &opened);
    std::unique_ptr<rocksdb::DB> db(opened);
    if (!status.ok()) return can_not_open(path, status);

    const Result<bool> whole = is_whole(*db, settings.boot_id);
    if (!whole) return whole.error();
    if (!*whole) {
        diagnostics::warn(
            "the machine went down without a clean end: all sessions are unknown, and clients "
            "begin new ones");
        const rocksdb::Status dropped = db->DeleteRange({}, db->DefaultColumnFamily(), "s", "t");
        if (!dropped.ok()) return failed(dropped);
    }
    // Synced, and so is what was dropped before: a loss of power from now on must show.
    const rocksdb::Status marked = mark(*db, kOpen, settings.boot_id);
    if (!marked.ok()) return failed(marked);
    std::unique_ptr<EmbeddedSessionStore> store(
        new EmbeddedSessionStore(std::move(settings), clock, std::move(db)));
    if (const Result<> loaded = store->load(); !loaded) return loaded.error();
    store->worker_ = std::thread([raw = store.get()] { raw->run(); });
    return store;
}

EmbeddedSessionStore::EmbeddedSessionStore(Settings settings, const Clock& clock,
                                           std::unique_ptr<rocksdb::DB> db)
    : settings_(std::move(settings)), clock_(clock), db_(std::move(db)) {}

EmbeddedSessionStore::~EmbeddedSessionStore() {
    if (!worker_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_one();
    worker_.join();
    const rocksdb::Status marked = mark(*db_, kClean, settings_.boot_id);
    if (!marked.ok()) {
        diagnostics::warn("the end of the store of sessions could not be written",
                          {{"reason", marked.ToString()}});
    }
}

Result<> EmbeddedSessionStore::load() {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
    for (at->Seek("s"); at->Valid() && at->key()[0] == 's'; at->Next()) {
        const std::string pid(view(at->key()).substr(1));
        if (pid.size() > kPidBytesMax) continue;  // of no session that we wrote
        const auto record = decode_session(pid, view(at->value()));
        remember(pid, record ? expires_ms(*record) : 0);
    }
    return at->status().ok() ? Result<>() : failed(at->status());
}

void EmbeddedSessionStore::put(SessionRecord record, Executor& reply_to, Callback<Result<>> done) {
    BUS_ASSERT(record.pid.size() <= kPidBytesMax);
    Put put{record.pid, encode_session(record), expires_ms(record), &reply_to, std::move(done)};
    enqueue(std::move(put));
}

void EmbeddedSessionStore::find(std::string_view pid, Executor& reply_to,
                                Callback<Result<std::optional<SessionRecord>>> done) {
    enqueue(Find{std::string(pid), &reply_to, std::move(done)});
}

void EmbeddedSessionStore::erase(std::string_view pid) { enqueue(Erase{std::string(pid)}); }

void EmbeddedSessionStore::enqueue(Work work) {
    std::size_t ahead = 0;
    {
        const std::lock_guard lock(mutex_);
        BUS_ASSERT(!ending_);
        ahead = waiting_.size();
        if (ahead < settings_.waiting_max) waiting_.push_back(std::move(work));
    }
    // The worker takes all that waits, so the first wakes it for all; and after the mutex was let
    // go, as it would only wait for that.
    if (ahead == 0) wake_.notify_one();
    if (ahead < settings_.waiting_max) return;
    answer(work, Error{ErrorCode::kUnavailable, "too many sessions wait to be stored; try again"});
}

// Of a session that is to be erased nobody hears: it ends by its expiry.
void EmbeddedSessionStore::answer(Work& work, const Error& error) {
    if (auto* const put = std::get_if<Put>(&work)) {
        put->reply_to->post([error, done = std::move(put->done)]() mutable { done(error); });
    } else if (auto* const find = std::get_if<Find>(&work)) {
        find->reply_to->post([error, done = std::move(find->done)]() mutable { done(error); });
    }
}

void EmbeddedSessionStore::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        std::vector<Work> works = std::exchange(waiting_, {});
        lock.unlock();
        do_all(works);
        lock.lock();
    }
}

// One batch for all that is to be written; then the answers, in their order. What is looked for
// sees all that was asked before it, and perhaps a little more.
void EmbeddedSessionStore::do_all(std::vector<Work>& works) {
    rocksdb::WriteBatch batch;
    for (const Work& work : works) {
        if (const auto* const put = std::get_if<Put>(&work)) {
            remember(put->pid, put->expires_ms);
            batch.Put('s' + put->pid, put->value);
        } else if (const auto* const erase = std::get_if<Erase>(&work)) {
            if (forget(erase->pid)) batch.Delete('s' + erase->pid);
        }
    }
    forget_what_is_over(batch);
    rocksdb::Status status;
    if (batch.Count() > 0) status = db_->Write({}, &batch);
    for (Work& work : works) {
        if (auto* const put = std::get_if<Put>(&work)) {
            Result<> result;
            if (!status.ok()) result = failed(status);
            put->reply_to->post(
                [result = std::move(result), done = std::move(put->done)]() mutable {
                    done(std::move(result));
                });
        } else if (auto* const find = std::get_if<Find>(&work)) {
            find->reply_to->post([found = read(find->pid), done = std::move(find->done)]() mutable {
                done(std::move(found));
            });
        }
    }
}

void EmbeddedSessionStore::remember(std::string_view pid, std::int64_t expires_ms) {
    const auto [known, is_new] = known_.insert({Session::Pid(pid.data(), pid.size()), expires_ms});
    if (is_new) return;
    known_.modify(known, [expires_ms](Session& session) { session.expires_ms = expires_ms; });
}

bool EmbeddedSessionStore::forget(std::string_view pid) {
    return pid.size() <= kPidBytesMax && known_.erase(Session::Pid(pid.data(), pid.size())) > 0;
}

void EmbeddedSessionStore::forget_what_is_over(rocksdb::WriteBatch& batch) {
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(clock_.wall_now().time_since_epoch())
            .count();
    auto& by_expiry = known_.get<1>();
    for (std::size_t i = 0; i < kForgottenAtOnce && !by_expiry.empty(); ++i) {
        const auto first = by_expiry.begin();
        if (first->expires_ms > now && by_expiry.size() <= settings_.sessions_max) return;
        batch.Delete('s' + std::string(first->pid.data(), first->pid.size()));
        by_expiry.erase(first);
    }
}

Result<std::optional<SessionRecord>> EmbeddedSessionStore::read(const std::string& pid) const {
    std::string value;
    const rocksdb::Status status = db_->Get({}, 's' + pid, &value);
    if (status.IsNotFound()) return std::optional<SessionRecord>();
    if (!status.ok()) return failed(status);
    std::optional<SessionRecord> record = decode_session(pid, value);
    if (record && record->expires_at <= clock_.wall_now()) record.reset();
    return record;
}

}  // namespace eventbus
