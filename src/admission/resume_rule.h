#pragma once

#include <algorithm>
#include <optional>

#include "delivery/place.h"

namespace eventbus {

// Where a socket that comes back goes on: it gets what is for it and lies after this place.
// `seen` is the client's offset, `started_at` where its session began.
//
// At or above `given` the client has every frame that was queued for it, and nothing up to `clear`
// is owed to it: a client that missed nothing reads nothing. Below, frames may have been lost on
// the way, so what it says counts, whatever `clear` says.
inline Position resume_after(std::optional<Position> seen, const Place& place,
                             Position started_at) {
    const Position from = seen.value_or(started_at);
    return from >= place.given ? std::max(from, place.clear) : from;
}

}  // namespace eventbus
