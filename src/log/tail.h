#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "log/entry.h"
#include "log/room_hints.h"
#include "log/tail_segment.h"

namespace eventbus {

// The newest visible entries, shared by all reactors without a lock.
//
// Thread:  push() and wake_readers() by the holder of the sequencer's turn; each TailReader by its
//          reactor, and made before the first push.
// Bounded: bytes_max, for all readers together. A segment lives while a reader holds it, so the
//          writer keeps a watermark about three quarters of the bound behind the newest entry: a
//          reader lets go of what lies below, read or not. One that sleeps or lags is woken when it
//          is a quarter of the bound behind, so that it still finds what it has not read.
// Cost:    push is O(rooms of the entry × reactors), wake_readers O(readers).
//
// Who is woken (docs of the steps: tail_model_test.cpp goes through all interleavings). A push:
//   1. The entry is put into its segment.
//   2. The frontier is moved to it.
//   3. The hints of each reactor are looked at, and what they say is noted.
//   4. The position is noted as looked at. Then wake_readers() wakes those that were noted.
// A join, before it is answered:
//   a. The hint is set, which may put a new table in the place of an old one.
//   b. The frontier is read: what is above it is live for the one that joins.
//   c. If a table was replaced, it is kept until (4) has reached the frontier of (b).
// All of these are sequentially consistent, so either (3) sees (a) or (b) sees (2).
class Tail {
 public:
    static constexpr std::size_t kBytesMax = 128U << 20U;

    explicit Tail(std::size_t bytes_max = kBytesMax);

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
    // that lag.
    void wake_readers();

    Position frontier() const { return frontier_.load(std::memory_order_seq_cst); }

    // ---- any thread ---------------------------------------------------------------------------

    // Held now, by whichever reader.
    std::size_t bytes() const { return memory_.bytes(); }
    std::size_t bytes_max() const { return bytes_max_; }

 private:
    friend class TailReader;

    static constexpr std::size_t kSegmentsMin = 32;  // that share the bound
    static constexpr std::size_t kLagMax = 4096;     // entries
    static constexpr std::size_t kWakersMax = 64;

    // One reactor, whose readers are woken together.
    struct Listener {
        Waker* waker = nullptr;
        RoomHints hints;
        std::size_t wants_all = 0;  // times that it was asked for
        std::vector<const std::atomic<Position>*> cursors;
        // Tables that the turn may still look into: until it has looked up to that position.
        std::vector<std::pair<Position, std::unique_ptr<const RoomHints::Table>>> replaced;
    };
    struct Complete {  // of a segment
        Position end;
        std::size_t bytes = 0;
    };

    std::size_t listener_of(Waker& waker);
    void complete(const TailSegment& segment);
    void note_readers_of(const Entry& entry);
    bool may_want(const Listener& listener, const Entry& entry) const;
    void note_lagging();

    const std::size_t bytes_max_;
    TailSegment::Memory memory_;  // before what counts in it
    std::atomic<Position> frontier_{Position{}};
    std::atomic<Position> looked_at_{Position{}};  // the hints, for entries up to here
    std::atomic<Position> watermark_{Position{}};  // readers let go of what lies up to here
    std::shared_ptr<TailSegment> current_;
    std::deque<Complete> complete_;  // above the watermark
    std::size_t complete_bytes_ = 0;
    std::atomic<std::uint64_t> want_all_{0};            // a bit for each listener
    std::vector<std::unique_ptr<Listener>> listeners_;  // kWakersMax at most
    std::uint64_t to_wake_ = 0;
    std::size_t pushed_since_lag_check_ = 0;
    std::size_t bytes_since_lag_check_ = 0;
};

// One view's place in the tail on its reactor, with the segments that it keeps for resumes.
//
// Thread:  reactor; but the constructor, which the wiring calls before the first push.
// Bounded: keeps at most `entries_max` entries that it has read, and none below the watermark.
class TailReader {
 public:
    TailReader(Tail& tail, Tail::Waker& waker, std::size_t entries_max);
    TailReader(const TailReader&) = delete;
    TailReader& operator=(const TailReader&) = delete;

    // The next visible entry that was not read yet, or null.
    const SharedEntry* next();
    // The same, without reading it.
    const SharedEntry* peek();

    // What fell below the watermark before it was read: the entries in (after, through]. next() or
    // peek() has gone over it; it is told once.
    struct Missed {
        Position after;
        Position through;
    };
    std::optional<Missed> take_missed() { return std::exchange(missed_, std::nullopt); }

    // Calls visit(const Entry&) for the visible entries that were not read yet, oldest first, at
    // most to the end of their segment.
    template <class Visit>
    void for_each_unread(Visit&& visit);

    // All entries up to here have been read or missed; at the end of the tail, the frontier.
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

    // Says that this reactor has a member in a room with this hash, or one less. The first must be
    // said before the frontier is read for the answer to a join.
    void add_hint(std::size_t room_hash);
    void drop_hint(std::size_t room_hash);

    // Whether this reactor is to be woken for every entry: it watches patterns, or serves groups.
    // Each `true` needs its `false`.
    void want_all(bool on);

 private:
    const TailSegment& segment() const { return *segments_.back(); }
    void go_on();
    void drop_below(Position watermark);

    Tail& tail_;
    const std::size_t listener_index_;
    Tail::Listener& listener_;
    const std::size_t entries_max_;
    std::deque<std::shared_ptr<TailSegment>> segments_;  // the last one is being read
    std::size_t entries_ = 0;                            // of all but the last
    std::size_t at_ = 0;                                 // next entry of the last segment
    std::atomic<Position> cursor_{Position{}};
    Position kept_after_;
    std::optional<Missed> missed_;
};

template <class Visit>
void TailReader::for_each_unread(Visit&& visit) {
    if (peek() == nullptr) return;
    const std::size_t size = segment().extent().size;
    for (std::size_t i = at_; i < size; ++i) visit(*segment().at(i));
}

template <class Visit>
void TailReader::for_each_after(Position after, bool all, std::span<const std::size_t> room_hashes,
                                Visit&& visit) const {
    for (std::size_t s = 0; s < segments_.size(); ++s) {
        const TailSegment& segment = *segments_[s];
        const bool last = s + 1 == segments_.size();
        const std::size_t end = last ? at_ : segment.extent().size;
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
