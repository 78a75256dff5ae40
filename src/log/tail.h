#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "base/executor.h"
#include "log/entry.h"

namespace eventbus {

// A fixed run of visible entries. Entries below size() never change, so readers need no lock.
class TailSegment {
 public:
    static constexpr std::size_t kEntries = 256;

    // Readers: entries [0, size()) may be read, and next() once size() == kEntries.
    std::size_t size() const { return size_.load(std::memory_order_acquire); }
    const SharedEntry& at(std::size_t i) const { return entries_[i]; }
    const std::shared_ptr<TailSegment>& next() const { return next_; }

    // False if no entry of this full segment goes to a room with this hash. May err with true.
    bool may_hold(std::size_t room_hash) const;

    ~TailSegment();

 private:
    friend class Tail;
    static constexpr std::size_t kFilterBits = 8192;

    std::array<SharedEntry, kEntries> entries_;
    std::atomic<std::size_t> size_{0};
    std::shared_ptr<TailSegment> next_;
    std::bitset<kFilterBits> rooms_;  // Bloom filter, two bits a room
};

// The newest visible entries, shared by all reactors without a lock.
//
// Thread:  push() and wake_readers() by the holder of the sequencer's turn; each TailReader by its
//          reactor, and made before the first push.
// Bounded: by each reader, which lets go of segments beyond its bound; a segment lives while any
//          reader holds it.
// Cost:    push is O(rooms of the entry), wake_readers O(readers).
class Tail {
 public:
    Tail();

    // `wake` must be callable from any thread and cheap when the reader is awake.
    class Waker {
     public:
        virtual ~Waker() = default;
        virtual void wake_if_asleep() = 0;
    };

    // The position that the first pushed entry follows; before the first push.
    void start_at(Position frontier);

    // Makes `entry` visible; its position is above all before it.
    void push(SharedEntry entry);

    // Moves the frontier over positions that hold no entry (reserved ones that a crash has lost).
    void advance_to(Position frontier);

    // Wakes the readers that may have a receiver for what was pushed since the last call, and those
    // that lag by more than kLagMax entries.
    void wake_readers();

    Position frontier() const { return frontier_.load(std::memory_order_seq_cst); }

 private:
    friend class TailReader;

    void note_readers_of(const Entry& entry);

    static constexpr std::size_t kHints = 1U << 16U;
    static constexpr std::size_t kLagMax = 4096;
    static constexpr std::size_t kReadersMax = 64;

    struct ReaderSlot {
        Waker* waker = nullptr;
        std::atomic<Position>* cursor = nullptr;
    };

    std::atomic<Position> frontier_{Position{}};
    std::shared_ptr<TailSegment> current_;
    // hints_[room hash % kHints]: a bit for each reader that may have a member of such a room.
    std::vector<std::atomic<std::uint64_t>> hints_;
    std::atomic<std::uint64_t> want_all_{0};  // a bit for each reader
    std::vector<ReaderSlot> readers_;
    std::uint64_t to_wake_ = 0;
    std::size_t pushed_since_lag_check_ = 0;
};

// One reactor's place in the tail, with the segments that it keeps for resumes.
//
// Thread:  reactor; but the constructor, which the wiring calls before the first push.
// Bounded: keeps at most `entries_max` entries that it has read.
class TailReader {
 public:
    TailReader(Tail& tail, Tail::Waker& waker, std::size_t entries_max);
    TailReader(const TailReader&) = delete;
    TailReader& operator=(const TailReader&) = delete;

    // The next visible entry that was not read yet, or null.
    const SharedEntry* next();
    // The same, without reading it.
    const SharedEntry* peek();

    // Calls visit(const Entry&) for the visible entries that were not read yet, oldest first, at
    // most to the end of their segment.
    template <class Visit>
    void for_each_unread(Visit&& visit);

    // All entries up to here have been read; at the end of the tail, the frontier.
    Position cursor() const { return cursor_.load(std::memory_order_relaxed); }
    bool is_at_end() const;

    // The oldest position p such that every visible entry after p, up to cursor(), is still here.
    Position kept_after() const { return kept_after_; }

    // Calls visit(const SharedEntry&) -> bool for entries in (after, cursor()], oldest first, that
    // may go to one of the rooms with these hashes; stops when it returns false. `after` must not
    // be below kept_after().
    template <class Visit>
    void for_each_after(Position after, bool all, std::span<const std::size_t> room_hashes,
                        Visit&& visit) const;

    // Says that this reader has a member in a room with this hash, or one less. The first must be
    // said before the frontier is read for the answer to a join.
    void add_hint(std::size_t room_hash);
    void drop_hint(std::size_t room_hash);

    // Whether this reader is to be woken for every entry: it watches patterns, or serves groups.
    // Each `true` needs its `false`.
    void want_all(bool on);

 private:
    void drop_old_segments();

    Tail& tail_;
    const std::size_t index_;
    const std::size_t entries_max_;
    std::deque<std::shared_ptr<TailSegment>> segments_;  // the last one is being read
    std::size_t at_ = 0;                                 // next entry of the last segment
    std::atomic<Position> cursor_{Position{}};
    Position kept_after_;
    std::vector<std::uint32_t> hint_counts_;
    std::uint32_t want_all_count_ = 0;
};

template <class Visit>
void TailReader::for_each_unread(Visit&& visit) {
    if (peek() == nullptr) return;
    const TailSegment& segment = *segments_.back();
    for (std::size_t i = at_; i < segment.size(); ++i) visit(*segment.at(i));
}

template <class Visit>
void TailReader::for_each_after(Position after, bool all, std::span<const std::size_t> room_hashes,
                                Visit&& visit) const {
    for (std::size_t s = 0; s < segments_.size(); ++s) {
        const TailSegment& segment = *segments_[s];
        const bool last = s + 1 == segments_.size();
        const std::size_t end = last ? at_ : TailSegment::kEntries;
        if (end == 0 || segment.at(end - 1)->position <= after) continue;
        if (!last) {
            bool any = all;
            for (const std::size_t hash : room_hashes) any = any || segment.may_hold(hash);
            if (!any) continue;
        }
        for (std::size_t i = 0; i < end; ++i) {
            if (segment.at(i)->position <= after) continue;
            if (!visit(segment.at(i))) return;
        }
    }
}

}  // namespace eventbus
