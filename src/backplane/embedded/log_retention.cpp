#include "backplane/embedded/log_retention.h"

#include <rocksdb/db.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <utility>

#include "backplane/embedded/log_keys.h"
#include "backplane/embedded/scan.h"
#include "log/entry_codec.h"

namespace eventbus {
namespace {

constexpr std::string_view kLostKey = "mlost";        // of all types
constexpr std::string_view kLostAnyKey = "mlostany";  // of those that are not known by themselves
constexpr std::string_view kCountedKey = "mcounted";  // the sums have all entries up to here
constexpr std::string_view kClockKey = "mclock";      // retention_hold.h
constexpr std::string_view kClockAtKey = "mclockat";  // the newest entry as that was saved
constexpr std::string_view kStepBackKey = "mback";    // of the clock: a position, and when
constexpr std::size_t kIndexBytes = 64;               // of an entry beside itself

// Of a key of the index, its type. Those of a list lie far from each other, one behind the last of
// each type.
class TypeOfIndexKey final : public rocksdb::SliceTransform {
 public:
    const char* Name() const override { return "eventbus.TypeOfIndexKey"; }
    bool InDomain(const rocksdb::Slice& key) const override { return key.starts_with("r"); }
    rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
        return slice(view(key).substr(0, view(key).find('\0')));
    }
};

}  // namespace

// ---- at the start -------------------------------------------------------------------------------

std::shared_ptr<const rocksdb::SliceTransform> LogRetention::growing_groups() {
    return std::make_shared<const TypeOfIndexKey>();
}

Result<> LogRetention::open(Database& database) {
    database_ = &database;
    if (Result<> loaded = load(); !loaded) return loaded;
    return begin_hold();
}

Result<> LogRetention::begin_hold() {
    if (Result<> read = read_hold(); !read) return read;
    // Before an entry gets its time from a clock that jumped. Where there is no room, a look does.
    if (hold_.has_changed() && database_->is_writable()) return save_hold();
    return {};
}

Result<> LogRetention::read_hold() {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    std::optional<Clock::WallTime> newest;
    std::string value;
    const Scan entries(*db, "e", "f");
    entries->SeekToLast();
    if (entries->Valid()) {
        const Position position = position_of(entries.key());
        const Result<Entry> entry = decode_entry(position, entries.value());
        if (!entry) return database_->damaged(entry.error().detail);
        const bool is_there = db->Get({}, index_key(entry->event.type, position), &value).ok();
        if (is_there) newest = from_ms(ByteReader(value).fixed());
    }
    if (newest) clock_ms_ = to_ms(*newest);
    if (!entries->status().ok()) return database_->unreadable(entries->status());
    const bool is_at_known = db->Get({}, slice(kClockAtKey), &value).ok();
    const Position at = is_at_known ? Position(ByteReader(value).fixed()) : kEndOfTime;
    const rocksdb::Status read = db->Get({}, slice(kClockKey), &value);
    if (!read.ok() && !read.IsNotFound()) return database_->unreadable(read);
    const std::optional<std::string> saved = read.ok() ? std::optional(value) : std::nullopt;
    if (saved && last_ <= at) newest.reset();
    const bool is_fine = hold_.begin(saved, newest, clock_.wall_now(), clock_.now());
    return is_fine ? Result<>() : database_->damaged("what it knows of the clock");
}

Result<> LogRetention::load() {
    Database& database = *database_;
    const Database::Reading db = database.read();
    if (!db) return database.unreadable("it is closed");
    const auto position_at = [&](std::string_view key) {
        std::string value;
        const bool is_there = db->Get({}, slice(key), &value).ok();
        return is_there ? Position(ByteReader(value).fixed()) : Position();
    };
    std::string step_back;
    if (is_step_back_stored_ && db->Get({}, slice(kStepBackKey), &step_back).ok()) {
        ByteReader reader(step_back);
        step_back_.through = Position(reader.fixed());
        step_back_.at_ms = static_cast<std::int64_t>(reader.fixed());
    }
    // Format 1, which a start without room reads as it is, knew only what all types had lost.
    std::string any;
    const bool is_by_type = db->Get({}, slice(kLostAnyKey), &any).ok();
    losses_.note("", position_at(is_by_type ? kLostAnyKey : kLostKey));

    types_.clear();
    bytes_ = 0;
    Scan at(*db, "b", "c");
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
        const std::string name(at.key().substr(1));
        ByteReader reader(at.value());
        Type type;
        type.bytes = reader.fixed();
        type.retention.age = std::chrono::seconds(reader.number());
        type.retention.bytes_max = reader.number();
        if (!reader.is_at_end()) type.swept = Position(reader.fixed());
        if (!reader.is_at_end()) type.counted = Position(reader.fixed());
        if (!reader.is_at_end()) return database.damaged("the sizes of a type");
        if (!type.swept.is_before_first()) losses_.note(name, type.swept);
        bytes_ += type.bytes;
        if (type.bytes > 0) types_.emplace(name, type);
    }
    if (!at->status().ok()) return database.unreadable(at->status());
    if (Result<> counted = count_again(*db); !counted) return counted;
    raise_floor();
    is_stale_ = false;
    return {};
}

