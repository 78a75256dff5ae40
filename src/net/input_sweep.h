#pragma once

#include <chrono>
#include <cstddef>

#include "base/clock.h"

namespace eventbus {

// Knows up to when a reactor has seen all that had come to it. Timers are judged by that time and
// not by the clock: after a pause of the process (SIGSTOP, a frozen container) or a long turn, what
// came in time lies in the sockets, and a turn takes but a part of it.
//
// A sweep begins when the kernel is asked what is ready. It is over when everything that was there
// then has been looked at: as a rule in the same turn, else in the one whose look leaves nothing. A
// load that always leaves something cannot hold the timers up: epoll names what is ready in turn,
// so it is over at the latest when as many were named as are watched, and kBehindOne more for what
// can lie behind one of them.
//
// After a pause it waits for kGrace, since other reactors have something to hand over, too. A
// reactor with timers sleeps for kPause at most, so a pause of twice that is always noticed, also
// one that ends just after a time-out was due.
//
// Thread: reactor.
class InputSweep {
 public:
    // The kernel's accept queue, whose connections are not watched yet, and a receive buffer of 6
    // MB in reads of 128 KiB.
    static constexpr std::size_t kBehindOne = 4096 + 64;
    static constexpr auto kPause = std::chrono::milliseconds(500);  // no turn takes that long
    static constexpr auto kGrace = std::chrono::milliseconds(500);

    // A turn begins at `now`, for which the kernel was asked at `asked_at` or later; it should have
    // begun at `expected`. `watched`: descriptors, of which the kernel names some.
    void begin_turn(Clock::Time asked_at, Clock::Time expected, Clock::Time now,
                    std::size_t watched);

    // The kernel has named as many, and may have more.
    void saw_ready(std::size_t events, bool may_have_more);

    // Somebody took only a part of what there was, or opened what more can come from.
    void left_some() { left_some_ = true; }

    // Of what was posted: it took what there was, and all that it had taken has run.
    void ran_posted(bool took, bool all);

    // The input of this turn has been dealt with.
    void end_input();

    // A turn is over that should have taken no time.
    void end_turn(Clock::Time began, Clock::Time now);

    Clock::Time seen_until() const { return seen_until_; }

    // No timer is due before.
    Clock::Time held_until() const { return held_until_; }

 private:
    void note_pause(Clock::Time expected, Clock::Time now);

    Clock::Time seen_until_{};
    Clock::Time held_until_{};
    Clock::Time now_{};
    bool left_some_ = false;  // in this turn

    // Of the sweep:
    bool is_open_ = false;
    Clock::Time began_{};
    std::size_t events_left_ = 0;
    bool saw_sockets_ = false;
    bool took_posted_ = false;
    bool saw_posted_ = false;
};

}  // namespace eventbus
