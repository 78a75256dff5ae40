#include "backplane/embedded/session_codec.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "log/bytes.h"

namespace eventbus {
namespace {

constexpr std::uint8_t kWhole = 1;
constexpr std::uint8_t kInParts = 3;

void put_place(std::string& out, std::optional<Position> place) {
    put_number(out, place ? place->number() + 1 : 0);
}

std::optional<Position> place(ByteReader& reader) {
    const std::uint64_t number = reader.number();
    return number == 0 ? std::nullopt : std::optional(Position(number - 1));
}

}  // namespace

std::string encode_record(const SessionRecord& record) {
    std::string out(1, static_cast<char>(kInParts));
    put_string(out, record.principal);
    put_string(out, record.sid);
    put_number(out, record.started_at.number());
    put_string(out, record.offset_before);
    put_string(out, encode_where(at_of(record), 0));
    const auto is_of_people = [](const JoinedRoom& joined) { return joined.room.is_of_people(); };
    put_number(out, static_cast<std::size_t>(std::ranges::count_if(record.rooms, is_of_people)));
    for (const JoinedRoom& joined : record.rooms) {
        if (!is_of_people(joined)) continue;
        put_string(out, joined.room.key());
        put_string(out, encode_room(joined));
    }
    return out;
}

std::string encode_where(const SessionChange::At& at, std::int64_t expires_ms) {
    std::string out;
    put_fixed(out, static_cast<std::uint64_t>(expires_ms));
    put_string(out, at.epoch);
    put_number(out, at.place.given.number());
    put_number(out, at.place.clear.number());
    const bool is_taken_over = !at.taken_over_at.is_before_first();
    if (at.received.is_before_first() && !at.unknown_behind && !is_taken_over) return out;
    put_number(out, at.received.number());
    put_place(out, at.unknown_behind);
    if (is_taken_over) put_number(out, at.taken_over_at.number());
    return out;
}

std::string encode_room(const JoinedRoom& joined) {
    std::string out;
    put_number(out, joined.at.number());
    const bool has_late_fields = joined.hidden_after || joined.entered_at;
    if (!joined.owed_after && !joined.ended_behind && !has_late_fields) return out;
    put_place(out, joined.owed_after);
    put_place(out, joined.given_behind);
    put_place(out, joined.ended_behind);
    if (!has_late_fields) return out;
    put_place(out, joined.hidden_after);
    if (joined.entered_at) put_place(out, joined.entered_at);
    return out;
}

bool decode_record(std::string_view bytes, SessionRecord& record) {
    ByteReader reader(bytes);
    if (reader.byte() != kInParts) return false;
    record.principal = reader.string();
    record.sid = reader.string();
    record.started_at = Position(reader.number());
    record.offset_before = reader.string();
    std::int64_t expires_ms = 0;
    if (!decode_where(reader.string(), record, expires_ms)) return false;
    for (std::size_t left = reader.count(2); left > 0; --left) {
        const std::string_view key = reader.string();
        std::optional<JoinedRoom> joined = decode_room(key, reader.string());
        if (!joined) return false;
        record.rooms.push_back(std::move(*joined));
    }
    return reader.is_at_end();
}

bool decode_where(std::string_view bytes, SessionRecord& record, std::int64_t& expires_ms) {
    ByteReader reader(bytes);
    expires_ms = static_cast<std::int64_t>(reader.fixed());
    record.epoch = reader.string();
    record.place.given = Position(reader.number());
    record.place.clear = Position(reader.number());
    record.taken_over_at = Position();
    if (reader.is_at_end()) return true;
    record.received = Position(reader.number());
    record.unknown_behind = place(reader);
    if (reader.is_at_end()) return true;
    record.taken_over_at = Position(reader.number());
    return reader.is_at_end() && !record.taken_over_at.is_before_first();
}

std::optional<JoinedRoom> decode_room(std::string_view key, std::string_view bytes) {
    ByteReader reader(bytes);
    JoinedRoom joined{.room = Room::from_key(std::string(key)), .at = Position(reader.number())};
    if (reader.is_fine() && !reader.is_at_end()) {
        joined.owed_after = place(reader);
        joined.given_behind = place(reader);
        joined.ended_behind = place(reader);
    }
    if (reader.is_fine() && !reader.is_at_end()) {
        joined.hidden_after = place(reader);
        const bool is_last = reader.is_at_end();
        if (!is_last) joined.entered_at = place(reader);
        if (!(is_last ? joined.hidden_after : joined.entered_at)) return std::nullopt;
    }
    if (!reader.is_at_end()) return std::nullopt;
    return joined;
}

bool decode_whole(std::string_view bytes, SessionRecord& record, std::int64_t& expires_ms) {
    ByteReader reader(bytes);
    if (reader.byte() != kWhole) return false;
    expires_ms = static_cast<std::int64_t>(reader.fixed());
    record.principal = reader.string();
    record.sid = reader.string();
    record.started_at = Position(reader.number());
    // The release before knew of no place but the one where the session began.
    record.place = {record.started_at, record.started_at};
    for (std::size_t left = reader.count(2); left > 0; --left) {
        std::string key(reader.string());
        record.rooms.push_back({Room::from_key(std::move(key)), Position(reader.number())});
    }
    return reader.is_at_end();
}

}  // namespace eventbus
