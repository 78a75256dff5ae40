#pragma once

#include "base/clock.h"

namespace eventbus {

// A clock that stands still until a test moves it.
class FakeClock final : public Clock {
 public:
    Time now() const override { return now_; }
    WallTime wall_now() const override { return wall_; }

    void advance(std::chrono::nanoseconds time) {
        now_ += std::chrono::duration_cast<Time::duration>(time);
        wall_ += std::chrono::duration_cast<WallTime::duration>(time);
    }
    void set_wall(WallTime wall) { wall_ = wall; }  // as when NTP moves it; now() stays

 private:
    Time now_ = Time(std::chrono::hours(1));
    WallTime wall_ = WallTime(std::chrono::hours(24 * 365 * 54));  // in 2023
};

}  // namespace eventbus
