#include "backplane/embedded/session_store.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "backplane/embedded/expected_files.h"
#include "backplane/embedded/log_keys.h"
#include "backplane/embedded/retention_hold.h"
#include "backplane/embedded/session_codec.h"
#include "base/assert.h"
#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::string_view kOpen = "open ";
constexpr std::string_view kClean = "clean ";
constexpr std::size_t kForgottenAtOnce = 1'024;
constexpr std::size_t kAnswersAtOnce = 64;
constexpr std::size_t kUnansweredAtOnce = 64;
constexpr auto kTimeEvery = std::chrono::seconds(1);

std::string_view view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

std::string key_of(char kind, std::string_view pid) {
    std::string key(1, kind);
    key.append(pid);
    return key;
}

std::string rooms_of(std::string_view pid) { return key_of('r', pid) + '\0'; }

// Whether it changes what is in no value of its own.
bool is_of_record(const SessionChange& change) {
    return change.offset_before ||
           std::ranges::any_of(change.put,
                               [](const JoinedRoom& put) { return put.room.is_of_people(); }) ||
           std::ranges::any_of(change.gone, [](const Room& gone) { return gone.is_of_people(); });
}

Error failed(const std::string& why) {
    return {ErrorCode::kUnavailable, "the store of sessions failed: " + why};
}

Error not_now() { return {ErrorCode::kUnavailable, "the disk takes no sessions now; try again"}; }

// Says in which life of the machine the store is, and whether it has ended well.
std::string life(std::string_view how, const std::string& boot_id) {
    return std::string(how) + boot_id;
}

// The epochs of the log in which the store was open.
struct OpenIn {
    std::string current;
    std::string before;  // the last one that the log knew then
};

std::string encode(const OpenIn& open_in) {
    std::string bytes;
    put_string(bytes, open_in.current);
    put_string(bytes, open_in.before);
    return bytes;
}

// Of a new store, and of the release before: none.
Result<OpenIn> read_open_in(rocksdb::DB& db, const Database& store) {
    std::string bytes;
    const rocksdb::Status known = db.Get({}, "e", &bytes);
    if (known.IsNotFound()) return OpenIn{};
    if (!known.ok()) return store.unreadable(known);
    ByteReader reader(bytes);
    OpenIn open_in;
    open_in.current = reader.string();
    open_in.before = reader.string();
    if (!reader.is_at_end()) return store.damaged("the epochs in which it was open");
    return open_in;
}

// Whether it has been open since, as the log knows. One that is of another branch of the log, or
// newer, is none of this: each session is compared when it is claimed.
bool is_older(const OpenIn& open_in, const EmbeddedSessionStore::Life& life) {
    const Epochs& epochs = life.epochs;
    const auto was_open = [&](const std::string& epoch) {
        return epoch == open_in.current || epoch == open_in.before;
    };
    return !life.last_open_in.empty() && !was_open(life.last_open_in) &&
           std::any_of(epochs.past().begin(), epochs.past().end(),
                       [&](const Epochs::Past& past) { return was_open(past.name); });
}

// Why what is stored cannot be trusted, in words; empty: it is of this log, nothing is missing at
// its end, and the last life ended well, or the machine still runs.
Result<std::string> doubt(rocksdb::DB& db, const Database& store, const std::string& boot_id,
                          const EmbeddedSessionStore::Life& in) {
    if (store.lost_its_end()) return std::string("the end of their store is damaged or missing");
    std::string last;
    const rocksdb::Status known = db.Get({}, "l", &last);
    if (known.IsNotFound()) return std::string();  // it is new
    if (!known.ok()) return store.unreadable(known);
    if (!last.starts_with(kClean) && (boot_id.empty() || last != life(kOpen, boot_id))) {
        return std::string("the machine went down without a clean end");
    }
    const Result<OpenIn> open_in = read_open_in(db, store);
    if (!open_in) return open_in.error();
    if (!is_older(*open_in, in)) return std::string();
    return "they are older than the log: the server ran since without " + store.path().string() +
           ", so restore the whole data directory, not a part of it";
}

