#include "delivery/hub.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "event/pattern.h"

namespace eventbus {
namespace {

constexpr std::size_t kFrameCacheBytes = 16 << 20;

}  // namespace

Hub::Hub(Executor& reactor, const Clock& clock, Log& log, TailReader& reader)
    : reactor_(reactor), clock_(clock), log_(log), reader_(reader), frames_(kFrameCacheBytes) {}

ReceiverId Hub::add(Receiver& receiver, Encoder& encoder) {
    ReceiverId id;
    if (free_.empty()) {
        id = static_cast<ReceiverId>(members_.size());
        members_.emplace_back();
    } else {
        id = free_.back();
        free_.pop_back();
    }
    Member& added = member(id);
    added.receiver = &receiver;
    added.encoder = &encoder;
    added.last_given = 0;
    probe_.members.add();
    return id;
}

void Hub::remove(ReceiverId id) {
    Member& gone = member(id);
    BUS_ASSERT(gone.receiver != nullptr);
    gone.receiver = nullptr;
    gone.behind.reset();
    ++gone.generation;
    probe_.members.subtract();
    removed_.push_back(id);
    if (!delivering_) free_removed();
}

void Hub::free_removed() {
    for (const ReceiverId id : std::exchange(removed_, {})) {
        while (!rooms_.rooms_of(id).empty()) {
            leave(id, Room(rooms_.name(rooms_.rooms_of(id).back().room)));
        }
        free_.push_back(id);
    }
}

bool Hub::join(ReceiverId id, const Room& room, Position at) {
    BUS_ASSERT(!in_room_);
    if (!rooms_.join(id, room, at)) return false;
    const RoomId joined = rooms_.find(room);
    if (rooms_.members(joined).size() > 1) return true;
    probe_.rooms.set(rooms_.size());
    if (room.is_pattern()) {
        patterns_.push_back(joined);
        reader_.want_all(true);
    } else {
        reader_.add_hint(rooms_.hash(joined));
    }
    return true;
}

bool Hub::leave(ReceiverId id, const Room& room) {
    BUS_ASSERT(!in_room_);
    const RoomId left = rooms_.find(room);
    if (left == RoomId::kNone) return false;
    const std::size_t hash = rooms_.hash(left);
    const bool was_last = rooms_.members(left).size() == 1;
    if (!rooms_.leave(id, left)) return false;
    if (!was_last) return true;
    probe_.rooms.set(rooms_.size());
    if (room.is_pattern()) {
        std::erase(patterns_, left);
        reader_.want_all(false);
    } else {
        reader_.drop_hint(hash);
    }
    return true;
}

void Hub::join_earlier(ReceiverId id, const Room& room, Position at) {
    const RoomId found = rooms_.find(room);
    const Rooms::Membership* const membership =
        found == RoomId::kNone ? nullptr : rooms_.membership(id, found);
    if (membership == nullptr || membership->joined_at <= at) return;
    leave(id, room);
    join(id, room, at);
}

bool Hub::is_in(ReceiverId id, const Room& room) const {
    const RoomId found = rooms_.find(room);
    return found != RoomId::kNone && rooms_.membership(id, found) != nullptr;
}

void Hub::evict_if_late(ReceiverId id, std::string_view subject, Position as_of) {
    const std::optional<Position> at = eviction_after(id, subject, as_of);
    if (!at || !leave(id, Room::subject(subject))) return;
    probe_.evictions.add();
    member(id).receiver->on_evicted(subject, *at);
}

// The first entry after `as_of` by which the member has to leave, or may have to: what is no longer
// in memory is not known.
std::optional<Position> Hub::eviction_after(ReceiverId id, std::string_view subject,
                                            Position as_of) const {
    if (as_of >= cursor()) return std::nullopt;
    if (as_of < reader_.kept_after()) return as_of + 1;
    std::optional<Position> at;
    reader_.for_each_after(as_of, true, {}, [&](const SharedEntry& entry) {
        for (const Eviction& eviction : entry->evictions) {
            if (eviction.subject == subject && is_in(id, eviction.who)) at = entry->position;
        }
        return !at;
    });
    return at;
}

std::vector<SessionRecord::Joined> Hub::rooms_of(ReceiverId id) const {
    std::vector<SessionRecord::Joined> joined;
    for (const Rooms::Joined& one : rooms_.rooms_of(id)) {
        joined.push_back({rooms_.name(one.room), rooms_.members(one.room)[one.place].joined_at});
    }
    return joined;
}

bool Hub::deliver() {
    delivering_ = true;
    std::size_t read = 0;
    while (read < kEntriesPerTurn) {
        const SharedEntry* const entry = reader_.next();
        if (entry == nullptr) break;
        deliver_entry(**entry);
        if (follower_) follower_(*entry);
        ++read;
        // What was read from disk at the start was published in another life.
        const Clock::Time published_at = (*entry)->published_at;
        if (published_at != Clock::Time{}) probe_.publish_to_send.add(clock_.now() - published_at);
    }
    probe_.entries.add(read);
    delivering_ = false;
    free_removed();

    // Those that are behind get a slice each, after the live ones of this turn.
    may_look_at_ = kLookedAtPerTurn;
    for (const ReceiverId id : std::exchange(behind_, {})) {
        if (!member(id).behind || !member(id).behind->is_queued) continue;  // it has gone
        member(id).behind->is_queued = false;
        if (may_look_at_ > 0) {
            advance(id);
        } else {
            queue_behind(id);
        }
    }
    probe_.encoded.set(frames_.made());
    return !behind_.empty() || !reader_.is_at_end();
}

void Hub::deliver_entry(const Entry& entry) {
    for (const Eviction& eviction : entry.evictions) evict(eviction, entry.position);
    if (!patterns_.empty()) deliver_to_patterns(entry);
    for (const Delivery& delivery : entry.deliveries) {
        const RoomId room = rooms_.find(delivery.room);
        if (room != RoomId::kNone) deliver_to_room(entry, delivery.variant, room);
    }
}

void Hub::deliver_to_patterns(const Entry& entry) {
    for (const RoomId room : patterns_) {
        if (matches(rooms_.name(room).name(), entry.event.type)) {
            deliver_to_room(entry, 0, room);
        }
    }
}

void Hub::deliver_to_room(const Entry& entry, std::uint16_t variant, RoomId room) {
    const Encoder* encoder = nullptr;  // of `frame`: nearly all members of a room have the same
    SharedFrame frame;
    std::uint64_t delivered = 0;
    in_room_ = true;
    for (const Rooms::Membership& membership : rooms_.members(room)) {
        if (membership.joined_at >= entry.position) continue;
        Member& to = member(membership.member);
        if (to.last_given >= entry.position || to.receiver == nullptr) continue;
        if (to.behind) continue;  // it comes to this entry by itself
        to.last_given = entry.position;
        if (to.encoder != encoder) {
            encoder = to.encoder;
            frame = frames_.get(entry, variant, *to.encoder, Encoder::As::kInOrder);
        }
        if (to.receiver->push(frame)) ++delivered;
    }
    in_room_ = false;
    probe_.deliveries.add(delivered);
}

void Hub::evict(const Eviction& eviction, Position at) {
    const RoomId watched = rooms_.find(Room::subject(eviction.subject));
    if (watched == RoomId::kNone) return;
    const RoomId whose = rooms_.find(eviction.who);
    if (whose == RoomId::kNone) return;
    std::vector<ReceiverId> evicted;
    for (const Rooms::Membership& membership : rooms_.members(watched)) {
        if (membership.joined_at < at && member(membership.member).receiver != nullptr &&
            rooms_.membership(membership.member, whose) != nullptr) {
            evicted.push_back(membership.member);
        }
    }
    const Room room = rooms_.name(watched);  // leaving may end the room
    for (const ReceiverId id : evicted) {
        leave(id, room);
        probe_.evictions.add();
        if (member(id).receiver != nullptr) member(id).receiver->on_evicted(eviction.subject, at);
    }
}

void Hub::resume(ReceiverId id, Position after) {
    member(id).last_given = std::max(member(id).last_given, after);
    be_behind(id, Stretch{after, Stretch::kLive, {}, Encoder::As::kInOrder}, true);
}

void Hub::send_history(ReceiverId id, const Room& room, Position after) {
    if (after >= cursor()) return;
    const bool was_behind = member(id).behind != nullptr;
    be_behind(id, Stretch{after, cursor(), room, Encoder::As::kHistory}, false);
    // What becomes visible meanwhile follows it, for all rooms.
    if (!was_behind)
        be_behind(id, Stretch{cursor(), Stretch::kLive, {}, Encoder::As::kInOrder}, false);
}

void Hub::drained(ReceiverId id) {
    if (!member(id).behind || member(id).behind->reading) return;
    queue_behind(id);
    reactor_.post([] {});  // one more turn
}

void Hub::queue_behind(ReceiverId id) {
    CatchUp& behind = *member(id).behind;
    if (!std::exchange(behind.is_queued, true)) behind_.push_back(id);
}

void Hub::be_behind(ReceiverId id, Stretch stretch, bool tell) {
    Member& late = member(id);
    if (!late.behind) {
        late.behind = std::make_unique<CatchUp>();
        probe_.catch_ups.add();
        queue_behind(id);
        reactor_.post([] {});  // a turn, if none is under way
    }
    CatchUp& behind = *late.behind;
    behind.tell = behind.tell || tell;
    // A history goes before the stretch that ends live, so that no later entry overtakes it.
    const bool live_is_last =
        !behind.stretches.empty() && behind.stretches.back().until == Stretch::kLive;
    behind.stretches.insert(live_is_last ? behind.stretches.end() - 1 : behind.stretches.end(),
                            std::move(stretch));
}

void Hub::advance(ReceiverId id) {
    Member& late = member(id);
    if (late.behind->reading) return;
    while (late.behind && !late.behind->stretches.empty()) {
        Stretch& stretch = late.behind->stretches.front();
        const Position upper = std::min(stretch.until, cursor());
        if (stretch.at >= upper) {
            late.behind->stretches.pop_front();
            continue;
        }
        if (!late.receiver->has_room()) return;  // drained() goes on
        if (stretch.at < reader_.kept_after()) return read_page(id, stretch);
        if (!advance_in_tail(id, stretch, upper)) {
            if (late.behind) queue_behind(id);  // the next slice in the next turn
            return;
        }
    }
    if (!late.behind) return;  // it has gone
    const auto done = std::move(late.behind);
    if (done->tell) late.receiver->on_caught_up(done->given);
}

// Gives entries up to `upper`; false if the slice or the queue is full, or the member has gone.
bool Hub::advance_in_tail(ReceiverId id, Stretch& stretch, Position upper) {
    Member& late = member(id);
    std::vector<std::size_t> hashes;
    bool all = false;
    for (const Rooms::Joined& joined : rooms_.rooms_of(id)) {
        all = all || rooms_.name(joined.room).is_pattern();
        hashes.push_back(rooms_.hash(joined.room));
    }
    std::size_t given = 0;
    bool stopped = false;
    reader_.for_each_after(stretch.at, all, hashes, [&](const SharedEntry& entry) {
        if (entry->position > upper) return false;
        if (given == kSliceEntries || may_look_at_ == 0 || !late.receiver->has_room()) {
            stopped = true;
            return false;
        }
        --may_look_at_;
        const bool is_given = give(id, *entry, stretch);
        if (!late.behind) {
            stopped = true;
            return false;
        }
        if (is_given) ++given;
        stretch.at = entry->position;
        return true;
    });
    if (stopped) return false;
    stretch.at = upper;
    return true;
}

void Hub::read_page(ReceiverId id, const Stretch& stretch) {
    CatchUp& behind = *member(id).behind;
    behind.reading = true;
    probe_.pages_read.add();
    log_.read(stretch.at, behind.page_entries, reactor_,
              [this, id, after = stretch.at, as = stretch.as, generation = member(id).generation,
               alive = std::weak_ptr<bool>(alive_)](Result<Page> page) {
                  if (!alive.lock() || member(id).generation != generation) return;
                  on_page(id, after, as, std::move(page));
              });
}

void Hub::on_page(ReceiverId id, Position after, Encoder::As as, Result<Page> page) {
    const std::uint32_t generation = member(id).generation;
    CatchUp& behind = *member(id).behind;
    behind.reading = false;
    queue_behind(id);
    reactor_.post([] {});
    Stretch& stretch = behind.stretches.front();
    if (stretch.at != after || stretch.as != as) return;  // a history came before it: read again

    if (!page) {
        // The log can not be read: what lies before the tail's memory may be missing.
        stretch.at = reader_.kept_after();
        probe_.gaps.add();
        return member(id).receiver->on_gap(after, reader_.kept_after());
    }
    if (page->lost_through > std::max(after, behind.told_lost)) {
        // Types are kept for different times: there may be entries in the gap.
        behind.told_lost = page->lost_through;
        probe_.gaps.add();
        member(id).receiver->on_gap(after, page->lost_through);
        if (member(id).generation != generation) return;  // it has gone
        if (member(id).behind->stretches.front().as != as) return;
    }
    give_page(id, member(id).behind->stretches.front(), *page);
}

// Gives what the page has for this stretch, while there is room: the rest is read again, since what
// a member is owed must not wait here.
void Hub::give_page(ReceiverId id, Stretch& stretch, const Page& page) {
    Member& late = member(id);
    CatchUp& behind = *late.behind;
    // The tail has what came later, transient entries too.
    const Position last = std::min({stretch.until, reader_.kept_after(), page.through});
    std::size_t taken = 0;
    for (const SharedEntry& entry : page.entries) {
        if (entry->position > last) break;
        ++taken;
        if (entry->position <= stretch.at) continue;
        if (!late.receiver->has_room()) {
            behind.page_entries = std::max(kPageEntriesMin, taken);
            return;
        }
        give(id, *entry, stretch);
        if (!late.behind) return;  // it has gone
        stretch.at = entry->position;
    }
    behind.page_entries = std::min(kPageEntries, behind.page_entries * 2);
    stretch.at = std::max(stretch.at, last);
}

bool Hub::give(ReceiverId id, const Entry& entry, const Stretch& stretch) {
    const std::optional<std::uint16_t> variant = variant_for(id, entry, stretch);
    if (!variant) return false;
    Member& to = member(id);
    to.last_given = std::max(to.last_given, entry.position);
    if (to.receiver->push(frames_.get(entry, *variant, *to.encoder, stretch.as))) {
        probe_.resumed_deliveries.add();
        if (to.behind) ++to.behind->given;
    }
    return true;
}

// What the live view would have shown this member of `entry`: nothing, or a variant.
std::optional<std::uint16_t> Hub::variant_for(ReceiverId id, const Entry& entry,
                                              const Stretch& stretch) const {
    const bool is_of_subject =
        stretch.only && stretch.only->is_subject() && stretch.only->name() == entry.event.subject;
    bool wanted = !stretch.only || is_of_subject;
    std::optional<std::uint16_t> variant;
    for (const Rooms::Joined& joined : rooms_.rooms_of(id)) {
        const Room& room = rooms_.name(joined.room);
        if (!room.is_pattern() || !matches(room.name(), entry.event.type)) continue;
        if (!counts(id, joined.room, entry, stretch)) continue;
        wanted = wanted || room == *stretch.only;
        variant = 0;
    }
    for (const Delivery& delivery : entry.deliveries) {
        const RoomId room = rooms_.find(delivery.room);
        if (room == RoomId::kNone || !counts(id, room, entry, stretch)) continue;
        wanted = wanted || delivery.room == *stretch.only;
        if (!variant) variant = delivery.variant;
    }
    return wanted ? variant : std::nullopt;
}

// Whether the member is in the room as far as this entry goes. In a history, the rooms that it has
// from its token count from ever: an owner sees the past of a photo as an owner.
bool Hub::counts(ReceiverId id, RoomId room, const Entry& entry, const Stretch& stretch) const {
    const Rooms::Membership* const membership = rooms_.membership(id, room);
    if (membership == nullptr) return false;
    const Room& name = rooms_.name(room);
    const bool is_of_person = !name.is_subject() && !name.is_pattern();
    return membership->joined_at < entry.position || (stretch.only && is_of_person);
}

}  // namespace eventbus
