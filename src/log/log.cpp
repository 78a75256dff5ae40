#include "log/log.h"

#include <algorithm>

#include "base/hash.h"
#include "base/json_text.h"

namespace eventbus {

void append_receipt(std::string& json, const Receipt& receipt, const Log& log) {
    json += "\"id\":";
    append_json_string(json, receipt.id);
    json.append(",\"offset\":\"")
        .append(offset_text(log, receipt.position))
        .append("\",\"duplicate\":")
        .append(receipt.duplicate ? "true" : "false");
    if (receipt.unowned) json += ",\"unowned\":true";
}

std::string offset_text(const Log& log, Position position) {
    return to_string(log.epochs().offset_of(position));
}

Result<Position> position_of(const Log& log, const Offset& offset) {
    if (log.epochs().holds(offset)) return offset.position;
    return Error{ErrorCode::kBadOffset,
                 "the offset is of another log: the server's data was replaced, or restored from a "
                 "backup that is older; load what is shown anew, and go on from the offset of that "
                 "answer"};
}

bool is_wanted(const Log& log, const Entry& entry, const WantedRooms& wanted) {
    if (!wanted) return true;
    bool is_one = false;
    for_each_room(entry, [&](const Room& room) {
        const std::uint64_t key = log.room_key(room);
        is_one = is_one || std::find(wanted->begin(), wanted->end(), key) != wanted->end();
    });
    return is_one;
}

LatestKey latest_key(const Log& log, const Entry& entry) {
    if (!entry.latest) return LatestKey::kNone;
    const std::uint64_t subject = log.room_key(Room::subject(entry.event.subject));
    return static_cast<LatestKey>(keyed_hash(subject, entry.event.type) | 1U);
}

}  // namespace eventbus
