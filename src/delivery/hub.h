#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "delivery/catch_up.h"
#include "delivery/fan_out.h"
#include "delivery/frame_cache.h"
#include "delivery/members.h"
#include "delivery/place.h"
#include "delivery/probe.h"
#include "delivery/receiver.h"
#include "log/log.h"
#include "log/log_reader.h"
#include "log/view.h"

namespace eventbus {

// One reactor's live and resume view of the log.
//
// A member is live when it has been given everything up to the tail's cursor. One that comes back
// is behind: it catches up (CatchUp), and live entries (FanOut) pass it by until its place has
// reached the cursor. So there is no gap and no repeat between what it missed and what is live, and
// nothing live overtakes what was missed.
//
// A member that may lose a right by an entry is held in front of it: it is behind from there on and
// given nothing until its owner has asked what other rights it has. So what it keeps a right to
// comes once and in order, and of the rest nothing.
//
// Thread:  reactor. Receivers are called within deliver() only; but push(), within whatever changes
//          a room while a run is under way.
// Bounded: as FanOut and CatchUp.
// Invariants:
//   (1) A member gets the entries of a room after the position at which it joined it.
//   (2) It gets an entry once, with the payload of the first delivery that names it.
//   (3) An eviction holds before the entry that carries it is given, to each member in its own
//       order: one that is behind gets what stands before that entry first.
//   (4) Who is in which room does not change while a run is under way: what would change it ends
//       the run first.
class Hub final : public View {
 public:
    Hub(Executor& reactor, const Clock& clock, Log& log, LogReader& reader, Coalesce coalesce = {});

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
    std::size_t room_count(ReceiverId member) const {
        return members_.rooms().rooms_of(member).size();
    }
    // The place at which the member joined the room; none: it is not in it.
    std::optional<Position> joined_at(ReceiverId member, const Room& room) const;
    // Up to where the member was given the history of the room that is under way; none: none is.
    std::optional<Position> history_at(ReceiverId member, const Room& room) const;
    std::vector<Room> rooms_of(ReceiverId member) const;

    // What has been delivered here; a join "from now on" is a join at this position.
    Position cursor() const { return reader_.cursor(); }

    // Of a member; of histories nothing counts.
    Place place(ReceiverId member) const;

    // The member is to be told this place: all that is in order and for it up to there was pushed.
    // To place() the notice counts as the frame of an entry there, since the client shows the place
    // from then on.
    Position show_place(ReceiverId member);

    // Gives the member all it missed after `after` in its rooms, in order, then goes on live; then
    // on_caught_up(). To be called before anything was delivered to it. `after` may be above
    // cursor(), when another reactor was ahead: what lies between is not given again.
    void resume(ReceiverId member, Position after);

    // Gives the member the entries of `room` after `after` that are not to come in order, before
    // anything later; then on_history_given(). Those of a subject's room are all that concern the
    // subject and may be seen by this member, whichever of its rooms they went to. False: one of
    // this room is under way, which gives them, too, and there is one on_history_given() for both.
    bool send_history(ReceiverId member, const Room& room, Position after);

    // The member's queue has drained: it may go on catching up.
    void drained(ReceiverId member);

    // Delivers what became visible, and some of what they are owed to those that are behind. To be
    // called again for what waits for company, or for a page that could not be read; as long as
    // anything waits for company, later calls never give an earlier time for that.
    Next deliver() override;

    const DeliveryProbe& probe() const { return probe_; }

 private:
    Position live_place(ReceiverId id) const;

    LogReader& reader_;
    DeliveryProbe probe_;
    FrameCache frames_;
    Members members_;
    FanOut fan_out_;
    CatchUp catch_up_;
};

}  // namespace eventbus
