#pragma once

#include <algorithm>
#include <optional>

#include "admission/session_store.h"
#include "base/error.h"
#include "delivery/place.h"

namespace eventbus {

// Where a socket that comes back goes on: it gets what is for it and lies after this place.
// `seen` is the client's offset, `started_at` where its session began, or what it has received by
// another proof.
//
// At or above `given` the client has every frame that was queued for it, and nothing up to `clear`
// is owed to it: a client that missed nothing reads nothing. Below, frames may have been lost on
// the way, so what it says counts, whatever `clear` says.
inline Position resume_after(std::optional<Position> seen, const Place& place,
                             Position started_at) {
    const Position from = std::max(seen.value_or(started_at), started_at);
    return from >= place.given ? std::max(from, place.clear) : from;
}

// Whether a client with this offset has what was queued when `given` stood at `behind`: the end of
// a history, the notice that a right has ended.
//
// These carry no place, so the client's offset does not move with them, and they may have been lost
// on the way. Frames arrive in the order in which they were queued: an offset *above* that of the
// last frame in order before them belongs to a frame behind them. One that is equal proves nothing.
inline bool has_seen(std::optional<Position> seen, std::optional<Position> behind) {
    return seen && behind && *seen > *behind;
}

// From where on a room that has ended owes what goes to it, should its client be in it again and
// not have heard of the end: nothing of it was queued behind `ended_behind`.
inline Position owed_of_ended(const JoinedRoom& ended) {
    const Position end = std::max(*ended.ended_behind, ended.at);
    return std::min(ended.owed_after.value_or(end), end);
}

// Why a receiver that may watch does not stay in a room: the right by which it was in it ended, and
// it has been given another one since. Of what lies between it gets nothing, so it is told.
inline Error right_was_interrupted() {
    return {ErrorCode::kForbidden,
            "the right to watch it ended and was given again later, and what happened in between "
            "is not shown; subscribe again"};
}

}  // namespace eventbus
