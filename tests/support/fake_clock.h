#pragma once

#include <chrono>

#include "base/clock.h"

namespace eventbus {

// Time that passes when the test says so.
class FakeClock final : public Clock {
 public:
    Time now() const override { return now_; }
    WallTime wall_now() const override { return wall_now_; }

    void advance(std::chrono::nanoseconds by) {
        now_ += std::chrono::duration_cast<Time::duration>(by);
        wall_now_ += std::chrono::duration_cast<WallTime::duration>(by);
    }

 private:
    Time now_{std::chrono::hours(1)};
    WallTime wall_now_{std::chrono::hours(24 * 365 * 56)};
};

}  // namespace eventbus
