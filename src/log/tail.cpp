#include "log/tail.h"

#include <utility>

#include "base/assert.h"

namespace eventbus {
namespace {

std::size_t room_hash(const Room& room) { return RoomHash{}(room); }

}  // namespace

bool TailSegment::may_hold(std::size_t room_hash) const {
    return rooms_[room_hash % kFilterBits] && rooms_[(room_hash >> 32U) % kFilterBits];
}

TailSegment::~TailSegment() {
    // A reader that lagged may hold the only reference to a long chain: unlink it in a loop, or its
    // destruction would recurse once a segment.
    std::shared_ptr<TailSegment> rest = std::move(next_);
    while (rest && rest.use_count() == 1) rest = std::exchange(rest->next_, nullptr);
}

Tail::Tail() : current_(std::make_shared<TailSegment>()), hints_(kHints) {}

void Tail::start_at(Position frontier) {
    BUS_ASSERT(current_->size() == 0);
    frontier_.store(frontier, std::memory_order_release);
}

void Tail::push(SharedEntry entry) {
    BUS_ASSERT(entry->position > frontier_.load(std::memory_order_relaxed));

    TailSegment& segment = *current_;
    const std::size_t place = segment.size_.load(std::memory_order_relaxed);
    const Entry& pushed = *entry;
    for (const Delivery& delivery : pushed.deliveries) {
        const std::size_t hash = room_hash(delivery.room);
        segment.rooms_.set(hash % TailSegment::kFilterBits);
        segment.rooms_.set((hash >> 32U) % TailSegment::kFilterBits);
    }
    segment.entries_[place] = std::move(entry);
    std::shared_ptr<TailSegment> full;  // holds `pushed`, which readers may be done with already
    if (place + 1 == TailSegment::kEntries) {
        segment.next_ = std::make_shared<TailSegment>();
        full = std::exchange(current_, segment.next_);
    }
    segment.size_.store(place + 1, std::memory_order_release);
    frontier_.store(pushed.position, std::memory_order_seq_cst);
    note_readers_of(pushed);
    ++pushed_since_lag_check_;
}

// After the frontier has moved: of a reader that joins meanwhile, either its hint is seen here, or
// it sees the frontier, as it reads that after it has said its hint.
void Tail::note_readers_of(const Entry& entry) {
    for (const Delivery& delivery : entry.deliveries) {
        to_wake_ |= hints_[room_hash(delivery.room) % kHints].load(std::memory_order_seq_cst);
    }
    for (const Eviction& eviction : entry.evictions) {
        to_wake_ |= hints_[room_hash(Room::subject(eviction.subject)) % kHints].load(
            std::memory_order_seq_cst);
    }
    to_wake_ |= want_all_.load(std::memory_order_seq_cst);
}

void Tail::advance_to(Position frontier) {
    BUS_ASSERT(frontier >= frontier_.load(std::memory_order_relaxed));
    frontier_.store(frontier, std::memory_order_seq_cst);
}

void Tail::wake_readers() {
    if (pushed_since_lag_check_ >= kLagMax / 4) {
        pushed_since_lag_check_ = 0;
        const Position frontier = frontier_.load(std::memory_order_relaxed);
        for (std::size_t i = 0; i < readers_.size(); ++i) {
            if (frontier - readers_[i].cursor->load() > kLagMax) to_wake_ |= std::uint64_t{1} << i;
        }
    }
    for (std::size_t i = 0; to_wake_ != 0; ++i, to_wake_ >>= 1U) {
        if ((to_wake_ & 1U) != 0) readers_[i].waker->wake_if_asleep();
    }
}

TailReader::TailReader(Tail& tail, Tail::Waker& waker, std::size_t entries_max)
    : tail_(tail),
      index_(tail.readers_.size()),
      entries_max_(entries_max),
      hint_counts_(Tail::kHints) {
    BUS_ASSERT(index_ < Tail::kReadersMax);
    BUS_ASSERT(tail.current_->size() == 0);
    segments_.push_back(tail.current_);
    kept_after_ = tail.frontier();
    cursor_ = kept_after_;
    tail.readers_.push_back({&waker, &cursor_});
}

const SharedEntry* TailReader::next() {
    const SharedEntry* const entry = peek();
    if (entry == nullptr) return nullptr;
    ++at_;
    cursor_.store((*entry)->position, std::memory_order_relaxed);
    return entry;
}

const SharedEntry* TailReader::peek() {
    if (at_ == TailSegment::kEntries) {
        segments_.push_back(segments_.back()->next());
        at_ = 0;
        drop_old_segments();
    }
    // The frontier is read first: what it names is in the segments when it is seen.
    const Position frontier = tail_.frontier();
    const TailSegment& segment = *segments_.back();
    if (at_ == segment.size()) {
        if (frontier > cursor()) cursor_.store(frontier, std::memory_order_relaxed);
        return nullptr;
    }
    return &segment.at(at_);
}

bool TailReader::is_at_end() const { return cursor() == tail_.frontier(); }

void TailReader::drop_old_segments() {
    while (segments_.size() > 1 && (segments_.size() - 1) * TailSegment::kEntries > entries_max_) {
        kept_after_ = segments_.front()->at(TailSegment::kEntries - 1)->position;
        segments_.pop_front();
    }
}

void TailReader::add_hint(std::size_t room_hash) {
    const std::size_t hint = room_hash % Tail::kHints;
    if (hint_counts_[hint]++ > 0) return;
    tail_.hints_[hint].fetch_or(std::uint64_t{1} << index_, std::memory_order_seq_cst);
}

void TailReader::want_all(bool on) {
    const std::uint64_t bit = std::uint64_t{1} << index_;
    BUS_ASSERT(on || want_all_count_ > 0);
    want_all_count_ += on ? 1U : ~0U;
    if (want_all_count_ > 0) {
        tail_.want_all_.fetch_or(bit, std::memory_order_seq_cst);
    } else {
        tail_.want_all_.fetch_and(~bit, std::memory_order_seq_cst);
    }
}

void TailReader::drop_hint(std::size_t room_hash) {
    const std::size_t hint = room_hash % Tail::kHints;
    BUS_ASSERT(hint_counts_[hint] > 0);
    if (--hint_counts_[hint] > 0) return;
    tail_.hints_[hint].fetch_and(~(std::uint64_t{1} << index_), std::memory_order_seq_cst);
}

}  // namespace eventbus
