#include "admission/session_store.h"

#include <algorithm>
#include <utility>

namespace eventbus {

SessionChange::At at_of(const SessionRecord& record) {
    return {record.epoch, record.place, record.received, record.unknown_behind,
            record.taken_over_at};
}

void apply(SessionRecord& record, SessionChange change) {
    if (change.at) {
        record.epoch = std::move(change.at->epoch);
        record.place = change.at->place;
        record.received = change.at->received;
        record.unknown_behind = change.at->unknown_behind;
        record.taken_over_at = change.at->taken_over_at;
    }
    if (change.offset_before) record.offset_before = std::move(*change.offset_before);
    const auto find = [&](const Room& room) {
        return std::find_if(record.rooms.begin(), record.rooms.end(),
                            [&](const JoinedRoom& joined) { return joined.room == room; });
    };
    for (JoinedRoom& put : change.put) {
        const auto known = find(put.room);
        if (known == record.rooms.end()) {
            record.rooms.push_back(std::move(put));
        } else {
            *known = std::move(put);
        }
    }
    for (const Room& gone : change.gone) {
        const auto known = find(gone);
        if (known != record.rooms.end()) record.rooms.erase(known);
    }
}

Task note_taken_over(SessionOwner& owner, std::string_view pid, Claim claim) {
    return [&owner, pid = std::string(pid), claim] { owner.on_taken_over(pid, claim); };
}

}  // namespace eventbus
