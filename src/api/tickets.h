#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "auth/principal.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"

namespace eventbus {

// Tickets for one stream each: a browser's EventSource can set no header, and a token has no place
// in a URL, which proxies write down.
//
// Thread:  reactor; a ticket is good on the reactor that made it, whose index stands in it.
// Bounded: kTicketsMax; one more takes the place of the oldest.
class Tickets {
 public:
    static constexpr auto kTimeToLive = std::chrono::seconds(60);
    static constexpr std::size_t kTicketsMax = 10'000;

    Tickets(std::size_t reactor, Random& random) : reactor_(reactor), random_(random) {}

    std::string make(SharedPrincipal principal, Clock::Time now);

    // Whose it is; it is gone then. Null: it was used, is too old, or never was.
    SharedPrincipal take(std::string_view ticket, Clock::Time now);

    // The reactor that made it, if it looks like a ticket.
    static std::optional<std::size_t> reactor_of(std::string_view ticket);

 private:
    struct Made {
        SharedPrincipal principal;
        Clock::Time expires_at;
    };
    const std::size_t reactor_;
    Random& random_;
    StringMap<Made> made_;
    std::deque<std::string> by_age_;  // those that were taken stay in it until their turn
};

}  // namespace eventbus
