#include "delivery/catch_up.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.h"
#include "event/pattern.h"

namespace eventbus {
namespace {

// More than so many rooms are not looked for in the tail's filters: going over it costs less.
constexpr std::size_t kFilteredRoomsMax = 64;

}  // namespace

// ---- who is behind ------------------------------------------------------------------------------

void CatchUp::resume(ReceiverId id, Position after) {
    context_.members[id].through = after;
    be_behind(id, after).tells = true;
}

bool CatchUp::send_history(ReceiverId id, const Room& room, Position after, Position live) {
    Behind& behind = be_behind(id, live);
    const auto under_way = std::ranges::find(behind.stretches, room, &Stretch::only);
    if (under_way != behind.stretches.end()) {
        if (after >= under_way->at) return false;
        *under_way = Stretch{after, under_way->until, room};
        look_at_again(id);
        return false;
    }
    // What comes in order has the rest, and goes behind it so that no later entry overtakes it.
    const Position until = behind.in_order().at;
    behind.stretches.insert(behind.stretches.end() - 1,
                            Stretch{std::min(after, until), until, room});
    look_at_again(id);
    return true;
}

void CatchUp::miss(Position after) {
    context_.members.for_each([&](ReceiverId id, const Member& member) {
        if (!member.behind) be_behind(id, std::max(after, member.through));
    });
}

void CatchUp::lose(ReceiverId id, std::string_view subject, Position at, Position live) {
    context_.probe.evictions.add();
    std::vector<Loss>& losses = be_behind(id, live).losses;
    const auto known = std::ranges::find(losses, subject, &Loss::subject);
    if (known == losses.end()) {
        losses.push_back({std::string(subject), at});
    } else {
        known->at = std::min(known->at, at);
    }
    look_at_again(id);
}

void CatchUp::release(ReceiverId id) {
    Behind* const behind = context_.members[id].behind.get();
    BUS_ASSERT(behind != nullptr && behind->waits == Behind::Waits::kForAnswer);
    move(id, Behind::Waits::kForItsTurn);
}

void CatchUp::drained(ReceiverId id) {
    const Behind* const behind = context_.members[id].behind.get();
    if (behind != nullptr && behind->waits == Behind::Waits::kForRoom) look_at_again(id);
}

void CatchUp::joined(ReceiverId id, const Room& room) {
    Behind* const behind = context_.members[id].behind.get();
    if (behind == nullptr) return;
    sought_.add(room);
    behind->sought_after = readings_begun_;
    joined_earlier(id);
}

void CatchUp::joined_earlier(ReceiverId id) {
    Behind* const behind = context_.members[id].behind.get();
    if (behind == nullptr) return;
    behind->stretches.back().sure_of = 0;  // not of what this room has lost
    // The page was not looked through for this room, and the inquiry is not about it.
    const Behind::Waits waits = behind->waits;
    const bool is_late = waits == Behind::Waits::kInWalk || waits == Behind::Waits::kAside ||
                         waits == Behind::Waits::kForLosses;
    if (is_late) look_at_again(id);
}

void CatchUp::left(ReceiverId id, const Room& room) {
    Behind* const behind = context_.members[id].behind.get();
    if (behind == nullptr) return;
    sought_.remove(room);
    std::erase_if(behind->losses, [&](const Loss& loss) {
        return room.is_subject() && loss.subject == room.name();
    });
    std::erase_if(behind->stretches, [&](const Stretch& one) { return one.only == room; });
    look_at_again(id);
}

// What it is owed from `at` on, if it was live.
Behind& CatchUp::be_behind(ReceiverId id, Position at) {
    Member& late = context_.members[id];
    if (!late.behind) {
        late.behind = std::make_unique<Behind>();
        late.behind->stretches.push_back(Stretch{at});
        late.behind->sought_after = readings_begun_;
        const Rooms& rooms = context_.members.rooms();
        for (const Rooms::Joined& one : rooms.rooms_of(id)) sought_.add(rooms.name(one.room));
        context_.probe.catch_ups.add();
        context_.probe.behind.add();
        look_at_again(id);
    }
    return *late.behind;
}

void CatchUp::forget(ReceiverId id) {
    if (context_.members[id].behind) end_behind(id);
}

void CatchUp::end_behind(ReceiverId id) {
    unlink(id);
    context_.members[id].behind.reset();
    context_.probe.behind.subtract();
    const Rooms& rooms = context_.members.rooms();
    for (const Rooms::Joined& one : rooms.rooms_of(id)) sought_.remove(rooms.name(one.room));
}

// What it waited for is over, or has changed.
void CatchUp::look_at_again(ReceiverId id) {
    if (context_.members[id].behind->waits == Behind::Waits::kForAnswer) return;
    move(id, Behind::Waits::kForItsTurn);
}

void CatchUp::move(ReceiverId id, Behind::Waits waits) {
    unlink(id);
    Behind& behind = *context_.members[id].behind;
    behind.waits = waits;
    switch (waits) {
        case Behind::Waits::kForItsTurn:
            if (to_settle_.empty()) context_.reactor.post([] {});  // a turn, if none is under way
            return link(id, to_settle_);
        case Behind::Waits::kForPage:
            behind.stands_at = behind.front().at;
            return link(id, standing_[behind.stands_at]);
        case Behind::Waits::kInWalk:
            return link(id, walk_->members);
        case Behind::Waits::kAside:
            return link(id, walk_->aside);
        case Behind::Waits::kForLosses:
            return link(id, unsure_);
        case Behind::Waits::kForRoom:
        case Behind::Waits::kForAnswer:
            return;
    }
}

void CatchUp::link(ReceiverId id, List& list) {
    Behind& behind = *context_.members[id].behind;
    behind.list = &list;
    behind.slot = list.size();
    list.push_back(id);
}

// The last of the list takes its slot.
void CatchUp::unlink(ReceiverId id) {
    Behind& behind = *context_.members[id].behind;
    if (behind.list == nullptr) return;
    List& list = *std::exchange(behind.list, nullptr);
    list[behind.slot] = list.back();
    context_.members[list.back()].behind->slot = behind.slot;
    list.pop_back();
    if (behind.waits == Behind::Waits::kForPage && list.empty()) standing_.erase(behind.stands_at);
}

// ---- a turn -------------------------------------------------------------------------------------

bool CatchUp::take_turn() {
    work_left_ = kWorkPerTurn;
    turn_ends_ = context_.clock.now() + kTurnMax;
    if (inquiry_ && inquiry_->answer) on_inquiry_answered();
    settle_all();
    while (work_left_ > 0 && (walk_ || begin_walk())) {
        go_on();
        settle_all();
        look_at_clock();
    }
    read_pages();
    return !to_settle_.empty() || walk_ || !pages_.empty() || next_in_tail();
}

std::optional<Clock::Time> CatchUp::waits_until() const {
    const bool waits =
        !unsure_.empty() || (!standing_.empty() && standing_.begin()->first < end_of_pages());
    return waits ? read_again_at_ : std::nullopt;
}

void CatchUp::settle_all() {
    // What that causes may be looked at in the next turn.
    for (std::size_t left = to_settle_.size(); left > 0 && !to_settle_.empty(); --left) {
        settle(to_settle_.back());
    }
}

// Says what a member waits for next: for an answer in front of an entry that takes a right from it,
// for nothing when it has reached the cursor, for room, or for a page.
void CatchUp::settle(ReceiverId id) {
    Receiver& receiver = *context_.members[id].receiver;
    Behind& behind = *context_.members[id].behind;
    const Position cursor = context_.reader.cursor();
    const Stretch& stretch = behind.front();
    const Position loss = behind.first_loss();
    // What comes in order has passed the loss: the history might show what lies behind it.
    const bool is_late = loss <= behind.in_order().at;
    if (stretch.is_history() && !is_late && stretch.at >= stretch.until) {
        const Room room = *stretch.only;
        behind.stretches.erase(behind.stretches.begin());
        move(id, Behind::Waits::kForItsTurn);
        return receiver.on_history_given(room);
    }
    if (is_late || (!stretch.is_history() && stretch.at + 1 >= loss)) {
        const auto held_by = std::ranges::find(behind.losses, loss, &Loss::at);
        const std::string subject = held_by->subject;
        // What was read so far is older than the answer will be. What is read from now on is not.
        behind.losses.erase(held_by);
        move(id, Behind::Waits::kForAnswer);
        return receiver.on_evicted(subject, loss);
    }
    if (!stretch.is_history() && stretch.at >= cursor) return be_live(id);
    move(id, receiver.has_room() ? Behind::Waits::kForPage : Behind::Waits::kForRoom);
}

void CatchUp::be_live(ReceiverId id) {
    Member& member = context_.members[id];
    member.through = std::max(member.through, member.behind->in_order().at);
    const bool tells = member.behind->tells;
    const std::uint64_t missed = member.behind->missed;
    end_behind(id);
    if (tells) member.receiver->on_caught_up(missed);
}

// ---- a walk over a page -------------------------------------------------------------------------

bool CatchUp::begin_walk() {
    page_next_ = !page_next_;
    if (page_next_) return begin_walk_of_page() || begin_walk_of_tail();
    return begin_walk_of_tail() || begin_walk_of_page();
}

// The tail has what is above, transient entries too.
Position CatchUp::end_of_pages() const {
    return std::min(context_.reader.tail().kept_after(), context_.reader.cursor());
}

bool CatchUp::begin_walk_of_page() {
    if (pages_.empty()) return false;
    const Reading reading = pages_.front().reading;
    Page page = std::move(pages_.front().page);
    pages_.pop_front();
    std::erase_if(readings_, [&](const Reading& one) { return one.after == reading.after; });
    const Position through = std::min(page.through, end_of_pages());
    if (reading.is_upwards) pages_from_ = through;
    begin_walk(reading.after, through, std::move(page.entries), reading.number);
    walk_->is_of_log = true;
    if (!page.lost.empty()) look_for_losses(page);
    return true;
}

bool CatchUp::begin_walk_of_tail() {
    const std::optional<Position> after = next_in_tail();
    if (!after) return false;
    Position through = context_.reader.cursor();
    std::vector<SharedEntry> entries = entries_of_tail(*after, through);
    tail_from_ = through;
    begin_walk(*after, through, std::move(entries));
    return true;
}

// Where the next page of the tail is to begin: upwards from the last one, then from below again.
std::optional<Position> CatchUp::next_in_tail() const {
    const Position cursor = context_.reader.cursor();
    auto next = standing_.lower_bound(std::max(tail_from_, context_.reader.tail().kept_after()));
    if (next == standing_.end() || next->first >= cursor) {
        next = standing_.lower_bound(context_.reader.tail().kept_after());
    }
    if (next == standing_.end() || next->first >= cursor) return std::nullopt;
    return next->first;
}

// Some entries of the tail that may be for those that stand in it from `after` on. `through`: up to
// where they were looked for; at most as it is.
std::vector<SharedEntry> CatchUp::entries_of_tail(Position after, Position& through) {
    std::vector<std::size_t> hashes;
    bool all = false;
    for (auto at = standing_.lower_bound(after); at != standing_.end() && !all; ++at) {
        for (const ReceiverId id : at->second) {
            const std::optional<Room>& only = context_.members[id].behind->front().only;
            for (const Rooms::Joined& joined : context_.members.rooms().rooms_of(id)) {
                const Room& room = context_.members.rooms().name(joined.room);
                if (only && room != *only) continue;
                all = all || room.is_pattern();
                hashes.push_back(context_.members.rooms().hash(joined.room));
            }
            all = all || hashes.size() > kFilteredRoomsMax;
            if (all) break;
        }
    }
    std::vector<SharedEntry> entries;
    context_.reader.tail().for_each_after(after, all, hashes, [&](const SharedEntry& entry) {
        if (entry->position > through) return false;
        entries.push_back(entry);
        if (entries.size() < kTailEntries) return true;
        through = entry->position;
        return false;
    });
    return entries;
}

// Takes those that stand in [after, through) and for whose rooms it was read.
void CatchUp::begin_walk(Position after, Position through, std::vector<SharedEntry> entries,
                         std::uint64_t reading) {
    std::erase_if(entries, [&](const SharedEntry& one) { return one->position > through; });
    walk_ = Walk{.through = through, .entries = std::move(entries), .members = {}, .aside = {}};
    work_left_ -= std::min(work_left_, kWorkOfPush);
    List taken;
    for (auto at = standing_.lower_bound(after); at != standing_.end() && at->first < through;
         ++at) {
        for (const ReceiverId id : at->second) {
            if (context_.members[id].behind->sought_after < reading) taken.push_back(id);
        }
    }
    for (const ReceiverId id : taken) move(id, Behind::Waits::kInWalk);
}

// Until nobody is in it any more: whoever has no room has stepped aside.
void CatchUp::go_on() {
    const std::size_t work_before = work_left_;
    for (; walk_->next < walk_->entries.size() && !walk_->members.empty(); ++walk_->next) {
        if (work_left_ == 0 || !give_to_all(*walk_->entries[walk_->next])) {
            if (walk_->aside.empty()) {
                walk_->work += work_before - work_left_;
                put_aside();
            }
            return;
        }
        work_left_ -= std::min(work_left_, kWorkOfEntry);
        const bool is_large = walk_->entries[walk_->next]->event.data.size() >= kLargeEntryBytes;
        if (is_large || (walk_->next + 1) % kEntriesPerLook == 0) look_at_clock();
    }
    end_walk();
}

// Work is an estimate, and where memory is slow a turn of it takes long.
void CatchUp::look_at_clock() {
    if (context_.clock.now() >= turn_ends_) work_left_ = 0;
}

// A turn's end, amid a page. What a member is given in one turn is one write: if the rest of the
// page takes more turns, as many of the members go on as one turn can give all of it.
void CatchUp::put_aside() {
    const std::size_t left = walk_->entries.size() - walk_->next;
    const std::size_t turns = walk_->work * left / (walk_->next + 1) / kWorkPerTurn + 1;
    if (turns <= 2) return;
    walk_->aside_from = walk_->next;
    walk_->at_once = std::max(walk_->members.size() / turns, kAtOnceMin);
    while (walk_->members.size() > walk_->at_once) {
        move(walk_->members.back(), Behind::Waits::kAside);
    }
}

// False: the turn's work was done before all had got it. Those that have it are passed by when it
// is called again.
bool CatchUp::give_to_all(const Entry& entry) {
    const Rooms& rooms = context_.members.rooms();
    find_targets(entry, rooms, context_.members.patterns(), targets_);
    std::size_t in_rooms = 0;
    for (const LocalTarget& target : targets_) in_rooms += rooms.members(target.room).size();
    context_.members.pin();
    bool is_done = true;
    const auto give_or_stop = [&](ReceiverId id) {
        is_done = work_left_ > 0;
        if (is_done) give(id, entry);
        return is_done;
    };
    if (walk_->members.size() <= in_rooms) {
        // From the end: one that leaves the list is replaced by the last.
        for (std::size_t left = walk_->members.size(); left > 0; --left) {
            if (!give_or_stop(walk_->members[left - 1])) break;
        }
    } else {
        for (std::size_t t = 0; t < targets_.size() && is_done; ++t) {
            for (const Rooms::Membership& one : rooms.members(targets_[t].room)) {
                if (!give_or_stop(one.member)) break;
            }
        }
    }
    context_.members.unpin();
    // Behind it, so that it comes on in any case.
    work_left_ -= std::min(work_left_, context_.members.patterns().size() / kPatternsOfWork);
    return is_done;
}

// Gives the entry to a member if it is in the walk, has come to it and may see it.
void CatchUp::give(ReceiverId id, const Entry& entry) {
    Member& late = context_.members[id];
    if (!late.behind || late.behind->waits != Behind::Waits::kInWalk) return;
    Behind& behind = *late.behind;
    Stretch& stretch = behind.front();
    if (entry.position <= stretch.at || entry.position > behind.end()) return;
    work_left_ -= 1;
    const Room* const only = stretch.is_history() ? &*stretch.only : nullptr;
    const std::optional<std::uint16_t> variant =
        shown_variant(entry, targets_, context_.members.rooms(), id, only);
    if (variant && !late.receiver->has_room()) {
        stretch.at = entry.position - 1;
        behind.page_entries = std::max(Behind::kPageEntriesMin, walk_->next + 1);
        return move(id, Behind::Waits::kForItsTurn);
    }
    stretch.at = entry.position;
    if (!variant) return;
    work_left_ -= std::min(work_left_, kWorkOfPush);
    if (!stretch.is_history()) late.shown(entry.position);
    const SharedFrame frame =
        context_.frames.get(entry, *variant, *late.encoder, stretch.as(*late.receiver));
    ++behind.missed;
    context_.probe.resumed_deliveries.add();
    late.receiver->push(frame);
}

void CatchUp::end_walk() {
    work_left_ -= std::min(work_left_, walk_->members.size() / kWorkOfPush);
    while (!walk_->members.empty()) {
        const ReceiverId id = walk_->members.back();
        Behind& behind = *context_.members[id].behind;
        behind.front().at = std::max(behind.front().at, std::min(walk_->through, behind.end()));
        if (walk_->is_of_log) {
            behind.page_entries = std::min(Behind::kPageEntries, behind.page_entries * 2);
        }
        settle(id);
    }
    if (walk_->aside.empty()) return walk_.reset();
    walk_->next = walk_->aside_from;
    while (!walk_->aside.empty() && walk_->members.size() < walk_->at_once) {
        move(walk_->aside.back(), Behind::Waits::kInWalk);
    }
}

// ---- what retention took ------------------------------------------------------------------------

// Types are kept for different times, so entries up to some place may be gone, and others there.
// Whoever could have got some of them waits outside of the walk until it is known.
void CatchUp::look_for_losses(const Page& page) {
    if (page.losses > losses_) {
        losses_ = page.losses;
        lost_through_ = page.lost_through;
    }
    const Position last = std::ranges::max(page.lost, {}, &Lost::through).through;
    std::vector<std::uint64_t> keys;
    for (const ReceiverId id :
         List(walk_->members)) {  // a receiver may do anything when it is told
        const Member& member = context_.members[id];
        if (!member.behind || member.behind->waits != Behind::Waits::kInWalk) continue;
        Stretch& stretch = member.behind->front();
        if (page.losses <= stretch.sure_of || last <= stretch.at) continue;
        if (!matches_pattern(id, page.lost)) {
            move(id, Behind::Waits::kForLosses);
            continue;
        }
        stretch.sure_of = page.losses;
        tell_lost(id, last);
    }
}

// Whether a type that was lost matches a pattern of its first stretch.
bool CatchUp::matches_pattern(ReceiverId id, const std::vector<Lost>& lost) const {
    const Stretch& stretch = context_.members[id].behind->front();
    const auto matches_one = [&](const Room& room, Position at) {
        return room.is_pattern() && std::ranges::any_of(lost, [&](const Lost& one) {
                   return one.through > at && (one.type.empty() || matches(room.name(), one.type));
               });
    };
    if (stretch.only) return matches_one(*stretch.only, stretch.at);
    const Rooms& rooms = context_.members.rooms();
    return std::ranges::any_of(rooms.rooms_of(id), [&](const Rooms::Joined& joined) {
        const Position at = rooms.membership(id, joined.room)->joined_at;
        return matches_one(rooms.name(joined.room), std::max(at, stretch.at));
    });
}

// Adds the keys of the other rooms in which something of its first stretch may be lost, and returns
// whether there are any.
bool CatchUp::add_rooms(ReceiverId id, std::vector<std::uint64_t>& keys) const {
    const Stretch& stretch = context_.members[id].behind->front();
    const std::size_t before = keys.size();
    const auto add = [&](const Room& room) {
        if (!room.is_pattern()) keys.push_back(context_.log.room_key(room));
    };
    if (stretch.only) {
        add(*stretch.only);
        return keys.size() > before;
    }
    const Rooms& rooms = context_.members.rooms();
    for (const Rooms::Joined& joined : rooms.rooms_of(id)) {
        if (rooms.membership(id, joined.room)->joined_at < lost_through_) {
            add(rooms.name(joined.room));
        }
    }
    return keys.size() > before;
}

void CatchUp::tell_lost(ReceiverId id, Position through) {
    Member& member = context_.members[id];
    Stretch& stretch = member.behind->front();
    const Position from = std::max(stretch.at, stretch.told_lost);
    if (through <= from) return;
    stretch.told_lost = through;
    // Should the notice be lost on the way, a resume begins below it, and it is told again.
    if (!stretch.is_history()) member.given = std::max(member.given, through);
    context_.probe.gaps.add();
    member.receiver->on_gap(from, through);
}

// Asks for as many at once as it takes to rule the losses out by one read.
void CatchUp::inquire() {
    if (inquiry_ || unsure_.empty()) return;
    inquiry_ = Inquiry{.members = {}, .losses = losses_, .answer = {}};
    const auto keys = std::make_shared<std::vector<std::uint64_t>>();
    Position after = kEndOfTime;
    while (!unsure_.empty() && inquiry_->asked < inquiry_max_ && keys->size() < kInquiryRooms) {
        const ReceiverId id = unsure_.back();
        Stretch& stretch = context_.members[id].behind->front();
        if (!add_rooms(id, *keys)) {
            stretch.sure_of = losses_;
            move(id, Behind::Waits::kForItsTurn);
            continue;
        }
        unlink(id);
        link(id, inquiry_->members);
        after = std::min(after, stretch.at);
        ++inquiry_->asked;
    }
    if (inquiry_->asked == 0) return inquiry_.reset();
    context_.probe.inquiries.add();
    context_.log.read(
        after, 1, context_.reactor,
        [this, alive = std::weak_ptr<bool>(alive_)](Result<Page> page) {
            if (!alive.lock()) return;
            inquiry_->answer = std::move(page);
            context_.reactor.post([] {});
        },
        keys);
}

void CatchUp::on_inquiry_answered() {
    const Result<Page> page = std::move(*inquiry_->answer);
    if (!page) read_again_later();
    const bool is_of_one = inquiry_->asked == 1;
    bool is_split = false;
    while (!inquiry_->members.empty()) {  // a receiver may do anything when it is told
        const ReceiverId id = inquiry_->members.back();
        Stretch& stretch = context_.members[id].behind->front();
        Position last;
        if (page) {
            for (const Lost& lost : page->lost) {
                if (lost.through > stretch.at) last = std::max(last, lost.through);
            }
        }
        if (!page || (!last.is_before_first() && !is_of_one)) {
            is_split = is_split || page;
            move(id, Behind::Waits::kForLosses);
            continue;
        }
        stretch.sure_of = inquiry_->losses;
        move(id, Behind::Waits::kForItsTurn);
        if (!last.is_before_first()) tell_lost(id, last);
    }
    if (page) {
        inquiry_max_ = is_split ? inquiry_->asked / 2 : std::min(2 * inquiry_max_, kInquiryRooms);
    }
    inquiry_.reset();
}

// ---- pages of the log ---------------------------------------------------------------------------

void CatchUp::read_pages() {
    if (read_again_at_) {
        if (context_.clock.now() < *read_again_at_) return;
        read_again_at_.reset();
    }
    inquire();
    while (readings_.size() < kReadsMax) {
        const std::optional<Position> after = next_to_read();
        if (!after) return;
        read_page(*after);
    }
}

// Where the next page is to begin: by turns upwards from the last, and nearest to the tail.
std::optional<Position> CatchUp::next_to_read() {
    const auto begin = standing_.begin();
    const auto end = standing_.lower_bound(end_of_pages());
    const auto is_free = [&](const auto& stand) { return !is_being_read(stand.first); };
    upwards_next_ = !upwards_next_;
    if (upwards_next_) {
        const auto from = std::find_if(standing_.lower_bound(std::min(pages_from_, end_of_pages())),
                                       end, is_free);
        const auto next = from != end ? from : std::find_if(begin, end, is_free);
        if (next != end) return next->first;
    } else {
        for (auto at = end; at != begin;) {
            if (is_free(*--at)) return at->first;
        }
    }
    return std::nullopt;
}

bool CatchUp::is_being_read(Position at) const {
    return std::ranges::any_of(readings_, [&](const Reading& one) {
        return at >= one.after && at < one.after + one.limit;
    });
}

void CatchUp::read_page(Position after) {
    std::size_t limit = 0;
    for (const ReceiverId id : standing_.at(after)) {
        limit = std::max(limit, context_.members[id].behind->page_entries);
        if (limit == Behind::kPageEntries) break;
    }
    const WantedRooms& wanted = sought_.wanted();
    ++readings_begun_;
    readings_.push_back({after, limit, upwards_next_, wanted ? readings_begun_ : kOfAll});
    context_.probe.pages_read.add();
    context_.log.read(
        after, limit, context_.reactor,
        [this, after, alive = std::weak_ptr<bool>(alive_)](Result<Page> page) {
            if (alive.lock()) on_page(after, std::move(page));
        },
        wanted);
}

void CatchUp::on_page(Position after, Result<Page> page) {
    const auto reading = std::ranges::find(readings_, after, &Reading::after);
    BUS_ASSERT(reading != readings_.end());
    context_.reactor.post([] {});
    if (page) {
        pause_ = kPauseMin;
        return pages_.push_back({*reading, std::move(*page)});
    }
    readings_.erase(reading);
    read_again_later();
}

void CatchUp::read_again_later() {
    context_.probe.pages_refused.add();
    read_again_at_ = context_.clock.now() + pause_;
    pause_ = std::min<Clock::Time::duration>(pause_ * 2, kPauseMax);
}

}  // namespace eventbus
