#include "log/entry_codec.h"

#include <cstddef>
#include <cstdint>
#include <limits>

#include "log/bytes.h"

namespace eventbus {
namespace {

constexpr std::uint8_t kVersion = 1;

enum Flags : std::uint8_t {
    kLatest = 1,
    kHasClientId = 2,
    kUnowned = 4,
    kIsTransient = 8,
    kKnownFlags = 15,
};

std::uint8_t flags_of(const Entry& entry) {
    unsigned flags = 0;
    if (entry.latest) flags |= kLatest;
    if (entry.has_client_id) flags |= kHasClientId;
    if (entry.unowned) flags |= kUnowned;
    if (entry.durability == Durability::kTransient) flags |= kIsTransient;
    return static_cast<std::uint8_t>(flags);
}

// The attributes and strings of an entry in their order on disk, for reading and writing.
template <class EntryLike, class Each>
void for_each_string(EntryLike& entry, Each&& each) {
    each(entry.event.id);
    each(entry.event.type);
    each(entry.event.source);
    each(entry.event.subject);
    each(entry.event.time);
    each(entry.event.traceparent);
    each(entry.event.data);
    each(entry.name);
    each(entry.publisher);
}

bool is_room_key(std::string_view key) {
    if (key == "e") return true;
    return key.size() > 2 && key[1] == ':' &&
           std::string_view("ursp").find(key[0]) != std::string_view::npos;
}

Room read_room(ByteReader& reader) {
    const std::string_view key = reader.string();
    if (!is_room_key(key)) {
        reader.fail();
        return Room::everyone();
    }
    return Room::from_key(std::string(key));
}

void read_retention(ByteReader& reader, Retention& retention) {
    const std::uint64_t age = reader.number();
    if (age > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) reader.fail();
    if (reader.is_fine()) retention.age = std::chrono::seconds(static_cast<std::int64_t>(age));
    retention.bytes_max = reader.number();
}

void read_lists(ByteReader& reader, Entry& entry) {
    for (std::size_t left = reader.count(1); left > 0; --left) {
        entry.variants.emplace_back(reader.string());
    }
    for (std::size_t left = reader.count(2); left > 0; --left) {
        Room room = read_room(reader);
        const std::uint64_t variant = reader.number();
        if (variant > entry.variants.size()) reader.fail();
        entry.deliveries.push_back({std::move(room), static_cast<std::uint16_t>(variant)});
    }
    for (std::size_t left = reader.count(2); left > 0; --left) {
        std::string subject(reader.string());
        entry.evictions.push_back({std::move(subject), read_room(reader)});
    }
}

}  // namespace

std::string encode_entry(const Entry& entry) {
    std::string out;
    out.reserve(entry.event.data.size() + 512);
    out.push_back(static_cast<char>(kVersion));
    out.push_back(static_cast<char>(flags_of(entry)));
    put_fixed(out, entry.content_hash);
    put_number(out, static_cast<std::uint64_t>(entry.retention.age.count()));
    put_number(out, entry.retention.bytes_max);
    for_each_string(entry, [&](const std::string& text) { put_string(out, text); });
    put_number(out, entry.variants.size());
    for (const std::string& variant : entry.variants) put_string(out, variant);
    put_number(out, entry.deliveries.size());
    for (const Delivery& delivery : entry.deliveries) {
        put_string(out, delivery.room.key());
        put_number(out, delivery.variant);
    }
    put_number(out, entry.evictions.size());
    for (const Eviction& eviction : entry.evictions) {
        put_string(out, eviction.subject);
        put_string(out, eviction.who.key());
    }
    return out;
}

Result<Entry> decode_entry(Position position, std::string_view bytes) {
    const auto damaged = [&](const std::string& what) {
        return Error{ErrorCode::kInternal,
                     "the log's entry " + to_string(position) + " is damaged: " + what};
    };
    ByteReader reader(bytes);
    const std::uint8_t version = reader.byte();
    if (version != kVersion) return damaged("its version is " + std::to_string(version));
    const std::uint8_t flags = reader.byte();
    if ((flags & ~unsigned{kKnownFlags}) != 0) return damaged("it has flags that are not known");

    Entry entry;
    entry.position = position;
    entry.latest = (flags & kLatest) != 0;
    entry.has_client_id = (flags & kHasClientId) != 0;
    entry.unowned = (flags & kUnowned) != 0;
    entry.durability = (flags & kIsTransient) != 0 ? Durability::kTransient : Durability::kDurable;
    entry.content_hash = reader.fixed();
    read_retention(reader, entry.retention);
    for_each_string(entry, [&](std::string& text) { text = reader.string(); });
    read_lists(reader, entry);
    if (!reader.is_at_end()) return damaged("it is cut off, or has more than belongs to it");
    return entry;
}

}  // namespace eventbus
