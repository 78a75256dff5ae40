#pragma once

#include "log/position.h"

namespace eventbus {

// Where a socket stands in the log. Both only rise while one pid lasts, and both begin where the
// session began; an older one is safe.
struct Place {
    Position given;  // the last entry whose frame was queued for it, or of whose loss it was told
    Position clear;  // up to here nothing else was for it

    friend bool operator==(const Place&, const Place&) = default;
};

}  // namespace eventbus
