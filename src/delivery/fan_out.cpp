#include "delivery/fan_out.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.h"

namespace eventbus {
namespace {

constexpr int kLinksAhead = 4;            // of the way to a queue; more are not fetched ahead
constexpr std::size_t kMembersAhead = 4;  // per link

// About what a frame has.
std::size_t bytes_of(const Entry& entry) { return entry.event.data.size() + 256; }

}  // namespace

FanOut::FanOut(Context context, Coalesce coalesce) : context_(context), coalesce_(coalesce) {}

void FanOut::begin_turn() {
    if (!std::exchange(writes_wait_, false)) batch_pushes_ = batch_bytes_ = 0;
    pushes_ = 0;
    waits_until_ = wait_at(context_.clock.now());
}

bool FanOut::may_go_on() const {
    if (waits_until_ || pushes_ >= kPushesPerTurn) return false;
    return is_amid_run() || (batch_pushes_ < kBatchPushes && batch_bytes_ < kBatchBytes);
}

bool FanOut::end_turn() {
    writes_wait_ = is_amid_run() && batch_pushes_ < kBatchPushes;
    return writes_wait_;
}

bool FanOut::has_more() {
    return is_amid_run() || (!waits_until_ && context_.reader.peek() != nullptr);
}

Position FanOut::given_through() const {
    return is_amid_run() ? run_.entries.front()->position - 1 : context_.reader.cursor();
}

// Until when what was not read yet waits for company; nullopt: it does not. An entry that waits
// longer is looked at when one that waits less would be due: should one come meanwhile, the time
// that was given before is not later than its own.
std::optional<Clock::Time> FanOut::wait_at(Clock::Time now) {
    const auto longest = std::max(coalesce_.all, coalesce_.latest);
    if (longest.count() == 0 || is_amid_run()) return std::nullopt;
    auto window = longest;
    std::size_t unread = 0;
    context_.reader.for_each_unread([&](const Entry& entry) {
        ++unread;
        if (!entry.latest) window = coalesce_.all;
    });
    if (unread == 0 || unread > kRunEntries) return std::nullopt;  // so many need no company
    for (const Clock::Time until : {live_at_ + coalesce_.all, live_at_ + window}) {
        if (now < until) return until;
    }
    return std::nullopt;
}

const Entry* FanOut::read() {
    BUS_ASSERT(!is_amid_run());
    const SharedEntry* const next = context_.reader.next();
    if (next == nullptr) return nullptr;
    run_.entries.push_back(*next);
    return next->get();
}

// Reads those that go with it, too.
std::span<const SharedEntry> FanOut::aim() {
    const Entry& first = *run_.entries.front();
    find_targets(first, context_.members.rooms(), context_.members.patterns(), run_.targets);
    pushes_ += context_.members.patterns().size() / kPatternsOfPush;
    run_.is_aimed = true;
    context_.members.pin();
    if (!run_.targets.empty()) {
        batch_bytes_ += bytes_of(first);
        const SharedEntry* next = nullptr;
        while (run_.entries.size() < kRunEntries && batch_bytes_ < kBatchBytes &&
               (next = context_.reader.peek()) != nullptr && goes_with_run(**next)) {
            run_.entries.push_back(*context_.reader.next());
            batch_bytes_ += bytes_of(*run_.entries.back());
        }
    }
    pushes_ += run_.entries.size() * kPushesOfEntry;
    return run_.entries;
}

bool FanOut::goes_with_run(const Entry& entry) const {
    const Entry& first = *run_.entries.front();
    return entry.evictions.empty() &&
           std::ranges::equal(entry.deliveries, first.deliveries, {}, &Delivery::room,
                              &Delivery::room) &&
           (context_.members.patterns().empty() || entry.event.type == first.event.type);
}

void FanOut::walk() { walk_run(kPushesPerTurn); }

void FanOut::end_run() {
    BUS_ASSERT(!in_room_);
    if (run_.is_aimed) walk_run(std::numeric_limits<std::size_t>::max());
}

// Goes on with the run until it ends, or the turn has made `pushes_max` pushes.
void FanOut::walk_run(std::size_t pushes_max) {
    for (; run_.target < run_.targets.size(); ++run_.target) {
        if (!walk_room(run_.targets[run_.target], pushes_max)) return;
        run_.place = 0;
        encoded_.clear();
    }
    context_.probe.entries.add(run_.entries.size());
    live_at_ = context_.clock.now();
    for (const SharedEntry& entry : run_.entries) {
        // What was read from disk at the start was published in another life.
        if (entry->published_at == Clock::Time{}) continue;
        context_.probe.publish_to_send.add(live_at_ - entry->published_at);
    }
    run_.entries.clear();
    run_.targets.clear();
    run_.target = 0;
    run_.is_aimed = false;
    context_.members.unpin();
}

// False: not all of its members have got the run.
//
// A member gets the run at the first of its targets that shows it, as shown_variant() says for each
// entry; `through` passes it by at the others. Only for one that joined amid the run the entries
// differ.
bool FanOut::walk_room(const LocalTarget& target, std::size_t pushes_max) {
    Members& all = context_.members;
    const std::span<const Rooms::Membership> members = all.rooms().members(target.room);
    const Position first = run_.entries.front()->position;
    const Encoder* encoder = nullptr;  // of `frames`
    std::span<const SharedFrame> frames;
    std::uint64_t delivered = 0;
    in_room_ = true;
    for (; run_.place < members.size() && pushes_ < pushes_max; ++run_.place) {
        prefetch(all, members, run_.place);
        const Rooms::Membership& membership = members[run_.place];
        Member& to = all[membership.member];
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
            to.shown(position);
            if (to.receiver->push(frames[i])) ++delivered;
        }
    }
    in_room_ = false;
    batch_pushes_ += delivered;
    context_.probe.deliveries.add(delivered);
    return run_.place == members.size();
}

