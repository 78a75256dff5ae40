#include "backplane/embedded/group_store.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"

namespace eventbus {
namespace {

constexpr char kGroupKind = 'g';
constexpr char kFlightKind = 'f';
constexpr std::size_t kWalBytesMax = 16U << 20U;

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

std::string encode(const GroupChange& change) {
    std::string value;
    put_number(value, change.cursor.number(), 8);
    value += change.epoch;
    return value;
}

std::string encode(const StoredFlight& flight) {
    std::uint64_t due_ms = 0;
    if (flight.due) {
        const auto since = flight.due->time_since_epoch();
        due_ms = static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
    }
    std::string value;
    put_number(value, flight.attempt, 4);
    put_number(value, due_ms, 8);
    return value;
}

// "name NUL topic", what follows the kind; none: it is damaged.
std::optional<GroupKey> decode_group(std::string_view text) {
    const std::size_t end = text.find('\0');
    if (end == std::string_view::npos) return {};
    return GroupKey{std::string(text.substr(0, end)), std::string(text.substr(end + 1))};
}

std::optional<StoredFlight> decode_flight(std::string_view position, std::string_view value) {
    if (position.size() != 8 || value.size() != 12) return {};
    StoredFlight flight;
    flight.position = Position(get_number(position));
    flight.attempt = static_cast<std::uint32_t>(get_number(value.substr(0, 4)));
    const std::uint64_t due_ms = get_number(value.substr(4));
    if (due_ms != 0) flight.due = Clock::WallTime(std::chrono::milliseconds(due_ms));
    return flight;
}

// ---- RocksDB ------------------------------------------------------------------------------------

std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace

Result<std::unique_ptr<EmbeddedGroupStore>> EmbeddedGroupStore::open(Settings settings) {
    auto database = Database::open(
        {.data_dir = settings.data_dir,
         .folder = "groups",
         .name = "the store of groups",
         .consequence = "groups give nothing out and take no acknowledgement",
         .remedy = "move the folder groups/ out of the data directory, and the groups begin anew",
         .format_key = "format",
         .formats = {"1"},
         .free_bytes_min = settings.free_bytes_min,
         .env = settings.env,
         .retry_after = settings.retry_after,
         .wal_bytes_max = kWalBytesMax,
         .open_files_max = settings.open_files_max,
         .takes_what_is_before_damage = true});
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

Result<std::vector<StoredGroup>> EmbeddedGroupStore::load() {
    std::vector<StoredGroup> groups;
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    for (at->Seek(std::string(1, kGroupKind)); at->Valid() && at->key()[0] == kGroupKind;
         at->Next()) {
        const std::optional<GroupKey> key = decode_group(view(at->key()).substr(1));
        if (!key) return database_->damaged("a key without a topic");
        const std::string_view value = view(at->value());
        if (value.size() < 9) return database_->damaged("a group without a cursor");
        groups.push_back(
            {*key, std::string(value.substr(8)), Position(get_number(value.substr(0, 8)))});
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
    if (!at->status().ok()) return database_->damaged(at->status().ToString());
    return groups;
}

void EmbeddedGroupStore::write(std::vector<GroupChange> changes, Executor& reply_to,
                               Callback<Result<>> done) {
    {
        const std::lock_guard lock(mutex_);
        BUS_ASSERT(!ending_);
        waiting_.push_back({std::move(changes), &reply_to, std::move(done)});
    }
    wake_.notify_one();
}

void EmbeddedGroupStore::run() {
    std::vector<Waiting> writes;
    std::unique_lock lock(mutex_);
    for (;;) {
        const auto has_news = [&] { return ending_ || (writes.empty() && !waiting_.empty()); };
        if (database_->is_writable()) {
            wake_.wait(lock, has_news);
        } else {
            wake_.wait_for(lock, look_every_, has_news);
        }
        if (writes.empty()) writes = std::exchange(waiting_, {});
        const bool is_last = ending_;
        lock.unlock();
        const Result<> result = write_all(writes);
        if (result || is_last) answer(std::exchange(writes, {}), result);
        lock.lock();
        if (is_last && waiting_.empty()) return;
    }
}

void EmbeddedGroupStore::answer(std::vector<Waiting> writes, const Result<>& result) {
    for (Waiting& write : writes) {
        write.reply_to->post(
            [result, done = std::move(write.done)]() mutable { done(std::move(result)); });
    }
}

// Written as a whole or not at all; it may be written again, which changes nothing.
Result<> EmbeddedGroupStore::write_all(const std::vector<Waiting>& writes) {
    if (database_->look() != Database::State::kWritable) {
        return Error{ErrorCode::kReadOnly, "the store of groups takes no writes now"};
    }
    if (writes.empty()) return {};
    rocksdb::WriteBatch batch;
    for (const Waiting& write : writes) {
        for (const GroupChange& change : write.changes) {
            batch.Put(key_of(kGroupKind, change.key), encode(change));
            for (const StoredFlight& flight : change.put) {
                batch.Put(flight_key(change.key, flight.position), encode(flight));
            }
            for (const Position position : change.erased) {
                batch.Delete(flight_key(change.key, position));
            }
        }
    }
    return database_->write(batch, false);
}

}  // namespace eventbus
