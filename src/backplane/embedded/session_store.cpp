#include "backplane/embedded/session_store.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <fstream>

#include "backplane/embedded/session_codec.h"
#include "base/assert.h"
#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::string_view kOpen = "open ";
constexpr std::string_view kClean = "clean ";
constexpr std::size_t kForgottenAtOnce = 1'024;
constexpr std::chrono::seconds kLookWhenRefused{1};  // whether the disk takes it again

std::string_view view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

// Changes with each start of the machine.
std::string machine_boot_id() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    return id;  // empty where there is none: then every end that was not clean counts
}

Error failed(const std::string& why) {
    return {ErrorCode::kUnavailable, "the store of sessions failed: " + why};
}

// Says in which life of the machine the store is, and whether it has ended well.
std::string life(std::string_view how, const std::string& boot_id) {
    return std::string(how) + boot_id;
}

// Whether what is stored can be trusted: the last life ended well, or the machine still runs.
Result<bool> is_whole(rocksdb::DB& db, const std::string& boot_id) {
    std::string last;
    const rocksdb::Status known = db.Get({}, "l", &last);
    if (known.IsNotFound()) return true;  // it is new
    if (!known.ok()) return failed(known.ToString());
    return last.starts_with(kClean) || (!boot_id.empty() && last == life(kOpen, boot_id));
}

// Synced, and so is what was dropped before: a loss of power from now on must show.
Result<> begin_life(rocksdb::DB& db, const std::string& boot_id) {
    const Result<bool> whole = is_whole(db, boot_id);
    if (!whole) return whole.error();
    rocksdb::WriteBatch batch;
    if (!*whole) {
        diagnostics::warn(
            "the machine went down without a clean end: all sessions are unknown, and clients "
            "begin new ones");
        batch.DeleteRange("s", "t");
    }
    batch.Put("l", life(kOpen, boot_id));
    rocksdb::WriteOptions synced;
    synced.sync = true;
    const rocksdb::Status written = db.Write(synced, &batch);
    return written.ok() ? Result<>() : failed(written.ToString());
}

}  // namespace

Result<std::unique_ptr<EmbeddedSessionStore>> EmbeddedSessionStore::open(Settings settings,
                                                                         const Clock& clock) {
    if (settings.boot_id.empty()) settings.boot_id = machine_boot_id();
    auto database = Database::open(
        {.data_dir = settings.data_dir,
         .folder = "sessions",
         .name = "the store of sessions",
         .consequence = "clients get no session, and those that have one cannot subscribe",
         .remedy = "move the folder sessions/ out of the data directory, and clients begin anew",
         .format_key = "f",
         .formats = {"1"},
         .prepare = [boot_id = settings.boot_id](
                        const Database::Opened& opened) { return begin_life(opened.db, boot_id); },
         .free_bytes_min = settings.free_bytes_min,
         .env = settings.env,
         .retry_after = settings.retry_after,
         // Of the records themselves this much is in memory: each is written twice while its client
         // signs in, and read only if it comes back.
         .memtable_bytes = 2U << 20U,
         .open_files_max = settings.open_files_max,
         .compresses = true,
         .takes_what_is_before_damage = true});
    if (!database) return database.error();
    std::unique_ptr<EmbeddedSessionStore> store(
        new EmbeddedSessionStore(std::move(settings), clock, std::move(*database)));
    if (const Result<> loaded = store->load(); !loaded) return loaded.error();
    store->worker_ = std::thread([raw = store.get()] { raw->run(); });
    return store;
}

EmbeddedSessionStore::EmbeddedSessionStore(Settings settings, const Clock& clock,
                                           std::unique_ptr<Database> database)
    : settings_(std::move(settings)), clock_(clock), database_(std::move(database)) {}

