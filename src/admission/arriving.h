#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admission/await_visible.h"
#include "admission/session_store.h"
#include "auth/principal.h"
#include "base/clock.h"
#include "base/completion.h"
#include "base/executor.h"
#include "base/random.h"
#include "base/result.h"
#include "bus/watch.h"
#include "catalog/catalog.h"
#include "event/topic.h"
#include "log/log.h"

namespace eventbus {

// What a client that comes says of itself; its token has been verified.
struct Arrival {
    SharedPrincipal principal;
    std::string pid;     // of the session that it wants to go on with; empty: none
    std::string offset;  // the last one that it has seen, of that session or of an earlier one
    // The place from which it wants to go on without a session, and in topics that its session does
    // not hold.
    std::optional<std::string> since;
    std::string since_unread;  // why that could not be read; empty: it could
    std::vector<Topic> topics;
    bool wants_session = true;    // it is to get a pid, if it has none
    bool receives_people = true;  // false: its people's rooms serve evictions, and give nothing
};

// What has become of it.
struct Admitted {
    SharedPrincipal principal;
    SessionRecord record;        // without a pid: nothing is kept
    std::optional<Claim> claim;  // of its session
    bool is_resumed = false;
    bool had_since = false;                  // a good one
    bool wants_place = false;                // on_caught_up() is to follow, whatever it has missed
    Position resume_after;                   // what comes after it is for the receiver
    Position as_of;                          // the rights to its rooms were told as of here
    std::shared_ptr<const Catalog> catalog;  // by this one
    Completion coming;                       // held until it is in no room by an older one
    // What it named, and this log or server does not know.
    struct Unknown {
        enum class Code {
            kSession,  // it has a new one, and is owed what lies behind a good `since`
            kOffset,   // its session goes on from its own place, in a log that has lost something
            kSince,    // what lies behind it cannot be given
        };
        Code code;
        std::string reason;
    };
    std::vector<Unknown> unknown;
    std::vector<std::pair<std::string, Error>> ended;  // topics that it may not have
    // The right to a topic that it asked for began behind the place from which it is to go on: of
    // that topic it gets nothing from in between.
    struct Hidden {
        Position after;
        Position through;
    };
    std::optional<Hidden> hidden;
};

// How a client gets in: which session it goes on with, what it may still be in, and from where.
//
//   session of its pid ─► its offset is visible ─► may it still watch? ─► session written ─► done
//
// What was true before a wait is not used after it: the session is this client's by its claim, and
// rights hold as of the place that Admitted names.
//
// Thread:  reactor.
// Bounded: rooms by rooms_max; an offset ahead of the log is waited for kAheadMax.
class Arriving : public std::enable_shared_from_this<Arriving> {
 public:
    struct Context {
        Executor& reactor;
        const Clock& clock;
        Random& random;
        Log& log;
        Watches& watches;
        SessionStore& sessions;
        SessionOwner& owner;
        const PostAt& post_at;  // on the reactor
        std::size_t rooms_max = 256;
        std::size_t sid_bytes = 20;
    };
    // Errors: only what may pass (Retry::kLater): the client is to come again, and a session that
    // it had is still there.
    using Done = Callback<Result<Admitted>>;

    // `now`: the receiver's place in the log when it came. `done` may be called before this
    // returns.
    static void begin(const Context& context, std::shared_ptr<const Catalog> catalog,
                      Arrival arrival, Position now, Done done);

    Arriving(const Context& context, std::shared_ptr<const Catalog> catalog, Arrival arrival,
             Position now, Done done);

 private:
    using Unknown = Admitted::Unknown;

    void find_session();
    void on_session(std::optional<SessionStore::Claimed> claimed);
    void find_places();
    bool knows(std::optional<Position> behind) const;
    std::optional<std::string_view> offset_of_session() const;
    bool needs_since() const;
    std::optional<Position> place_of(std::optional<std::string_view> offset, Unknown::Code code);
    void add_unknown(Unknown::Code code, std::string reason);
    void on_places_visible();
    void go_on();
    void begin_new();
    void list_rooms();
    void ask_for_rooms();
    void on_room(JoinedRoom room, const Result<WatchAnswer>& right);
    void enter_room(JoinedRoom room, const WatchAnswer& right);
    void hide(JoinedRoom& room);
    void end_room(JoinedRoom room, Error error);
    bool is_of_session(const Room& room) const;
    void on_rooms();
    void write_new();
    void write_resumed();
    void end_with(const Error& error);
    void finish();
    bool is_good(const SessionRecord& record) const;

    const Context context_;
    const std::shared_ptr<const Catalog> catalog_;
    const Arrival arrival_;
    const Position now_;
    Done done_;
    Admitted admitted_;
    std::optional<Position> offset_;  // the client's, once it is known to be of this log
    std::optional<Position> since_;
    bool is_offset_unknown_ = false;
    bool is_since_unknown_ = false;
    bool is_taken_over_ = false;
    std::vector<JoinedRoom> before_;  // what the session had
    std::vector<JoinedRoom> to_ask_;
    std::vector<JoinedRoom> ended_;  // and the client may not know it, even if it is told now
    std::size_t waits_for_ = 0;      // answers
    std::optional<Error> failed_;
};

}  // namespace eventbus
