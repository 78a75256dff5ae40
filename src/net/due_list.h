#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/clock.h"

namespace eventbus {

class DueList;

// Something that is due once, a fixed delay after it was armed: a heartbeat, a time-out. Costs its
// owner 32 bytes and no allocation; it leaves its list by itself.
class Due {
 public:
    Due() = default;
    Due(const Due&) = delete;
    Due& operator=(const Due&) = delete;
    bool is_armed() const { return list_ != nullptr; }
    // When it is due; once it came due, when that was to be.
    Clock::Time at() const { return at_; }
    void disarm();

 protected:
    virtual ~Due() { disarm(); }

 private:
    friend class DueList;
    virtual void on_due() = 0;

    DueList* list_ = nullptr;
    Due* previous_ = nullptr;
    Due* next_ = nullptr;
    Clock::Time at_{};
};

// All things of one kind, in the order in which they come due: a timer wheel of one spoke, since a
// kind has one delay.
//
// Thread:  reactor.
// Cost:    O(1) for each call but run(), which is O(due).
class DueList {
 public:
    // A delay below 1 ms is 1 ms: what is armed while run() goes on is due after it.
    explicit DueList(std::chrono::milliseconds delay)
        : delay_(std::max(delay, std::chrono::milliseconds(1))) {}
    DueList(const DueList&) = delete;
    DueList& operator=(const DueList&) = delete;
    ~DueList();

    // `due` comes due at now + delay; if it was armed, from now on.
    void arm(Due& due, Clock::Time now);

    // Calls on_due() of everything that is due. It may arm and disarm anything.
    void run(Clock::Time now);

    // When the first is due; Time::max() if none is.
    Clock::Time next() const { return first_ == nullptr ? Clock::Time::max() : first_->at_; }

 private:
    friend class Due;
    friend class Reactor;
    void unlink(Due& due);

    const std::chrono::milliseconds delay_;
    Due* first_ = nullptr;
    Due* last_ = nullptr;
    std::vector<DueList*>* run_with_ = nullptr;  // its reactor's, which it leaves by itself
};

// A Due that is a member, and calls one function of its owner.
template <class Owner, void (Owner::*Function)()>
class MemberDue final : public Due {
 public:
    explicit MemberDue(Owner& owner) : owner_(owner) {}

 private:
    void on_due() override { (owner_.*Function)(); }
    Owner& owner_;
};

}  // namespace eventbus
