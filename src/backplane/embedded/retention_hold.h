#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace eventbus {

// Whether the wall clock can be believed as far as the age of what is stored goes. A clock that
// jumps ahead makes everything old at once, so for `time` of running time nothing is deleted for
// its age; an operator reads the warning, and puts the clock right or ends the hold.
//
// A jump is a step of more than kStepMax against the monotonic clock, or at a start a clock more
// than kGapMax past what was stored last. (A machine that slept, or a server that was off for that
// long, looks the same. Then the hold is of no use, and does no harm.) A later jump begins the hold
// anew. It ends when its time has run, when the clock is back, or by resume().
//
// It is told the time, and is kept on disk by its owner: encode() when is_to_be_saved().
//
// Thread: one.
class RetentionHold {
 public:
    static constexpr std::chrono::milliseconds kStepMax = std::chrono::hours(1);
    static constexpr std::chrono::milliseconds kGapMax = std::chrono::hours(24);
    // Running time that a crash may add to a hold.
    static constexpr std::chrono::milliseconds kSaveEvery = std::chrono::minutes(10);

    // `time` of 0: nothing is ever held.
    explicit RetentionHold(std::chrono::milliseconds time) : time_(time) {}

    // The first call, at a start. `saved` is what encode() gave in an earlier life; `newest`, when
    // the newest of the entries was stored that were not there at that time. False: `saved` cannot
    // be read.
    bool begin(const std::optional<std::string>& saved, std::optional<Clock::WallTime> newest,
               Clock::WallTime wall, Clock::Time now);

    // Then at each look at retention, before it.
    void look(Clock::WallTime wall, Clock::Time now);

    // An operator says that the clock is right. False: nothing was held.
    bool resume();

    bool is_on() const { return left_.count() > 0; }
    // While it is on, as of the last look:
    std::chrono::milliseconds left() const { return left_; }
    // What the clock would say without the jump; at a start the time off is missing in it.
    Clock::WallTime expected() const { return expected_; }
    Clock::WallTime clock() const { return wall_; }

    // Whether a crash now would make it forget, or last longer by kSaveEvery.
    bool is_to_be_saved() const { return has_changed_ || now_ - saved_at_ >= kSaveEvery; }
    bool has_changed() const { return has_changed_; }
    std::string encode() const;
    void saved();

 private:
    bool decode(std::string_view bytes);
    void hold(Clock::WallTime expected, std::chrono::milliseconds slack);
    void tell() const;
    void end(std::string_view why);

    const std::chrono::milliseconds time_;
    std::chrono::milliseconds left_{0};
    Clock::WallTime expected_;
    std::chrono::milliseconds slack_{0};  // ahead of expected_, and still back
    Clock::WallTime wall_;                // at the last look, or as it was saved
    Clock::Time now_;
    Clock::Time saved_at_;
    bool has_changed_ = false;  // since it was saved
};

}  // namespace eventbus