// Synced, and so is what was dropped before: a loss of power from now on must show.
Result<> begin_life(const Database::Opened& opened, const std::string& boot_id,
                    const EmbeddedSessionStore::Life& in) {
    const Result<std::string> why = doubt(opened.db, opened.store, boot_id, in);
    if (!why) return why.error();
    Result<OpenIn> open_in = read_open_in(opened.db, opened.store);
    if (!open_in) return open_in.error();
    rocksdb::WriteBatch batch;
    if (!why->empty()) {
        diagnostics::warn("all sessions are unknown, and clients begin new ones",
                          {{"reason", *why}});
        batch.DeleteRange("p", "t");
    }
    if (open_in->current != in.epochs.current()) {
        batch.Put("e", encode({.current = in.epochs.current(), .before = in.last_open_in}));
    }
    batch.Put("l", life(kOpen, boot_id));
    rocksdb::WriteOptions synced;
    synced.sync = true;
    const rocksdb::Status written = opened.db.Write(synced, &batch);
    return written.ok() ? Result<>() : failed(written.ToString());
}

}  // namespace

// What is written together. A session that ends in it loses the rooms, too, which it has just got.
class EmbeddedSessionStore::Batch {
 public:
    explicit Batch(const Database& database, bool is_taken)
        : database_(database), is_taken_(is_taken) {}

    // False: the disk takes nothing now.
    bool is_taken() const { return is_taken_; }
    rocksdb::WriteBatch& all() { return all_; }

    void put_room(std::string_view pid, const JoinedRoom& joined) {
        std::string key = rooms_of(pid) + joined.room.key();
        all_.Put(key, encode_room(joined));
        rooms_put_[std::string(pid)].push_back(std::move(key));
    }
    void erase_room(std::string_view pid, const Room& room) {
        all_.Delete(rooms_of(pid) + room.key());
    }
    void put_where(std::string_view pid, const SessionChange::At& at, std::int64_t expires_ms) {
        all_.Put(key_of('p', pid), encode_where(at, expires_ms));
    }
    void put(const SessionRecord& record) {
        put_record(record);
        for (const JoinedRoom& joined : record.rooms) {
            if (!joined.room.is_of_people()) put_room(record.pid, joined);
        }
    }
    void put_record(const SessionRecord& record) {
        all_.Put(key_of('s', record.pid), encode_record(record));
    }
    // One of the release before. What is put after it, counts.
    void convert(const SessionRecord& record) {
        put(record);
        converted_.insert(record.pid);
    }
    // Pids.
    const std::unordered_set<std::string>& converted() const { return converted_; }
    // One of which the record itself is changed, as it is in this batch; none until it was read.
    std::optional<SessionRecord>& record(const std::string& pid) { return records_[pid]; }
    void erase(const std::string& pid) {
        if (!is_taken_) return;
        all_.Delete(key_of('s', pid));
        all_.Delete(key_of('p', pid));
        if (const auto put = rooms_put_.extract(pid)) {
            for (const std::string& room : put.mapped()) all_.Delete(room);
        }
        const Database::Reading db = database_.read();
        if (!db) return;
        const std::string prefix = rooms_of(pid);
        const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
        for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
            all_.Delete(at->key());
        }
    }

 private:
    const Database& database_;
    const bool is_taken_;
    rocksdb::WriteBatch all_;
    std::unordered_map<std::string, std::vector<std::string>> rooms_put_;  // keys, by pid
    std::unordered_map<std::string, std::optional<SessionRecord>> records_;
    std::unordered_set<std::string> converted_;
};

// What is told of works that were done, in their order: some for each thread at once, as the first
// would wake it, and on a machine with few processors stop this one, for each of them.
class EmbeddedSessionStore::Answers {
 public:
    ~Answers() {
        for (auto& [executor, tasks] : of_) executor->post_all(std::move(tasks));
    }
    void add(SessionOwner& owner, Task task) {
        Executor& executor = owner.executor();
        const auto known = std::find_if(of_.begin(), of_.end(),
                                        [&](const auto& one) { return one.first == &executor; });
        auto& tasks =
            known == of_.end() ? of_.emplace_back(&executor, Tasks()).second : known->second;
        tasks.push_back(std::move(task));
        if (tasks.size() == kAnswersAtOnce) executor.post_all(std::exchange(tasks, {}));
    }