// Adds what was written since the sums were stored.
Result<> LogRetention::count_again(rocksdb::DB& db) {
    std::string value;
    is_counted_ = db.Get({}, slice(kCountedKey), &value).ok();
    uncounted_ = 0;
    uncounted_bytes_ = 0;
    if (!is_counted_) return {};  // they were stored with each entry, or there is none
    last_ = Position(ByteReader(value).fixed());
    const Scan at(db, key_of('e', last_ + 1), "f");
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
        const Position position = position_of(at.key());
        const Result<Entry> entry = decode_entry(position, at.value());
        if (!entry) return database_->damaged(entry.error().detail);
        last_ = position;
        const std::uint64_t size = at.value().size() + kIndexBytes;
        ++uncounted_;
        uncounted_bytes_ += size;
        const auto [found, is_new] = types_.try_emplace(entry->event.type);
        Type& type = found->second;
        if (is_new) type.swept = losses_.of(entry->event.type);
        if (position <= type.counted) continue;
        type.is_stored = false;
        type.retention = entry->retention;
        type.bytes += size;
        bytes_ += size;
    }
    if (!at->status().ok()) return database_->unreadable(at->status());
    return {};
}

// ---- what comes ---------------------------------------------------------------------------------

void LogRetention::add(const Entry& entry, std::uint64_t size, std::int64_t now_ms) {
    look_for_step_back(now_ms);
    size += kIndexBytes;
    std::string index = fixed(static_cast<std::uint64_t>(now_ms));
    put_number(index, size);
    indexes_.emplace_back(index_key(entry.event.type, entry.position), std::move(index));

    const auto [found, is_new] = types_.try_emplace(entry.event.type);
    Type& type = found->second;
    if (is_new) {
        type.swept = losses_.of(entry.event.type);
        type.oldest_ms = now_ms;
    }
    type.retention = entry.retention;
    type.is_stored = false;
    if (!std::exchange(type.is_touched, true)) touched_.push_back(&*found);
    if (entry.position <= last_) return;  // it is written again, and was found or will be
    type.unsaved += size;
    last_ = entry.position;
    ++uncounted_;
    uncounted_bytes_ += size;
}

void LogRetention::finish(rocksdb::WriteBatch& batch) {
    // In their order: the memtable goes on from where it put the last one.
    std::sort(indexes_.begin(), indexes_.end());
    for (const auto& [key, index] : indexes_) batch.Put(key, index);
    indexes_.clear();
    put_step_back(batch);
    if (touched_.empty() || is_stale_) return;
    const bool is_much = uncounted_ >= kUncountedMax || uncounted_bytes_ >= kUncountedBytesMax;
    if (is_counted_ && !is_much) return;
    std::vector<Types::value_type*> changed;
    for (Types::value_type& type : types_) {
        if (!type.second.is_stored) changed.push_back(&type);
    }
    std::sort(changed.begin(), changed.end(),
              [](const auto* a, const auto* b) { return a->first < b->first; });
    for (Types::value_type* const type : changed) put_type(batch, type->first, type->second);
    batch.Put(slice(kCountedKey), fixed(last_.number()));
    is_counted_ = true;
    uncounted_ = 0;
    uncounted_bytes_ = 0;
}

void LogRetention::written(bool is_written) {
    is_stale_ = is_stale_ || !is_written;
    is_step_back_stored_ = is_step_back_stored_ || is_written;
    for (Types::value_type* const touched : std::exchange(touched_, {})) {
        Type& type = touched->second;
        type.is_touched = false;
        const std::uint64_t bytes = std::exchange(type.unsaved, 0);
        if (!is_written) continue;
        type.bytes += bytes;
        bytes_ += bytes;
    }
}

