#include "net/expiries.h"

#include "base/assert.h"

namespace eventbus {

Expiries::Expiries(Reactor& reactor, const Clock& clock) : reactor_(reactor), clock_(clock) {
    reactor_.add_due_list(looks_);
}

void Expiries::add(Expiring& thing, Clock::WallTime at) {
    BUS_ASSERT(!thing.is_linked());
    if (at == Clock::WallTime::max()) return;
    thing.expires_at_ = at;
    all_.insert(thing);
    if (!look_.is_armed() && !is_posted_) looks_.arm(look_, reactor_.now());
}

void Expiries::end_expired() {
    is_posted_ = false;
    const Clock::WallTime now = clock_.wall_now();
    for (std::size_t ended = 0; !all_.empty() && all_.begin()->expires_at_ <= now; ++ended) {
        if (ended == kAtOnce) {
            is_posted_ = true;
            return reactor_.post([this] { end_expired(); });
        }
        Expiring& first = *all_.begin();
        all_.erase(all_.begin());
        first.on_expired();
    }
    if (!all_.empty()) looks_.arm(look_, reactor_.now());
}

}  // namespace eventbus
