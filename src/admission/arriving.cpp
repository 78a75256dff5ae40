#include "admission/arriving.h"

#include <algorithm>
#include <utility>

#include "admission/resume_rule.h"
#include "bus/access.h"

namespace eventbus {
namespace {

// Of a place.
std::string_view name_of(Admitted::Unknown::Code code) {
    return code == Admitted::Unknown::Code::kOffset ? "the offset" : "'since'";
}

}  // namespace

void Arriving::begin(const Context& context, std::shared_ptr<const Catalog> catalog,
                     Arrival arrival, Position now, Done done) {
    std::make_shared<Arriving>(context, std::move(catalog), std::move(arrival), now,
                               std::move(done))
        ->find_session();
}

Arriving::Arriving(const Context& context, std::shared_ptr<const Catalog> catalog, Arrival arrival,
                   Position now, Done done)
    : context_(context),
      catalog_(std::move(catalog)),
      arrival_(std::move(arrival)),
      now_(now),
      done_(std::move(done)) {
    admitted_.principal = arrival_.principal;
    admitted_.as_of = kEndOfTime;
    admitted_.catalog = catalog_;
}

// ---- its session --------------------------------------------------------------------------------

void Arriving::find_session() {
    if (arrival_.pid.empty()) return find_places();
    context_.sessions.claim(
        arrival_.pid, arrival_.principal->key(), context_.owner,
        [self = shared_from_this()](Result<std::optional<SessionStore::Claimed>> claimed) {
            if (!claimed) return self->end_with(claimed.error());
            self->on_session(std::move(*claimed));
        });
}

void Arriving::on_session(std::optional<SessionStore::Claimed> claimed) {
    if (!claimed) {
        add_unknown(Unknown::Code::kSession, "the session is not known here (any more)");
    } else if (!is_good(claimed->record)) {
        context_.sessions.end(arrival_.pid, claimed->claim);
        add_unknown(
            Unknown::Code::kSession,
            "the session is of another log: the server's data was replaced, or restored from a "
            "backup");
    } else {
        admitted_.record = std::move(claimed->record);
        admitted_.claim = claimed->claim;
        admitted_.is_resumed = true;
        // After a kill nobody had it, and nobody has said what was given.
        is_taken_over_ =
            claimed->is_taken_over || admitted_.record.epoch != context_.log.epochs().current();
    }
    find_places();
}

// Whether this log shares all that the session has seen, and every place where it joined a room:
// one of another branch would keep from it what lies below.
bool Arriving::is_good(const SessionRecord& record) const {
    const Epochs& epochs = context_.log.epochs();
    // The release before stored none, and its log had one: here it has ended.
    if (record.epoch.empty() && epochs.past().empty()) return false;
    Position last = std::max(record.place.given, record.place.clear);
    for (const JoinedRoom& joined : record.rooms) {
        if (joined.at != kEndOfTime) last = std::max(last, joined.at);
        last = std::max(
            {last, joined.owed_after.value_or(Position()), joined.entered_at.value_or(Position())});
    }
    return epochs.holds({record.epoch.empty() ? epochs.first() : record.epoch, last}) &&
           record.sid.size() <= context_.sid_bytes;
}

// ---- the places that the client names -----------------------------------------------------------

void Arriving::find_places() {
    offset_ = place_of(offset_of_session(), Unknown::Code::kOffset);
    if (needs_since()) {
        since_ = place_of(arrival_.since, Unknown::Code::kSince);
        if (!arrival_.since_unread.empty())
            add_unknown(Unknown::Code::kSince, arrival_.since_unread);
        is_since_unknown_ = !since_ && (arrival_.since || !arrival_.since_unread.empty());
    }
    await_visible(context_.log, context_.clock, context_.post_at,
                  std::max(offset_, since_).value_or(Position()), context_.clock.now() + kAheadMax,
                  [self = shared_from_this()] { self->on_places_visible(); });
}

// A session that holds all that the client asks for goes on from its own places: whatever `since`
// is, nothing is unknown.
bool Arriving::needs_since() const {
    if (!admitted_.is_resumed) return true;
    return std::any_of(arrival_.topics.begin(), arrival_.topics.end(), [this](const Topic& topic) {
        const auto& rooms = admitted_.record.rooms;
        return std::none_of(rooms.begin(), rooms.end(),
                            [&, room = topic.room()](const auto& known) {
                                return known.room == room && !knows(known.ended_behind);
                            });
    });
}

// Whether the client has what the session's newest connection was told behind this.
bool Arriving::knows(std::optional<Position> behind) const {
    return offset_ > admitted_.record.taken_over_at && has_seen(offset_, behind);
}

// What the client has seen of the session that goes on; none: nothing.
std::optional<std::string_view> Arriving::offset_of_session() const {
    const bool is_older = arrival_.offset == admitted_.record.offset_before;
    if (!admitted_.is_resumed || is_older || arrival_.offset.empty()) return std::nullopt;
    return arrival_.offset;
}

std::optional<Position> Arriving::place_of(std::optional<std::string_view> offset,
                                           Unknown::Code code) {
    if (!offset) return std::nullopt;
    const Result<Offset> parsed = parse_offset(*offset);
    const Result<Position> place =
        parsed ? position_of(context_.log, *parsed) : Result<Position>(parsed.error());
    if (place) return *place;
    add_unknown(code, std::string(name_of(code)) + ": " + place.error().detail);
    return std::nullopt;
}

void Arriving::add_unknown(Unknown::Code code, std::string reason) {
    admitted_.unknown.push_back({code, std::move(reason)});
}

void Arriving::on_places_visible() {
    const auto check = [&](std::optional<Position>& place, Unknown::Code code) {
        if (!place || *place <= context_.log.frontier()) return;
        add_unknown(code, std::string(name_of(code)) + " lies beyond the end of the log");
        place.reset();
    };
    check(offset_, Unknown::Code::kOffset);
    const bool was_since_known = since_.has_value();
    check(since_, Unknown::Code::kSince);
    is_since_unknown_ = is_since_unknown_ || (was_since_known && !since_);
    admitted_.had_since = since_.has_value();
    if (admitted_.is_resumed) {
        go_on();
    } else {
        begin_new();
    }
    if (is_offset_unknown_ || is_since_unknown_)
        admitted_.record.unknown_behind = admitted_.resume_after;
    list_rooms();
    ask_for_rooms();
}

void Arriving::go_on() {
    SessionRecord& record = admitted_.record;
    if (offset_of_session() && !offset_) {
        // An offset of another log says nothing, but the session's own place is good. The client
        // shows it until it has seen an event, and is told once.
        is_offset_unknown_ = true;
        record.received = std::max(record.received, record.place.clear);
        if (parse_offset(arrival_.offset)) record.offset_before = arrival_.offset;
    }
    admitted_.resume_after =
        resume_after(offset_, record.place, std::max(record.started_at, record.received));
    // What is given again is not clear: a room that it is taken to have stayed in owes it what lies
    // there.
    record.place.clear = std::min(record.place.clear, admitted_.resume_after);
    if (offset_ >= record.received) record.received = {};
    // The record may be older than the frame that the client has seen. What is given from now on is
    // told from that frame by lying above `given`.
    record.place.given = std::max(record.place.given, offset_.value_or(Position()));
    if (!record.unknown_behind) return;
    if (knows(record.unknown_behind)) {
        record.unknown_behind.reset();
    } else if (!is_offset_unknown_ && !is_since_unknown_) {
        // It is not stored which of the two that was: the one that may have cost more.
        add_unknown(Unknown::Code::kSince, "a place that an earlier sign-in showed was not known");
        record.unknown_behind = admitted_.resume_after;
    }
}

void Arriving::begin_new() {
    SessionRecord& record = admitted_.record;
    record = {};
    if (arrival_.wants_session) record.pid = random_token(context_.random, kPidBytesMax);
    record.sid = random_token(context_.random, context_.sid_bytes);
    record.principal = arrival_.principal->key();
    record.started_at = since_.value_or(now_);
    if (parse_offset(arrival_.offset)) record.offset_before = arrival_.offset;
    record.place = {record.started_at, record.started_at};
    admitted_.resume_after = record.started_at;
}

// ---- its rooms ----------------------------------------------------------------------------------

// Identity is asked again: rooms of people come from the token, at the place where the session had
// joined them.
void Arriving::list_rooms() {
    SessionRecord& record = admitted_.record;
    before_ = std::exchange(record.rooms, {});
    const auto known = [&](const Room& room) {
        return std::find_if(before_.begin(), before_.end(),
                            [&](const JoinedRoom& joined) { return joined.room == room; });
    };
    for (Room& room : rooms_of(*arrival_.principal)) {
        const auto joined = known(room);
        Position at = joined != before_.end() ? joined->at
                      : admitted_.is_resumed  ? now_
                                              : record.started_at;
        if (!arrival_.receives_people) at = kEndOfTime;
        record.rooms.push_back({std::move(room), at});
    }
    for (JoinedRoom joined : before_) {
        if (joined.room.is_of_people()) continue;
        if (knows(joined.given_behind)) {
            joined = {.room = joined.room,
                      .at = joined.entered_at.value_or(joined.at),
                      .ended_behind = joined.ended_behind};
        }
        if (!joined.ended_behind) {
            to_ask_.push_back(std::move(joined));
        } else if (!knows(joined.ended_behind)) {
            ended_.push_back(std::move(joined));
        }
    }
    const std::size_t of_session = to_ask_.size();
    for (const Topic& topic : arrival_.topics) {
        Room room = topic.room();
        const bool is_listed = std::any_of(to_ask_.begin(), to_ask_.end(),
                                           [&](const JoinedRoom& j) { return j.room == room; });
        if (is_listed) continue;
        // One that the session does not hold was not confirmed before the drop: what came since the
        // place that the client names is given as a history, as the session may stand behind that.
        // One that has ended goes on, since the client does not know that it had: with the history
        // that it is owed, and what came while it was not in the room.
        const auto ended = std::find_if(ended_.begin(), ended_.end(),
                                        [&](const JoinedRoom& j) { return j.room == room; });
        JoinedRoom joined{.room = std::move(room), .at = since_.value_or(now_)};
        if (ended != ended_.end()) {
            joined = std::move(*ended);
            joined.owed_after = owed_of_ended(joined);
            joined.given_behind.reset();
            ended_.erase(ended);
        } else if (admitted_.is_resumed) {
            joined.owed_after = since_;
        }
        to_ask_.push_back(std::move(joined));
    }
    for (const JoinedRoom& joined : ended_) {
        admitted_.ended.emplace_back(
            joined.room.name(), Error{ErrorCode::kForbidden, "the right to watch it has ended"});
    }
    // A session holds more than the bound while rooms of it could not be left (RoomChanges). What
    // was confirmed stays.
    const std::size_t places = std::max(
        of_session, context_.rooms_max - std::min(context_.rooms_max, record.rooms.size()));
    for (; to_ask_.size() > places; to_ask_.pop_back()) {
        end_room(std::move(to_ask_.back()),
                 {ErrorCode::kTooManyRooms, "the socket is in as many rooms as it may be"});
    }
}

void Arriving::ask_for_rooms() {
    waits_for_ = 1 + to_ask_.size();  // and this loop itself: answers may come at once
    WatchQuestions questions(catalog_, arrival_.principal);
    for (JoinedRoom& joined : std::exchange(to_ask_, {})) {
        const std::string topic(joined.room.name());
        if (joined.room.is_pattern()) {
            const Result<> may = check_may_consume(*catalog_, *arrival_.principal, topic);
            on_room(std::move(joined), may ? Result<WatchAnswer>(WatchAnswer{kEndOfTime, {}})
                                           : Result<WatchAnswer>(may.error()));
            continue;
        }
        context_.watches.ask(questions.about(topic), context_.reactor,
                             [self = shared_from_this(), joined = std::move(joined)](
                                 const Result<WatchAnswer>& right) mutable {
                                 self->on_room(std::move(joined), right);
                             });
    }
    on_rooms();
}

void Arriving::on_room(JoinedRoom room, const Result<WatchAnswer>& right) {
    if (right) {
        enter_room(std::move(room), *right);
    } else if (right.error().passes()) {
        failed_ = right.error();  // no room is lost for it: the client comes again
    } else {
        end_room(std::move(room), right.error());
    }
    on_rooms();
}

// Nothing that came before the right of now is shown. Where a session would miss something in order
// by that, it was in the room by another right, which has ended. Where it has entered the room anew
// behind that end, or only lacks a history, and where the client has asked for the room and named a
// place that is older than its right, or may not know that it had ended, it is told of a gap.
void Arriving::enter_room(JoinedRoom room, const WatchAnswer& right) {
    const Position since = right.right_since;
    const Position behind = admitted_.resume_after;
    const Position stands_at = std::max(room.entered_at.value_or(room.at), behind);
    if (is_of_session(room.room) && stands_at + 1 < since) {
        return end_room(std::move(room), right_was_interrupted());
    }
    const Position in_order = std::max(room.at, behind);
    const Position from = std::min(in_order, room.owed_after.value_or(in_order));
    const bool goes_on = room.ended_behind.has_value();
    room.ended_behind = room.entered_at = std::nullopt;
    if (from + 1 < since && (goes_on || since_ || from < now_)) {
        room.hidden_after = std::min(from, room.hidden_after.value_or(from));
    }
    admitted_.as_of = std::min(admitted_.as_of, right.at);
    room.at = std::max(room.at, since);
    if (room.owed_after) room.owed_after = std::max(*room.owed_after, since);
    if (room.hidden_after) hide(room);
    admitted_.record.rooms.push_back(std::move(room));
}

void Arriving::hide(JoinedRoom& room) {
    const Position after = *room.hidden_after;
    const Position through = std::min(room.at, room.owed_after.value_or(room.at));
    // It has asked for the room again since, with a right that covers all of that.
    if (through <= after) return room.hidden_after.reset();
    const Admitted::Hidden before = admitted_.hidden.value_or(Admitted::Hidden{after, through});
    admitted_.hidden = {std::min(before.after, after), std::max(before.through, through)};
    // A history goes behind the notice, and proves it with itself.
    if (!room.owed_after) room.given_behind = admitted_.record.place.given;
}

void Arriving::end_room(JoinedRoom room, Error error) {
    room.ended_behind = admitted_.record.place.given;
    admitted_.ended.emplace_back(room.room.name(), std::move(error));
    ended_.push_back(std::move(room));
}

bool Arriving::is_of_session(const Room& room) const {
    return std::any_of(before_.begin(), before_.end(), [&](const JoinedRoom& joined) {
        return joined.room == room && !joined.ended_behind;
    });
}

void Arriving::on_rooms() {
    if (--waits_for_ > 0) return;
    if (failed_) return end_with(*failed_);
    SessionRecord& record = admitted_.record;
    const std::size_t kept = std::min(ended_.size(), context_.rooms_max);
    record.rooms.insert(record.rooms.end(), ended_.begin(),
                        ended_.begin() + static_cast<std::ptrdiff_t>(kept));
    if (admitted_.is_resumed) return write_resumed();
    if (admitted_.record.pid.empty()) return finish();
    write_new();
}

// ---- the session is written ---------------------------------------------------------------------

void Arriving::write_new() {
    admitted_.record.epoch = context_.log.epochs().current();
    context_.sessions.create(
        admitted_.record, context_.owner, [self = shared_from_this()](const Result<Claim>& made) {
            if (made) {
                self->admitted_.claim = *made;
            } else {
                self->admitted_.record.pid.clear();  // it works, and cannot be resumed
            }
            self->finish();
        });
}

void Arriving::write_resumed() {
    SessionRecord& record = admitted_.record;
    record.epoch = context_.log.epochs().current();
    // The other socket goes on until it hears of it, and says then how far (Guest::take_over).
    if (is_taken_over_) record.taken_over_at = context_.log.frontier();
    SessionChange change{.at = at_of(record)};
    if (is_offset_unknown_) change.offset_before = record.offset_before;
    for (const JoinedRoom& joined : record.rooms) {
        if (std::find(before_.begin(), before_.end(), joined) == before_.end()) {
            change.put.push_back(joined);
        }
    }
    for (const JoinedRoom& joined : before_) {
        const bool stays = std::any_of(record.rooms.begin(), record.rooms.end(),
                                       [&](const JoinedRoom& j) { return j.room == joined.room; });
        if (!stays) change.gone.push_back(joined.room);
    }
    context_.sessions.change(
        record.pid, *admitted_.claim, std::move(change), context_.owner,
        [self = shared_from_this()](Written how) {
            if (how == Written::kTakenOver) {
                self->admitted_.claim.reset();
                return self->end_with(
                    Error{ErrorCode::kUnavailable, "another socket has this session now"});
            }
            if (how == Written::kYes) return self->finish();
            // As it is stored: what it could not hold is told as not watched.
            std::erase_if(self->admitted_.record.rooms, [&](const JoinedRoom& joined) {
                const bool is_stored = std::any_of(
                    self->before_.begin(), self->before_.end(),
                    [&](const JoinedRoom& stored) { return stored.room == joined.room; });
                if (is_stored || joined.room.is_of_people()) return false;
                self->admitted_.ended.emplace_back(
                    joined.room.name(),
                    Error{ErrorCode::kUnavailable,
                          "the session cannot be written now; subscribe later"});
                return true;
            });
            self->finish();
        });
}

void Arriving::end_with(const Error& error) {
    if (admitted_.claim) context_.sessions.release(admitted_.record.pid, *admitted_.claim, {});
    done_(error);
}

void Arriving::finish() { done_(std::move(admitted_)); }

}  // namespace eventbus