void LogRetention::put_type(rocksdb::WriteBatch& batch, std::string_view name, Type& type) const {
    type.is_stored = true;
    std::string value = fixed(type.bytes + type.unsaved);
    put_number(value, static_cast<std::uint64_t>(type.retention.age.count()));
    put_number(value, type.retention.bytes_max);
    put_fixed(value, type.swept.number());
    put_fixed(value, last_.number());
    batch.Put('b' + std::string(name), value);
}

// ---- what goes ----------------------------------------------------------------------------------

Result<> LogRetention::save_hold() {
    rocksdb::WriteBatch batch;
    batch.Put(slice(kClockKey), hold_.encode());
    batch.Put(slice(kClockAtKey), fixed(last_.number()));
    Result<> written = database_->write(batch, hold_.has_changed());
    if (written) hold_.saved();
    return written;
}

void LogRetention::look_for_step_back(std::int64_t now_ms) {
    if (clock_ms_ - now_ms > RetentionHold::kStepMax.count()) {
        step_back_ = {last_, now_ms};
        is_step_back_stored_ = false;
        for (auto& [name, type] : types_) {
            if (type.oldest_ms > now_ms) type.oldest_ms = kUnknown;
        }
    }
    clock_ms_ = now_ms;
}

void LogRetention::put_step_back(rocksdb::WriteBatch& batch) const {
    if (is_step_back_stored_) return;
    batch.Put(slice(kStepBackKey), fixed(step_back_.through.number()) +
                                       fixed(static_cast<std::uint64_t>(step_back_.at_ms)));
}

// When it was stored, at the latest, if the clock said `time_ms` then. A time that lies ahead is
// wrong; any other is believed, since the step back may have been the mistake.
std::int64_t LogRetention::stored_at(Position position, std::uint64_t time_ms,
                                     std::int64_t now_ms) const {
    const auto time = static_cast<std::int64_t>(time_ms);
    const bool is_ahead = time > now_ms && position <= step_back_.through;
    return is_ahead ? std::min(time, step_back_.at_ms) : time;
}

Result<LogRetention::Swept> LogRetention::sweep(Position frontier) {
    // One look at the clock, for the hold and for what comes of it.
    const Clock::WallTime wall = clock_.wall_now();
    const std::int64_t now_ms = to_ms(wall);
    hold_.look(wall, clock_.now());
    look_for_step_back(now_ms);
    if (hold_.is_to_be_saved()) {
        if (const Result<> saved = save_hold(); !saved) return saved.error();
    }
    if (is_stale_) {
        if (const Result<> loaded = load(); !loaded) return loaded.error();
    }
    if (due_.empty()) begin_look(now_ms);
    rocksdb::WriteBatch batch;
    left_ = kSliceEntries;
    taken_ = 0;
    Swept swept;
    while (left_ > 0 && !due_.empty()) {
        const auto found = types_.find(due_.front());
        if (found != types_.end()) {
            const Result<bool> is_done =
                sweep_type(found->first, found->second, frontier, now_ms, batch);
            if (!is_done) return is_done.error();
            if (!*is_done) break;
            // A pattern of the catalog admits any number of types; those without entries cost no
            // more than what they have lost.
            if (found->second.bytes == 0 && !found->second.is_touched) types_.erase(found);
        }
        due_.pop_front();
        left_ -= std::min(left_, kVisit);
    }
    // By itself, since its reading does not see what this batch deletes.
    bool is_too_much = due_.empty() && bytes_ > settings_.bytes_max;
    if (is_too_much && batch.Count() == 0) {
        const Result<bool> is_done = sweep_oldest(frontier, batch);
        if (!is_done) return is_done.error();
        is_too_much = !*is_done;
    }
    swept.entries = taken_;
    swept.has_more = !due_.empty() || is_too_much;
    if (batch.Count() > 0) batch.Put(slice(kLostKey), fixed(losses_.through().number()));
    put_step_back(batch);
    if (batch.Count() == 0) return swept;
    // Not synced: after a crash it is done again.
    if (const Result<> written = database_->write(batch, false); !written) {
        is_stale_ = true;
        due_.clear();
        return written.error();
    }
    is_step_back_stored_ = true;
    if (!swept.has_more) raise_floor();
    return swept;
}

