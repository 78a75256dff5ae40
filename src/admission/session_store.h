#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "delivery/place.h"
#include "event/room.h"
#include "log/position.h"

namespace eventbus {

// Of SessionRecord::pid; a longer one names no session.
inline constexpr std::size_t kPidBytesMax = 24;

// A room of a session, and since when.
struct JoinedRoom {
    Room room;
    Position at;  // a resume shows nothing of this room from before it
    // A history of what lies after this place was requested, and the client has not shown yet that
    // it has it.
    std::optional<Position> owed_after = {};
    // The client wanted to go on from here, its right began at `at` only, and it has not shown yet
    // that it was told so.
    std::optional<Position> hidden_after = {};
    // The history, or else that notice, was queued whole when `Place::given` stood here
    // (resume_rule.h).
    std::optional<Position> given_behind = {};
    // The right to it has ended, and the client was told when `Place::given` stood here. It is kept
    // until the client has shown that it knows; nobody is in it. A client that asks for it at its
    // next sign-in does not know, and goes on in it from `at` if it may.
    std::optional<Position> ended_behind = {};
    // Where the client entered it anew, without having shown that it knows of an end before: `at`
    // and `owed_after` are as if it had been in it all the time.
    std::optional<Position> entered_at = {};

    friend bool operator==(const JoinedRoom&, const JoinedRoom&) = default;
};

// What a node must know to let a socket go on after a drop, on any node. Every room in it was
// intended by the client when it was written: confirmed, or on its way to be; or it has ended, and
// the client may not have heard of that yet.
struct SessionRecord {
    std::string pid;        // unguessable; the key; at most kPidBytesMax
    std::string principal;  // Principal::key(): nobody else may go on with it
    std::string sid;        // the socket's id, which stays over a resume
    std::string epoch;    // in which `place` was written; empty: by a server of the release before
    Position started_at;  // where a client that saw no event yet goes on
    // The offset that the client showed when this session began, as it wrote it: that of an earlier
    // session; or one of another log, which it showed since. A client that has seen no event since
    // still shows it, so it proves nothing here.
    std::string offset_before;
    Place place;
    // The client has shown in another way than by its offset that it has all up to here: an event
    // or the notice of a loss.
    Position received;
    // A sign-in told the client that a place which it showed is not known, and went on from here;
    // the client has not shown yet that it heard.
    std::optional<Position> unknown_behind;
    // Another socket had the session when its newest took it over, and may have been given what
    // lies up to here: an offset that is not above it proves nothing of what the newest was told.
    Position taken_over_at;
    std::vector<JoinedRoom> rooms;
};

// One step of a session, whole or not at all.
struct SessionChange {
    struct At {
        std::string epoch;
        Place place;
        Position received = {};
        std::optional<Position> unknown_behind = {};
        Position taken_over_at = {};
    };
    std::optional<At> at = {};
    std::optional<std::string> offset_before = {};
    std::vector<JoinedRoom> put = {};  // rooms that are new, or whose place has changed
    std::vector<Room> gone = {};
};

SessionChange::At at_of(const SessionRecord& record);

// What the record is after the change.
void apply(SessionRecord& record, SessionChange change);

// What became of a change.
enum class Written : std::uint8_t {
    kYes,
    kNotNow,     // nothing has changed; a later one may be written
    kTakenOver,  // the session is another socket's, and nothing has changed
};

// Which of the sockets that showed one pid has its session: the one with the highest number.
enum class Claim : std::uint64_t {};

// Where the sockets of one reactor are, for the store. Outlives it.
class SessionOwner {
 public:
    virtual ~SessionOwner() = default;

    virtual Executor& executor() = 0;

    // On executor(): another socket has claimed the session since. The one with this claim receives
    // and erases nothing any more.
    virtual void on_taken_over(std::string_view pid, Claim claim) = 0;
};

// What tells `owner` of it: to be posted behind all that it was answered before.
Task note_taken_over(SessionOwner& owner, std::string_view pid, Claim claim);

// Seam: sessions that survive their connection. Reactor; every answer is posted to the owner's
// executor, and those for one pid come in the order of what was asked.
//
// A session has one owner at a time, and what its owner does to it happens in the order in which it
// was asked: the queue of the store is the one queue of changes of a pid. What an earlier owner
// still asks is refused (Written::kTakenOver) and changes nothing.
//
// Bounded: sessions_per_principal_max of those that are not connected: a *new* session pushes out
//          the oldest such one of its principal; and sessions_max of all: there a new session
//          pushes out the one that ends first. One of a connected socket is never pushed out and
//          never expires.
class SessionStore {
 public:
    virtual ~SessionStore() = default;

    // A new session, of a socket that is connected. `done` is called once the record survives the
    // end of this process (not of the machine).
    // Errors: kUnavailable, it cannot be kept now: the socket gets no pid.
    virtual void create(SessionRecord record, SessionOwner& owner,
                        Callback<Result<Claim>> done) = 0;

    struct Claimed {
        SessionRecord record;
        Claim claim{};
        bool is_taken_over = false;  // from another socket, which may be given more until it hears
    };
    // Makes `owner` the owner of the session of `pid`, and tells the one before. None: there is no
    // such session (any more), it is damaged, or it is another principal's.
    // Errors: kUnavailable, it cannot be looked for now; then nobody owns it.
    virtual void claim(std::string_view pid, std::string_view principal, SessionOwner& owner,
                       Callback<Result<std::optional<Claimed>>> done) = 0;

    // `done` may be empty.
    virtual void change(std::string_view pid, Claim claim, SessionChange change,
                        SessionOwner& owner, Callback<Written> done) = 0;

    // The socket has gone without a goodbye: from now on its session expires. `at`: where it stood.
    // Of one that was taken over only what it was given counts, for SessionRecord::taken_over_at.
    virtual void release(std::string_view pid, Claim claim,
                         std::optional<SessionChange::At> at) = 0;

    // The client has left in order: the session ends.
    virtual void end(std::string_view pid, Claim claim) = 0;
};

}  // namespace eventbus
