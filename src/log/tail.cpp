#include "log/tail.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace eventbus {

Tail::Tail(std::size_t bytes_max)
    : bytes_max_(bytes_max),
      current_(std::make_shared<TailSegment>(memory_, bytes_max / kSegmentsMin)) {}

void Tail::start_at(Position frontier) {
    BUS_ASSERT(current_->extent().size == 0);
    frontier_.store(frontier, std::memory_order_release);
    looked_at_.store(frontier, std::memory_order_release);
}

void Tail::push(SharedEntry entry) {
    BUS_ASSERT(entry->position > frontier_.load(std::memory_order_relaxed));

    const Entry& pushed = *entry;
    const std::size_t bytes_before = current_->bytes();
    std::shared_ptr<TailSegment> next = current_->add(std::move(entry));
    bytes_since_lag_check_ += current_->bytes() - bytes_before;
    ++pushed_since_lag_check_;
    std::shared_ptr<TailSegment> full;  // holds `pushed`, which readers may be done with already
    if (next) {
        full = std::exchange(current_, std::move(next));
        complete(*full);
    }
    frontier_.store(pushed.position, std::memory_order_seq_cst);
    note_readers_of(pushed);
    looked_at_.store(pushed.position, std::memory_order_release);
}

void Tail::complete(const TailSegment& segment) {
    complete_.push_back({segment.end(), segment.bytes()});
    complete_bytes_ += segment.bytes();
    // The newest stays, however large it is.
    while (complete_bytes_ > bytes_max_ / 4 * 3 && complete_.size() > 1) {
        complete_bytes_ -= complete_.front().bytes;
        watermark_.store(complete_.front().end, std::memory_order_release);
        complete_.pop_front();
    }
}

// After the frontier has moved: of a reactor that joins meanwhile, either its hint is seen here, or
// it sees the frontier, as it reads that after it has said its hint.
void Tail::note_readers_of(const Entry& entry) {
    to_wake_ |= want_all_.load(std::memory_order_seq_cst);
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        const std::uint64_t bit = std::uint64_t{1} << i;
        if ((to_wake_ & bit) == 0 && may_want(*listeners_[i], entry)) to_wake_ |= bit;
    }
}

bool Tail::may_want(const Listener& listener, const Entry& entry) const {
    for (const Delivery& delivery : entry.deliveries) {
        if (listener.hints.may_hold(RoomHash{}(delivery.room))) return true;
    }
    for (const Eviction& eviction : entry.evictions) {
        if (listener.hints.may_hold(RoomHash{}(Room::subject(eviction.subject)))) return true;
    }
    return false;
}

void Tail::advance_to(Position frontier) {
    BUS_ASSERT(frontier >= frontier_.load(std::memory_order_relaxed));
    frontier_.store(frontier, std::memory_order_seq_cst);
    looked_at_.store(frontier, std::memory_order_release);
}

void Tail::wake_readers() {
    if (pushed_since_lag_check_ >= kLagMax / 4 || bytes_since_lag_check_ >= bytes_max_ / 16) {
        pushed_since_lag_check_ = bytes_since_lag_check_ = 0;
        note_lagging();
    }
    for (std::size_t i = 0; to_wake_ != 0; ++i, to_wake_ >>= 1U) {
        if ((to_wake_ & 1U) != 0) listeners_[i]->waker->wake_if_asleep();
    }
}

void Tail::note_lagging() {
    const Position frontier = frontier_.load(std::memory_order_relaxed);
    Position late{frontier.number() - std::min<std::uint64_t>(frontier.number(), kLagMax)};
    std::size_t behind = 0;  // bytes after `at`
    for (auto at = complete_.rbegin(); at != complete_.rend(); ++at) {
        if (behind >= bytes_max_ / 4) {
            late = std::max(late, at->end);
            break;
        }
        behind += at->bytes;
    }
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        for (const std::atomic<Position>* const cursor : listeners_[i]->cursors) {
            if (cursor->load(std::memory_order_relaxed) < late) to_wake_ |= std::uint64_t{1} << i;
        }
    }
}

