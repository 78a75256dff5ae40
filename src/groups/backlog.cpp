#include "groups/backlog.h"

#include "base/assert.h"

namespace eventbus {
namespace {

std::uint64_t& of_kind(Backlog::Count& count, bool is_transient) {
    return is_transient ? count.transient : count.durable;
}

void add_to(Backlog::Count& count, const Backlog::Count& more) {
    count.durable += more.durable;
    count.transient += more.transient;
}

}  // namespace

void Backlog::add(Position position, bool is_transient) {
    Count one;
    of_kind(one, is_transient) = 1;
    add(position, one);
}

void Backlog::add(Position last, Count count) {
    BUS_ASSERT(stretches_.empty() || last > stretches_.back().last);
    if (count.total() == 0) return;

    if (stretches_.empty()) stretch_events_ = kStretchEvents;
    const bool fits =
        !stretches_.empty() && stretches_.back().count.total() + count.total() <= stretch_events_;
    if (!fits) {
        if (stretches_.size() == kStretchesMax) merge_neighbours();
        stretches_.push_back({last, {}});
    }
    stretches_.back().last = last;
    add_to(stretches_.back().count, count);
    add_to(count_, count);
}

void Backlog::merge_neighbours() {
    std::deque<Stretch> merged;
    for (std::size_t i = 0; i < stretches_.size(); i += 2) {
        merged.push_back(stretches_[i]);
        if (i + 1 == stretches_.size()) break;
        merged.back().last = stretches_[i + 1].last;
        add_to(merged.back().count, stretches_[i + 1].count);
    }
    stretches_ = std::move(merged);
    stretch_events_ *= 2;
}

void Backlog::took(Position position, bool is_transient) {
    for (Stretch& stretch : stretches_) {
        if (stretch.last < position) continue;
        std::uint64_t& left = of_kind(stretch.count, is_transient);
        if (left == 0) return;  // one that nobody had counted
        --left;
        --of_kind(count_, is_transient);
        return;
    }
}

Backlog::Count Backlog::pass(Position through) {
    Count gone;
    for (; !stretches_.empty() && stretches_.front().last <= through; stretches_.pop_front()) {
        const Count& left = stretches_.front().count;
        add_to(gone, left);
        count_.durable -= left.durable;
        count_.transient -= left.transient;
    }
    return gone;
}

}  // namespace eventbus