// Gives the run to a member that joined one of its rooms amid it: it may have the entries before
// that by another, and all have to come in order. Returns how many it got.
std::uint64_t FanOut::give_as_joined(ReceiverId id) {
    Member& to = context_.members[id];
    std::uint64_t delivered = 0;
    for (std::size_t i = 0; i < run_.entries.size() && to.receiver != nullptr; ++i) {
        const Entry& entry = *run_.entries[i];
        if (entry.position <= to.through) continue;
        const std::optional<std::uint16_t> variant =
            shown_variant(entry, run_.targets, context_.members.rooms(), id);
        if (!variant) continue;
        to.shown(entry.position);
        const SharedFrame frame =
            context_.frames.get(entry, *variant, *to.encoder, Encoder::As::in_order());
        if (to.receiver->push(frame)) ++delivered;
        ++pushes_;
    }
    return delivered;
}

std::span<const SharedFrame> FanOut::frames_of_run(const LocalTarget& target, Encoder& encoder) {
    for (const Encoded& encoded : encoded_) {  // sockets and streams: two at most
        if (encoded.encoder == &encoder) return encoded.frames;
    }
    Encoded& encoded = encoded_.emplace_back(Encoded{&encoder, {}});
    encoded.frames.reserve(run_.entries.size());
    for (const SharedEntry& entry : run_.entries) {
        encoded.frames.push_back(context_.frames.get(*entry, target.variant_of(*entry), encoder,
                                                     Encoder::As::in_order()));
    }
    return encoded.frames;
}

// A room's members lie together, what they are does not: it is fetched while others get theirs.
void FanOut::prefetch(const Members& all, std::span<const Rooms::Membership> members,
                      std::size_t place) {
    const auto ahead = [&](int links) -> const Member* {
        const std::size_t at = place + static_cast<std::size_t>(links) * kMembersAhead;
        return at < members.size() ? &all[members[at].member] : nullptr;
    };
    __builtin_prefetch(ahead(kLinksAhead + 2), 1);
    if (const Member* const soon = ahead(kLinksAhead + 1)) __builtin_prefetch(soon->receiver);
    for (int link = 0; link < kLinksAhead; ++link) {
        const Member* const soon = ahead(kLinksAhead - link);
        if (soon != nullptr && soon->receiver != nullptr) soon->receiver->prefetch(link);
    }
}

}  // namespace eventbus
