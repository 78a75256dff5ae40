#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "admission/session_store.h"
#include "base/completion.h"
#include "base/executor.h"
#include "base/result.h"
#include "bus/watch.h"
#include "event/room.h"
#include "log/position.h"

namespace eventbus {

// Why a change of rooms that the session could not hold was not made.
Error cannot_be_kept();

// The rooms that one receiver is in, is entering and is leaving. No I/O: what it needs it asks of
// its Port, whose answers may come at once, late, and in any order.
//
// Each room has a line of changes, of which the first is under way:
//
//   enter:   wait for the place ─► ask for the right ─► write the session ─► join ─► answer
//   leave:   write the session ─► leave ─► answer
//   recheck: ask for the right ─► keep the room, or leave it, tell, and write the session
//
// So what is asked of one room happens in the order in which it was asked, whatever the answers'
// order; and changes of different rooms wait for nothing of each other. A recheck goes before all
// that has not asked for its right yet: a client may have a thousand changes wait, each for
// seconds.
//
// A room is *intended* if it will be in it once its line has run: the session is made of intended
// rooms, and bounds count them.
//
// Thread:  reactor.
// Bounded: intended rooms by rooms_max, changes under way by kChangesMax; past them the change is
//          refused. A room that could not be left counts again, even if another took its place.
// Invariants:
//   (1) A client was told "you are in" after the session with the room was written, and "you have
//       left" after the one without it.
//   (2) A passing failure ends no room: a recheck that cannot be answered is asked again.
//   (3) After close() nothing is asked of the Port, and every answer is ignored.
class RoomChanges : public std::enable_shared_from_this<RoomChanges> {
 public:
    static constexpr std::size_t kChangesMax = 1'024;

    // What it asks of the world around. A call may lead to close(), and to any other call here.
    class Port {
     public:
        virtual ~Port() = default;

        // Until `since` is visible, or surely is not; then came(). What came() has to name is
        // `wait`.
        virtual void wait_for(const Room& room, Position since, std::uint64_t wait) = 0;
        // Whether the receiver may be in the room; then answered().
        virtual void ask(const Room& room) = 0;
        // Then written(). Without a session: at once, with kYes.
        virtual void write(const Room& room, SessionChange change) = 0;
        // A pause; then paused().
        virtual void pause(const Room& room) = 0;

        // How far in the log it has come, in order.
        virtual Position reached() const = 0;
        // The place at which it joined the room; none: it is not in it.
        virtual std::optional<Position> joined_at(const Room& room) const = 0;
        // A room that it is in, with what it still owes to the client.
        virtual JoinedRoom joined(const Room& room) const = 0;
        // The visible end of the log, which the reactor may not have read yet: a join from now on
        // is one at this place.
        virtual Position now() const = 0;
        // Joins, or lets it have what came after `at` too. The right was told as of `as_of`: what
        // took it away since is obeyed (recheck()).
        virtual void join(const Room& room, Position at, Position as_of) = 0;
        // Gives what the room's subject or pattern had after `after`, up to where it is live.
        virtual void send_history(const Room& room, Position after) = 0;
        virtual void leave(const Room& room) = 0;
        // The right that is left counts from `since`; `as_of` as in join().
        virtual void keep(const Room& room, Position since, Position as_of) = 0;
        // What an eviction held back goes on.
        virtual void release() = 0;

        // The receiver no longer is in the room. Returns Place::given of when it was told.
        virtual Position tell_ended(const Room& room, const Error& error) = 0;
        // Another socket has the session: this one is to be closed.
        virtual void on_taken_over() = 0;
    };

    // `rooms`: how many it is in already.
    RoomChanges(Port& port, std::size_t rooms_max, std::size_t rooms)
        : port_(port), rooms_max_(rooms_max), intended_(rooms) {}

    struct Entered {
        Position from;  // what comes after it will be sent
    };

    // Errors: kTooManyRooms, kTooMany; the right's; kUnavailable, the session cannot be written.
    void enter(const Room& room, std::optional<Position> since, Callback<Result<Entered>> done);
    void leave(const Room& room, Callback<Result<>> done);

    // The right may have ended: asks again. `evicted_at`: by the entry there, in front of which the
    // receiver is held until release(); none: by a reload. If its right of now began behind that
    // entry, or behind the place that it has reached, it leaves the room and is told: to stay would
    // lose what lies before without a word. `completion` is held until the right was told and
    // obeyed.
    void recheck(const Room& room, std::optional<Position> evicted_at, Completion completion = {});

    // ---- answers -------------------------------------------------------------------------------

    // `is_visible`: what is not is an error of the client that named it.
    void came(const Room& room, std::uint64_t wait, bool is_visible);
    void answered(const Room& room, const Result<WatchAnswer>& right);
    void written(const Room& room, Written how);
    void paused(const Room& room);

    // It has joined and left rooms that are no changes of these: its token's.
    void note_rooms(std::size_t joined, std::size_t left) { intended_ += joined - left; }

    void close();

    std::size_t intended() const { return intended_; }
    bool is_intended(const Room& room) const;
    bool is_idle() const { return lines_.empty(); }
    // The rooms that it is about to enter or leave, or is asked about again.
    std::vector<Room> under_way() const;

 private:
    struct Enter {
        std::optional<Position> since;
        Callback<Result<Entered>> done;
        std::uint64_t wait = 0;  // for `since`; 0: it does not wait
        WatchAnswer right = {};
        Position from = {};
    };
    struct Leave {
        Callback<Result<>> done;
    };
    struct Recheck {
        std::optional<Position> evicted_at;
        Completion completion;
    };
    using Change = std::variant<Enter, Leave, Recheck>;
    struct Line {
        std::deque<Change> changes;
        bool is_intended = false;
    };

    Line& line_of(const Room& room);
    void intend(Line& line, bool on);
    void add(const Room& room, Line& line, Change change);
    void begin(const Room& room);
    void finish(const Room& room);
    Change* current(const Room& room);

    void on_right(const Room& room, Enter& enter, const Result<WatchAnswer>& right);
    void on_right(const Room& room, Recheck& recheck, const Result<WatchAnswer>& right);
    void on_entered(const Room& room, Enter& enter);
    void refuse(const Room& room, Enter& enter, const Error& error);

    Port& port_;
    const std::size_t rooms_max_;
    std::unordered_map<Room, Line, RoomHash> lines_;
    std::size_t intended_;
    std::size_t changes_ = 0;  // under way
    std::uint64_t last_wait_ = 0;
    bool is_closed_ = false;
};

}  // namespace eventbus
