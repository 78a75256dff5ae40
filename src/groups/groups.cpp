// What members ask of their groups, and what leaves for them.

#include "groups/groups.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/diagnostics.h"
#include "groups/home.h"

namespace eventbus {
namespace {

constexpr std::size_t kMaxInFlightMax = 1000;  // of one member

}  // namespace

Groups::Groups(Context context, GroupSettings settings, std::vector<StoredGroup> stored)
    : context_(std::move(context)),
      settings_(settings),
      ledger_({.store = context_.store,
               .clock = context_.clock,
               .reactor = context_.reactor,
               .probe = probe_,
               .on_sent = [this](const auto& deliveries) { on_sent(deliveries); },
               .on_state = [this](auto held) { on_ledger_state(held); }}),
      fed_through_(context_.reader.cursor()) {
    for (StoredGroup& group : stored) restore(std::move(group));
    list();
}

Groups::~Groups() = default;

void Groups::restore(StoredGroup stored) {
    // The frontier is not asked: a log may show its newest entries only once it has started.
    StoredState& state = stored.state;
    Home& home = add(std::move(stored.key), state.cursor);
    if (stored.set_back_from) tell_of_set_back(home, *stored.set_back_from);
    home.owner = std::move(state.owner);
    home.name_owner = std::move(state.name_owner);
    home.idle_before = state.idle;
    home.counted_through = std::max(state.cursor, state.seen_through);
    home.group.note_unread(home.counted_through, {state.unread.durable, 0});
    if (state.unread.transient > 0) {  // they ended with the process that had them
        home.group.note_lost({0, state.unread.transient});
        tell_of_loss(home, {0, state.unread.transient});
    }
    home.must_record = stored.set_back_from || state.unread.transient > 0;
    const Clock::Time now = context_.clock.now();
    const Clock::WallTime wall_now = context_.clock.wall_now();
    for (const StoredFlight& flight : stored.in_flight) {
        // Whoever had it is gone with the process; what waited goes on waiting, but never longer
        // than it was told to: the clock on the wall may have been set.
        const auto delay = std::clamp<Clock::WallTime::duration>(
            flight.due.value_or(wall_now) - wall_now, Clock::WallTime::duration::zero(),
            std::min(flight.delay, settings_.nack_delay_max));
        home.group.restore({.position = flight.position,
                            .attempt = flight.attempt,
                            .delay = std::chrono::ceil<std::chrono::milliseconds>(delay),
                            .is_transient = flight.is_transient},
                           now);
    }
    home.group.find_due(now);
    touch(home);
}

// Below the place it handled everything; what the log holds above it is new here, though it may
// have handled the same in the other branch.
void Groups::tell_of_set_back(Home& home, Position from) {
    const Position to = home.group.cursor();
    home.probe->set_back.set(from - to);
    diagnostics::warn(
        "a group stood in another branch of the log, as of a backup that was restored: it goes on "
        "behind the last event that both share, and what it handled above that may come again",
        {{"group", to_string(*home.key)},
         {"goes_on_after", offset_text(context_.log, to)},
         {"stood_at", to_string(from)}});
}

Groups::Home& Groups::add(GroupKey key, Position cursor) {
    want_all(true);
    std::string name = to_string(key);
    auto home = std::make_shared<Home>(std::make_shared<const GroupKey>(std::move(key)), settings_,
                                       context_.random, cursor);
    home->at_tail = cursor >= fed_through_;
    note_idle(*home);
    by_type_.clear();
    return *homes_.emplace(std::move(name), std::move(home)).first->second;
}

Groups::Home* Groups::find(const GroupKey& key) {
    const auto found = homes_.find(to_string(key));
    return found == homes_.end() ? nullptr : found->second.get();
}

// ---- members ------------------------------------------------------------------------------------

void Groups::subscribe(const GroupMember& member, const GroupNames::Claim& claim,
                       Executor& reply_to, Callback<Result<GroupJoined>> done) {
    BUS_ASSERT(owner_.is_here());
    BUS_ASSERT(member.way.reactor != nullptr && member.way.receiver != nullptr);

    const Home* const known = find(member.group);
    const bool is_new = known == nullptr || !known->guests.contains(member.id);
    const Result<Home*> home = join(member);
    if (!home) {
        reply_to.post(
            [error = home.error(), done = std::move(done)]() mutable { done(std::move(error)); });
        return;
    }
    if (std::exchange((*home)->owner, claim.group_owner) != claim.group_owner) {
        (*home)->must_record = true;
    }
    set_name_owner(**home, claim.name_owner);
    GroupJoined joined{(*home)->group.cursor(), claim.name_owner};
    touch(**home);
    ledger_.add_answer(
        reply_to, [this, id = member.id, group = member.group, is_new, joined = std::move(joined),
                   done = std::move(done)](const Result<>& written) mutable {
            if (written) return done(std::move(joined));
            // Before the answer: it may ask again at once.
            if (is_new) context_.reactor.post([this, id, group] { end_membership(id, group); });
            done(written.error());
        });
    pump();
}

Result<Groups::Home*> Groups::join(const GroupMember& member) {
    if (!ledger_.is_open()) return ledger_.refusal();
    const std::size_t max_in_flight = member.terms.max_in_flight;
    if (max_in_flight == 0 || max_in_flight > kMaxInFlightMax) {
        return Error{ErrorCode::kBadRequest, "max_in_flight is 1 to " +
                                                 std::to_string(kMaxInFlightMax) + ", not " +
                                                 std::to_string(max_in_flight)};
    }
    Home* home = find(member.group);
    if (home == nullptr) {
        const Result<Home*> made = make(member.group);
        if (!made) return made.error();
        home = *made;
    }
    const Result<> joined = home->group.join(member.id, member.terms);
    if (!joined) {
        probe_.refused_members.add();
        return joined.error();
    }
    home->guests[member.id] = {member.way, member.service, member.is_admitted};
    std::vector<Home*>& homes = memberships_[member.id];
    if (std::find(homes.begin(), homes.end(), home) == homes.end()) homes.push_back(home);
    const bool is_known = std::any_of(ways_.begin(), ways_.end(), [&](const MemberWay& way) {
        return way.receiver == member.way.receiver;
    });
    if (!is_known) ways_.push_back(member.way);
    note_idle(*home);
    return home;
}

Result<Groups::Home*> Groups::make(const GroupKey& key) {
    const Result<> good = check(key);
    if (!good) return good.error();
    if (homes_.size() >= settings_.groups_max) {
        probe_.refused_groups.add();
        return Error{.code = ErrorCode::kTooMany,
                     .detail = "there are as many groups as there may be (groups_max " +
                               std::to_string(settings_.groups_max) +
                               "); delete those that nobody uses any more",
                     .is_final = true};
    }
    // The interest first: what becomes visible after the frontier was read must wake this reactor.
    want_all(true);
    Home& home = add(key, context_.log.frontier());
    home.must_record = true;
    list();
    if (context_.on_exists) context_.on_exists(key, true);
    return &home;
}

// Whoever was let in by the owner before has no right that the new one gave.
void Groups::take_over(const GroupKey& key, const std::string& name_owner) {
    BUS_ASSERT(owner_.is_here());
    Home* const home = find(key);
    if (home == nullptr) return;
    set_name_owner(*home, name_owner);
    std::vector<MemberId> out;
    for (const auto& [member, guest] : home->guests) {
        if (!home->lets_in(guest)) out.push_back(member);
    }
    for (const MemberId member : out) put_out_stranger(*home, member);
    touch(*home);
    pump();
}

// It is written with each of its groups: the one with which a service took the name may end.
void Groups::set_name_owner(Home& home, const std::string& name_owner) {
    if (std::exchange(home.name_owner, name_owner) != name_owner) home.must_record = true;
}

void Groups::set_admitted(MemberId member, const GroupKey& key, bool is_admitted) {
    BUS_ASSERT(owner_.is_here());
    Home* const home = find(key);
    if (home == nullptr) return;
    const auto guest = home->guests.find(member);
    if (guest == home->guests.end()) return;
    guest->second.is_admitted = is_admitted;
    if (home->lets_in(guest->second)) return;
    put_out_stranger(*home, member);
    touch(*home);
    pump();
}

void Groups::put_out_stranger(Home& home, MemberId member) {
    put_out(home, member,
            Error{ErrorCode::kForbidden, "the group's name belongs to service:" + home.name_owner +
                                             ", and the catalog's `groups` does not let service:" +
                                             home.guests.at(member).service +
                                             " join it; use another name"});
}

void Groups::put_out(Home& home, MemberId member, const Error& reason) {
    const MemberWay way = home.guests.at(member).way;
    home.group.member_gone(member, context_.clock.now());
    forget_member(home, member);
    // Behind the answer to its join, which may wait for its write.
    ledger_.add_answer(*way.reactor,
                       [receiver = way.receiver, member, key = home.key, reason](const Result<>&) {
                           receiver->on_membership_ended(member, *key, reason);
                       });
}

void Groups::forget_member(Home& home, MemberId member) {
    home.guests.erase(member);
    const auto homes = memberships_.find(member);
    if (homes == memberships_.end()) return;
    std::erase(homes->second, &home);
    if (homes->second.empty()) memberships_.erase(homes);
}

void Groups::unsubscribe(MemberId member, const GroupKey& group, Executor& reply_to,
                         Callback<Result<>> done) {
    BUS_ASSERT(owner_.is_here());
    if (Home* home = find(group)) {
        home->group.leave(member);
        touch(*home);
    }
    // Behind what it was given, which may wait for its write. A failed one keeps nobody in; what is
    // not written then does not reach the member, and goes to others when its time runs out.
    ledger_.add_answer(reply_to, [done = std::move(done)](const Result<>&) mutable { done({}); });
    pump();
}

void Groups::end_membership(MemberId member, const GroupKey& group) {
    BUS_ASSERT(owner_.is_here());
    Home* home = find(group);
    if (home == nullptr) return;
    home->group.member_gone(member, context_.clock.now());
    forget_member(*home, member);
    touch(*home);
    pump();
}

void Groups::member_gone(MemberId member) {
    BUS_ASSERT(owner_.is_here());

    const auto found = memberships_.find(member);
    if (found == memberships_.end()) return;
    const Clock::Time now = context_.clock.now();
    for (Home* home : found->second) {
        home->group.member_gone(member, now);
        home->guests.erase(member);
        touch(*home);
    }
    memberships_.erase(found);
    pump();
}

void Groups::remove(const GroupKey& group, Executor& reply_to, Callback<Result<>> done) {
    BUS_ASSERT(owner_.is_here());
    Home* home = find(group);
    if (home == nullptr) {
        return answer(reply_to, std::move(done),
                      Error{ErrorCode::kNotFound, "there is no group \"" + group.name +
                                                      "\" with the topic \"" + group.topic + "\""});
    }
    if (!ledger_.is_open()) return answer(reply_to, std::move(done), ledger_.refusal());
    probe_.deleted.add();
    end(*home, Error{ErrorCode::kNotFound, "an operator has deleted the group"});
    ledger_.add_answer(reply_to, [done = std::move(done)](const Result<>& written) mutable {
        if (done) done(written);
    });
    pump();
}

void Groups::end(Home& home, const Error& reason) {
    const SharedHome kept = home.shared_from_this();
    std::vector<MemberId> members;
    for (const auto& [member, guest] : home.guests) members.push_back(member);
    for (const MemberId member : members) put_out(home, member, reason);
    ledger_.add({.key = *home.key, .state = {}, .has_ended = true});
    home.has_ended = true;
    if (home.alarm) alarms_.erase({*home.alarm, &home});
    std::erase(touched_, &home);
    by_type_.clear();
    homes_.erase(to_string(*home.key));
    want_all(!homes_.empty());
    list();
    if (context_.on_exists) context_.on_exists(*home.key, false);
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

template <class GiveAnswer>
void Groups::settle(const DeliveryId& delivery, Executor& reply_to, Callback<Result<>> done,
                    GiveAnswer&& give_answer) {
    if (!ledger_.is_open()) return answer(reply_to, std::move(done), ledger_.refusal());
    Home* home = find(delivery.group);
    if (home == nullptr) {
        return answer(
            reply_to, std::move(done),
            Error{ErrorCode::kNotFound, "there is no group \"" + delivery.group.name +
                                            "\" with the topic \"" + delivery.group.topic + "\""});
    }
    const bool is_of_this_log =
        delivery.epoch.empty() || delivery.epoch == context_.log.epochs().of(delivery.position);
    Result<> settled =
        is_of_this_log ? give_answer(home->group)
                       : Error{ErrorCode::kNotFound,
                               "the delivery is of another log: the server's data was replaced, or "
                               "restored from a backup; if its event is in this log, it comes "
                               "again"};
    if (!settled) {
        report(*home);
        return answer(reply_to, std::move(done), std::move(settled));
    }
    touch(*home);
    if (done) {
        ledger_.add_answer(
            reply_to, [done = std::move(done)](const Result<>& written) mutable { done(written); });
    }
    pump();
}

void Groups::answer(Executor& reply_to, Callback<Result<>> done, Result<> result) {
    if (!done) return;
    reply_to.post([result = std::move(result), done = std::move(done)]() mutable {
        done(std::move(result));
    });
}

void Groups::want_all(bool on) {
    if (std::exchange(wants_all_, on) == on) return;
    context_.reader.tail().want_all(on);
}

// ---- out ----------------------------------------------------------------------------------------

void Groups::touch(Home& home) {
    if (std::exchange(home.touched, true)) return;
    touched_.push_back(&home);
}

void Groups::pump() {
    for (Home* home : std::exchange(touched_, {})) {
        home->touched = false;
        if (ledger_.is_open()) serve(*home);
    }
    ledger_.flush();
}

void Groups::serve(Home& home) {
    do {
        load_retries(home);  // before new events
        give_out(home);
    } while (load_retries(home) || read_on(home));
    note_idle(home);
    watch_for_stall(home);
    record(home);
    arm(home);
}

void Groups::give_out(Home& home) {
    std::vector<Group::GivenOut> given;
    home.group.give_out(given);
    for (Group::GivenOut& out : given) {
        const Position position = out.entry->position;
        const DeliveryId id{*home.key, context_.log.epochs().of(position), position, out.attempt};
        ledger_.add_delivery(
            home.guests.at(out.member).way,
            {out.member, std::move(out.entry), home.key, to_string(id), out.attempt});
    }
}

// What has changed of the group goes into the next write.
void Groups::record(Home& home) {
    report(home);
    const std::vector<Position> changed = home.group.take_changed();
    if (changed.empty() && !std::exchange(home.must_record, false)) return;
    GroupChange change{.key = *home.key, .state = state_of(home)};
    for (const Position position : changed) {
        const Group::Flight* flight = home.group.flight(position);
        if (flight == nullptr) {
            change.erased.push_back(position);
            continue;
        }
        StoredFlight stored{.position = position,
                            .attempt = flight->attempt,
                            .delay = flight->delay,
                            .is_transient = flight->is_transient};
        if (flight->state != Group::Flight::State::kWithMember) {
            stored.due =
                context_.clock.wall_now() + std::chrono::duration_cast<Clock::WallTime::duration>(
                                                flight->until - context_.clock.now());
        }
        change.put.push_back(stored);
    }
    home.must_record = false;
    home.recorded = change.state;
    ledger_.add(std::move(change));
}

StoredState Groups::state_of(const Home& home) const {
    const Group& group = home.group;
    StoredState state{.owner = home.owner,
                      .name_owner = home.name_owner,
                      .epoch = context_.log.epochs().of(group.cursor()),
                      .cursor = group.cursor(),
                      .unread = group.unread(),
                      .idle = home.idle_before};
    state.seen_through = std::max({state.cursor, home.counted_through, fed_through_});
    if (home.idle_since) {
        state.idle += std::chrono::duration_cast<std::chrono::milliseconds>(context_.clock.now() -
                                                                            *home.idle_since);
    }
    return state;
}

// ---- questions ----------------------------------------------------------------------------------

void Groups::report(Home& home) {
    const Group& group = home.group;
    const GroupTotals& totals = group.totals();
    GroupProbe& probe = *home.probe;
    probe.delivered.set(totals.delivered);
    probe.redelivered.set(totals.redelivered);
    probe.acked.set(totals.acked);
    probe.nacked.set(totals.nacked);
    probe.timed_out.set(totals.timed_out);
    probe.member_lost.set(totals.member_lost);
    probe.stale_answers.set(totals.stale_answers);
    probe.expired.set(totals.expired);
    probe.lost_transient.set(totals.lost_transient);
    probe.members.set(group.members());
    probe.in_flight.set(group.in_flight());
    probe.waiting.set(group.waiting());
    probe.lag.set(group.lag());
    probe.pending_bytes.set(group.pending_bytes());
}

void Groups::list() {
    probe_.groups.set(homes_.size());
    if (!context_.on_listed) return;
    GroupProbes probes;
    probes.reserve(homes_.size());
    for (const auto& [name, home] : homes_) probes.push_back(home->probe);
    context_.on_listed(std::move(probes));
}

std::vector<Groups::Status> Groups::statuses() const {
    BUS_ASSERT(owner_.is_here());
    std::vector<Status> statuses;
    statuses.reserve(homes_.size());
    for (const auto& [name, home] : homes_) {
        const Group& group = home->group;
        statuses.push_back({.key = *home->key,
                            .owner = home->owner,
                            .cursor = group.cursor(),
                            .lag = group.lag(),
                            .members = group.members(),
                            .in_flight = group.in_flight(),
                            .waiting = group.waiting(),
                            .totals = group.totals()});
    }
    return statuses;
}

}  // namespace eventbus
