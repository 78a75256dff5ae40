#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include "base/clock.h"
#include "base/executor.h"
#include "log/log.h"

namespace eventbus {

// How long an offset ahead of what can be seen here is waited for: another node, or another thread,
// may be ahead.
inline constexpr auto kAheadMax = std::chrono::seconds(2);

using PostAt = std::function<void(Clock::Time, Task)>;

// Calls `then` on the caller's thread once `place` is visible or `until` has come: at once if it is
// visible already.
inline void await_visible(const Log& log, const Clock& clock, const PostAt& post_at, Position place,
                          Clock::Time until, Task then) {
    constexpr auto kLookEvery = std::chrono::milliseconds(20);
    if (place <= log.frontier() || clock.now() >= until) return then();
    post_at(clock.now() + kLookEvery,
            [&log, &clock, &post_at, place, until, then = std::move(then)]() mutable {
                await_visible(log, clock, post_at, place, until, std::move(then));
            });
}

}  // namespace eventbus