 private:
    using Tasks = std::vector<Task>;
    std::vector<std::pair<Executor*, Tasks>> of_;  // one for each reactor
};

// ---- at the start and at the end ----------------------------------------------------------------

Result<std::unique_ptr<EmbeddedSessionStore>> EmbeddedSessionStore::open(Settings settings,
                                                                         const Clock& clock,
                                                                         const Life& life) {
    if (settings.boot_id.empty()) settings.boot_id = machine_boot_id();
    auto database = Database::open(
        {.data_dir = settings.data_dir,
         .folder = "sessions",
         .name = "the store of sessions",
         .consequence = "clients get no session, and those that have one cannot subscribe",
         .remedy = "move the folder sessions/ out of the data directory, and clients begin anew",
         .format_key = "f",
         .formats = {"1", "2"},
         .prepare =
             [boot_id = settings.boot_id, life](const Database::Opened& opened) {
                 return begin_life(opened, boot_id, life);
             },
         .free_bytes_min = settings.free_bytes_min,
         .env = settings.env,
         .boot_id = settings.boot_id,
         .retry_after = settings.retry_after,
         // Of the records themselves this much is in memory: each is written when its client signs
         // in and when it goes, and read only if it comes back.
         .memtable_bytes = 2U << 20U,
         .open_files_max = settings.open_files_max,
         .compresses = true});
    if (!database) return database.error();
    std::unique_ptr<EmbeddedSessionStore> store(
        new EmbeddedSessionStore(std::move(settings), clock, std::move(*database), life));
    if (const Result<> loaded = store->load(life); !loaded) return loaded.error();
    store->worker_ = std::thread([raw = store.get()] { raw->run(); });
    return store;
}

EmbeddedSessionStore::EmbeddedSessionStore(Settings settings, const Clock& clock,
                                           std::unique_ptr<Database> database, const Life& life)
    : settings_(std::move(settings)),
      clock_(clock),
      is_epoch_stored_(life.is_epoch_stored),
      database_(std::move(database)),
      index_(settings_.index) {}

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
    end.Put("c", encode_time());
    if (const Result<> marked = database_->write(end, true); !marked) {
        diagnostics::warn("the end of the store of sessions could not be written",
                          {{"reason", marked.error().detail}});
    }
}

Result<> EmbeddedSessionStore::load(const Life& life) {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    if (database_->state() == Database::State::kClosed) {
        // What cannot be trusted is still there, as nothing could be written.
        const Result<std::string> why = doubt(*db, *database_, settings_.boot_id, life);
        if (!why) return why.error();
        if (!why->empty()) return {};
    }
    if (Result<> loaded = load_time(*db); !loaded) return loaded;
    const Clock::Time now = clock_.now();
    const Clock::Time latest = index_.expiry(now);
    const std::int64_t time = time_ms();
    const std::unique_ptr<rocksdb::Iterator> who(db->NewIterator({}));
    const std::unique_ptr<rocksdb::Iterator> where(db->NewIterator({}));
    where->Seek("p");
    for (who->Seek("s"); who->Valid() && who->key()[0] == 's'; who->Next()) {
        const std::string pid(view(who->key()).substr(1));
        if (pid.size() > kPidBytesMax) continue;  // of no session that we wrote
        SessionRecord record;
        std::int64_t expires_ms = 0;
        if (decode_whole(view(who->value()), record, expires_ms)) {
            whole_.insert(pid);
        } else {
            const std::string key = key_of('p', pid);
            while (where->Valid() && where->key().compare(key) < 0) where->Next();
            const bool has_moved = where->Valid() && where->key() == rocksdb::Slice(key);
            if (!decode_record(view(who->value()), record) ||
                (has_moved && !decode_where(view(where->value()), record, expires_ms))) {
                continue;  // it is found damaged, and so unknown, when it is claimed
            }
        }
        // Who was connected when the process ended has all of the time to come back; and a clock
        // of the release before that was set back gives nobody more.
        const auto left = std::chrono::milliseconds(expires_ms - time);
        index_.restore(pid, record.principal,
                       expires_ms == 0 ? latest : std::min(latest, now + left));
    }
    count();
    if (!who->status().ok()) return database_->unreadable(who->status());
    return where->status().ok() ? Result<>() : database_->unreadable(where->status());
}

