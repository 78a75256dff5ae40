#include "backplane/embedded/session_codec.h"

#include <chrono>
#include <cstddef>

#include "log/bytes.h"

namespace eventbus {
namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

std::int64_t expires_ms(const SessionRecord& record) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               record.expires_at.time_since_epoch())
        .count();
}

std::string encode_session(const SessionRecord& record) {
    std::string out(1, static_cast<char>(kVersion));
    put_fixed(out, static_cast<std::uint64_t>(expires_ms(record)));
    put_string(out, record.principal);
    put_string(out, record.sid);
    put_number(out, record.started_at.number());
    put_number(out, record.rooms.size());
    for (const SessionRecord::Joined& joined : record.rooms) {
        put_string(out, joined.room.key());
        put_number(out, joined.at.number());
    }
    return out;
}

std::optional<SessionRecord> decode_session(std::string_view pid, std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.byte() != kVersion) return std::nullopt;
    SessionRecord record;
    record.pid = pid;
    record.expires_at = std::chrono::system_clock::time_point(
        std::chrono::milliseconds(static_cast<std::int64_t>(reader.fixed())));
    record.principal = reader.string();
    record.sid = reader.string();
    record.started_at = Position(reader.number());
    for (std::size_t left = reader.count(2); left > 0; --left) {
        std::string key(reader.string());
        record.rooms.push_back({Room::from_key(std::move(key)), Position(reader.number())});
    }
    if (!reader.is_at_end()) return std::nullopt;
    return record;
}

}  // namespace eventbus
