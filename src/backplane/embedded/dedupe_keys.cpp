#include "backplane/embedded/dedupe_keys.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backplane/embedded/log_keys.h"
#include "backplane/embedded/scan.h"

namespace eventbus {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kSweptKey = "mdedupe";

std::int64_t written_ms(std::string_view value) {
    return static_cast<std::int64_t>(ByteReader(value).fixed());
}

}  // namespace

Result<> DedupeKeys::load(Database& database, Dedupe& dedupe) {
    const Database::Reading db = database.read();
    if (!db) return database.unreadable("it is closed");
    std::string swept;
    if (db->Get({}, slice(kSweptKey), &swept).ok()) swept_ = Position(ByteReader(swept).fixed());
    started_ = clock_.now();
    const Scan at(*db, key_of('d', swept_ + 1), "e");
    at->SeekToLast();
    // A log without keys may begin anywhere; releases before this one wrote the wall clock's time.
    started_ms_ = at->Valid() ? written_ms(at.value()) : to_ms(clock_.wall_now());
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
        ByteReader reader(at.value());
        const auto written = static_cast<std::int64_t>(reader.fixed());
        Dedupe::Seen seen{.position = position_of(at.key())};
        seen.content_hash = reader.fixed();
        seen.unowned = reader.byte() != 0;
        std::string key(reader.rest());
        if (!reader.is_fine()) return database.damaged("a key of the dedupe window");
        const auto age = milliseconds(std::max<std::int64_t>(0, started_ms_ - written));
        if (age >= settings_.window || dedupe.find(key) != nullptr) continue;
        dedupe.add(std::move(key), seen, started_ - age);
        dedupe.commit();
        dedupe.forget(started_ - age);
    }
    if (!at->status().ok()) return database.unreadable(at->status());
    return {};
}

void DedupeKeys::put(rocksdb::WriteBatch& batch, const Staged& staged) const {
    for (const Position forgotten : staged.forgotten_keys) batch.Delete(key_of('d', forgotten));
    if (staged.dedupe_key.empty()) return;
    const Entry& entry = *staged.entry;
    std::string value = fixed(static_cast<std::uint64_t>(running_ms()));
    put_fixed(value, entry.content_hash);
    value.append(1, entry.unowned ? '\1' : '\0').append(staged.dedupe_key);
    batch.Put(key_of('d', entry.position), value);
}

Result<bool> DedupeKeys::sweep(Database& database) {
    const std::int64_t oldest = running_ms() - settings_.window.count();
    rocksdb::WriteBatch batch;
    Position swept = swept_;
    std::size_t taken = 0;
    {
        const Database::Reading db = database.read();
        if (!db) return false;
        const Scan at(*db, key_of('d', swept_ + 1), "e");
        at->SeekToFirst();
        // What was taken away below the first one is not to be passed over again each time.
        if (at->Valid()) swept_ = position_of(at.key()) - 1;
        for (; taken < kSliceKeys && at->Valid(); at->Next(), ++taken) {
            if (written_ms(at.value()) > oldest) break;
            batch.Delete(at->key());
            swept = position_of(at.key());
        }
    }
    if (taken == 0) return false;
    batch.Put(slice(kSweptKey), fixed(swept.number()));
    // Not synced: after a crash it is done again.
    if (const Result<> written = database.write(batch, false); !written) return written.error();
    swept_ = swept;
    return taken == kSliceKeys;
}

std::int64_t DedupeKeys::running_ms() const {
    return started_ms_ + std::chrono::duration_cast<milliseconds>(clock_.now() - started_).count();
}

}  // namespace eventbus