EmbeddedSessionStore::~EmbeddedSessionStore() {
    if (!worker_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_one();
    worker_.join();
    rocksdb::WriteBatch end;
    end.Put("l", life(kClean, settings_.boot_id));
    if (const Result<> marked = database_->write(end, true); !marked) {
        diagnostics::warn("the end of the store of sessions could not be written",
                          {{"reason", marked.error().detail}});
    }
}

Result<> EmbeddedSessionStore::load() {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    if (database_->state() == Database::State::kClosed) {
        // What cannot be trusted is still there, as nothing could be written.
        const Result<bool> whole = is_whole(*db, settings_.boot_id);
        if (!whole || !*whole) return whole ? Result<>() : whole.error();
    }
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    for (at->Seek("s"); at->Valid() && at->key()[0] == 's'; at->Next()) {
        const std::string pid(view(at->key()).substr(1));
        if (pid.size() > kPidBytesMax) continue;  // of no session that we wrote
        const auto record = decode_session(pid, view(at->value()));
        remember(pid, record ? expires_ms(*record) : 0);
    }
    return at->status().ok() ? Result<>() : failed(at->status().ToString());
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
        const auto has_work = [this] { return ending_ || !waiting_.empty(); };
        if (database_->is_writable()) {
            wake_.wait(lock, has_work);
        } else {
            wake_.wait_for(lock, kLookWhenRefused, has_work);
        }
        if (ending_ && waiting_.empty()) return;
        std::vector<Work> works = std::exchange(waiting_, {});
        lock.unlock();
        do_all(works);
        lock.lock();
    }
}

// One batch for all that is to be written; then the answers, in their order. What is looked for
// sees all that was asked before it, and perhaps a little more.
void EmbeddedSessionStore::do_all(std::vector<Work>& works) {
    const Result<> written = write_all(works);
    for (Work& work : works) {
        if (auto* const put = std::get_if<Put>(&work)) {
            put->reply_to->post(
                [written, done = std::move(put->done)]() mutable { done(std::move(written)); });
        } else if (auto* const find = std::get_if<Find>(&work)) {
            find->reply_to->post([found = read(find->pid), done = std::move(find->done)]() mutable {
                done(std::move(found));
            });
        }
    }
}

Result<> EmbeddedSessionStore::write_all(const std::vector<Work>& works) {
    const bool takes = database_->look() == Database::State::kWritable;
    rocksdb::WriteBatch batch;
    for (const Work& work : works) {
        if (const auto* const put = std::get_if<Put>(&work); put != nullptr && takes) {
            remember(put->pid, put->expires_ms);
            batch.Put('s' + put->pid, put->value);
        } else if (const auto* const erase = std::get_if<Erase>(&work)) {
            if (forget(erase->pid)) batch.Delete('s' + erase->pid);
        }
    }
    if (!takes) {
        return Error{ErrorCode::kUnavailable, "the disk takes no sessions now; try again"};
    }
    forget_what_is_over(batch);
    if (batch.Count() == 0) return {};
    const Result<> written = database_->write(batch, false);
    return written ? written : failed(written.error().detail);
}

void EmbeddedSessionStore::remember(std::string_view pid, std::int64_t expires_ms) {
    const auto [known, is_new] = known_.insert({Session::Pid(pid.data(), pid.size()), expires_ms});
    if (is_new) return;
    known_.modify(known, [expires_ms](Session& session) { session.expires_ms = expires_ms; });
}

bool EmbeddedSessionStore::forget(std::string_view pid) {
    return pid.size() <= kPidBytesMax && known_.erase(Session::Pid(pid.data(), pid.size())) > 0;
}

bool EmbeddedSessionStore::knows(std::string_view pid) const {
    return pid.size() <= kPidBytesMax && known_.count(Session::Pid(pid.data(), pid.size())) > 0;
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
    if (!knows(pid)) return std::optional<SessionRecord>();
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    std::string value;
    const rocksdb::Status status = db->Get({}, 's' + pid, &value);
    if (status.IsNotFound()) return std::optional<SessionRecord>();
    if (!status.ok()) return database_->unreadable(status.ToString());
    std::optional<SessionRecord> record = decode_session(pid, value);
    if (record && record->expires_at <= clock_.wall_now()) record.reset();
    return record;
}

}  // namespace eventbus