Result<> EmbeddedSessionStore::load_time(rocksdb::DB& db) {
    const std::int64_t wall = to_ms(clock_.wall_now());
    std::int64_t time = wall;
    const Result<std::optional<StoredTime>> stored = read_time(db);
    if (!stored) return stored.error();
    if (*stored) {
        const auto [wall_before, time_before] = **stored;
        const std::int64_t off = wall - wall_before;
        time = time_before + (off >= 0 && off <= RetentionHold::kGapMax.count() ? off : 0);
        if (off > RetentionHold::kGapMax.count()) {
            diagnostics::warn(
                "the clock is more than a day past the last session that was stored, so sessions "
                "keep the time that they had left; put the clock right if it has jumped",
                {{"stored", rfc3339(from_ms(static_cast<std::uint64_t>(wall_before)))},
                 {"clock", rfc3339(clock_.wall_now())}});
        }
    }
    time_began_ms_ += time - time_ms();
    return {};
}

// One of the release before had the wall clock's, and stored when each session expires: the last
// one that it wrote does so latest. None: there is no such session.
Result<std::optional<EmbeddedSessionStore::StoredTime>> EmbeddedSessionStore::read_time(
    rocksdb::DB& db) const {
    std::string bytes;
    const rocksdb::Status known = db.Get({}, "c", &bytes);
    if (!known.ok() && !known.IsNotFound()) return database_->unreadable(known);
    if (known.ok()) {
        ByteReader reader(bytes);
        const StoredTime stored{.wall_ms = static_cast<std::int64_t>(reader.fixed()),
                                .time_ms = static_cast<std::int64_t>(reader.fixed())};
        if (!reader.is_at_end()) return database_->damaged("the time of sessions");
        return std::optional(stored);
    }
    std::int64_t latest_ms = 0;
    const std::unique_ptr<rocksdb::Iterator> who(db.NewIterator({}));
    for (who->Seek("s"); who->Valid() && who->key()[0] == 's'; who->Next()) {
        SessionRecord record;
        std::int64_t expires_ms = 0;
        if (!decode_whole(view(who->value()), record, expires_ms)) continue;
        latest_ms = std::max(latest_ms, expires_ms);
    }
    if (!who->status().ok()) return database_->unreadable(who->status());
    if (latest_ms == 0) return std::optional<StoredTime>();
    const std::int64_t written_ms = latest_ms - settings_.index.ttl.count();
    return std::optional(StoredTime{.wall_ms = written_ms, .time_ms = written_ms});
}

// ---- what is asked ------------------------------------------------------------------------------

void EmbeddedSessionStore::create(SessionRecord record, SessionOwner& owner,
                                  Callback<Result<Claim>> done) {
    BUS_ASSERT(record.pid.size() <= kPidBytesMax);
    enqueue(Create{.record = std::move(record), .owner = &owner, .done = std::move(done)},
            &owner.executor());
}

void EmbeddedSessionStore::claim(std::string_view pid, std::string_view principal,
                                 SessionOwner& owner,
                                 Callback<Result<std::optional<Claimed>>> done) {
    enqueue(ClaimOf{.pid = std::string(pid),
                    .principal = std::string(principal),
                    .owner = &owner,
                    .done = std::move(done)},
            &owner.executor());
}

void EmbeddedSessionStore::change(std::string_view pid, Claim claim, SessionChange change,
                                  SessionOwner& owner, Callback<Written> done) {
    enqueue(Change{.pid = std::string(pid),
                   .claim = claim,
                   .change = std::move(change),
                   .owner = &owner,
                   .done = std::move(done)},
            &owner.executor());
}

