#include "delivery/hub.h"

#include <algorithm>
#include <span>

#include "delivery/evictions.h"

namespace eventbus {
namespace {

constexpr std::size_t kFrameCacheBytes = 16 << 20;

}  // namespace

Hub::Hub(Executor& reactor, const Clock& clock, Log& log, LogReader& reader, Coalesce coalesce)
    : reader_(reader),
      frames_(kFrameCacheBytes),
      members_(reader.tail(), probe_),
      fan_out_({clock, reader, members_, frames_, probe_}, coalesce),
      catch_up_({reactor, clock, log, reader, members_, frames_, probe_}) {}

ReceiverId Hub::add(Receiver& receiver, Encoder& encoder) {
    return members_.add(receiver, encoder);
}

void Hub::remove(ReceiverId id) {
    catch_up_.forget(id);
    members_.remove(id);
}

bool Hub::join(ReceiverId id, const Room& room, Position at) {
    fan_out_.end_run();
    if (!members_.join(id, room, at)) return false;
    catch_up_.joined(id, room);
    return true;
}

bool Hub::leave(ReceiverId id, const Room& room) {
    fan_out_.end_run();
    if (!members_.leave(id, room)) return false;
    catch_up_.left(id, room);
    return true;
}

void Hub::join_earlier(ReceiverId id, const Room& room, Position at) {
    fan_out_.end_run();
    const Rooms::Membership* const membership = members_.membership(id, room);
    if (membership == nullptr || membership->joined_at <= at) return;
    members_.set_joined_at(id, room, at);
    catch_up_.joined_earlier(id);
}

bool Hub::keep(ReceiverId id, const Room& room, Position since) {
    fan_out_.end_run();
    const Rooms::Membership* const membership = members_.membership(id, room);
    if (membership == nullptr) return false;
    return members_.set_joined_at(id, room, std::max(membership->joined_at, since));
}

void Hub::release(ReceiverId id) { catch_up_.release(id); }

void Hub::evict_if_late(ReceiverId id, std::string_view subject, Position as_of) {
    if (!members_.is_in(id, Room::subject(subject))) return;
    const std::optional<Position> at = eviction_after(members_, reader_.tail(), id, subject, as_of);
    if (at) catch_up_.lose(id, subject, *at, live_place(id));
}

std::optional<Position> Hub::joined_at(ReceiverId id, const Room& room) const {
    const Rooms::Membership* const membership = members_.membership(id, room);
    return membership == nullptr ? std::nullopt : std::optional(membership->joined_at);
}

std::optional<Position> Hub::history_at(ReceiverId id, const Room& room) const {
    const Behind* const behind = members_[id].behind.get();
    if (behind == nullptr) return std::nullopt;
    const auto stretch = std::ranges::find(behind->stretches, room, &Stretch::only);
    return stretch == behind->stretches.end() ? std::nullopt : std::optional(stretch->at);
}

std::vector<Room> Hub::rooms_of(ReceiverId id) const {
    const Rooms& rooms = members_.rooms();
    std::vector<Room> names;
    for (const Rooms::Joined& one : rooms.rooms_of(id)) names.push_back(rooms.name(one.room));
    return names;
}

Place Hub::place(ReceiverId id) const {
    const Member& member = members_[id];
    return {member.given, member.behind ? member.behind->in_order().at : live_place(id)};
}

// Should the notice be lost on the way, a resume begins below it; and what is queued behind it is
// proved by a later place only.
Position Hub::show_place(ReceiverId id) {
    const Position at = place(id).clear;
    members_[id].given = std::max(members_[id].given, at);
    return at;
}

// What is under way may not have come to it yet; or another reactor has shown it more than this one
// has read.
Position Hub::live_place(ReceiverId id) const {
    return std::max(fan_out_.given_through(), members_[id].through);
}

void Hub::resume(ReceiverId id, Position after) { catch_up_.resume(id, after); }

bool Hub::send_history(ReceiverId id, const Room& room, Position after) {
    return catch_up_.send_history(id, room, after, live_place(id));
}

void Hub::drained(ReceiverId id) { catch_up_.drained(id); }

View::Next Hub::deliver() {
    fan_out_.begin_turn();
    while (fan_out_.may_go_on()) {
        if (!fan_out_.is_amid_run()) {
            const Entry* const entry = fan_out_.read();
            if (const auto lost_after = reader_.take_lost()) catch_up_.miss(*lost_after);
            if (entry == nullptr) break;
            for (const Eviction& eviction : entry->evictions) {
                for (const ReceiverId id : find_evicted(members_, eviction)) {
                    catch_up_.lose(id, eviction.subject, entry->position, live_place(id));
                }
            }
            fan_out_.aim();
        }
        fan_out_.walk();
    }
    const bool is_owed = catch_up_.take_turn();
    probe_.encoded.set(frames_.made());
    if (fan_out_.end_turn()) return {More::kBeforeWrites};
    const Next live{fan_out_.has_more() ? More::kAfterWrites : More::kNo, fan_out_.waits_until()};
    const Next owed{is_owed ? More::kAfterWrites : More::kNo, catch_up_.waits_until()};
    return both(both(live, owed), {More::kNo, reader_.waits_until()});
}

}  // namespace eventbus
