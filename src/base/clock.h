#pragma once

#include <chrono>
#include <string>

namespace eventbus {

// Seam: what time it is. Any thread.
class Clock {
 public:
    using Time = std::chrono::steady_clock::time_point;      // for waits and ages in this process
    using WallTime = std::chrono::system_clock::time_point;  // for what is stored and shown

    virtual ~Clock() = default;
    virtual Time now() const = 0;
    virtual WallTime wall_now() const = 0;
};

// As people and other programs read it, in UTC to the second: 2026-11-29T20:03:46Z.
std::string rfc3339(Clock::WallTime time);

// The machine's clocks.
class SystemClock final : public Clock {
 public:
    Time now() const override { return std::chrono::steady_clock::now(); }
    WallTime wall_now() const override { return std::chrono::system_clock::now(); }
};

}  // namespace eventbus
