#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/chunked.h"
#include "base/clock.h"
#include "base/executor.h"
#include "delivery/frame_cache.h"
#include "delivery/place.h"
#include "delivery/probe.h"
#include "delivery/receiver.h"
#include "delivery/rooms.h"
#include "log/log.h"
#include "log/log_reader.h"
#include "log/view.h"

namespace eventbus {

// How long live entries may wait for others, to leave with them in one write. The first after a
// silence does not wait, nor do those that stand before one that may not.
struct Coalesce {
    std::chrono::milliseconds all{0};
    std::chrono::milliseconds latest{0};  // of types that are `latest`, if it is longer
};

// One reactor's live and resume view of the log.
//
// A member is live when it has been given everything up to the tail's cursor. One that comes back
// is behind: it catches up in slices, from the tail's memory or, further back, from pages of the
// log, and live entries pass it by until its place has reached the cursor. So there is no gap and
// no repeat between what it missed and what is live, and nothing live overtakes what was missed.
//
// A member that may lose a right by an entry is held in front of it: it is behind from there on and
// given nothing until its owner has asked what other rights it has. So what it keeps a right to
// comes once and in order, and of the rest nothing.
//
// Entries in a row that go to the same rooms are a run: each member is visited once for all of it.
// A run that is too much for a turn goes on in the next, and the writes wait until it has ended.
//
// Thread:  reactor.
// Bounded: a turn makes about kPushesPerTurn pushes, gives each member that is behind at most
//          kSliceEntries and looks for all of them at kLookedAtPerTurn or a few more; what a member
//          is owed waits in the log, not here. Between two writes a member is given at most about
//          kBatchBytes, so that one that reads is not taken for slow, and all together
//          kBatchPushes.
// Invariants:
//   (1) A member gets the entries of a room after the position at which it joined it.
//   (2) It gets an entry once, with the payload of the first delivery that names it.
//   (3) An eviction holds before the entry that carries it is given, to each member in its own
//       order: one that is behind gets what stands before that entry first.
//   (4) Who is in which room does not change while a run is under way: what would change it ends
//       the run first.
class Hub final : public View {
 public:
    static constexpr std::size_t kRunEntries = 64;
    static constexpr std::size_t kPushesPerTurn = 1'024;  // up to a millisecond, if all is cold
    static constexpr std::size_t kPushesOfEntry = 1;      // what reading one counts for
    static constexpr std::size_t kBatchPushes = 1 << 18;  // of 16 bytes
    static constexpr std::size_t kBatchBytes = 256 * 1024;
    static constexpr std::size_t kSliceEntries = 512;
    static constexpr std::size_t kPageEntries = 512;
    static constexpr std::size_t kPageEntriesMin = 16;
    static constexpr std::size_t kLookedAtPerTurn = 4'096;

    Hub(Executor& reactor, const Clock& clock, Log& log, LogReader& reader, Coalesce coalesce = {});

    // Who else on this reactor follows the log: shown each entry, in order, as it is read.
    void set_follower(std::function<void(const SharedEntry&)> follower) {
        follower_ = std::move(follower);
    }

    // `receiver` and `encoder` must outlive the membership. In push() `receiver` may remove itself
    // and nothing else; in the other calls it may do anything.
    ReceiverId add(Receiver& receiver, Encoder& encoder);
    void remove(ReceiverId member);

    // Joins from `at` on: entries after it are delivered. False if it is in the room already.
    bool join(ReceiverId member, const Room& room, Position at);
    bool leave(ReceiverId member, const Room& room);
    // Lets a member of the room have entries after `at`, too, if it joined later.
    void join_earlier(ReceiverId member, const Room& room, Position at);
    // To be called after a join by a right to watch that was asked for as of `as_of`: as if the
    // member had been in the room when an entry between that place and cursor() took the right
    // away, or may have.
    void evict_if_late(ReceiverId member, std::string_view subject, Position as_of);
    // After on_evicted(), which holds the member: the rights that it has let it stay in the room,
    // for entries after `since`. False if it has left meanwhile.
    bool keep(ReceiverId member, const Room& room, Position since);
    // The member goes on, from where it was held, in the rooms that it is in now. To be called once
    // for each on_evicted().
    void release(ReceiverId member);
    std::size_t room_count(ReceiverId member) const { return rooms_.rooms_of(member).size(); }
    // The place at which the member joined the room; none: it is not in it.
    std::optional<Position> joined_at(ReceiverId member, const Room& room) const;
    std::vector<Room> rooms_of(ReceiverId member) const;

    // What has been delivered here; a join "from now on" is a join at this position.
    Position cursor() const { return reader_.cursor(); }

    // Of a member; of histories nothing counts.
    Place place(ReceiverId member) const;

    // Gives the member all it missed after `after` in its rooms, in order, then goes on live; then
    // on_caught_up(). To be called before anything was delivered to it. `after` may be above
    // cursor(), when another reactor was ahead: what lies between is not given again.
    void resume(ReceiverId member, Position after);

    // Gives the member the entries of `room` after `after` that are not to come in order, before
    // anything later; then on_history_given(), which may be within this call. Those of a subject's
    // room are all that concern the subject and may be seen by this member, whichever of its rooms
    // they went to.
    void send_history(ReceiverId member, const Room& room, Position after);

