#include "backplane/embedded/group_store.h"

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::string_view kFormatKey = "format";
constexpr std::string_view kFormat = "1";
constexpr char kGroupKind = 'g';
constexpr char kFlightKind = 'f';
constexpr std::size_t kMemtableBytes = 4U << 20U;
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

Error damaged(std::string_view what) {
    return {ErrorCode::kUnavailable,
            "the store of groups is damaged (" + std::string(what) +
                "): move the folder groups/ out of the data directory, and the groups begin anew"};
}

// "name NUL topic", what follows the kind.
Result<GroupKey> decode_group(std::string_view text) {
    const std::size_t end = text.find('\0');
    if (end == std::string_view::npos) return damaged("a key without a topic");
    return GroupKey{std::string(text.substr(0, end)), std::string(text.substr(end + 1))};
}

Result<StoredFlight> decode_flight(std::string_view position, std::string_view value) {
    if (value.size() != 12) return damaged("an event in flight of a wrong size");
    StoredFlight flight;
    flight.position = Position(get_number(position));
    flight.attempt = static_cast<std::uint32_t>(get_number(value.substr(0, 4)));
    const std::uint64_t due_ms = get_number(value.substr(4));
    if (due_ms != 0) flight.due = Clock::WallTime(std::chrono::milliseconds(due_ms));
    return flight;
}

// ---- RocksDB ------------------------------------------------------------------------------------

std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

rocksdb::Options options() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = kMemtableBytes;
    options.max_total_wal_size = kWalBytesMax;
    options.max_background_jobs = 2;
    options.max_open_files = 64;
    options.keep_log_file_num = 2;
    options.stats_dump_period_sec = 0;  // nobody reads them, and each would wake a thread
    options.stats_persist_period_sec = 0;
    options.compression = rocksdb::kNoCompression;
    // A torn end is what a crash leaves; what stands before it is a prefix of the writes.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    return options;
}

Error can_not_open(const std::filesystem::path& path, const rocksdb::Status& status) {
    const bool is_taken = status.IsIOError() && status.ToString().find("lock") != std::string::npos;
    return {ErrorCode::kUnavailable,
            "can not open " + path.string() + ": " + status.ToString() +
                (is_taken ? " (another server uses this data directory: give this one its own, "
                            "--data DIR)"
                          : "")};
}

Result<> check_format(rocksdb::DB& db) {
    std::string format;
    const rocksdb::Status read =
        db.Get({}, rocksdb::Slice(kFormatKey.data(), kFormatKey.size()), &format);
    if (read.IsNotFound()) {
        const rocksdb::Status written =
            db.Put({}, rocksdb::Slice(kFormatKey.data(), kFormatKey.size()), std::string(kFormat));
        if (!written.ok()) return Error{ErrorCode::kUnavailable, written.ToString()};
        return {};
    }
    if (!read.ok()) return damaged(read.ToString());
    if (format != kFormat) {
        return Error{ErrorCode::kUnavailable, "the store of groups has format " + format +
                                                  ", this server knows " + std::string(kFormat) +
                                                  ": start the newer server that wrote it"};
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<EmbeddedGroupStore>> EmbeddedGroupStore::open(
    const std::filesystem::path& data_dir) {
    const std::filesystem::path path = data_dir / "groups";
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options(), path.string(), &opened);
    std::unique_ptr<rocksdb::DB> db(opened);
    if (!status.ok()) return can_not_open(path, status);
    const Result<> format = check_format(*db);
    if (!format) return format.error();
    return std::unique_ptr<EmbeddedGroupStore>(new EmbeddedGroupStore(std::move(db)));
}

EmbeddedGroupStore::EmbeddedGroupStore(std::unique_ptr<rocksdb::DB> db)
    : db_(std::move(db)), writer_([this] { run(); }) {}

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
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
    for (at->Seek(std::string(1, kGroupKind)); at->Valid() && at->key()[0] == kGroupKind;
         at->Next()) {
        Result<GroupKey> key = decode_group(view(at->key()).substr(1));
        if (!key) return key.error();
        const std::string_view value = view(at->value());
        if (value.size() < 9) return damaged("a group without a cursor");
        groups.push_back(
            {*key, std::string(value.substr(8)), Position(get_number(value.substr(0, 8)))});
    }
    for (StoredGroup& group : groups) {
        const std::string prefix = key_of(kFlightKind, group.key) + '\0';
        for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
            const std::string_view position = view(at->key()).substr(prefix.size());
            if (position.size() != 8) return damaged("a key without a position");
            const Result<StoredFlight> flight = decode_flight(position, view(at->value()));
            if (!flight) return flight.error();
            group.in_flight.push_back(*flight);
        }
    }
    if (!at->status().ok()) return damaged(at->status().ToString());
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
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        std::vector<Waiting> writes = std::exchange(waiting_, {});
        lock.unlock();
        const Result<> result = write_all(writes);
        for (Waiting& write : writes) {
            write.reply_to->post(
                [result = Result<>(result), done = std::move(write.done)]() mutable {
                    done(std::move(result));
                });
        }
        lock.lock();
    }
}

Result<> EmbeddedGroupStore::write_all(const std::vector<Waiting>& writes) {
    const Error read_only{ErrorCode::kReadOnly,
                          "the store of groups could not be written; the server's log says why"};
    if (failed_) return read_only;
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
    const rocksdb::Status status = db_->Write({}, &batch);
    if (status.ok()) return {};
    failed_ = true;
    diagnostics::error("the store of groups failed; groups take nothing more until a restart",
                       {{"reason", status.ToString()}});
    return read_only;
}

}  // namespace eventbus
