#include "backplane/embedded/retention_hold.h"

#include <algorithm>

#include "backplane/embedded/log_keys.h"
#include "base/diagnostics.h"
#include "log/bytes.h"

namespace eventbus {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

bool RetentionHold::begin(const std::optional<std::string>& saved,
                          std::optional<Clock::WallTime> newest, Clock::WallTime wall,
                          Clock::Time now) {
    if (saved && !decode(*saved)) return false;
    // An entry that was stored long after the last look has its time from a clock that was wrong;
    // one that was stored since, and long before it, from one that was set back.
    std::optional<Clock::WallTime> last = newest;
    if (saved) last = newest ? std::min(*newest, wall_ + kStepMax) : wall_;
    wall_ = wall;
    now_ = now;
    saved_at_ = now;
    has_changed_ = !saved;
    if (last && wall - *last > kGapMax) {
        hold(is_on() ? expected_ : *last, kGapMax);
    } else if (is_on() && wall <= expected_ + slack_) {
        end("the clock is back");
    } else if (is_on()) {
        tell();
    }
    return true;
}

void RetentionHold::look(Clock::WallTime wall, Clock::Time now) {
    const auto ran = duration_cast<milliseconds>(now - now_);
    const auto step = duration_cast<milliseconds>(wall - wall_) - ran;
    const Clock::WallTime expected = (is_on() ? expected_ : wall_) + ran;
    const bool was_on = is_on();
    wall_ = wall;
    now_ = now;
    if (was_on) {
        expected_ = expected;
        left_ = std::max(left_ - ran, milliseconds(0));
    }
    if (step > kStepMax) return hold(expected, was_on ? slack_ : kStepMax);
    if (!was_on) return;
    if (wall <= expected_ + slack_) return end("the clock is back");
    if (!is_on()) end("it has lasted for retention_hold");
}

bool RetentionHold::resume() {
    if (!is_on()) return false;
    end("an operator has ended it");
    return true;
}

void RetentionHold::hold(Clock::WallTime expected, milliseconds slack) {
    if (time_.count() == 0) return;
    left_ = time_;
    expected_ = expected;
    slack_ = slack;
    has_changed_ = true;
    tell();
}

void RetentionHold::tell() const {
    diagnostics::warn(
        "the clock has jumped ahead, so nothing is deleted for its age for the time of "
        "retention_hold; put the clock right, or if it is right, run: eventbus retention resume",
        {{"expected", rfc3339(expected_)},
         {"clock", rfc3339(wall_)},
         {"held_for_s", std::to_string(duration_cast<std::chrono::seconds>(left_).count())}});
}

void RetentionHold::end(std::string_view why) {
    left_ = milliseconds(0);
    has_changed_ = true;
    diagnostics::warn(
        "retention deletes by age again",
        {{"why", std::string(why)}, {"expected", rfc3339(expected_)}, {"clock", rfc3339(wall_)}});
}

// ---- on disk ------------------------------------------------------------------------------------

std::string RetentionHold::encode() const {
    std::string bytes = fixed(static_cast<std::uint64_t>(to_ms(wall_)));
    put_fixed(bytes, static_cast<std::uint64_t>(to_ms(expected_)));
    put_number(bytes, static_cast<std::uint64_t>(slack_.count()));
    put_number(bytes, static_cast<std::uint64_t>(left_.count()));
    return bytes;
}

bool RetentionHold::decode(std::string_view bytes) {
    ByteReader reader(bytes);
    wall_ = from_ms(reader.fixed());
    expected_ = from_ms(reader.fixed());
    slack_ = milliseconds(static_cast<std::int64_t>(reader.number()));
    left_ = milliseconds(static_cast<std::int64_t>(reader.number()));
    left_ = std::min(left_, time_);  // the setting may have changed
    return reader.is_at_end();
}

void RetentionHold::saved() {
    has_changed_ = false;
    saved_at_ = now_;
}

}  // namespace eventbus
