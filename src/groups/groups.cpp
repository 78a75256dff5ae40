#include "groups/groups.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/diagnostics.h"
#include "event/pattern.h"

namespace eventbus {
namespace {

constexpr std::size_t kMaxInFlightMax = 1000;  // of one member
constexpr std::size_t kTypesCached = 4096;     // then the cache begins anew
constexpr std::size_t kTicksPerRecord = 50;    // 5 s: how far an idle group's cursor may lag
constexpr std::size_t kTicksToStall = 50;      // 5 s: longer than any read of the log takes

Error read_only() {
    return {ErrorCode::kReadOnly,
            "the store of groups failed, so nothing is given out or acknowledged: see the server's "
            "log, mend the disk, restart"};
}

}  // namespace

// One group, with what the engine keeps beside its state.
struct Groups::Home {
    struct Way {
        Executor* reactor = nullptr;
        GroupReceiver* receiver = nullptr;
    };

    Home(SharedGroupKey shared_key, const GroupSettings& settings, Random& random, Position cursor)
        : key(std::move(shared_key)), group(settings, random, cursor), recorded(cursor) {}

    bool wants(const Entry& entry) const { return matches(key->topic, entry.event.type); }

    const SharedGroupKey key;
    Group group;
    std::unordered_map<MemberId, Way> ways;
    Position recorded;           // the cursor that was written last
    bool record_cursor = false;  // though nothing else changed
    bool at_tail = false;  // has taken all that matches up to fed_through_; else it reads the log
    bool reading = false;  // a page is under way
    bool loading = false;  // a page of retries is under way
    bool paused = false;   // the log showed nothing: look again at the next tick
    bool touched = false;
    bool told_of_loss = false;
    std::size_t idle_ticks = 0;  // with work and a ready member, and nothing with a member
    GroupTotals reported;        // what of group.totals() the probe has
};

// What leaves together: the changes, and what may be seen of them once they are written.
struct Groups::Write {
    struct Answer {
        Executor* reply_to = nullptr;
        Callback<const Result<>&> done;
    };
    struct Parcel {
        Home::Way way;
        std::vector<GroupDelivery> deliveries;
    };

    std::vector<GroupChange> changes;
    std::vector<Answer> answers;
    std::vector<Parcel> parcels;

