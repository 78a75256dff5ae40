#include "log/dedupe.h"

#include <utility>

#include "base/assert.h"

namespace eventbus {

std::string Dedupe::key(const Plan& plan) {
    std::string key;
    key.reserve(plan.publisher.size() + plan.event.source.size() + plan.event.id.size() + 2);
    key.append(plan.publisher).append(1, '\0');
    key.append(plan.event.source).append(1, '\0').append(plan.event.id);
    return key;
}

const Dedupe::Seen* Dedupe::find(std::string_view key) const {
    const auto* const found = seen_.find(key);
    return found == nullptr ? nullptr : &found->second.seen;
}

void Dedupe::add(std::string key, Seen seen, Clock::Time at) {
    const auto [added, is_new] = seen_.emplace(std::move(key), Record{seen, at});
    BUS_ASSERT(is_new);
    order_.push_back(&added->first);
    ++uncommitted_;
}

void Dedupe::undo() {
    for (; uncommitted_ > 0; --uncommitted_) {
        seen_.erase(*order_.back());
        order_.pop_back();
    }
}

std::size_t Dedupe::forget(Clock::Time now) {
    std::size_t dropped = 0;
    while (!order_.empty()) {
        const auto* const oldest = seen_.find(*order_.front());
        const bool is_over = now - oldest->second.at >= settings_.window;
        if (!is_over && order_.size() <= settings_.keys_max) break;
        if (!is_over) ++dropped;
        seen_.erase(oldest->first);
        order_.pop_front();
    }
    return dropped;
}

}  // namespace eventbus
