#pragma once

#include "log/position.h"

namespace eventbus {

// Where a socket stands in the log. Both begin where the session began, and rise while one pid
// lasts, but that `clear` falls back to where a resume gives again; an older one is safe.
struct Place {
    // The last entry whose frame was queued for it, or of whose loss it was told; or its place, if
    // it was told that.
    Position given;
    Position clear;  // up to here nothing else was for it

    friend bool operator==(const Place&, const Place&) = default;
};

}  // namespace eventbus