std::size_t Tail::listener_of(Waker& waker) {
    BUS_ASSERT(current_->extent().size == 0);
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        if (listeners_[i]->waker == &waker) return i;
    }
    BUS_ASSERT(listeners_.size() < kWakersMax);
    listeners_.push_back(std::make_unique<Listener>());
    listeners_.back()->waker = &waker;
    return listeners_.size() - 1;
}

TailReader::TailReader(Tail& tail, Tail::Waker& waker, std::size_t entries_max)
    : tail_(tail),
      listener_index_(tail.listener_of(waker)),
      listener_(*tail.listeners_[listener_index_]),
      entries_max_(entries_max) {
    segments_.push_back(tail.current_);
    kept_after_ = tail.frontier();
    cursor_ = kept_after_;
    listener_.cursors.push_back(&cursor_);
}

const SharedEntry* TailReader::next() {
    const SharedEntry* const entry = peek();
    if (entry == nullptr) return nullptr;
    ++at_;
    cursor_.store((*entry)->position, std::memory_order_relaxed);
    return entry;
}

const SharedEntry* TailReader::peek() {
    const Position watermark = tail_.watermark_.load(std::memory_order_acquire);
    if (watermark > kept_after_) drop_below(watermark);
    // The frontier is read first: what it names is in the segments when it is seen.
    const Position frontier = tail_.frontier();
    TailSegment::Extent extent = segment().extent();
    if (at_ == extent.size && extent.is_complete) {
        go_on();
        extent = segment().extent();
    }
    if (at_ < extent.size) return &segment().at(at_);
    if (frontier > cursor()) cursor_.store(frontier, std::memory_order_relaxed);
    return nullptr;
}

bool TailReader::is_at_end() const { return cursor() == tail_.frontier(); }

// To the segment behind the last one.
void TailReader::go_on() {
    entries_ += segment().extent().size;
    segments_.push_back(segment().next());
    at_ = 0;
    while (segments_.size() > 1 && entries_ > entries_max_) {
        entries_ -= segments_.front()->extent().size;
        kept_after_ = std::max(kept_after_, segments_.front()->end());
        segments_.pop_front();
    }
}

// The watermark is the end of a segment, so segments lie wholly below it or wholly above.
void TailReader::drop_below(Position watermark) {
    for (;;) {
        const TailSegment::Extent extent = segments_.front()->extent();
        if (!extent.is_complete || segments_.front()->end() > watermark) break;
        if (segments_.size() == 1) {
            if (at_ < extent.size) {
                const Position after = missed_ ? missed_->after : cursor();
                missed_ = Missed{after, segment().end()};
                cursor_.store(segment().end(), std::memory_order_relaxed);
            }
            entries_ += extent.size;
            segments_.push_back(segment().next());
            at_ = 0;
        }
        entries_ -= extent.size;
        segments_.pop_front();
    }
    kept_after_ = watermark;
}

void TailReader::add_hint(std::size_t room_hash) {
    std::unique_ptr<const RoomHints::Table> replaced = listener_.hints.add(room_hash);
    if (!replaced) return;
    const Position looked_at = tail_.looked_at_.load(std::memory_order_acquire);
    std::erase_if(listener_.replaced, [&](const auto& old) { return old.first <= looked_at; });
    listener_.replaced.emplace_back(tail_.frontier(), std::move(replaced));
}

void TailReader::drop_hint(std::size_t room_hash) { listener_.hints.drop(room_hash); }

void TailReader::want_all(bool on) {
    const std::uint64_t bit = std::uint64_t{1} << listener_index_;
    BUS_ASSERT(on || listener_.wants_all > 0);
    listener_.wants_all += on ? 1U : ~std::size_t{0};
    if (listener_.wants_all > 0) {
        tail_.want_all_.fetch_or(bit, std::memory_order_seq_cst);
    } else {
        tail_.want_all_.fetch_and(~bit, std::memory_order_seq_cst);
    }
}

}  // namespace eventbus
