#include "log/tail_segment.h"

#include <utility>

#include "base/assert.h"

namespace eventbus {

TailSegment::TailSegment(Memory& memory, std::size_t bytes_max)
    : memory_(memory), bytes_max_(bytes_max), bytes_(sizeof(TailSegment)) {
    memory_.added_.store(memory_.added_.load(std::memory_order_relaxed) + bytes_,
                         std::memory_order_relaxed);
}

TailSegment::~TailSegment() {
    memory_.freed_.fetch_add(bytes_, std::memory_order_release);
    // A reader that lagged may hold the only reference to a long chain: unlink it in a loop, or its
    // destruction would recurse once a segment.
    std::shared_ptr<TailSegment> rest = std::move(next_);
    while (rest && rest.use_count() == 1) rest = std::exchange(rest->next_, nullptr);
}

TailSegment::Extent TailSegment::extent() const {
    const std::size_t extent = extent_.load(std::memory_order_acquire);
    return {extent & ~kComplete, (extent & kComplete) != 0};
}

bool TailSegment::may_hold(std::size_t room_hash) const {
    return rooms_[room_hash % kFilterBits] && rooms_[(room_hash >> 32U) % kFilterBits];
}

std::shared_ptr<TailSegment> TailSegment::add(SharedEntry entry) {
    const std::size_t place = extent_.load(std::memory_order_relaxed);
    BUS_ASSERT(place < kEntries);
    for (const Delivery& delivery : entry->deliveries) {
        const std::size_t hash = RoomHash{}(delivery.room);
        rooms_.set(hash % kFilterBits);
        rooms_.set((hash >> 32U) % kFilterBits);
    }
    const std::size_t bytes = memory_of(*entry);
    bytes_ += bytes;
    memory_.added_.store(memory_.added_.load(std::memory_order_relaxed) + bytes,
                         std::memory_order_relaxed);
    entries_[place] = std::move(entry);
    const bool is_complete = place + 1 == kEntries || bytes_ >= bytes_max_;
    if (is_complete) next_ = std::make_shared<TailSegment>(memory_, bytes_max_);
    // A reader that sees it complete may go on to the next, and let go of this one.
    std::shared_ptr<TailSegment> next = next_;
    extent_.store((place + 1) | (is_complete ? kComplete : 0), std::memory_order_release);
    return next;
}

}  // namespace eventbus