void EmbeddedSessionStore::release(std::string_view pid, Claim claim,
                                   std::optional<SessionChange::At> at) {
    enqueue(Release{std::string(pid), claim, std::move(at)}, nullptr);
}

void EmbeddedSessionStore::end(std::string_view pid, Claim claim) {
    enqueue(End{std::string(pid), claim}, nullptr);
}

void EmbeddedSessionStore::enqueue(Work work, Executor* asker) {
    const std::size_t bytes = bytes_of(work);
    bool is_taken = false;
    bool wakes = false;
    {
        const std::lock_guard lock(mutex_);
        BUS_ASSERT(!ending_);
        is_taken = asker == nullptr || bytes_ == 0 || bytes_ + bytes <= settings_.waiting_bytes_max;
        if (is_taken) {
            bytes_ += bytes;
            waiting_.push_back(std::move(work));
            wakes = !is_woken_ && (asker != nullptr || waiting_.size() >= kUnansweredAtOnce);
            is_woken_ = is_woken_ || wakes;
        }
        probe_.waiting_bytes.set(bytes_);
    }
    if (!is_taken) return refuse(work);
    if (!wakes) return;
    // What is asked in one turn is done together; and on a machine with few processors the thread
    // that a turn wakes may stop it. So the next turn wakes it.
    if (asker != nullptr && asker->is_here()) {
        return asker->post([this] { wake_.notify_one(); });
    }
    wake_.notify_one();
}

std::size_t EmbeddedSessionStore::bytes_of(const Work& work) {
    std::size_t bytes = sizeof(Work);
    const auto add_rooms = [&](const std::vector<JoinedRoom>& rooms) {
        for (const JoinedRoom& joined : rooms) bytes += sizeof(joined) + joined.room.key().size();
    };
    if (const auto* const create = std::get_if<Create>(&work)) {
        add_rooms(create->record.rooms);
    } else if (const auto* const change = std::get_if<Change>(&work)) {
        add_rooms(change->change.put);
        for (const Room& room : change->change.gone) bytes += sizeof(room) + room.key().size();
    }
    return bytes;
}

void EmbeddedSessionStore::refuse(Work& work) {
    const Error error{ErrorCode::kUnavailable, "too many sessions wait to be stored; try again"};
    if (auto* const create = std::get_if<Create>(&work)) {
        create->owner->executor().post(
            [error, done = std::move(create->done)]() mutable { done(error); });
    } else if (auto* const claim = std::get_if<ClaimOf>(&work)) {
        claim->owner->executor().post(
            [error, done = std::move(claim->done)]() mutable { done(error); });
    } else if (auto* const change = std::get_if<Change>(&work); change && change->done) {
        change->owner->executor().post(
            [done = std::move(change->done)]() mutable { done(Written::kNotNow); });
    }
}

// ---- the worker ---------------------------------------------------------------------------------

void EmbeddedSessionStore::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait_for(lock, Database::kLookEvery, [this] { return ending_ || is_woken_; });
        if (ending_ && waiting_.empty()) return;
        std::vector<Work> works = std::exchange(waiting_, {});
        is_woken_ = false;
        const std::size_t bytes = bytes_;
        lock.unlock();
        do_all(works);
        works.clear();
        lock.lock();
        bytes_ -= bytes;
        probe_.waiting_bytes.set(bytes_);
    }
}

// One batch for all that is to be written; then the answers, in their order. What a claim finds
// holds all that was asked before it.
void EmbeddedSessionStore::do_all(std::vector<Work>& works) {
    const bool is_writable = database_->look() == Database::State::kWritable;
    Batch batch(*database_, is_writable && (!is_epoch_stored_ || is_epoch_stored_()));
    for (Work& work : works) {
        std::visit([&](auto& one) { take(one, batch); }, work);
    }
    for (const std::string& pid : index_.take_expired(clock_.now(), kForgottenAtOnce)) {
        forget(pid, batch);
    }
    bool is_written = batch.is_taken();
    if (batch.all().Count() > 0) {
        put_time(batch);
        is_written = database_->write(batch.all(), false).has_value();
    }
    if (is_written) {
        for (const std::string& pid : batch.converted()) whole_.erase(pid);
    }
    Answers answers;
    for (Work& work : works) {
        std::visit([&](auto& one) { answer(one, is_written, answers); }, work);
    }
    count();
}

