#pragma once

#include <atomic>

#include "base/clock.h"

namespace eventbus {

// A clock that stands still until a test moves it. Any thread reads it, one moves it.
class FakeClock final : public Clock {
 public:
    Time now() const override { return now_; }
    WallTime wall_now() const override { return wall_; }

    void advance(std::chrono::nanoseconds time) {
        now_ = now_.load() + std::chrono::duration_cast<Time::duration>(time);
        wall_ = wall_.load() + std::chrono::duration_cast<WallTime::duration>(time);
    }
    void set_wall(WallTime wall) { wall_ = wall; }  // as when NTP moves it; now() stays

 private:
    std::atomic<Time> now_ = Time(std::chrono::hours(1));
    std::atomic<WallTime> wall_ = WallTime(std::chrono::hours(24 * 365 * 54));  // in 2023
};

}  // namespace eventbus
