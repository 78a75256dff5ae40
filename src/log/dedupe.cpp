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

void Dedupe::add(std::string key, Seen seen, Clock::Time at) {
    const std::string publisher = key.substr(0, key.find('\0'));
    seen_.add(std::move(key), publisher, seen, at);
    ++uncommitted_;
}

void Dedupe::undo() {
    for (; uncommitted_ > 0; --uncommitted_) seen_.undo_add();
}

std::vector<Dedupe::Seen> Dedupe::forget(Clock::Time now) {
    BUS_ASSERT(uncommitted_ == 0);
    return seen_.forget(now);
}

}  // namespace eventbus
