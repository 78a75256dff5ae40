#pragma once

#include <boost/intrusive/set.hpp>
#include <chrono>
#include <cstddef>

#include "base/clock.h"
#include "net/due_list.h"
#include "net/reactor.h"

namespace eventbus {

// Something that ends at a time of the wall clock, as a socket does with its token. Costs its owner
// 40 bytes and no allocation; it leaves its list by itself.
class Expiring : public boost::intrusive::set_base_hook<
                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>,
                     boost::intrusive::optimize_size<true>> {
 public:
    Expiring() = default;
    Expiring(const Expiring&) = delete;
    Expiring& operator=(const Expiring&) = delete;
    void disarm() { unlink(); }

 protected:
    virtual ~Expiring() = default;

 private:
    friend class Expiries;
    virtual void on_expired() = 0;  // once; it is in no list then, and may delete itself

    Clock::WallTime expires_at_{};
};

// What expires, whenever each does; what has one fixed delay belongs into a DueList. Looks once a
// second while there is anything, so what ends is told up to a second later.
//
// Thread:  reactor.
// Bounded: kAtOnce end in a turn, the others in the next ones.
// Cost:    O(log n) for each that comes, leaves or ends.
class Expiries {
 public:
    static constexpr auto kEvery = std::chrono::seconds(1);
    static constexpr std::size_t kAtOnce = 32;  // closing a socket takes some 10 µs

    // Both outlive it.
    Expiries(Reactor& reactor, const Clock& clock);

    // `thing` is in no list. Never: Clock::WallTime::max().
    void add(Expiring& thing, Clock::WallTime at);

    bool is_empty() const { return all_.empty(); }

 private:
    struct Earlier {
        bool operator()(const Expiring& left, const Expiring& right) const {
            return left.expires_at_ < right.expires_at_;
        }
    };

    void end_expired();

    Reactor& reactor_;
    const Clock& clock_;
    boost::intrusive::multiset<Expiring, boost::intrusive::compare<Earlier>,
                               boost::intrusive::constant_time_size<false>>
        all_;
    bool is_posted_ = false;  // there are more than a turn could end
    DueList looks_{kEvery};
    MemberDue<Expiries, &Expiries::end_expired> look_{*this};
};

}  // namespace eventbus