bool LogRetention::is_due(const Type& type, std::int64_t now_ms) const {
    const Retention& rule = type.retention;
    const auto age_ms = std::chrono::milliseconds(rule.age).count();
    const bool is_old = !hold_.is_on() && age_ms > 0 && type.oldest_ms < now_ms - age_ms;
    return is_old || (rule.bytes_max > 0 && type.bytes > rule.bytes_max);
}

void LogRetention::begin_look(std::int64_t now_ms) {
    for (const auto& [name, type] : types_) {
        if (is_due(type, now_ms)) due_.push_back(name);
    }
}

// True: nothing more of it is due.
Result<bool> LogRetention::sweep_type(const std::string& name, Type& type, Position frontier,
                                      std::int64_t now_ms, rocksdb::WriteBatch& batch) {
    const Retention& rule = type.retention;
    const bool has_age = !hold_.is_on() && rule.age.count() > 0;
    const std::int64_t oldest = has_age ? now_ms - std::chrono::milliseconds(rule.age).count() : 0;
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const Scan at(*db, index_key(name, type.swept + 1), index_key(name, frontier + 1));
    bool is_done = false;
    const Position before = type.swept;
    for (at->SeekToFirst();; at->Next()) {
        if (!at->Valid()) {
            is_done = true;
            break;
        }
        ByteReader reader(at.value());
        const std::int64_t written = stored_at(position_of(at.key()), reader.fixed(), now_ms);
        const std::uint64_t size = std::min(reader.number(), type.bytes);
        if (written >= oldest && (rule.bytes_max == 0 || type.bytes <= rule.bytes_max)) {
            type.oldest_ms = written;
            is_done = true;
            break;
        }
        if (left_ == 0) break;
        const Position position = position_of(at.key());
        batch.Delete(key_of('e', position));
        batch.Delete(at->key());
        type.bytes -= size;
        bytes_ -= size;
        type.swept = position;
        --left_;
        ++taken_;
    }
    if (!at->status().ok()) return database_->unreadable(at->status());
    if (type.swept == before) return is_done;
    note_loss(name, type.swept, batch);
    put_type(batch, name, type);
    return is_done;
}

// Takes the oldest entries of all types while they are too many bytes together. True: they are not.
Result<bool> LogRetention::sweep_oldest(Position frontier, rocksdb::WriteBatch& batch) {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const Scan at(*db, key_of('e', std::max(oldest_swept_, floor()) + 1),
                  key_of('e', frontier + 1));
    std::vector<Types::value_type*> touched;
    for (at->SeekToFirst(); bytes_ > settings_.bytes_max && left_ > 0 && at->Valid(); at->Next()) {
        const Position position = position_of(at.key());
        const Result<Entry> entry = decode_entry(position, at.value());
        if (!entry) return database_->damaged(entry.error().detail);
        const auto found = types_.find(entry->event.type);
        if (found == types_.end()) return true;  // its index says that it has no entries
        Type& type = found->second;
        const std::uint64_t size = std::min(at.value().size() + kIndexBytes, type.bytes);
        batch.Delete(at->key());
        batch.Delete(index_key(found->first, position));
        type.bytes -= size;
        bytes_ -= size;
        type.swept = std::max(type.swept, position);
        oldest_swept_ = position;
        touched.push_back(&*found);
        --left_;
        ++taken_;
    }
    if (!at->status().ok()) return database_->unreadable(at->status());
    const bool is_done = bytes_ <= settings_.bytes_max || left_ > 0;
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    for (Types::value_type* const type : touched) {
        note_loss(type->first, type->second.swept, batch);
        put_type(batch, type->first, type->second);
    }
    return is_done;
}

// Said before it is done: a reader that comes meanwhile is told of a gap that may be none.
void LogRetention::note_loss(const std::string& type, Position through,
                             rocksdb::WriteBatch& batch) {
    for (const std::string& merged : losses_.note(type, through)) {
        if (!types_.contains(merged)) batch.Delete('b' + merged);
        batch.Put(slice(kLostAnyKey), fixed(losses_.of_any().number()));
    }
}

void LogRetention::raise_floor() {
    Position floor = types_.empty() ? losses_.through() : kEndOfTime;
    for (const auto& [name, type] : types_) floor = std::min(floor, type.swept);
    floor_ = std::max({floor_.load(), oldest_swept_, floor});
}

}  // namespace eventbus