    // The member's queue has drained: it may go on catching up.
    void drained(ReceiverId member);

    // Delivers what became visible, and a slice to those that catch up.
    Next deliver() override;

    const DeliveryProbe& probe() const { return probe_; }

 private:
    // One stretch of the log that a member is behind by.
    struct Stretch {
        static constexpr Position kLive = kEndOfTime;
        Position at;             // given everything up to here
        Position until = kLive;  // kLive: up to the cursor, then live
        std::optional<Room> only;
        Encoder::As as = Encoder::As::kInOrder;
    };
    // Entries that take, or may take, a right to watch a subject from a member that is behind.
    struct Loss {
        std::string subject;
        Position first;
        Position last;
    };
    struct CatchUp {
        std::deque<Stretch> stretches;  // the last one goes on live
        std::vector<Loss> losses;       // ahead of it; one for each room of a subject at most
        bool is_held = false;           // until release()
        std::uint64_t given = 0;
        bool tell = false;                        // on_caught_up()
        Position told_lost;                       // on_gap()
        bool reading = false;                     // a page is on its way
        bool is_queued = false;                   // in behind_
        std::size_t page_entries = kPageEntries;  // less when a page found too little room
    };
    struct Member {
        Receiver* receiver = nullptr;  // null: free
        Encoder* encoder = nullptr;
        Position given;                // as in place()
        Position through;              // nothing up to here is to be given live
        std::uint32_t generation = 0;  // a page may come after its member has gone
        std::unique_ptr<CatchUp> behind;
    };

    // Where a run goes: a room, by the entries' deliveries or by a pattern.
    struct RunTarget {
        static constexpr std::size_t kPattern = ~std::size_t{0};
        RoomId room;
        std::size_t delivery;
    };
    struct Run {
        std::vector<SharedEntry> entries;
        std::vector<RunTarget> targets;
        std::size_t target = 0;  // the next
        std::size_t place = 0;   // of its next member
    };
    struct Encoded {
        Encoder* encoder;
        std::vector<SharedFrame> frames;  // of the run's entries, for its target
    };

    Member& member(ReceiverId id) { return members_[static_cast<std::size_t>(id)]; }
    bool take_run();
    bool goes_with_run(const Entry& entry) const;
    void walk_run(std::size_t pushes_max);
    void end_run();
    bool walk_room(const RunTarget& target, std::size_t pushes_max);
    std::uint64_t give_as_joined(ReceiverId id);
    std::optional<Clock::Time> wait_at(Clock::Time now);
    std::span<const SharedFrame> frames_of_run(const RunTarget& target, Encoder& encoder);
    void prefetch(std::span<const Rooms::Membership> members, std::size_t place);
    void evict(const Eviction& eviction, Position at);
    void lose(ReceiverId id, std::string_view subject, Position at);
    bool hold_if_reached(ReceiverId id);
    static Position first_loss(const CatchUp& behind);
    static Position may_go_to(const CatchUp& behind);
    std::optional<Position> eviction_after(ReceiverId id, std::string_view subject,
                                           Position as_of) const;
    void free_removed();

    void be_behind(ReceiverId id, Stretch stretch, bool tell);
    void queue_behind(ReceiverId id);
    void advance(ReceiverId id);
    void be_live(ReceiverId id);
    bool advance_in_tail(ReceiverId id, Stretch& stretch, Position upper);
    void read_page(ReceiverId id, const Stretch& stretch);
    void on_page(ReceiverId id, Position after, Encoder::As as, Result<Page> page);
    void give_page(ReceiverId id, Stretch& stretch, const Page& page);
    bool give(ReceiverId id, const Entry& entry, const Stretch& stretch);
    std::optional<std::uint16_t> variant_for(ReceiverId id, const Entry& entry,
                                             const Stretch& stretch) const;
    bool counts(ReceiverId id, RoomId room, const Entry& entry, const Stretch& stretch) const;

    Executor& reactor_;
    const Clock& clock_;
    Log& log_;
    LogReader& reader_;
    const Coalesce coalesce_;
    Rooms rooms_;
    Chunked<Member> members_;
    std::vector<ReceiverId> free_;
    std::vector<ReceiverId> removed_;  // during a delivery
    std::vector<RoomId> patterns_;     // rooms of patterns, few
    std::vector<ReceiverId> behind_;   // to be given a slice in this turn
    std::function<void(const SharedEntry&)> follower_;
    FrameCache frames_;
    Run run_;                       // under way if it has entries
    std::vector<Encoded> encoded_;  // of the run, for its target
    Clock::Time live_at_{};         // when the last run had been given
    std::size_t pushes_ = 0;        // in this turn
    std::size_t batch_pushes_ = 0;  // since the last writes
    std::size_t batch_bytes_ = 0;   // for one member that gets all
    bool writes_wait_ = false;
    bool in_room_ = false;         // its members are being walked over: it must not change
    std::size_t may_look_at_ = 0;  // entries, in this turn
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    DeliveryProbe probe_;
};

}  // namespace eventbus
