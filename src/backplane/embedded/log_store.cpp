#include "backplane/embedded/log_store.h"

#include <malloc.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "backplane/embedded/log_keys.h"
#include "backplane/embedded/scan.h"
#include "backplane/embedded/wide_scan.h"
#include "log/bytes.h"
#include "log/entry_codec.h"

namespace eventbus {
namespace {

constexpr std::string_view kEpochsKey = "mepochs";
constexpr std::string_view kSessionsKey = "msessions";
constexpr std::string_view kEpochOfFormat1Key = "mepoch";
constexpr std::string_view kSecretKey = "msecret";
constexpr std::string_view kReservedKey = "mreserved";
constexpr std::string_view kLostKey = "mlost";
constexpr std::string_view kLostAnyKey = "mlostany";
constexpr std::size_t kPageBytesMax = 4U << 20U;
constexpr std::size_t kBlocksMax =
    32'768;  // of 256 entries; older ones are read, and prove nothing
constexpr std::size_t kBlocksOfPageMax = 1'024;  // that a page skips

}  // namespace

Result<std::unique_ptr<LogStore>> LogStore::open(const EmbeddedLogSettings& settings,
                                                 const Clock& clock, Random& random,
                                                 Origin origin) {
    std::unique_ptr<LogStore> store(new LogStore(settings, clock));
    store->ends_at_newest_ = origin == Origin::kCopy;
    if (const Result<> opened = store->open_database(random); !opened) return opened.error();
    if (const Result<> read = store->read_meta(random); !read) return read.error();
    if (const Result<> loaded = store->retention_.open(*store->database_); !loaded) {
        return loaded.error();
    }
    if (const Result<> begun = store->begin_blocks(); !begun) return begun.error();
    return store;
}

LogStore::LogStore(const EmbeddedLogSettings& settings, const Clock& clock)
    : settings_(settings),
      clock_(clock),
      retention_(clock, {.bytes_max = settings.bytes_max, .hold = settings.retention_hold}),
      dedupe_keys_(clock, settings.dedupe) {}

LogStore::~LogStore() = default;

Result<> LogStore::open_database(Random& random) {
    auto opened = Database::open(
        {.data_dir = settings_.data_dir,
         .folder = "log",
         .name = "the log",
         .consequence = "nothing is taken",
         .remedy = "restore the whole data directory from a backup, or move its folder log/ away: "
                   "then the log begins anew, and clients are told",
         .format_key = "mformat",
         .formats = {"1", "2"},  // 1 had one epoch, and knew what was lost of all types only
         .prepare = [this, &random](const Database::Opened& as) { return prepare(as, random); },
         .is_copy = ends_at_newest_,
         .free_bytes_min = settings_.free_bytes_min,
         .env = settings_.env,
         .retry_after = settings_.retry_after,
         .memtable_bytes = 32U << 20U,
         .growing_groups = LogRetention::growing_groups(),
         .open_files_max = settings_.open_files_max,
         .compresses = true});
    if (!opened) return opened.error();
    database_ = std::move(*opened);
    return {};
}

Result<> LogStore::prepare(const Database::Opened& opened, Random& random) {
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
    // What was reserved may be lost with the end, so that it says too little.
    ends_at_newest_ = ends_at_newest_ || opened.lost_its_end;
    const rocksdb::Status known = opened.db.Get({}, slice(kReservedKey), &value);
    if (!known.ok() && !known.IsNotFound()) return opened.store.unreadable(known);
    rocksdb::WriteBatch batch;
    Position reserved(known.ok() ? ByteReader(value).fixed() : 0);
    if (!known.ok()) batch.Put(slice(kReservedKey), fixed(0));
    if (opened.db.Get({}, slice(kSecretKey), &value).IsNotFound()) {
        // It is new, or of format 1, which knew what was lost of all types only.
        std::array<std::byte, 8> secret{};
        random.fill(secret);
        batch.Put(slice(kSecretKey), fixed(std::bit_cast<std::uint64_t>(secret)));
        const bool is_lost = opened.db.Get({}, slice(kLostKey), &value).ok();
        batch.Put(slice(kLostAnyKey), is_lost ? value : fixed(0));
    }
    if (ends_at_newest_ && !reserved.is_before_first()) {
        // Any entry between the newest one and what was reserved may have been acknowledged, here
        // or by the server that was copied. Whoever was away then has not seen it, and is told by
        // a loss at a position that is above the newest entry and is never given.
        const Scan entries(opened.db, "e", "f");
        entries->SeekToLast();
        if (entries->Valid()) reserved = std::max(reserved, position_of(entries.key()));
        if (!entries->status().ok()) return opened.store.unreadable(entries->status());
        batch.Put(slice(kReservedKey), fixed((reserved + 1).number()));
        batch.Put(slice(kLostAnyKey), fixed((reserved + 1).number()));
    }
    if (batch.Count() == 0) return {};
    rocksdb::WriteOptions synced;
    synced.sync = true;
    const rocksdb::Status written = opened.db.Write(synced, &batch);
    if (written.ok()) return {};
    return Error{ErrorCode::kUnavailable, "cannot write to the log: " + written.ToString()};
}

// Begins a new epoch. It is written with the first positions that are reserved in it, so a log
// whose disk takes nothing now can be opened.
Result<> LogStore::read_meta(Random& random) {
    const auto reserved = get(kReservedKey);
    const auto secret = get(kSecretKey);
    const auto sessions = get(kSessionsKey);
    if (!sessions) return sessions.error();
    sessions_open_in_ = sessions->value_or(std::string());
    const auto before = stored_epochs();
    if (!reserved) return reserved.error();
    if (!secret) return secret.error();
    if (!before) return before.error();
    if (!*reserved) return database_->damaged("it has reserved nothing");
    reserved_ = Position(ByteReader(**reserved).fixed());
    if (*secret) secret_ = ByteReader(**secret).fixed();

    // Retention may have taken all that was written since the epoch before: then it ended there.
    const Position begin =
        *before && !(*before)->past().empty() ? (*before)->past().back().end : Position();
    const auto newest = newest_from(ends_at_newest_ ? begin : reserved_);
    if (!newest) return newest.error();
    reserved_ = std::max(reserved_, *newest);
    if (*before) {
        const Position end = ends_at_newest_ ? std::max(begin, *newest) : reserved_;
        epochs_ = (*before)->next(make_epoch(random), end);
    } else if (reserved_.is_before_first()) {
        epochs_ = Epochs(make_epoch(random));
    } else {
        return database_->damaged("it has no epoch");
    }
    return {};
}

// None: it is new.
Result<std::optional<Epochs>> LogStore::stored_epochs() const {
    const auto bytes = get(kEpochsKey);
    if (!bytes) return bytes.error();
    if (*bytes) {
        Result<Epochs> epochs = decode_epochs(**bytes);
        if (!epochs) return database_->damaged(epochs.error().detail);
        return std::optional(std::move(*epochs));
    }
    const auto name = get(kEpochOfFormat1Key);
    if (!name) return name.error();
    return *name ? std::optional(Epochs(**name)) : std::nullopt;
}

// The newest entry at `position` or above it; none: 0. Those below are not searched: what retention
// has taken there takes long to pass over.
Result<Position> LogStore::newest_from(Position position) const {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const Scan at(*db, key_of('e', position), "f");
    at->SeekToLast();
    const Position newest = at->Valid() ? position_of(at.key()) : Position();
    if (!at->status().ok()) return database_->unreadable(at->status());
    return newest;
}

Result<std::optional<std::string>> LogStore::get(std::string_view key) const {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    std::string value;
    const rocksdb::Status status = db->Get({}, slice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return database_->unreadable(status);
    return std::optional<std::string>(std::move(value));
}

// ---- at the start -------------------------------------------------------------------------------

// What was written behind the last block is put into the next one.
Result<> LogStore::begin_blocks() {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const Scan ends(*db, "k", "l");
    for (ends->SeekToFirst(); ends->Valid(); ends->Next())
        blocks_.push_back(position_of(ends.key()));
    const Position lost = retention_.losses().through();
    const Position last = blocks_.empty() ? Position() : blocks_.back();
    block_.begin(secret_, std::max(last, lost));
    const Scan at(*db, key_of('e', block_.first()), "f");
    std::size_t count = 0;
    for (at->SeekToFirst(); at->Valid() && count < 2 * OpenBlock::kEntries; at->Next(), ++count) {
        const Result<Entry> entry = decode_entry(position_of(at.key()), at.value());
        if (!entry) return database_->damaged(entry.error().detail);
        block_.add(*entry);
    }
    if (at->Valid()) block_.forget();  // of a format that had no blocks
    for (const Scan* const scan : {&at, &ends}) {
        if (!(*scan)->status().ok()) return database_->unreadable((*scan)->status());
    }
    return {};
}

Result<> LogStore::load(Binder& binder, Dedupe& dedupe) {
    if (const Result<> loaded = load_changes(binder); !loaded) return loaded.error();
    return dedupe_keys_.load(*database_, dedupe);
}

Result<> LogStore::load_changes(Binder& binder) const {
    Result<> loaded = scan_wide(*database_, "s", "t", [&](std::span<StoredView> part) {
        for (StoredView& change : part) change.key.remove_prefix(1);
        return binder.load(part);
    });
    // Each thread has a heap of its own, in which the binder's tables left holes as they grew.
    ::malloc_trim(0);
    return loaded;
}

Result<LogStore::Recent> LogStore::recent(std::size_t entries_max, std::size_t bytes_max) const {
    Recent recent{.entries = {}, .after = retention_.losses().through()};
    std::size_t bytes = 0;
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const Scan at(*db, key_of('e', recent.after + 1), "f");
    for (at->SeekToLast(); at->Valid(); at->Prev()) {
        const Position position = position_of(at.key());
        if (recent.entries.size() == entries_max) {
            recent.after = position;
            break;
        }
        Result<Entry> entry = decode_entry(position, at.value());
        if (!entry) return database_->damaged(entry.error().detail);
        bytes += memory_of(*entry);
        if (bytes > bytes_max) {
            recent.after = position;
            break;
        }
        recent.entries.push_back(std::make_shared<const Entry>(std::move(*entry)));
    }
    if (!at->status().ok()) return database_->unreadable(at->status());
    std::reverse(recent.entries.begin(), recent.entries.end());
    return recent;
}

// ---- writing ------------------------------------------------------------------------------------

Result<> LogStore::write(std::span<const Staged> staged, std::optional<Position> reserve) {
    rocksdb::WriteBatch batch;
    const std::int64_t now_ms = to_ms(clock_.wall_now());
    const std::size_t blocks = blocks_.size();
    for (const Staged& one : staged) {
        for (const StoredChange& change : one.changes) {
            const std::string key = 's' + change.key;
            if (change.value) {
                batch.Put(key, *change.value);
            } else {
                batch.Delete(key);
            }
        }
        if (one.is_stored) put_entry(batch, one, now_ms);
        dedupe_keys_.put(batch, one);
    }
    retention_.finish(batch);
    if (reserve) {
        batch.Put(slice(kReservedKey), fixed(reserve->number()));
        if (!epochs_are_written_) {
            batch.Put(slice(kEpochsKey), encode_epochs(epochs_));
            batch.Put(slice(kSessionsKey), sessions_open_in_);
            batch.Delete(slice(kEpochOfFormat1Key));
        }
    }

    Result<> written = database_->write(batch, true);
    if (written && reserve) epochs_are_written_ = true;
    retention_.written(written.has_value());
    if (!written) {
        blocks_.resize(blocks);
        block_.forget();
        return written;
    }
    for (const Staged& one : staged) {
        if (one.is_stored) last_stored_ = one.entry->position;
    }
    return written;
}

void LogStore::put_entry(rocksdb::WriteBatch& batch, const Staged& staged, std::int64_t now_ms) {
    const Entry& entry = *staged.entry;
    const std::string bytes = encode_entry(entry);
    batch.Put(key_of('e', entry.position), bytes);
    retention_.add(entry, bytes.size(), now_ms);
    block_.add(entry);
    if (block_.is_full()) put_block(batch);
}

void LogStore::put_block(rocksdb::WriteBatch& batch) {
    blocks_.push_back(block_.last());
    batch.Put(key_of('k', block_.last()), block_.finish());
}

Result<LogRetention::Swept> LogStore::sweep(Position frontier) {
    Result<LogRetention::Swept> swept = retention_.sweep(frontier);
    if (!swept) return swept;
    if (!swept->has_more) {
        const Result<bool> has_more = dedupe_keys_.sweep(*database_);
        if (!has_more) return has_more.error();
        swept->has_more = *has_more;
    }
    // A block ends before anything of it is gone, so that it can prove what was not lost; those
    // that are too many go.
    rocksdb::WriteBatch batch;
    const bool is_begun = !block_.is_empty() && block_.first() <= retention_.losses().through();
    if (is_begun) put_block(batch);
    while (blocks_.size() > kBlocksMax) {
        batch.Delete(key_of('k', blocks_.front()));
        blocks_.pop_front();
    }
    if (batch.Count() == 0) return swept;
    if (const Result<> written = database_->write(batch, false); !written) {
        if (is_begun) blocks_.pop_back();
        block_.forget();
        return written.error();
    }
    return swept;
}

// ---- reading ------------------------------------------------------------------------------------

namespace {

using Rooms = std::vector<std::uint64_t>;

// In order, as blocks are asked.
Rooms sorted(const WantedRooms& wanted) {
    Rooms rooms = wanted ? *wanted : Rooms();
    std::sort(rooms.begin(), rooms.end());
    return rooms;
}

// Up to where nothing, or all, has to be read from `position` on.
struct Stretch {
    Position last;
    bool may_be_skipped = false;
};

Stretch stretch_at(const Scan& blocks, Position position, const Rooms& rooms) {
    blocks->Seek(key_of('k', position));
    LogBlock block;
    if (!blocks->Valid()) return {kEndOfTime};
    if (!LogBlock::read(blocks.key(), blocks.value(), block)) return {position};
    if (block.first > position) return {block.first - 1};
    return {block.last, !block.may_hold_any(rooms)};
}

}  // namespace

Result<Page> LogStore::read(Position after, std::size_t limit, Position frontier,
                            const WantedRooms& wanted) const {
    const Database::Reading db = database_->read();
    if (!db) return database_->unreadable("it is closed");
    const Rooms rooms = sorted(wanted);
    Page page;
    std::size_t bytes = 0;
    std::size_t skipped = 0;
    const Position begin = std::max(after, retention_.floor());
    Position known = begin;  // the stretch ends here
    const Scan at(*db, key_of('e', begin + 1), key_of('e', frontier + 1));
    // Read after the iterator was made: what it no longer sees is told. The count comes first: what
    // is lost meanwhile is told again.
    page.losses = retention_.losses().count();
    page.lost_through = retention_.losses().through();
    page.lost = lost_of(*db, after, wanted ? &rooms : nullptr);
    const Scan blocks(*db, key_of('k', begin + 1), "l");
    at->SeekToFirst();
    while (at->Valid()) {
        const Position position = position_of(at.key());
        if (wanted && position > known) {
            const Stretch stretch = stretch_at(blocks, position, rooms);
            known = stretch.last;
            if (stretch.may_be_skipped) {
                if (++skipped == kBlocksOfPageMax) {
                    page.through = std::min(known, frontier);
                    return page;
                }
                at->Seek(key_of('e', known + 1));
                continue;
            }
        }
        if (page.entries.size() == limit || bytes > kPageBytesMax) {
            page.through = page.entries.back()->position;
            return page;
        }
        bytes += at.value().size();
        Result<Entry> entry = decode_entry(position, at.value());
        if (!entry) return database_->damaged(entry.error().detail);
        page.entries.push_back(std::make_shared<const Entry>(std::move(*entry)));
        at->Next();
    }
    if (!at->status().ok()) return database_->read_failed(at->status());
    page.through = std::max(after, frontier);
    page.at_end = true;
    return page;
}

// What was lost after `after`, but for what the blocks rule out. Where there is none, nothing is.
std::vector<Lost> LogStore::lost_of(rocksdb::DB& db, Position after,
                                    const std::vector<std::uint64_t>* rooms) const {
    std::vector<Lost> unproven = retention_.losses().after(after);
    if (rooms == nullptr || unproven.empty()) return unproven;
    std::vector<Lost> lost;
    // Takes over those to which `is_lost` holds.
    const auto take = [&](auto is_lost) {
        const auto rest = std::partition(unproven.begin(), unproven.end(),
                                         [&](const Lost& one) { return !is_lost(one); });
        lost.insert(lost.end(), rest, unproven.end());
        unproven.erase(rest, unproven.end());
    };
    const auto take_after = [&](Position position) {
        take([position](const Lost& one) { return one.through > position; });
    };
    Position at = after;
    const Scan blocks(db, key_of('k', after + 1), "l");
    for (blocks->SeekToFirst(); blocks->Valid() && !unproven.empty(); blocks->Next()) {
        LogBlock block;
        if (!LogBlock::read(blocks.key(), blocks.value(), block)) break;
        if (block.first > at + 1) take_after(at);
        at = block.last;
        if (!block.may_hold_any(*rooms)) continue;
        take([&](const Lost& one) {
            return one.through >= block.first &&
                   (one.type.empty() ||
                    std::any_of(rooms->begin(), rooms->end(), [&](std::uint64_t room) {
                        return block.may_hold(room, one.type);
                    }));
        });
    }
    take_after(at);
    return lost;
}

}  // namespace eventbus