void EmbeddedSessionStore::take(Create& create, Batch& batch) {
    if (!batch.is_taken()) {
        create.result = not_now();
        return;
    }
    const Result<SessionIndex::Made> made =
        index_.create(create.record.pid, create.record.principal, *create.owner);
    if (!made) {
        create.result = made.error();
        return;
    }
    for (const std::string& pid : made->pushed_out) forget(pid, batch);
    probe_.pushed_out.add(made->pushed_out.size());
    create.result = made->claim;
    batch.put(create.record);
}

void EmbeddedSessionStore::answer(Create& create, bool is_written, Answers& answers) {
    if (create.result && !is_written) {
        index_.erase(create.record.pid);
        create.result = not_now();
    }
    if (!create.result) probe_.refused.add();
    answers.add(*create.owner,
                [result = std::move(create.result), done = std::move(create.done)]() mutable {
                    done(std::move(result));
                });
}

void EmbeddedSessionStore::take(ClaimOf& claim, Batch&) {
    claim.taken = index_.claim(claim.pid, claim.principal, *claim.owner, clock_.now());
}

void EmbeddedSessionStore::answer(ClaimOf& claim, bool, Answers& answers) {
    Result<std::optional<Claimed>> found = std::optional<Claimed>();
    if (claim.taken) {
        const SessionIndex::Taken& taken = *claim.taken;
        if (taken.from != nullptr) {
            answers.add(*taken.from, note_taken_over(*taken.from, claim.pid, taken.before));
        }
        found = read(claim.pid, claim.principal, taken.claim);
        if (found && *found) {
            *found = taken.with(std::move((**found).record));
        } else {  // then nobody has it, and nobody will say that it ends
            index_.release(claim.pid, taken.claim, clock_.now());
        }
    }
    answers.add(*claim.owner, [found = std::move(found), done = std::move(claim.done)]() mutable {
        done(std::move(found));
    });
}

void EmbeddedSessionStore::take(Change& change, Batch& batch) {
    if (!index_.is_owned(change.pid, change.claim)) {
        change.how = Written::kTakenOver;
        return;
    }
    if (!batch.is_taken() || !convert(change.pid, change.claim, batch)) {
        change.how = Written::kNotNow;
        return;
    }
    if (is_of_record(change.change)) {
        std::optional<SessionRecord>& record = batch.record(change.pid);
        if (!record) {
            auto found = read(change.pid, {}, change.claim);
            if (found && *found) record = std::move((**found).record);
        }
        if (!record) {
            change.how = Written::kNotNow;
            return;
        }
        apply(*record, change.change);
        batch.put_record(*record);
    }
    if (change.change.at) batch.put_where(change.pid, *change.change.at, 0);
    for (const JoinedRoom& joined : change.change.put) {
        if (!joined.room.is_of_people()) batch.put_room(change.pid, joined);
    }
    for (const Room& gone : change.change.gone) {
        if (!gone.is_of_people()) batch.erase_room(change.pid, gone);
    }
}

void EmbeddedSessionStore::answer(Change& change, bool is_written, Answers& answers) {
    if (change.how == Written::kYes && !is_written) change.how = Written::kNotNow;
    if (change.how == Written::kTakenOver) probe_.taken_over.add();
    if (change.how == Written::kNotNow) probe_.not_written.add();
    if (!change.done) return;
    answers.add(*change.owner,
                [how = change.how, done = std::move(change.done)]() mutable { done(how); });
}

