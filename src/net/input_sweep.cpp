#include "net/input_sweep.h"

#include <algorithm>

namespace eventbus {

void InputSweep::begin_turn(Clock::Time asked_at, Clock::Time expected, Clock::Time now,
                            std::size_t watched) {
    note_pause(expected, now);
    now_ = now;
    left_some_ = false;
    if (is_open_) return;
    is_open_ = true;
    began_ = asked_at;
    events_left_ = watched + kBehindOne;
    saw_sockets_ = took_posted_ = saw_posted_ = false;
}

void InputSweep::saw_ready(std::size_t events, bool may_have_more) {
    events_left_ -= std::min(events, events_left_);
    left_some_ = left_some_ || may_have_more;
}

void InputSweep::ran_posted(bool took, bool all) {
    took_posted_ = took_posted_ || took;
    saw_posted_ = saw_posted_ || (took_posted_ && all);
}

void InputSweep::end_input() {
    saw_sockets_ = saw_sockets_ || !left_some_ || events_left_ == 0;
    if (!saw_sockets_ || !saw_posted_ || now_ < held_until_) return;
    seen_until_ = began_;
    is_open_ = false;
}

void InputSweep::end_turn(Clock::Time began, Clock::Time now) { note_pause(began, now); }

void InputSweep::note_pause(Clock::Time expected, Clock::Time now) {
    if (now - expected >= kPause) held_until_ = now + kGrace;
}

}  // namespace eventbus
