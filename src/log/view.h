#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace eventbus {

// Seam: what follows the log on one reactor (live delivery, consumer groups). Each view has a place
// of its own (LogReader) and its own back-pressure: none waits for another, and none keeps the tail
// above its bound.
//
// Thread: reactor.
class View {
 public:
    // Whether there is more to do: in the next turn at once, after the writes of this turn or
    // before them, so that they leave together.
    enum class More : std::uint8_t { kNo, kAfterWrites, kBeforeWrites };

    struct Next {
        More more = More::kNo;
        // When to call again even if nothing happens until then. One look at the clock gives both.
        std::optional<Clock::Time> at = {};

        friend bool operator==(const Next&, const Next&) = default;
    };

    virtual ~View() = default;

    // In each turn of the reactor: takes of what became visible as much as is good for one turn.
    virtual Next deliver() = 0;
};

// What is to be done for both.
inline View::Next both(View::Next a, View::Next b) {
    if (!a.at || (b.at && *b.at < *a.at)) a.at = b.at;
    return {std::max(a.more, b.more), a.at};
}

}  // namespace eventbus
