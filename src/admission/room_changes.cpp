#include "admission/room_changes.h"

#include <algorithm>
#include <string>
#include <utility>

#include "admission/resume_rule.h"
#include "base/assert.h"

namespace eventbus {

Error cannot_be_kept() {
    return {ErrorCode::kUnavailable,
            "the session cannot be written now, so it could not hold the change; try again"};
}

void RoomChanges::enter(const Room& room, std::optional<Position> since,
                        Callback<Result<Entered>> done) {
    if (changes_ >= kChangesMax) {
        return done(Error{ErrorCode::kTooMany,
                          "too many changes of rooms are under way; wait for "
                          "the answers of some"});
    }
    if (!is_intended(room) && intended_ >= rooms_max_) {
        return done(Error{
            ErrorCode::kTooManyRooms,
            "a socket may be in " + std::to_string(rooms_max_) + " rooms; unsubscribe from some"});
    }
    Line& line = line_of(room);
    intend(line, true);
    add(room, line, Enter{.since = since, .done = std::move(done)});
}

void RoomChanges::leave(const Room& room, Callback<Result<>> done) {
    if (changes_ >= kChangesMax) {
        return done(Error{ErrorCode::kTooMany,
                          "too many changes of rooms are under way; wait for "
                          "the answers of some"});
    }
    Line& line = line_of(room);
    intend(line, false);
    add(room, line, Leave{.done = std::move(done)});
}

// Not refused at the bound: the server asks, once for each room and entry.
void RoomChanges::recheck(const Room& room, std::optional<Position> evicted_at,
                          Completion completion) {
    std::deque<Change>& changes = line_of(room).changes;
    auto at = changes.begin();
    const auto* const first = changes.empty() ? nullptr : std::get_if<Enter>(&*at);
    const bool is_next = changes.empty() || (first != nullptr && first->wait != 0);
    if (!is_next) ++at;
    while (at != changes.end() && std::holds_alternative<Recheck>(*at)) ++at;
    ++changes_;
    changes.insert(at, Recheck{.evicted_at = evicted_at, .completion = std::move(completion)});
    if (is_next) begin(Room(room));
}

std::vector<Room> RoomChanges::under_way() const {
    std::vector<Room> rooms;
    for (const auto& [room, line] : lines_) rooms.push_back(room);
    return rooms;
}

void RoomChanges::close() {
    is_closed_ = true;
    lines_.clear();
}

// ---- lines --------------------------------------------------------------------------------------

bool RoomChanges::is_intended(const Room& room) const {
    const auto line = lines_.find(room);
    return line != lines_.end() ? line->second.is_intended : port_.joined_at(room).has_value();
}

RoomChanges::Line& RoomChanges::line_of(const Room& room) {
    const auto [line, is_new] = lines_.try_emplace(room);
    if (is_new) line->second.is_intended = port_.joined_at(room).has_value();
    return line->second;
}

void RoomChanges::intend(Line& line, bool on) {
    if (line.is_intended == on) return;
    line.is_intended = on;
    intended_ += on ? std::size_t{1} : ~std::size_t{0};
}

void RoomChanges::add(const Room& room, Line& line, Change change) {
    ++changes_;
    line.changes.push_back(std::move(change));
    if (line.changes.size() == 1) begin(Room(room));
}

RoomChanges::Change* RoomChanges::current(const Room& room) {
    const auto line = lines_.find(room);
    return line == lines_.end() ? nullptr : &line->second.changes.front();
}

// A copy of the room, since a line that ends takes its key along.
void RoomChanges::begin(const Room& room) {
    const auto keep = shared_from_this();
    Change& change = *current(room);
    const bool is_in = port_.joined_at(room).has_value();
    if (const auto* const recheck = std::get_if<Recheck>(&change); recheck != nullptr && !is_in) {
        if (recheck->evicted_at) port_.release();
        return finish(room);
    }
    // Though it may not be in it: what a recheck or a resume took could perhaps not be written
    // then.
    if (std::holds_alternative<Leave>(change)) return port_.write(room, {.gone = {room}});
    auto* const enter = std::get_if<Enter>(&change);
    if (enter == nullptr || !enter->since) return port_.ask(room);
    enter->wait = ++last_wait_;
    port_.wait_for(room, *enter->since, enter->wait);
}

// The first change of the line is done: goes on with the next.
void RoomChanges::finish(const Room& room) {
    if (is_closed_) return;
    const auto line = lines_.find(room);
    BUS_ASSERT(line != lines_.end());
    --changes_;
    line->second.changes.pop_front();
    if (!line->second.changes.empty()) return begin(Room(room));
    // What was refused, or has ended, is intended no longer.
    intend(line->second, port_.joined_at(room).has_value());
    lines_.erase(line);
}

// ---- answers ------------------------------------------------------------------------------------

// Of a wait that a recheck has interrupted, nothing is wanted any more: it has begun anew.
void RoomChanges::came(const Room& room, std::uint64_t wait, bool is_visible) {
    if (is_closed_) return;
    const auto keep = shared_from_this();
    Change* const change = current(room);
    auto* const enter = change == nullptr ? nullptr : std::get_if<Enter>(change);
    if (enter == nullptr || enter->wait != wait) return;
    enter->wait = 0;
    if (is_visible) return port_.ask(room);
    refuse(room, *enter, {ErrorCode::kBadOffset, "'since' lies beyond the end of the log"});
}

void RoomChanges::answered(const Room& room, const Result<WatchAnswer>& right) {
    if (is_closed_) return;
    const auto keep = shared_from_this();
    Change* const change = current(room);
    BUS_ASSERT(change != nullptr);
    if (auto* const enter = std::get_if<Enter>(change)) return on_right(room, *enter, right);
    on_right(room, std::get<Recheck>(*change), right);
}

void RoomChanges::on_right(const Room& room, Enter& enter, const Result<WatchAnswer>& right) {
    if (!right) return refuse(room, enter, right.error());
    enter.right = *right;
    enter.from = enter.since ? std::max(*enter.since, right->right_since) : right->at;
    const std::optional<Position> at = port_.joined_at(room);
    if (at && !enter.since) return on_entered(room, enter);  // as it was
    port_.write(room,
                {.put = {{.room = room,
                          .at = std::min(at.value_or(enter.from), enter.from),
                          .owed_after = enter.since ? std::optional(enter.from) : std::nullopt}}});
}

void RoomChanges::refuse(const Room& room, Enter& enter, const Error& error) {
    auto done = std::move(enter.done);
    done(error);
    finish(room);
}

void RoomChanges::on_entered(const Room& room, Enter& enter) {
    // Taken out of the line, since whoever is told may ask for more.
    Enter entered = std::move(enter);
    // What came while this was asked and written is not promised: nothing of it could be lost in a
    // drop before it is given.
    if (!entered.since) entered.from = std::max(entered.from, port_.now());
    const Position at = std::min(port_.joined_at(room).value_or(entered.from), entered.from);
    port_.join(room, at, entered.right.at);
    if (is_closed_) return;
    entered.done(Entered{entered.from});
    if (is_closed_) return;
    if (entered.since && port_.joined_at(room)) port_.send_history(room, entered.from);
    finish(room);
}

void RoomChanges::on_right(const Room& room, Recheck& recheck, const Result<WatchAnswer>& right) {
    if (!right && right.error().passes()) return port_.pause(room);
    const std::optional<Position> evicted_at = recheck.evicted_at;
    const Position at = *port_.joined_at(room);
    const Position reached = evicted_at.value_or(port_.reached() + 1);
    const bool is_another = right && right->right_since > std::max(reached, at);
    const Result<WatchAnswer> left =
        is_another ? Result<WatchAnswer>(right_was_interrupted()) : right;
    JoinedRoom ended = port_.joined(room);
    if (left) {
        port_.keep(room, left->right_since, left->at);
    } else {
        port_.leave(room);
        if (!is_closed_) ended.ended_behind = port_.tell_ended(room, left.error());
    }
    if (!is_closed_ && evicted_at) port_.release();
    if (is_closed_) return;
    if (left) return finish(room);
    // It may not arrive, and is told again then; a client that does not know of it may go on with
    // what it is owed. Should the write fail for now, the next resume asks for the right again.
    port_.write(room, {.put = {std::move(ended)}});
}

void RoomChanges::written(const Room& room, Written how) {
    if (is_closed_) return;
    const auto keep = shared_from_this();
    if (how == Written::kTakenOver) return port_.on_taken_over();
    Change* const change = current(room);
    BUS_ASSERT(change != nullptr);
    if (auto* const enter = std::get_if<Enter>(change)) {
        if (how == Written::kNotNow) return refuse(room, *enter, cannot_be_kept());
        return on_entered(room, *enter);
    }
    if (auto* const leave = std::get_if<Leave>(change)) {
        auto done = std::move(leave->done);
        if (how == Written::kYes) {
            if (port_.joined_at(room)) port_.leave(room);
            done({});
        } else {
            done(cannot_be_kept());
        }
    }
    finish(room);
}

void RoomChanges::paused(const Room& room) {
    if (is_closed_) return;
    const auto keep = shared_from_this();
    BUS_ASSERT(current(room) != nullptr);
    begin(Room(room));
}

}  // namespace eventbus
