#pragma once

#include <atomic>
#include <chrono>

#include "base/clock.h"

namespace eventbus::sim {

// A clock that the run moves. Each look at it takes a moment too, as on a busy machine: who looks
// twice for one decision sees two times.
class SimClock final : public Clock {
 public:
    Time now() const override {
        return Time(Time::duration(passed_.fetch_add(look_.count()) + kBegin));
    }
    WallTime wall_now() const override {
        return WallTime(std::chrono::duration_cast<WallTime::duration>(
            std::chrono::hours(24 * 365 * 54) + now().time_since_epoch() + wall_step_.load()));
    }

    // Without the moment that a look takes.
    Time peek() const { return Time(Time::duration(passed_.load() + kBegin)); }
    void advance(std::chrono::nanoseconds time) { passed_ += time.count(); }
    // Looks take no time: where threads look whose number and speed nothing decides.
    void let_looks_be_free() { look_ = {}; }
    void step_wall(std::chrono::hours by) { wall_step_ = wall_step_.load() + by; }

 private:
    static constexpr std::int64_t kBegin = 3'600'000'000'000;  // an hour in ns
    std::chrono::nanoseconds look_ = std::chrono::microseconds(50);
    mutable std::atomic<std::int64_t> passed_{0};
    std::atomic<std::chrono::hours> wall_step_{std::chrono::hours(0)};
};

}  // namespace eventbus::sim
