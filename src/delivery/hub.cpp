#include "delivery/hub.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "event/pattern.h"

namespace eventbus {
namespace {

constexpr std::size_t kFrameCacheBytes = 16 << 20;
constexpr std::size_t kMembersAhead = 4;  // per step of fetching what a push touches

// About what a frame has.
std::size_t bytes_of(const Entry& entry) { return entry.event.data.size() + 256; }

}  // namespace

Hub::Hub(Executor& reactor, const Clock& clock, Log& log, LogReader& reader, Coalesce coalesce)
    : reactor_(reactor),
      clock_(clock),
      log_(log),
      reader_(reader),
      coalesce_(coalesce),
      frames_(kFrameCacheBytes) {}

ReceiverId Hub::add(Receiver& receiver, Encoder& encoder) {
    ReceiverId id;
    if (free_.empty()) {
        id = static_cast<ReceiverId>(members_.size());
        members_.grow_to(members_.size() + 1);
    } else {
        id = free_.back();
        free_.pop_back();
    }
    Member& added = member(id);
    added.receiver = &receiver;
    added.encoder = &encoder;
    added.given = added.through = Position();
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
    if (run_.targets.empty()) free_removed();
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
    end_run();
    if (!rooms_.join(id, room, at)) return false;
    const RoomId joined = rooms_.find(room);
    if (rooms_.members(joined).size() > 1) return true;
    probe_.rooms.set(rooms_.size());
    if (room.is_pattern()) {
        patterns_.push_back(joined);
        reader_.tail().want_all(true);
    } else {
        reader_.tail().add_hint(rooms_.hash(joined));
    }
    return true;
}

bool Hub::leave(ReceiverId id, const Room& room) {
    end_run();
    const RoomId left = rooms_.find(room);
    if (left == RoomId::kNone) return false;
    const std::size_t hash = rooms_.hash(left);
    const bool was_last = rooms_.members(left).size() == 1;
    if (!rooms_.leave(id, left)) return false;
    if (CatchUp* const behind = member(id).behind.get()) {
        std::erase_if(behind->losses, [&](const Loss& loss) {
            return room.is_subject() && loss.subject == room.name();
        });
        std::erase_if(behind->stretches, [&](const Stretch& one) { return one.only == room; });
    }
    if (!was_last) return true;
    probe_.rooms.set(rooms_.size());
    if (room.is_pattern()) {
        std::erase(patterns_, left);
        reader_.tail().want_all(false);
    } else {
        reader_.tail().drop_hint(hash);
    }
    return true;
}

void Hub::join_earlier(ReceiverId id, const Room& room, Position at) {
    const RoomId found = rooms_.find(room);
    if (found == RoomId::kNone) return;
    const Rooms::Membership* const membership = rooms_.membership(id, found);
    if (membership == nullptr || membership->joined_at <= at) return;
    end_run();
    rooms_.set_joined_at(id, found, at);
}

bool Hub::keep(ReceiverId id, const Room& room, Position since) {
    const RoomId found = rooms_.find(room);
    if (found == RoomId::kNone) return false;
    const Rooms::Membership* const membership = rooms_.membership(id, found);
    if (membership == nullptr) return false;
    end_run();
    rooms_.set_joined_at(id, found, std::max(membership->joined_at, since));
    return true;
}

void Hub::release(ReceiverId id) {
    BUS_ASSERT(member(id).behind && member(id).behind->is_held);
    member(id).behind->is_held = false;
    queue_behind(id);
    reactor_.post([] {});  // one more turn
}

std::optional<Position> Hub::joined_at(ReceiverId id, const Room& room) const {
    const RoomId found = rooms_.find(room);
    const Rooms::Membership* const membership =
        found == RoomId::kNone ? nullptr : rooms_.membership(id, found);
    return membership == nullptr ? std::nullopt : std::optional(membership->joined_at);
}

void Hub::evict_if_late(ReceiverId id, std::string_view subject, Position as_of) {
    end_run();
    const std::optional<Position> at = eviction_after(id, subject, as_of);
    if (at && joined_at(id, Room::subject(subject))) lose(id, subject, *at);
}

// The first entry after `as_of` by which the member has to leave, or may have to: what is no longer
// in memory is not known.
std::optional<Position> Hub::eviction_after(ReceiverId id, std::string_view subject,
                                            Position as_of) const {
    if (as_of >= cursor()) return std::nullopt;
    if (as_of < reader_.tail().kept_after()) return as_of + 1;
    std::optional<Position> at;
    reader_.tail().for_each_after(as_of, true, {}, [&](const SharedEntry& entry) {
        for (const Eviction& eviction : entry->evictions) {
            if (eviction.subject == subject && joined_at(id, eviction.who)) at = entry->position;
        }
        return !at;
    });
    return at;
}

Place Hub::place(ReceiverId id) const {
    const Member& one = members_[static_cast<std::size_t>(id)];
    if (one.behind) return {one.given, one.behind->stretches.back().at};
    // What is under way may not have come to it yet.
    const Position live = run_.entries.empty() ? cursor() : run_.entries.front()->position - 1;
    return {one.given, std::max(live, one.through)};
}

std::vector<Room> Hub::rooms_of(ReceiverId id) const {
    std::vector<Room> rooms;
    for (const Rooms::Joined& one : rooms_.rooms_of(id)) rooms.push_back(rooms_.name(one.room));
    return rooms;
}

View::Next Hub::deliver() {
    if (!std::exchange(writes_wait_, false)) batch_pushes_ = batch_bytes_ = 0;
    pushes_ = 0;
    const std::optional<Clock::Time> waits_until = wait_at(clock_.now());
    const bool waits = waits_until.has_value();
    while (!waits && pushes_ < kPushesPerTurn) {
        if (run_.entries.empty()) {
            if (batch_pushes_ >= kBatchPushes || batch_bytes_ >= kBatchBytes) break;
            if (!take_run()) break;
        }
        walk_run(kPushesPerTurn);
    }
    const bool is_amid_run = !run_.entries.empty();
    if (!is_amid_run) free_removed();

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
    writes_wait_ = is_amid_run && batch_pushes_ < kBatchPushes;
    if (writes_wait_) return {More::kBeforeWrites};
    const bool has_more = is_amid_run || !behind_.empty() || (!waits && reader_.peek() != nullptr);
    return both({has_more ? More::kAfterWrites : More::kNo, waits_until},
                {More::kNo, reader_.waits_until()});
}

// Until when what was not read yet waits for company; nullopt: it does not. An entry that waits
// longer is looked at when one that waits less would be due: should one come meanwhile, the time
// that was given before is not later than its own.
std::optional<Clock::Time> Hub::wait_at(Clock::Time now) {
    const auto longest = std::max(coalesce_.all, coalesce_.latest);
    if (longest.count() == 0 || !run_.entries.empty()) return std::nullopt;
    auto window = longest;
    std::size_t unread = 0;
    reader_.for_each_unread([&](const Entry& entry) {
        ++unread;
        if (!entry.latest) window = coalesce_.all;
    });
    if (unread == 0 || unread > kRunEntries) return std::nullopt;  // so many need no company
    for (const Clock::Time until : {live_at_ + coalesce_.all, live_at_ + window}) {
        if (now < until) return until;
    }
    return std::nullopt;
}

// Reads the next entry, and those that go with it. False: there is none.
bool Hub::take_run() {
    const SharedEntry* next = reader_.next();
    if (next == nullptr) return false;
    run_.entries.push_back(*next);
    const Entry& first = **next;
    // What an eviction causes may join and leave rooms, so the run has no target yet.
    for (const Eviction& eviction : first.evictions) evict(eviction, first.position);
    for (const RoomId room : patterns_) {
        if (!matches(rooms_.name(room).name(), first.event.type)) continue;
        run_.targets.push_back({room, RunTarget::kPattern});
    }
    for (std::size_t i = 0; i < first.deliveries.size(); ++i) {
        const RoomId room = rooms_.find(first.deliveries[i].room);
        if (room != RoomId::kNone) run_.targets.push_back({room, i});
    }
    if (!run_.targets.empty()) {
        batch_bytes_ += bytes_of(first);
        while (run_.entries.size() < kRunEntries && batch_bytes_ < kBatchBytes &&
               (next = reader_.peek()) != nullptr && goes_with_run(**next)) {
            run_.entries.push_back(*reader_.next());
            batch_bytes_ += bytes_of(*run_.entries.back());
        }
    }
    if (follower_) std::ranges::for_each(run_.entries, follower_);
    pushes_ += run_.entries.size() * kPushesOfEntry;
    return true;
}

bool Hub::goes_with_run(const Entry& entry) const {
    const Entry& first = *run_.entries.front();
    return entry.evictions.empty() &&
           std::ranges::equal(entry.deliveries, first.deliveries, {}, &Delivery::room,
                              &Delivery::room) &&
           (patterns_.empty() || entry.event.type == first.event.type);
}

// Goes on with the run until it ends, or the turn has made `pushes_max` pushes.
void Hub::walk_run(std::size_t pushes_max) {
    for (; run_.target < run_.targets.size(); ++run_.target) {
        if (!walk_room(run_.targets[run_.target], pushes_max)) return;
        run_.place = 0;
        encoded_.clear();
    }
    probe_.entries.add(run_.entries.size());
    live_at_ = clock_.now();
    for (const SharedEntry& entry : run_.entries) {
        // What was read from disk at the start was published in another life.
        if (entry->published_at == Clock::Time{}) continue;
        probe_.publish_to_send.add(live_at_ - entry->published_at);
    }
    run_.entries.clear();
    run_.targets.clear();
    run_.target = 0;
}

// False: not all of its members have got the run.
bool Hub::walk_room(const RunTarget& target, std::size_t pushes_max) {
    const std::span<const Rooms::Membership> members = rooms_.members(target.room);
    const Position first = run_.entries.front()->position;
    const Encoder* encoder = nullptr;  // of `frames`
    std::span<const SharedFrame> frames;
    std::uint64_t delivered = 0;
    in_room_ = true;
    for (; run_.place < members.size() && pushes_ < pushes_max; ++run_.place) {
        prefetch(members, run_.place);
        const Rooms::Membership& membership = members[run_.place];
        Member& to = member(membership.member);
        ++pushes_;
        if (to.receiver == nullptr || to.behind) continue;  // behind: it comes to these by itself
        if (membership.joined_at >= first) {
            delivered += give_as_joined(membership.member);
            continue;
        }
        if (to.encoder != encoder) {
            encoder = to.encoder;
            frames = frames_of_run(target, *to.encoder);
        }
        pushes_ += frames.size();
        for (std::size_t i = 0; i < frames.size() && to.receiver != nullptr; ++i) {
            const Position position = run_.entries[i]->position;
            if (position <= to.through) continue;
            to.given = to.through = position;
            if (to.receiver->push(frames[i])) ++delivered;
        }
    }
    in_room_ = false;
    batch_pushes_ += delivered;
    probe_.deliveries.add(delivered);
    return run_.place == members.size();
}

// Gives the run to a member that joined one of its rooms amid it: it may have the entries before
// that by another, and all have to come in order. Returns how many it got.
std::uint64_t Hub::give_as_joined(ReceiverId id) {
    Member& to = member(id);
    std::uint64_t delivered = 0;
    for (std::size_t i = 0; i < run_.entries.size() && to.receiver != nullptr; ++i) {
        const Entry& entry = *run_.entries[i];
        if (entry.position <= to.through) continue;
        const std::optional<std::uint16_t> variant = variant_for(id, entry, {});
        if (!variant) continue;
        to.given = to.through = entry.position;
        const Encoder::As as = Encoder::As::kInOrder;
        if (to.receiver->push(frames_.get(entry, *variant, *to.encoder, as))) ++delivered;
        ++pushes_;
    }
    return delivered;
}

void Hub::end_run() {
    BUS_ASSERT(!in_room_);
    if (run_.targets.empty()) return;
    walk_run(std::numeric_limits<std::size_t>::max());
    free_removed();
}

std::span<const SharedFrame> Hub::frames_of_run(const RunTarget& target, Encoder& encoder) {
    for (const Encoded& encoded : encoded_) {  // sockets and streams: two at most
        if (encoded.encoder == &encoder) return encoded.frames;
    }
    Encoded& encoded = encoded_.emplace_back(Encoded{&encoder, {}});
    encoded.frames.reserve(run_.entries.size());
    for (const SharedEntry& entry : run_.entries) {
        const std::uint16_t variant = target.delivery == RunTarget::kPattern
                                          ? std::uint16_t{0}
                                          : entry->deliveries[target.delivery].variant;
        encoded.frames.push_back(frames_.get(*entry, variant, encoder, Encoder::As::kInOrder));
    }
    return encoded.frames;
}

// A room's members lie together, what they are does not: it is fetched while others get theirs.
void Hub::prefetch(std::span<const Rooms::Membership> members, std::size_t place) {
    const auto ahead = [&](int steps) -> Member* {
        const std::size_t at = place + static_cast<std::size_t>(steps) * kMembersAhead;
        return at < members.size() ? &member(members[at].member) : nullptr;
    };
    constexpr int kSteps = Receiver::kPrefetchSteps;
    __builtin_prefetch(ahead(kSteps + 2), 1);
    if (const Member* const soon = ahead(kSteps + 1)) __builtin_prefetch(soon->receiver);
    for (int step = 0; step < kSteps; ++step) {
        const Member* const soon = ahead(kSteps - step);
        if (soon != nullptr && soon->receiver != nullptr) soon->receiver->prefetch(step);
    }
}

void Hub::evict(const Eviction& eviction, Position at) {
    const RoomId watched = rooms_.find(Room::subject(eviction.subject));
    if (watched == RoomId::kNone) return;
    const RoomId whose = rooms_.find(eviction.who);
    if (whose == RoomId::kNone) return;
    // Who is in both: of a subject that thousands watch, one user has a few sockets.
    const bool few_are_whose = rooms_.members(whose).size() < rooms_.members(watched).size();
    std::vector<ReceiverId> evicted;
    for (const Rooms::Membership& one : rooms_.members(few_are_whose ? whose : watched)) {
        const Rooms::Membership* const watching = rooms_.membership(one.member, watched);
        if (watching == nullptr || watching->joined_at >= at) continue;
        if (member(one.member).receiver == nullptr) continue;
        if (rooms_.membership(one.member, whose) != nullptr) evicted.push_back(one.member);
    }
    const Room room = rooms_.name(watched);  // leaving may end the room
    for (const ReceiverId id : evicted) {
        if (member(id).receiver != nullptr && joined_at(id, room)) lose(id, eviction.subject, at);
    }
}

// A right of the member ends, or may end, by the entry at `at`, which it has not been given.
void Hub::lose(ReceiverId id, std::string_view subject, Position at) {
    probe_.evictions.add();
    if (!member(id).behind) {
        const Position clear = place(id).clear;
        be_behind(id, Stretch{clear, Stretch::kLive, {}, Encoder::As::kInOrder}, false);
    }
    std::vector<Loss>& losses = member(id).behind->losses;
    const auto known = std::ranges::find(losses, subject, &Loss::subject);
    if (known == losses.end()) {
        losses.push_back({std::string(subject), at, at});
    } else {
        known->last = std::max(known->last, at);
    }
    hold_if_reached(id);
}

Position Hub::first_loss(const CatchUp& behind) {
    Position first = kEndOfTime;
    for (const Loss& loss : behind.losses) first = std::min(first, loss.first);
    return first;
}

// The end of its first stretch, as far as it is known to go.
Position Hub::may_go_to(const CatchUp& behind) {
    const Stretch& stretch = behind.stretches.front();
    return stretch.only ? stretch.until : first_loss(behind) - 1;
}

// Whether the member is held, because all before an entry that takes a right from it was given.
bool Hub::hold_if_reached(ReceiverId id) {
    CatchUp& behind = *member(id).behind;
    if (behind.is_held) return true;
    const Position first = first_loss(behind);
    if (behind.stretches.front().only || behind.stretches.front().at + 1 < first) return false;
    const auto loss = std::ranges::find(behind.losses, first, &Loss::first);
    const std::string subject = loss->subject;
    // The answer may be older than a later one of the same subject, which it is then held by, too.
    loss->first = loss->last;
    if (loss->first == first) behind.losses.erase(loss);
    behind.is_held = true;
    member(id).receiver->on_evicted(subject, first);
    return true;
}

void Hub::resume(ReceiverId id, Position after) {
    member(id).through = after;
    be_behind(id, Stretch{after, Stretch::kLive, {}, Encoder::As::kInOrder}, true);
}

void Hub::send_history(ReceiverId id, const Room& room, Position after) {
    end_run();  // else what it still gives would be behind the cursor, from which it goes on
    const Position until = place(id).clear;  // what comes in order has the rest
    if (after >= until) return member(id).receiver->on_history_given(room);
    // What becomes visible meanwhile follows it, for all rooms.
    if (!member(id).behind) {
        be_behind(id, Stretch{until, Stretch::kLive, {}, Encoder::As::kInOrder}, false);
    }
    be_behind(id, Stretch{after, until, room, Encoder::As::kHistory}, false);
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
    const std::uint32_t generation = late.generation;
    if (late.behind->reading) return;
    while (late.generation == generation && !hold_if_reached(id)) {
        Stretch& stretch = late.behind->stretches.front();
        const Position end = stretch.only ? stretch.until : cursor();
        const Position upper = std::min(cursor(), may_go_to(*late.behind));
        if (stretch.at >= end) {
            if (!stretch.only) return be_live(id);
            const Room room = *stretch.only;
            late.behind->stretches.pop_front();
            late.receiver->on_history_given(room);
            continue;
        }
        if (stretch.at >= upper) return queue_behind(id);  // of what this reactor reads yet
        if (!late.receiver->has_room()) return;            // drained() goes on
        if (stretch.at < reader_.tail().kept_after()) return read_page(id, stretch);
        if (!advance_in_tail(id, stretch, upper)) {
            if (late.generation == generation) queue_behind(id);  // the next slice in the next turn
            return;
        }
    }
}

void Hub::be_live(ReceiverId id) {
    Member& caught_up = member(id);
    const auto done = std::move(caught_up.behind);
    caught_up.through = std::max(caught_up.through, done->stretches.front().at);
    if (done->tell) caught_up.receiver->on_caught_up(done->given);
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
    reader_.tail().for_each_after(stretch.at, all, hashes, [&](const SharedEntry& entry) {
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
    if (behind.is_held) return;
    Stretch& stretch = behind.stretches.front();
    if (stretch.at != after || stretch.as != as) return;  // a history came before it: read again

    if (!page) {
        // The log can not be read: what lies before the tail's memory may be missing.
        stretch.at = reader_.tail().kept_after();
        probe_.gaps.add();
        return member(id).receiver->on_gap(after, reader_.tail().kept_after());
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
    const Position last = std::min({may_go_to(behind), reader_.tail().kept_after(), page.through});
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
    if (!stretch.only) to.given = to.through = entry.position;
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
