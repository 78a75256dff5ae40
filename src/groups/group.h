#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "groups/backlog.h"
#include "groups/group_key.h"
#include "groups/settings.h"
#include "log/entry.h"
#include "log/offset.h"

namespace eventbus {

// What a group did since the process started.
struct GroupTotals {
    std::uint64_t delivered = 0;  // repeats included
    std::uint64_t redelivered = 0;
    std::uint64_t acked = 0;
    std::uint64_t nacked = 0;
    std::uint64_t timed_out = 0;
    std::uint64_t member_lost = 0;
    std::uint64_t stale_answers = 0;
    std::uint64_t expired = 0;         // durable events that the log no longer had
    std::uint64_t lost_transient = 0;  // transient ones that nobody had any more
};

// What one member takes.
struct MemberTerms {
    std::size_t max_in_flight = 64;
    std::size_t bytes_max = std::size_t{1} << 19U;  // of what it has not answered

    friend bool operator==(const MemberTerms&, const MemberTerms&) = default;
};

// A group's own count of what an event weighs.
std::size_t size_of(const Entry& entry);

// One consumer group: which member gets which event, and what becomes of it. A state machine: no
// I/O, no threads, time is an argument.
//
//   take() ──► pending ──give_out()──► with a member ──ack()──► gone
//                                        │      ▲
//        nack, time-out, member gone     ▼      │ give_out()
//                                      waiting ─┴► due ──► loaded
//
// An event in flight is a record without the entry: to be given out again it is read from the tail
// or the log (due: the reader is asked for it; loaded: it is here). So a group with 10,000 events
// in flight holds no payload, and one restored from the store is like any other.
//
// Thread:  the group's home.
// Bounded: by GroupSettings. At in_flight_max with members nothing is given out; at waiting_max
// that
//          have failed nothing new; at pending_max nothing is read ahead.
// Cost:    O(log in flight) for each verb.
// Invariants:
//   (1) Every matching event up to cursor() was acknowledged, is in flight, or was taken from the
//       log; none above it was given out.
//   (2) An event is with one member at most, and only that member can answer for it, with the
//       attempt that it was given.
//   (3) A member has at most max_in_flight events; and unless it has only one, the last of them was
//       given to it while the others were of less than bytes_max.
class Group {
 public:
    using Time = Clock::Time;

    struct Flight {
        enum class State : std::uint8_t { kWithMember, kWaiting, kDue, kLoaded };
        State state = State::kWithMember;
        std::uint32_t attempt = 0;
        MemberId member{};  // of kWithMember
        Time until{};  // kWithMember: its deadline, none yet before sent(); else when it is due, or
                       // was
        std::chrono::milliseconds delay{};  // that `until` was set with; not of kWithMember
        std::uint32_t bytes = 0;            // of kWithMember
        bool is_transient = false;
    };

    // One event that goes to one member now.
    struct GivenOut {
        MemberId member{};
        SharedEntry entry;
        std::uint32_t attempt = 1;
    };

    // A group whose matching events up to `cursor` are done but for those added by restore().
    Group(const GroupSettings& settings, Random& random, Position cursor);

    // An event that was in flight in an earlier life, and waits for `delay` from `now` on. Before
    // anything else.
    struct Restored {
        Position position;
        std::uint32_t attempt = 0;
        std::chrono::milliseconds delay{};
        bool is_transient = false;
    };
    void restore(const Restored& flight, Time now);

    // ---- members ----

    // A second call changes the terms, and takes back leave().
    // Errors: kTooMany (members_max).
    Result<> join(MemberId member, MemberTerms terms);

    // It gets nothing new and may answer what it has; false if it is no member.
    bool leave(MemberId member);

    // What it had is to be given out again, the first time at once; false if it is no member.
    bool member_gone(MemberId member, Time now);

    // ---- events that come in, in the order of the log ----

    // Whether the next matching event can be taken: somebody is there, and pending has room.
    bool has_room() const;

    // Requires has_room() and a position above read_through().
    void take(SharedEntry entry);

    // No matching event from read_through() up to `position`, or none that is left. Returns what
    // had been unread and is gone; it is in the totals.
    Backlog::Count skip_to(Position position);

    // A matching event was seen that is not taken now; of each position once, in order.
    void note_unread(Position position, bool is_transient);
    // The same of an earlier life: `count` events up to `last`.
    void note_unread(Position last, Backlog::Count count);
    // Of an earlier life, too: `count` events were unread that nobody has any more.
    void note_lost(Backlog::Count count);

    // ---- events that come again ----