void EmbeddedSessionStore::take(Release& release, Batch& batch) {
    const Position given = release.at ? release.at->place.given : Position();
    if (!index_.release(release.pid, release.claim, clock_.now(), given)) return;
    if (!batch.is_taken() || !convert(release.pid, release.claim, batch)) return;
    if (!release.at) {
        const auto found = read(release.pid, {}, release.claim);
        if (!found || !*found) return;
        const SessionRecord& record = (**found).record;
        release.at = at_of(record);
    }
    const std::chrono::milliseconds ttl = settings_.index.ttl;
    batch.put_where(release.pid, *release.at, time_ms() + ttl.count());
}

void EmbeddedSessionStore::take(End& end, Batch& batch) {
    if (!index_.is_owned(end.pid, end.claim)) return;
    index_.erase(end.pid);
    forget(end.pid, batch);
}

void EmbeddedSessionStore::forget(const std::string& pid, Batch& batch) {
    whole_.erase(pid);
    batch.erase(pid);
}

// While the whole value is on disk nothing else counts. So until a batch was written that replaces
// it, each begins with its parts.
bool EmbeddedSessionStore::convert(const std::string& pid, Claim claim, Batch& batch) {
    if (whole_.count(pid) == 0 || batch.converted().count(pid) > 0) return true;
    const auto found = read(pid, {}, claim);
    if (!found || !*found) return false;
    batch.convert((**found).record);
    return true;
}

// None: it is damaged, or another principal's; an empty principal is anybody.
Result<std::optional<SessionStore::Claimed>> EmbeddedSessionStore::read(std::string_view pid,
                                                                        std::string_view principal,
                                                                        Claim claim) const {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    Claimed claimed{.record = {}, .claim = claim};
    SessionRecord& record = claimed.record;
    record.pid = pid;
    std::string who;
    const rocksdb::Status found = db->Get({}, key_of('s', pid), &who);
    if (!found.ok() && !found.IsNotFound()) return unreadable(found);
    std::int64_t expires_ms = 0;
    if (!decode_whole(who, record, expires_ms)) {
        record = {.pid = std::string(pid)};
        std::string where;
        const rocksdb::Status moved = db->Get({}, key_of('p', pid), &where);
        if (!moved.ok() && !moved.IsNotFound()) return unreadable(moved);
        if (!decode_record(who, record) ||
            (moved.ok() && !decode_where(where, record, expires_ms))) {
            return std::optional<Claimed>();
        }
        const std::string prefix = rooms_of(pid);
        const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
        for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
            const auto joined =
                decode_room(view(at->key()).substr(prefix.size()), view(at->value()));
            if (!joined) return std::optional<Claimed>();
            record.rooms.push_back(*joined);
        }
        if (!at->status().ok()) return unreadable(at->status());
    }
    if (!principal.empty() && record.principal != principal) {
        return std::optional<Claimed>();
    }
    return std::optional<Claimed>(std::move(claimed));
}

// A damaged block stays damaged: the client whose session is in it begins a new one.
Result<std::optional<SessionStore::Claimed>> EmbeddedSessionStore::unreadable(
    const rocksdb::Status& status) const {
    const Error error = database_->read_failed(status);
    return status.IsCorruption() ? std::optional<Claimed>() : Result<std::optional<Claimed>>(error);
}

std::int64_t EmbeddedSessionStore::time_ms() const {
    using std::chrono::milliseconds;
    const auto now = std::chrono::duration_cast<milliseconds>(clock_.now().time_since_epoch());
    return time_began_ms_ + now.count();
}

// Not with each batch: at the start the time that has passed since is known by the wall clock.
void EmbeddedSessionStore::put_time(Batch& batch) {
    const Clock::Time now = clock_.now();
    if (time_written_ && now - *time_written_ < kTimeEvery) return;
    time_written_ = now;
    batch.all().Put("c", encode_time());
}

std::string EmbeddedSessionStore::encode_time() const {
    return fixed(static_cast<std::uint64_t>(to_ms(clock_.wall_now()))) +
           fixed(static_cast<std::uint64_t>(time_ms()));
}

void EmbeddedSessionStore::count() {
    probe_.sessions.set(index_.size());
    probe_.connected.set(index_.connected());
}

}  // namespace eventbus
