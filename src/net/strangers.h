#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/counters.h"
#include "base/hash.h"
#include "base/linked_list.h"
#include "base/random.h"
#include "base/shares.h"
#include "net/ip_address.h"

namespace eventbus {

// Where strangers come from: an IPv4 address, or the first 64 bits of an IPv6 address, of which a
// single host has all.
std::uint64_t origin_of(const IpAddress& address);

// Clients choose what they come from, within what they were given: the table needs a secret.
struct OriginHash {
    std::uint64_t secret = 0;
    std::size_t operator()(std::uint64_t origin) const;
};

// Something that a client holds before it has signed in.
class Stranger : public Shares<std::uint64_t, OriginHash>::Share {
 protected:
    virtual ~Stranger() = default;

 private:
    friend class Strangers;
    // Closes; it has left the pool.
    virtual void give_way() = 0;

    Clock::Time since_;
    Stranger* older_ = nullptr;
    Stranger* newer_ = nullptr;
};

// The room that those have who have not signed in: a pool of their own, so that they take nothing
// from those who have, and shared out by where they come from, so that nobody takes it from the
// others.
//
// Thread:  reactor.
// Bounded: `max` of them. One more takes the place of the oldest from where most are. When more
//          than half of the pool is used, no more than kPerOriginMax may come from the same place,
//          or as many as it has by then: one more takes the place of its own oldest. So an office
//          behind one address may come back all at once, and a flood leaves the other half. Nobody
//          gives way in their first kGrace, as long as anybody is there for longer: who signs in at
//          once gets in, however many come from the same place. This machine's own address is a
//          proxy's that nobody has named, so many clients': only the bound of all holds for it.
class Strangers {
 public:
    static constexpr std::size_t kPerOriginMax = 64;
    static constexpr auto kGrace = std::chrono::seconds(1);  // some round trips, slow ones too

    // `max` > 0.
    Strangers(std::size_t max, Random& random);

    // Another may have to give way, and is closed. `now` never goes back.
    void add(Stranger& stranger, const IpAddress& from, Clock::Time now);

    // It has signed in, or is over. Nothing if it has left.
    void remove(Stranger& stranger);

    // Closes the one that goes first, if there is any.
    void make_room(Clock::Time now);

    std::size_t size() const { return shares_.size(); }
    const Counter& now() const { return now_; }
    const Counter& crowded_out() const { return crowded_out_; }

 private:
    void see_off(Stranger& stranger);

    const std::size_t max_;
    Shares<std::uint64_t, OriginHash> shares_;
    LinkedList<Stranger, &Stranger::older_, &Stranger::newer_> by_age_;
    Counter now_;
    Counter crowded_out_;
};

}  // namespace eventbus