    // The oldest that must be read from the log to be given out again, and how many entries from it
    // on are worth a read of at most `limit`; none when nothing is due or nobody is there. They are
    // read ahead, so that they come before new events when a member has room.
    struct Span {
        Position first;
        std::size_t count = 0;
    };
    std::optional<Span> wanted(std::size_t limit) const;

    // What the log has of [first, through]: those due that it has are loaded, those that it does
    // not have any more are dropped and counted. Returns how many those were.
    Backlog::Count loaded(const std::vector<SharedEntry>& entries, Position first,
                          Position through);

    // ---- events that go out ----

    // Gives out what can be given, retries first, round robin to the members with room.
    void give_out(std::vector<GivenOut>& out);

    // What was given out is on its way to its member: the time that it has for an answer begins.
    void sent(Position position, std::uint32_t attempt, Time now);

    // Errors: kNotFound, the event is not this member's with this attempt.
    Result<> ack(MemberId member, Position position, std::uint32_t attempt);
    Result<> nack(MemberId member, Position position, std::uint32_t attempt,
                  std::optional<std::chrono::milliseconds> delay, Time now);

    // ---- time ----

    // Finds what has waited long enough.
    void find_due(Time now);

    // Takes from members what they should have answered by `at`. The caller has seen every answer
    // that had come by then.
    void time_out(Time at);

    // Nobody could answer for so long: the members have that much more time.
    void extend_deadlines(Time::duration by);

    // When find_due() and time_out() will next have something to do.
    std::optional<Time> next_due() const;
    std::optional<Time> next_deadline() const;

    // ---- questions ----

    Position cursor() const;
    Position read_through() const { return read_through_; }
    const Flight* flight(Position position) const;
    std::size_t in_flight() const { return flights_.size(); }
    std::size_t with_members() const { return with_members_; }
    std::size_t waiting() const { return flights_.size() - with_members_; }
    // As many events wait to be given out again as may: nothing new is given out.
    bool is_full() const { return waiting() >= settings_.waiting_max; }
    // Of those that wait, the one that was given out most often. O(in flight).
    std::optional<Position> most_failed() const;
    std::size_t pending() const { return pending_.size(); }
    std::size_t pending_bytes() const { return pending_bytes_; }
    // Events that match and were never given out.
    std::uint64_t lag() const { return pending_.size() + backlog_.size(); }
    // The same, by kind: what another life would have to read again.
    Backlog::Count unread() const;
    std::size_t members() const { return members_.size(); }
    bool has_ready_member() const;  // one with room
    bool has_work() const;          // something is pending, or must be given out again now
    const GroupTotals& totals() const { return totals_; }

    bool has_changed() const { return !changed_.empty(); }

    // Positions whose flight changed since the last call: for the store.
    std::vector<Position> take_changed();

 private:
    struct Member {
        MemberTerms terms;
        bool leaving = false;
        bool queued = false;  // stands in ready_
        std::size_t bytes = 0;
        std::set<Position> has;
    };
    using Members = std::unordered_map<MemberId, Member>;
    using Flights = std::map<Position, Flight>;

    static bool has_space(const Member& member) {
        return !member.leaving && member.has.size() < member.terms.max_in_flight &&
               (member.has.empty() || member.bytes < member.terms.bytes_max);
    }
    std::optional<MemberId> next_ready();
    void queue_if_ready(MemberId id, Member& member);
    void erase_if_done(Members::iterator member);
    std::uint32_t give(MemberId id, const Entry& entry);
    Result<Flights::iterator> find_answered(MemberId member, Position position,
                                            std::uint32_t attempt);
    void take_from_member(Flights::iterator flight);
    void wait(Flights::iterator flight, std::chrono::milliseconds delay, Time now);
    std::chrono::milliseconds backoff(std::uint32_t failures);

    const GroupSettings& settings_;
    Random& random_;
    Position read_through_;
    std::deque<SharedEntry> pending_;  // read, not given out; above all that is in flight
    std::size_t pending_bytes_ = 0;
    std::size_t pending_transient_ = 0;  // of pending_
    Backlog backlog_;                    // seen, not read
    Flights flights_;
    std::set<std::pair<Time, Position>> deadlines_;  // kWithMember, and sent
    std::set<std::pair<Time, Position>> delays_;     // kWaiting
    std::set<Position> due_;                         // kDue
    std::deque<SharedEntry> loaded_;                 // kLoaded
    std::size_t with_members_ = 0;
    Members members_;
    std::size_t staying_ = 0;     // members that are not leaving
    std::deque<MemberId> ready_;  // whose turn it is; may name some that leave or are full
    std::vector<Position> changed_;
    GroupTotals totals_;
};

}  // namespace eventbus