    void add(const Home::Way& way, GroupDelivery delivery) {
        auto parcel = std::find_if(parcels.begin(), parcels.end(), [&](const Parcel& p) {
            return p.way.receiver == way.receiver;  // as many as reactors
        });
        if (parcel == parcels.end()) parcel = parcels.insert(parcels.end(), {way, {}});
        parcel->deliveries.push_back(std::move(delivery));
    }
};

Groups::Groups(Context context, GroupSettings settings, std::vector<StoredGroup> stored)
    : context_(std::move(context)),
      settings_(settings),
      fed_through_(context_.log.frontier()),
      building_(std::make_unique<Write>()) {
    for (StoredGroup& group : stored) restore(std::move(group));
}

Groups::~Groups() = default;

void Groups::restore(StoredGroup stored) {
    const bool is_other_log = stored.epoch != context_.log.epoch();
    if (is_other_log) {
        diagnostics::warn("a group stood in another log; it begins at the start of this one",
                          {{"group", to_string(stored.key)}});
        stored.cursor = Position();
    }
    // The frontier is not asked: a log may show its newest entries only once it has started.
    GroupChange mended{stored.key, context_.log.epoch(), stored.cursor};
    std::erase_if(stored.in_flight, [&](const StoredFlight& flight) {
        const bool is_gone = flight.position > stored.cursor;
        if (is_gone) mended.erased.push_back(flight.position);
        return is_gone;
    });
    if (is_other_log || !mended.erased.empty()) building_->changes.push_back(std::move(mended));

    Home& home = add(std::move(stored.key), stored.cursor);
    const Clock::Time now = context_.clock.now();
    const Clock::WallTime wall_now = context_.clock.wall_now();
    for (const StoredFlight& flight : stored.in_flight) {
        // Who had it is gone with the process; who waited goes on waiting.
        const auto wait = std::clamp<Clock::WallTime::duration>(
            flight.due.value_or(wall_now) - wall_now, Clock::WallTime::duration::zero(),
            settings_.nack_delay_max);
        home.group.restore(flight.position, flight.attempt,
                           now + std::chrono::duration_cast<Clock::Time::duration>(wait));
    }
}

Groups::Home& Groups::add(GroupKey key, Position cursor) {
    std::string name = to_string(key);
    auto home = std::make_unique<Home>(std::make_shared<const GroupKey>(std::move(key)), settings_,
                                       context_.random, cursor);
    home->at_tail = cursor >= fed_through_;
    by_type_.clear();
    return *homes_.emplace(std::move(name), std::move(home)).first->second;
}

Groups::Home* Groups::find(const GroupKey& key) {
    const auto found = homes_.find(to_string(key));
    return found == homes_.end() ? nullptr : found->second.get();
}

// ---- members ------------------------------------------------------------------------------------

void Groups::subscribe(const GroupMember& member, Executor& reply_to,
                       Callback<Result<GroupJoined>> done) {
    BUS_ASSERT(owner_.is_here());
    BUS_ASSERT(member.reactor != nullptr && member.receiver != nullptr);

    const Result<Home*> home = join(member);
    if (!home) {
        reply_to.post(
            [error = home.error(), done = std::move(done)]() mutable { done(std::move(error)); });
        return;
    }
    const GroupJoined joined{(*home)->group.cursor()};
    touch(**home);
    answer_when_written(reply_to,
                        [joined, done = std::move(done)](const Result<>& written) mutable {
                            if (written) {
                                done(joined);
                            } else {
                                done(written.error());
                            }
                        });
    pump();
}

Result<Groups::Home*> Groups::join(const GroupMember& member) {
    if (!writable_) return read_only();
    if (member.max_in_flight == 0 || member.max_in_flight > kMaxInFlightMax) {
        return Error{ErrorCode::kBadRequest, "max_in_flight is 1 to " +
                                                 std::to_string(kMaxInFlightMax) + ", not " +
                                                 std::to_string(member.max_in_flight)};
    }
    Home* home = find(member.group);
    if (home == nullptr) {
        const Result<Home*> made = make(member.group);
        if (!made) return made.error();
        home = *made;
    }
    const Result<> joined = home->group.join(member.id, member.max_in_flight);
    if (!joined) {
        probe_.refused_members.add();
        return joined.error();
    }
    home->ways[member.id] = {member.reactor, member.receiver};
    std::vector<Home*>& homes = memberships_[member.id];
    if (std::find(homes.begin(), homes.end(), home) == homes.end()) homes.push_back(home);
    update_interest();
    return home;
}

Result<Groups::Home*> Groups::make(const GroupKey& key) {
    const Result<> good = check(key);
    if (!good) return good.error();
    if (homes_.size() >= settings_.groups_max) {
        probe_.refused_groups.add();
        return Error{ErrorCode::kTooMany, "there are as many groups as there may be (groups_max " +
                                              std::to_string(settings_.groups_max) + ")"};
    }
    // The interest first: what becomes visible after the frontier was read must wake this reactor.
    want_all(true);
    Home& home = add(key, context_.log.frontier());
    building_->changes.push_back({key, context_.log.epoch(), home.recorded});
    return &home;
}

void Groups::unsubscribe(MemberId member, const GroupKey& group, Executor& reply_to,
                         Callback<Result<>> done) {
    BUS_ASSERT(owner_.is_here());
    if (Home* home = find(group)) home->group.leave(member);
    answer(reply_to, std::move(done), {});
}

void Groups::member_gone(MemberId member) {
    BUS_ASSERT(owner_.is_here());

    const auto found = memberships_.find(member);
    if (found == memberships_.end()) return;
    const Clock::Time now = context_.clock.now();
    for (Home* home : found->second) {
        home->group.member_gone(member, now);
        home->ways.erase(member);
        touch(*home);
    }
    memberships_.erase(found);
    update_interest();
    pump();
}

void Groups::ack(MemberId member, const DeliveryId& delivery, Executor& reply_to,
                 Callback<Result<>> done) {
    BUS_ASSERT(owner_.is_here());
    settle(delivery, reply_to, std::move(done),
           [&](Group& group) { return group.ack(member, delivery.position, delivery.attempt); });
}

void Groups::nack(MemberId member, const DeliveryId& delivery,
                  std::optional<std::chrono::milliseconds> delay, Executor& reply_to,
                  Callback<Result<>> done) {
    BUS_ASSERT(owner_.is_here());
    settle(delivery, reply_to, std::move(done), [&](Group& group) {
        return group.nack(member, delivery.position, delivery.attempt, delay, context_.clock.now());
    });
}

template <class Answer>
void Groups::settle(const DeliveryId& delivery, Executor& reply_to, Callback<Result<>> done,
                    Answer&& give_answer) {
    if (!writable_) return answer(reply_to, std::move(done), read_only());
    Home* home = find(delivery.group);
    if (home == nullptr) {
        return answer(
            reply_to, std::move(done),
            Error{ErrorCode::kNotFound, "there is no group \"" + delivery.group.name +
                                            "\" with the topic \"" + delivery.group.topic + "\""});
    }
    Result<> settled = give_answer(home->group);
    if (!settled) {
        report(*home);
        return answer(reply_to, std::move(done), std::move(settled));
    }
    touch(*home);
    if (done) {
        answer_when_written(
            reply_to, [done = std::move(done)](const Result<>& written) mutable { done(written); });
    }
    pump();
}

// ---- entries ------------------------------------------------------------------------------------

void Groups::on_entry(const SharedEntry& entry) {
    BUS_ASSERT(owner_.is_here());
    BUS_ASSERT(entry != nullptr);

    for (Home* home : matching(entry->event.type)) {
        Group& group = home->group;
        if (!home->at_tail || entry->position <= group.read_through()) continue;
        if (group.has_room()) {
            group.take(entry);
            touch(*home);
        } else {
            group.skip_to(fed_through_);
            home->at_tail = false;
        }
    }
    fed_through_ = std::max(fed_through_, entry->position);
}

void Groups::on_tail_read(Position cursor) {
    BUS_ASSERT(owner_.is_here());
    fed_through_ = std::max(fed_through_, cursor);
    pump();
}

const std::vector<Groups::Home*>& Groups::matching(const std::string& type) {
    const auto found = by_type_.find(type);
    if (found != by_type_.end()) return found->second;
    if (by_type_.size() >= kTypesCached) by_type_.clear();
    std::vector<Home*> homes;
    for (const auto& [name, home] : homes_) {
        if (matches(home->key->topic, type)) homes.push_back(home.get());
    }
    return by_type_.emplace(type, std::move(homes)).first->second;
}

// Reads the log for a group that does not keep up with the tail, or was away.
void Groups::read_on(Home& home) {
    if (home.at_tail || home.reading || home.paused || !home.group.has_room()) return;
    home.reading = true;
    context_.log.read(home.group.read_through(), settings_.page_max, context_.reactor,
                      [this, &home](Result<Page> page) { on_page(home, std::move(page)); });
}

void Groups::on_page(Home& home, Result<Page> page) {
    BUS_ASSERT(owner_.is_here());
    home.reading = false;
    if (!page) {
        probe_.read_failures.add();
        home.paused = true;
        return;
    }
    Group& group = home.group;
    const Position before = group.read_through();
    note_lost(home, *page);
    bool all_taken = true;
    for (SharedEntry& entry : page->entries) {
        if (entry->position <= group.read_through()) continue;
        if (!home.wants(*entry)) continue;
        if (!group.has_room()) {
            group.skip_to(entry->position - 1);
            all_taken = false;
            break;
        }
        group.take(std::move(entry));
    }
    if (all_taken) group.skip_to(page->through);
    home.at_tail = group.read_through() >= fed_through_;
    home.paused = !home.at_tail && group.read_through() == before;
    touch(home);
    pump();
}

// Retention was faster than the group: what it took was this group's to handle, and is gone.
void Groups::note_lost(Home& home, const Page& page) {
    if (page.lost_through <= home.group.read_through()) {
        home.told_of_loss = false;
        return;
    }
    probe_.expired_spans.add();
    if (std::exchange(home.told_of_loss, true)) return;
    diagnostics::warn(
        "retention may have taken events before a group had read them; keep them longer, or "
        "add members",
        {{"group", to_string(*home.key)},
         {"after", to_string(home.group.read_through())},
         {"through", to_string(page.lost_through)}});
}

void Groups::load_retries(Home& home) {
    if (home.loading || home.paused) return;
    const std::optional<Group::Span> span = home.group.wanted(settings_.page_max);
    if (!span) return;
    home.loading = true;
    context_.log.read(span->first - 1, span->count, context_.reactor,
                      [this, &home, first = span->first](Result<Page> page) {
                          on_retries(home, first, std::move(page));
                      });
}

void Groups::on_retries(Home& home, Position first, Result<Page> page) {
    BUS_ASSERT(owner_.is_here());
    home.loading = false;
    if (!page || page->through < first) {
        probe_.read_failures.add();
        home.paused = true;
        return;
    }
    const std::size_t expired = home.group.loaded(page->entries, first, page->through);
    if (expired > 0) {
        diagnostics::warn("retention took events that a group had in flight; keep them longer",
                          {{"group", to_string(*home.key)}, {"events", std::to_string(expired)}});
    }
    touch(home);
    pump();
}

// ---- out ----------------------------------------------------------------------------------------

void Groups::touch(Home& home) {
    if (std::exchange(home.touched, true)) return;
    touched_.push_back(&home);
}

void Groups::pump() {
    for (Home* home : std::exchange(touched_, {})) {
        home->touched = false;
        if (!writable_) continue;
        give_out(*home);
        load_retries(*home);
        read_on(*home);
        record(*home);
    }
    flush();
}

void Groups::give_out(Home& home) {
    std::vector<Group::GivenOut> given;
    home.group.give_out(context_.clock.now(), given);
    for (Group::GivenOut& out : given) {
        const DeliveryId id{*home.key, out.entry->position, out.attempt};
        building_->add(home.ways.at(out.member),
                       {out.member, std::move(out.entry), home.key, to_string(id), out.attempt});
    }
}

// What has changed of the group goes into the next write.
void Groups::record(Home& home) {
    report(home);
    const std::vector<Position> changed = home.group.take_changed();
    if (changed.empty() && !home.record_cursor) return;
    GroupChange change{*home.key, context_.log.epoch(), home.group.cursor()};
    for (const Position position : changed) {
        const Group::Flight* flight = home.group.flight(position);
        if (flight == nullptr) {
            change.erased.push_back(position);
        } else {
            change.put.push_back({position, flight->attempt, due_of(*flight)});
        }
    }
    home.recorded = change.cursor;
    home.record_cursor = false;
    building_->changes.push_back(std::move(change));
}

std::optional<Clock::WallTime> Groups::due_of(const Group::Flight& flight) const {
    if (flight.state == Group::Flight::State::kWithMember) return std::nullopt;
    return context_.clock.wall_now() + std::chrono::duration_cast<Clock::WallTime::duration>(
                                           flight.until - context_.clock.now());
}

void Groups::flush() {
    if (writing_ || (building_->changes.empty() && building_->answers.empty())) return;
    auto write = std::exchange(building_, std::make_unique<Write>());
    if (write->changes.empty() || !writable_) {
        on_written(std::move(write), writable_ ? Result<>() : read_only());
        return;
    }
    writing_ = true;
    std::vector<GroupChange> changes = std::move(write->changes);
    context_.store.write(std::move(changes), context_.reactor,
                         [this, write = std::move(write)](const Result<>& result) mutable {
                             BUS_ASSERT(owner_.is_here());
                             writing_ = false;
                             if (!result) stop();
                             on_written(std::move(write), result);
                             flush();
                         });
}

void Groups::on_written(std::unique_ptr<Write> write, const Result<>& result) {
    for (Write::Answer& answer : write->answers) {
        answer.reply_to->post(
            [result = Result<>(result), done = std::move(answer.done)]() mutable { done(result); });
    }
    if (!result) return;
    for (Write::Parcel& parcel : write->parcels) {
        parcel.way.reactor->post(
            [receiver = parcel.way.receiver, deliveries = std::move(parcel.deliveries)] {
                for (const GroupDelivery& delivery : deliveries) receiver->deliver(delivery);
            });
    }
}

// The store is gone: events in flight stay so until a restart finds what was written (3).
void Groups::stop() {
    if (!std::exchange(writable_, false)) return;
    probe_.write_failures.add();
    diagnostics::error("groups take nothing more: their store failed", {});
}

void Groups::answer(Executor& reply_to, Callback<Result<>> done, Result<> result) {
    if (!done) return;
    reply_to.post([result = std::move(result), done = std::move(done)]() mutable {
        done(std::move(result));
    });
}

void Groups::answer_when_written(Executor& reply_to, Callback<const Result<>&> done) {
    building_->answers.push_back({&reply_to, std::move(done)});
}

void Groups::update_interest() { want_all(!memberships_.empty()); }

void Groups::want_all(bool on) {
    if (std::exchange(wants_all_, on) == on || !context_.want_all) return;
    context_.want_all(on);
}

// ---- time ---------------------------------------------------------------------------------------

void Groups::tick() {
    BUS_ASSERT(owner_.is_here());

    const Clock::Time now = context_.clock.now();
    const bool record_cursors = ++ticks_ % kTicksPerRecord == 0;
    // A timer beside the bell: should the reactor not show its tail, groups read the log
    // themselves.
    const Position frontier = context_.log.frontier();
    const bool tail_stands = frontier > fed_through_ && fed_through_ == fed_at_last_tick_;
    fed_at_last_tick_ = fed_through_;
    std::uint64_t members = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t lag = 0;
    for (const auto& [name, home] : homes_) {
        Group& group = home->group;
        group.tick(now);
        home->paused = false;
        if (home->at_tail) group.skip_to(fed_through_);
        if (tail_stands && home->at_tail && group.has_room() && group.read_through() < frontier) {
            home->at_tail = false;
            probe_.found_by_timer.add();
        }
        home->record_cursor = record_cursors && group.cursor() != home->recorded;
        watch_for_stall(*home);
        if (group.has_work() || group.has_changed() || home->record_cursor || !home->at_tail) {
            touch(*home);
        }
        members += group.members();
        in_flight += group.in_flight();
        lag += lag_of(*home);
    }
    probe_.groups.set(homes_.size());
    probe_.members.set(members);
    probe_.in_flight.set(in_flight);
    probe_.lag.set(lag);
    pump();
}

// The alarm for what must not be: work, somebody who could do it, and nothing under way.
void Groups::watch_for_stall(Home& home) {
    const Group& group = home.group;
    const bool has_work = group.has_work() || (!home.at_tail && lag_of(home) > 0);
    if (!writable_ || !has_work || !group.has_ready_member() || group.with_members() > 0) {
        home.idle_ticks = 0;
        return;
    }
    if (++home.idle_ticks < kTicksToStall) return;
    probe_.stalled.add();
    if (home.idle_ticks > kTicksToStall) return;
    diagnostics::error("a group stands still with work to do and members that wait for it",
                       {{"group", to_string(*home.key)},
                        {"cursor", to_string(group.cursor())},
                        {"lag", std::to_string(lag_of(home))}});
}

// ---- questions ----------------------------------------------------------------------------------

std::uint64_t Groups::lag_of(const Home& home) const {
    if (home.at_tail && home.group.pending() == 0) return 0;
    const Position frontier = context_.log.frontier();
    return frontier - std::min(frontier, home.group.cursor());
}

void Groups::report(Home& home) {
    const GroupTotals& now = home.group.totals();
    GroupTotals& before = home.reported;
    probe_.delivered.add(now.delivered - before.delivered);
    probe_.redelivered.add(now.redelivered - before.redelivered);
    probe_.acked.add(now.acked - before.acked);
    probe_.nacked.add(now.nacked - before.nacked);
    probe_.timed_out.add(now.timed_out - before.timed_out);
    probe_.member_lost.add(now.member_lost - before.member_lost);
    probe_.stale_answers.add(now.stale_answers - before.stale_answers);
    probe_.expired.add(now.expired - before.expired);
    before = now;
}

std::vector<Groups::Status> Groups::statuses() const {
    BUS_ASSERT(owner_.is_here());
    std::vector<Status> statuses;
    statuses.reserve(homes_.size());
    for (const auto& [name, home] : homes_) {
        const Group& group = home->group;
        statuses.push_back({*home->key, group.cursor(), lag_of(*home), group.members(),
                            group.in_flight(), group.totals()});
    }
    return statuses;
}

}  // namespace eventbus
