#include "backplane/embedded/group_store.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "backplane/embedded/scan.h"
#include "base/assert.h"
#include "base/text.h"

namespace eventbus {
namespace {

constexpr std::string_view kEpochsKey = "epochs";
constexpr char kGroupKind = 'g';
constexpr char kFlightKind = 'f';
constexpr std::size_t kWalBytesMax = 16U << 20U;
constexpr std::size_t kStateBytesMin = 41;                // more than format 1 has
constexpr auto kDelayOfFormat1 = std::chrono::hours(24);  // the longest that it can have been

// ---- bytes --------------------------------------------------------------------------------------

void put_number(std::string& out, std::uint64_t number, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>((number >> shift) & 0xffU));
    }
}

std::uint64_t get_number(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char c : bytes) number = (number << 8U) | static_cast<unsigned char>(c);
    return number;
}

std::string key_of(char kind, const GroupKey& group) {
    std::string key(1, kind);
    key.append(group.name).append(1, '\0').append(group.topic);
    return key;
}

std::string flight_key(const GroupKey& group, Position position) {
    std::string key = key_of(kFlightKind, group);
    key.push_back('\0');
    put_number(key, position.number(), 8);
    return key;
}

std::uint64_t in_ms(std::chrono::milliseconds time) {
    return static_cast<std::uint64_t>(time.count());
}

std::string encode(const StoredState& state) {
    BUS_ASSERT(state.owner.size() <= 0xff);
    std::string value;
    put_number(value, state.cursor.number(), 8);
    put_number(value, state.seen_through.number(), 8);
    put_number(value, state.unread.durable, 8);
    put_number(value, state.unread.transient, 8);
    put_number(value, in_ms(state.idle), 8);
    put_number(value, state.owner.size(), 1);
    value.append(state.owner).append(state.epoch).append(1, '\0');
    return value.append(state.name_owner);
}

std::string encode(const StoredFlight& flight) {
    std::uint64_t due_ms = 0;
    if (flight.due) {
        due_ms = in_ms(
            std::chrono::duration_cast<std::chrono::milliseconds>(flight.due->time_since_epoch()));
    }
    std::string value;
    put_number(value, flight.attempt, 4);
    put_number(value, due_ms, 8);
    put_number(value, in_ms(flight.delay), 8);
    put_number(value, flight.is_transient ? 1 : 0, 1);
    return value;
}

// Takes the first bytes off `text`, which has as many.
std::uint64_t take_number(std::string_view& text, std::size_t bytes) {
    const std::uint64_t number = get_number(text.substr(0, bytes));
    text.remove_prefix(bytes);
    return number;
}

// A time in ms as it is stored; one that no clock can have shown is cut.
std::chrono::milliseconds take_ms(std::string_view& text) {
    constexpr std::uint64_t kMax = 1ULL << 43U;  // the year 2248: in ns it fits into 64 bits
    return std::chrono::milliseconds(std::min(take_number(text, 8), kMax));
}

// None: it is damaged.
std::optional<StoredState> decode_state(std::string_view value) {
    StoredState state;
    if (value.size() < 9) return {};
    const bool is_format_1 = value.size() < kStateBytesMin;
    state.cursor = state.seen_through = Position(take_number(value, 8));
    if (!is_format_1) {
        state.seen_through = Position(take_number(value, 8));
        state.unread.durable = take_number(value, 8);
        state.unread.transient = take_number(value, 8);
        state.idle = take_ms(value);
        const auto owner_bytes = static_cast<std::size_t>(take_number(value, 1));
        if (value.size() <= owner_bytes) return {};
        state.owner = value.substr(0, owner_bytes);
        value.remove_prefix(owner_bytes);
    }
    state.epoch = take_part(value, '\0');
    state.name_owner = value;
    return state;
}

// "name NUL topic", what follows the kind; none: it is damaged.
std::optional<GroupKey> decode_group(std::string_view text) {
    const std::size_t end = text.find('\0');
    if (end == std::string_view::npos) return {};
    return GroupKey{std::string(text.substr(0, end)), std::string(text.substr(end + 1))};
}

std::optional<StoredFlight> decode_flight(std::string_view position, std::string_view value) {
    if (position.size() != 8 || (value.size() != 12 && value.size() != 21)) return {};
    const bool is_format_1 = value.size() == 12;
    StoredFlight flight;
    flight.position = Position(get_number(position));
    flight.attempt = static_cast<std::uint32_t>(take_number(value, 4));
    const std::chrono::milliseconds due = take_ms(value);
    if (due.count() != 0) flight.due = Clock::WallTime(due);
    if (is_format_1) {
        if (flight.due) flight.delay = kDelayOfFormat1;
    } else {
        flight.delay = take_ms(value);
        flight.is_transient = take_number(value, 1) != 0;
    }
    return flight;
}

// ---- RocksDB ------------------------------------------------------------------------------------

void add(const GroupChange& change, rocksdb::WriteBatch& batch) {
    const std::string group = key_of(kGroupKind, change.key);
    if (change.has_ended) {
        batch.Delete(group);
        const std::string flights = key_of(kFlightKind, change.key);
        batch.DeleteRange(flights + '\0', flights + '\1');
        return;
    }
    batch.Put(group, encode(change.state));
    for (const StoredFlight& flight : change.put) {
        batch.Put(flight_key(change.key, flight.position), encode(flight));
    }
    for (const Position position : change.erased) batch.Delete(flight_key(change.key, position));
}

}  // namespace

