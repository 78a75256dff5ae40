#pragma once

#include "base/clock.h"
#include "base/counters.h"
#include "net/cors.h"
#include "net/http_message.h"

namespace eventbus {

// Requests of pages that may not read their answers: their browsers tell the page nothing but that
// something failed, so whoever runs the server is told the origin and the setting.
//
// Thread: reactor.
// Bounded: a line in kLineEvery; the counter counts all.
class RefusedOrigins {
 public:
    static constexpr auto kLineEvery = std::chrono::seconds(10);

    RefusedOrigins(const CorsPolicy& cors, const Clock& clock) : cors_(cors), clock_(clock) {}

    // Looks at a request whose answer leaves to the page. A WebSocket is no such request: a page of
    // any origin may read it.
    void look_at(const HttpRequest& request);

    const Counter& count() const { return count_; }

 private:
    const CorsPolicy& cors_;
    const Clock& clock_;
    Clock::Time next_line_{};
    Counter count_;
};

}  // namespace eventbus
