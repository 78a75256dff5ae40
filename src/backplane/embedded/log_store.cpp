#include "backplane/embedded/log_store.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <utility>

#include "log/bytes.h"
#include "log/entry_codec.h"

namespace eventbus {
namespace {

constexpr std::string_view kEpochKey = "mepoch";
constexpr std::string_view kReservedKey = "mreserved";
constexpr std::string_view kLostKey = "mlost";
constexpr std::size_t kEpochLength = 8;
constexpr std::size_t kPageBytesMax = 4U << 20U;
constexpr std::size_t kIndexBytes = 64;  // of an entry beside itself, for retention by bytes

using rocksdb::Slice;

Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const Slice& bytes) { return {bytes.data(), bytes.size()}; }

std::string fixed(std::uint64_t number) {
    std::string bytes;
    put_fixed(bytes, number);
    return bytes;
}

std::string key_of(char kind, Position position) { return kind + fixed(position.number()); }

std::string index_key(std::string_view type, Position position) {
    std::string key(1, 'r');
    key.append(type).append(1, '\0');
    put_fixed(key, position.number());
    return key;
}

// The position at the end of a key.
Position position_of(std::string_view key) {
    return Position(ByteReader(key.substr(key.size() - 8)).fixed());
}

std::int64_t to_ms(Clock::WallTime time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::string make_epoch(Random& random) {
    constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::string epoch;
    while (epoch.size() < kEpochLength) epoch += kAlphabet[random.below(kAlphabet.size())];
    return epoch;
}

}  // namespace

Result<std::unique_ptr<LogStore>> LogStore::open(const EmbeddedLogSettings& settings,
                                                 const Clock& clock, Random& random) {
    std::unique_ptr<LogStore> store(new LogStore(settings, clock));
    if (const Result<> opened = store->open_database(random); !opened) return opened.error();
    if (const Result<> read = store->read_meta(); !read) return read.error();
    if (const Result<> loaded = store->load_types(); !loaded) return loaded.error();
    return store;
}

LogStore::LogStore(const EmbeddedLogSettings& settings, const Clock& clock)
    : settings_(settings), clock_(clock) {}

LogStore::~LogStore() = default;

Result<> LogStore::open_database(Random& random) {
    auto opened = Database::open(
        {.data_dir = settings_.data_dir,
         .folder = "log",
         .name = "the log",
         .consequence = "nothing is taken",
         .remedy = "restore the folder log/ of the data directory from a backup, or move it away "
                   "and the log begins anew",
         .format_key = "mformat",
         .formats = {"1"},
         .prepare = [this, &random](const Database::Opened& as) { return prepare(as, random); },
         .free_bytes_min = settings_.free_bytes_min,
         .env = settings_.env,
         .retry_after = settings_.retry_after,
         .memtable_bytes = 32U << 20U,
         .open_files_max = settings_.open_files_max,
         .compresses = true});
    if (!opened) return opened.error();
    database_ = std::move(*opened);
    return {};
}

Result<> LogStore::prepare(const Database::Opened& opened, Random& random) const {
    std::string value;
    if (!opened.is_first) {
        // What this process holds in memory rests on it.
        const bool is_whole = last_stored_.is_before_first() ||
                              opened.db.Get({}, key_of('e', last_stored_), &value).ok();
        if (is_whole && !opened.lost_its_end) return {};
        return Error{ErrorCode::kUnavailable,
                     "the log has lost its end: start the server again, and it goes on with what "
                     "is left"};
    }
    const rocksdb::Status known = opened.db.Get({}, slice(kEpochKey), &value);
    if (!known.ok() && !known.IsNotFound()) {
        return Error{ErrorCode::kUnavailable, "cannot read the log: " + known.ToString()};
    }
    if (known.ok() && !opened.lost_its_end) return {};
    rocksdb::WriteBatch batch;
    // With a lost end a reservation may be lost too, so that positions could be given twice: this
    // is another log.
    batch.Put(slice(kEpochKey), make_epoch(random));
    if (known.IsNotFound()) batch.Put(slice(kReservedKey), fixed(0));
    rocksdb::WriteOptions synced;
    synced.sync = true;
    const rocksdb::Status written = opened.db.Write(synced, &batch);
    if (written.ok()) return {};
    return Error{ErrorCode::kUnavailable, "cannot write to the log: " + written.ToString()};
}

Result<> LogStore::read_meta() {
    const auto epoch = get(kEpochKey);
    const auto reserved = get(kReservedKey);
    const auto lost = get(kLostKey);
    if (!epoch || !reserved || !lost || !*epoch || !*reserved) {
        return database_->damaged("it has no epoch");
    }
    epoch_ = **epoch;
    reserved_ = Position(ByteReader(**reserved).fixed());
    if (*lost) lost_through_ = Position(ByteReader(**lost).fixed());

    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    at->SeekForPrev("f");
    if (at->Valid() && at->key()[0] == 'e') {
        reserved_ = std::max(reserved_, position_of(view(at->key())));
    }
    return at->status().ok() ? Result<>() : database_->damaged(at->status().ToString());
}

Result<std::optional<std::string>> LogStore::get(std::string_view key) const {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    std::string value;
    const rocksdb::Status status = db->Get({}, slice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return database_->damaged(status.ToString());
    return std::optional<std::string>(std::move(value));
}

// ---- at the start -------------------------------------------------------------------------------

Result<> LogStore::load_types() {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    for (at->Seek("b"); at->Valid() && at->key()[0] == 'b'; at->Next()) {
        ByteReader reader(view(at->value()));
        Type type;
        type.bytes = reader.fixed();
        type.retention.age = std::chrono::seconds(reader.number());
        type.retention.bytes_max = reader.number();
        if (!reader.is_at_end()) return database_->damaged("the sizes of a type");
        types_.emplace(view(at->key()).substr(1), type);
    }
    return at->status().ok() ? Result<>() : database_->damaged(at->status().ToString());
}

Result<> LogStore::load(Binder& binder, Dedupe& dedupe) {
    if (const Result<> loaded = load_changes(binder); !loaded) return loaded.error();
    return load_dedupe(dedupe);
}

Result<> LogStore::load_changes(Binder& binder) const {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    for (at->Seek("s"); at->Valid() && at->key()[0] == 's'; at->Next()) {
        const Result<> loaded = binder.load(view(at->key()).substr(1), view(at->value()));
        if (!loaded) return loaded.error();
    }
    return at->status().ok() ? Result<>() : database_->damaged(at->status().ToString());
}

Result<> LogStore::load_dedupe(Dedupe& dedupe) const {
    struct Key {
        std::string key;
        Dedupe::Seen seen;
        std::chrono::milliseconds age;
    };
    const std::int64_t now = to_ms(clock_.wall_now());
    std::vector<Key> newest_first;
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    for (at->SeekForPrev("e"); at->Valid() && at->key()[0] == 'd'; at->Prev()) {
        ByteReader reader(view(at->value()));
        const auto written = static_cast<std::int64_t>(reader.fixed());
        Key key;
        key.seen.position = position_of(view(at->key()));
        key.seen.content_hash = reader.fixed();
        key.seen.unowned = reader.byte() != 0;
        key.key = reader.rest();
        if (!reader.is_fine()) return database_->damaged("a key of the dedupe window");
        // A clock that was set back must not make a key live for ever.
        key.age = std::chrono::milliseconds(std::max<std::int64_t>(0, now - written));
        if (key.age >= dedupe.window() || newest_first.size() == settings_.dedupe.keys_max) break;
        newest_first.push_back(std::move(key));
    }
    if (!at->status().ok()) return database_->damaged(at->status().ToString());
    for (auto key = newest_first.rbegin(); key != newest_first.rend(); ++key) {
        if (dedupe.find(key->key) != nullptr) continue;
        dedupe.add(std::move(key->key), key->seen, clock_.now() - key->age);
    }
    dedupe.commit();
    return {};
}

Result<LogStore::Recent> LogStore::recent(std::size_t entries_max, std::size_t bytes_max) const {
    Recent recent{.entries = {}, .after = lost_through_};
    std::size_t bytes = 0;
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    for (at->SeekForPrev("f"); at->Valid() && at->key()[0] == 'e'; at->Prev()) {
        const Position position = position_of(view(at->key()));
        if (position <= recent.after) break;
        if (recent.entries.size() == entries_max) {
            recent.after = position;
            break;
        }
        Result<Entry> entry = decode_entry(position, view(at->value()));
        if (!entry) return database_->damaged(entry.error().detail);
        bytes += memory_of(*entry);
        if (bytes > bytes_max) {
            recent.after = position;
            break;
        }
        recent.entries.push_back(std::make_shared<const Entry>(std::move(*entry)));
    }
    if (!at->status().ok()) return database_->damaged(at->status().ToString());
    std::reverse(recent.entries.begin(), recent.entries.end());
    return recent;
}

// ---- writing ------------------------------------------------------------------------------------

Result<> LogStore::write(std::span<const Staged> staged, std::optional<Position> reserve) {
    rocksdb::WriteBatch batch;
    const std::int64_t now_ms = to_ms(clock_.wall_now());
    std::vector<TypeEntry*> types;
    for (const Staged& one : staged) {
        for (const StoredChange& change : one.changes) {
            const std::string key = 's' + change.key;
            if (change.value) {
                batch.Put(key, *change.value);
            } else {
                batch.Delete(key);
            }
        }
        if (!one.is_stored) continue;
        TypeEntry& type = put_entry(batch, one, now_ms);
        if (std::exchange(type.second.is_touched, true)) continue;
        types.push_back(&type);
    }
    for (const TypeEntry* const type : types) put_type(batch, type->first, type->second);
    if (reserve) batch.Put(slice(kReservedKey), fixed(reserve->number()));

    const Result<> written = database_->write(batch, true);
    for (TypeEntry* const type : types) {
        if (written) type->second.bytes += type->second.unsaved;
        type->second.unsaved = 0;
        type->second.is_touched = false;
    }
    for (const Staged& one : staged) {
        if (written && one.is_stored) last_stored_ = one.entry->position;
    }
    return written;
}

LogStore::TypeEntry& LogStore::put_entry(rocksdb::WriteBatch& batch, const Staged& staged,
                                         std::int64_t now_ms) {
    const Entry& entry = *staged.entry;
    const auto written = static_cast<std::uint64_t>(now_ms);
    const std::string bytes = encode_entry(entry);
    const std::uint64_t size = bytes.size() + kIndexBytes;
    batch.Put(key_of('e', entry.position), bytes);

    std::string index = fixed(written);
    put_number(index, size);
    batch.Put(index_key(entry.event.type, entry.position), index);
    TypeEntry& type = *types_.try_emplace(entry.event.type).first;
    type.second.unsaved += size;
    type.second.retention = entry.retention;

    if (staged.dedupe_key.empty()) return type;
    std::string seen = fixed(written);
    put_fixed(seen, entry.content_hash);
    seen.append(1, entry.unowned ? '\1' : '\0').append(staged.dedupe_key);
    batch.Put(key_of('d', entry.position), seen);
    return type;
}

void LogStore::put_type(rocksdb::WriteBatch& batch, const std::string& name,
                        const Type& type) const {
    std::string value = fixed(type.bytes + type.unsaved);
    put_number(value, static_cast<std::uint64_t>(type.retention.age.count()));
    put_number(value, type.retention.bytes_max);
    batch.Put('b' + name, value);
}

// ---- retention ----------------------------------------------------------------------------------

Result<bool> LogStore::sweep(Position frontier, std::size_t& swept) {
    rocksdb::WriteBatch batch;
    std::size_t left = kSweepEntries;
    for (auto at = types_.begin(); at != types_.end();) {
        const Result<std::size_t> taken = sweep_type(at->first, at->second, frontier, left, batch);
        if (!taken) return taken.error();
        left -= *taken;
        // A pattern of the catalog admits any number of types; those without entries cost nothing.
        if (at->second.bytes == 0) {
            batch.Delete('b' + at->first);
            at = types_.erase(at);
        } else {
            ++at;
        }
    }
    // By itself, since its reading does not see what this batch deletes.
    if (left == kSweepEntries) {
        const Result<std::size_t> taken = sweep_oldest(frontier, left, batch);
        if (!taken) return taken.error();
        left -= *taken;
    }
    swept = kSweepEntries - left;
    if (swept > 0) batch.Put(slice(kLostKey), fixed(lost_through_.load().number()));
    const std::size_t keys = sweep_dedupe(kSweepEntries, batch);
    if (batch.Count() == 0) return false;
    // Not synced: after a crash it is done again.
    if (const Result<> written = database_->write(batch, false); !written) return written.error();
    return left == 0 || keys == kSweepEntries;
}

Result<std::size_t> LogStore::sweep_type(const std::string& name, Type& type, Position frontier,
                                         std::size_t entries_max, rocksdb::WriteBatch& batch) {
    const Retention& rule = type.retention;
    if (rule.age.count() == 0 && rule.bytes_max == 0) return std::size_t{0};
    const std::int64_t oldest = rule.age.count() == 0 ? 0 : to_ms(clock_.wall_now() - rule.age);
    std::size_t taken = 0;
    const std::string prefix = index_key(name, Position()).substr(0, name.size() + 2);
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    for (at->Seek(index_key(name, type.swept + 1));
         taken < entries_max && at->Valid() && at->key().starts_with(prefix); at->Next()) {
        const Position position = position_of(view(at->key()));
        ByteReader reader(view(at->value()));
        const auto written = static_cast<std::int64_t>(reader.fixed());
        const std::uint64_t size = reader.number();
        const bool is_too_old = written < oldest;
        const bool is_too_much = rule.bytes_max > 0 && type.bytes > rule.bytes_max;
        if (position > frontier || (!is_too_old && !is_too_much)) break;
        // Said before it is done: who reads meanwhile is told of a gap that may be none.
        if (position > lost_through_) lost_through_ = position;
        batch.Delete(key_of('e', position));
        batch.Delete(at->key());
        type.bytes -= std::min(type.bytes, size);
        type.swept = position;
        ++taken;
    }
    if (!at->status().ok()) return Error{ErrorCode::kReadOnly, at->status().ToString()};
    if (taken > 0) put_type(batch, name, type);
    return taken;
}

// Takes the oldest entries of all types while they are too many bytes together.
Result<std::size_t> LogStore::sweep_oldest(Position frontier, std::size_t entries_max,
                                           rocksdb::WriteBatch& batch) {
    std::uint64_t bytes = 0;
    for (const auto& [name, type] : types_) bytes += type.bytes;
    std::size_t taken = 0;
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    for (at->Seek(key_of('e', swept_ + 1));
         bytes > settings_.bytes_max && taken < entries_max && at->Valid() && at->key()[0] == 'e';
         at->Next()) {
        const Position position = position_of(view(at->key()));
        if (position > frontier) break;
        const Result<Entry> entry = decode_entry(position, view(at->value()));
        if (!entry) return entry.error();
        const auto found = types_.find(entry->event.type);
        if (found == types_.end()) break;  // its index says that it has no entries
        Type& type = found->second;
        const std::uint64_t size = std::min(at->value().size() + kIndexBytes, type.bytes);
        if (position > lost_through_) lost_through_ = position;
        batch.Delete(at->key());
        batch.Delete(index_key(found->first, position));
        type.bytes -= size;
        type.swept = std::max(type.swept, position);
        put_type(batch, found->first, type);
        bytes -= size;
        swept_ = position;
        ++taken;
    }
    if (!at->status().ok()) return Error{ErrorCode::kReadOnly, at->status().ToString()};
    return taken;
}

std::size_t LogStore::sweep_dedupe(std::size_t keys_max, rocksdb::WriteBatch& batch) {
    const std::int64_t oldest = to_ms(clock_.wall_now() - settings_.dedupe.window);
    std::size_t taken = 0;
    const Database::Reading db = database_->read();
    if (!db) return taken;
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    for (at->Seek(key_of('d', dedupe_swept_ + 1));
         taken < keys_max && at->Valid() && at->key()[0] == 'd'; at->Next()) {
        ByteReader reader(view(at->value()));
        if (static_cast<std::int64_t>(reader.fixed()) >= oldest) break;
        batch.Delete(at->key());
        dedupe_swept_ = position_of(view(at->key()));
        ++taken;
    }
    return taken;
}

// ---- reading ------------------------------------------------------------------------------------

Result<Page> LogStore::read(Position after, std::size_t limit, Position frontier) const {
    Page page;
    std::size_t bytes = 0;
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
    // Read after the iterator was made: what it no longer sees is told.
    page.lost_through = lost_through_;
    for (at->Seek(key_of('e', after + 1)); at->Valid() && at->key()[0] == 'e'; at->Next()) {
        const Position position = position_of(view(at->key()));
        if (position > frontier) break;
        if (page.entries.size() == limit || bytes > kPageBytesMax) {
            page.through = page.entries.back()->position;
            return page;
        }
        bytes += at->value().size();
        Result<Entry> entry = decode_entry(position, view(at->value()));
        if (!entry) return entry.error();
        page.entries.push_back(std::make_shared<const Entry>(std::move(*entry)));
    }
    if (!at->status().ok()) return database_->unreadable(at->status().ToString());
    page.through = std::max(after, frontier);
    page.at_end = true;
    return page;
}

}  // namespace eventbus