Result<std::unique_ptr<EmbeddedGroupStore>> EmbeddedGroupStore::open(Settings settings) {
    auto database = Database::open(
        {.data_dir = settings.data_dir,
         .folder = "groups",
         .name = "the store of groups",
         .consequence = "groups give nothing out and take no acknowledgement",
         .remedy = "move the folder groups/ out of the data directory, and the groups begin anew "
                   "at the end of the log, without the events that they are owed",
         .format_key = "format",
         .formats = {"1", "2", "3"},
         .free_bytes_min = settings.free_bytes_min,
         .env = settings.env,
         .retry_after = settings.retry_after,
         .wal_bytes_max = kWalBytesMax,
         .open_files_max = settings.open_files_max});
    if (!database) return database.error();
    return std::unique_ptr<EmbeddedGroupStore>(
        new EmbeddedGroupStore(settings, std::move(*database)));
}

EmbeddedGroupStore::EmbeddedGroupStore(const Settings& settings, std::unique_ptr<Database> database)
    : look_every_(settings.look_every),
      database_(std::move(database)),
      writer_([this] { run(); }) {}

EmbeddedGroupStore::~EmbeddedGroupStore() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_one();
    writer_.join();
}

Result<std::vector<StoredGroup>> EmbeddedGroupStore::load(const Epochs& log) {
    std::vector<StoredGroup> groups;
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    std::string bytes;
    const rocksdb::Status known = db->Get({}, slice(kEpochsKey), &bytes);
    if (!known.ok() && !known.IsNotFound()) return database_->unreadable(known);
    const Result<Epochs> stood_in = decode_epochs(bytes);
    if (known.ok() && !stood_in) return database_->damaged(stood_in.error().detail);
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    for (at->Seek(std::string(1, kGroupKind)); at->Valid() && at->key()[0] == kGroupKind;
         at->Next()) {
        const std::optional<GroupKey> key = decode_group(view(at->key()).substr(1));
        if (!key) return database_->damaged("a key without a topic");
        std::optional<StoredState> state = decode_state(view(at->value()));
        if (!state) return database_->damaged("a group that is cut short");
        groups.push_back({*key, std::move(*state)});
    }
    for (StoredGroup& group : groups) {
        const std::string prefix = key_of(kFlightKind, group.key) + '\0';
        for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
            const std::optional<StoredFlight> flight =
                decode_flight(view(at->key()).substr(prefix.size()), view(at->value()));
            if (!flight) return database_->damaged("an event in flight of a wrong size");
            group.in_flight.push_back(*flight);
        }
    }
    if (!at->status().ok()) return database_->unreadable(at->status());

    epochs_ = encode_epochs(log);
    set_back_.clear();
    for (const StoredGroup& group : groups) synced_.insert(group.key);
    const Position shared = known.ok() ? log.shared_with(*stood_in) : Position();
    for (StoredGroup& group : groups) {
        // In format 1 a log had one epoch, and each group named it.
        auto change = eventbus::set_back(
            group, known.ok() ? shared : log.shared_with(Epochs(group.state.epoch)));
        if (change) set_back_.push_back(std::move(*change));
    }
    return groups;
}

void EmbeddedGroupStore::write(SharedGroupChanges changes, Executor& reply_to,
                               Callback<Result<>> done) {
    {
        const std::lock_guard lock(mutex_);
        BUS_ASSERT(!ending_);
        waiting_.push_back({std::move(changes), &reply_to, std::move(done)});
    }
    wake_.notify_one();
}

void EmbeddedGroupStore::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait_for(lock, look_every_, [this] { return ending_ || !waiting_.empty(); });
        if (ending_ && waiting_.empty()) return;
        std::vector<Waiting> writes = std::exchange(waiting_, {});
        lock.unlock();
        const Result<> result = write_all(writes);
        for (Waiting& write : writes) {
            write.reply_to->post([result = Result<>(result),
                                  done = std::move(write.done)]() mutable { done(result); });
        }
        lock.lock();
    }
}

// Written as a whole or not at all; it may be written again, which changes nothing.
Result<> EmbeddedGroupStore::write_all(const std::vector<Waiting>& writes) {
    const Error not_now{ErrorCode::kUnavailable, "the store of groups takes no writes now"};
    if (database_->look() != Database::State::kWritable) return not_now;
    if (writes.empty()) return {};
    rocksdb::WriteBatch batch;
    if (!epochs_.empty()) batch.Put(slice(kEpochsKey), epochs_);
    for (const GroupChange& change : set_back_) add(change, batch);
    // A group that a loss of power takes away would never get what it is owed.
    bool syncs = false;
    for (const Waiting& write : writes) {
        for (const GroupChange& change : *write.changes) {
            add(change, batch);
            syncs = syncs || makes_group(change);
        }
    }
    if (batch.Count() == 0) return {};
    if (!database_->write(batch, syncs)) return not_now;
    epochs_.clear();
    set_back_.clear();
    for (const Waiting& write : writes) {
        for (const GroupChange& change : *write.changes) {
            change.has_ended ? void(synced_.erase(change.key)) : void(synced_.insert(change.key));
        }
    }
    return {};
}

}  // namespace eventbus
