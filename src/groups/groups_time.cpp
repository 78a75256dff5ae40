// What groups do by the clock: retries, time-outs, alarms, places, the end of those without
// members.

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/diagnostics.h"
#include "groups/home.h"

namespace eventbus {
namespace {

constexpr auto kStall = std::chrono::seconds(5);        // longer than any read of the log takes
constexpr auto kIdleRecord = std::chrono::minutes(10);  // how much of its idleness a kill -9 takes

std::string in_words(std::chrono::milliseconds time) {
    const auto hours = std::chrono::duration_cast<std::chrono::hours>(time).count();
    return hours >= 48 ? std::to_string(hours / 24) + " d"
                       : std::to_string(time.count() / 1000) + " s";
}

}  // namespace

void Groups::run_due(Clock::Time now) {
    ledger_.retry(now);
    while (!alarms_.empty() && alarms_.begin()->first <= now) {
        Home& home = *alarms_.begin()->second;
        alarms_.erase(alarms_.begin());
        home.alarm.reset();
        on_alarm(home, now);
    }
    if (records_at_ && *records_at_ <= now) record_places();
    ask_for_inputs(now);
}

std::optional<Clock::Time> Groups::next_due() const {
    std::optional<Clock::Time> at = context_.reader.waits_until();
    const auto consider = [&](std::optional<Clock::Time> time) {
        if (time && (!at || *time < *at)) at = time;
    };
    if (!alarms_.empty()) consider(alarms_.begin()->first);
    consider(ledger_.retries_at());
    consider(records_at_);
    return at;
}

void Groups::on_alarm(Home& home, Clock::Time now) {
    Group& group = home.group;
    if (home.paused_until && *home.paused_until <= now) home.paused_until.reset();
    touch(home);
    if (!ledger_.is_open()) return;  // on_ledger_state() goes on

    group.find_due(now);
    if (!home.is_overdue && group.next_deadline() && *group.next_deadline() <= now) {
        home.is_overdue = true;
        overdue_.push_back(home.shared_from_this());
    }
    if (!home.idle_since || settings_.idle_ttl == std::chrono::milliseconds::zero()) return;
    const std::chrono::milliseconds idle = state_of(home).idle;
    if (idle >= settings_.idle_ttl) {
        probe_.ended.add();
        diagnostics::warn("a group without a member ended; what it had not handled is not kept",
                          {{"group", to_string(*home.key)},
                           {"idle", in_words(idle)},
                           {"never_given_out", std::to_string(group.lag())},
                           {"in_flight", std::to_string(group.in_flight())}});
        end(home, Error{ErrorCode::kNotFound, "the group has ended"});
    } else if (now - home.idle_recorded_at >= kIdleRecord) {
        home.idle_recorded_at = now;
        home.must_record = true;
    }
}

// ---- alarms -------------------------------------------------------------------------------------

void Groups::arm(Home& home) {
    std::optional<Clock::Time> at;
    const auto consider = [&](std::optional<Clock::Time> time) {
        if (time && (!at || *time < *at)) at = time;
    };
    consider(home.group.next_due());
    if (!home.is_overdue) consider(home.group.next_deadline());
    consider(home.paused_until);
    if (home.rests_since && !home.is_stalled) consider(*home.rests_since + kStall);
    consider(idle_alarm(home));
    if (at) set_alarm(home, *at);
}

// One that is set for an earlier time stays: it costs a look, once.
void Groups::set_alarm(Home& home, Clock::Time at) {
    if (home.alarm && *home.alarm <= at) return;
    if (home.alarm) alarms_.erase({*home.alarm, &home});
    home.alarm = at;
    alarms_.emplace(at, &home);
}

// ---- time-outs ----------------------------------------------------------------------------------

// From here on, and not from when it was decided: on a slow disk that may be long ago.
void Groups::on_sent(const std::vector<GroupDelivery>& deliveries) {
    const Clock::Time now = context_.clock.now();
    const GroupKey* group = nullptr;
    Home* home = nullptr;
    for (const GroupDelivery& delivery : deliveries) {
        if (std::exchange(group, delivery.group.get()) != group) home = find(*group);
        if (home == nullptr) continue;
        home->group.sent(delivery.entry->position, delivery.attempt, now);
        arm(*home);
    }
}

// A member's answer may have come in time and lie in a socket, or on its way from another reactor:
// after a pause of the process all of them do. So every reactor with members is asked first.
void Groups::ask_for_inputs(Clock::Time now) {
    if (asked_ > 0 || overdue_.empty()) return;
    judged_ = std::exchange(overdue_, {});
    judged_at_ = now;
    asked_ = ways_.size();
    for (const MemberWay& way : ways_) {
        way.reactor->post([this, way, now] {
            way.receiver->when_seen(
                now, [this] { context_.reactor.post([this] { on_inputs_seen(); }); });
        });
    }
}

void Groups::on_inputs_seen() {
    BUS_ASSERT(owner_.is_here());
    BUS_ASSERT(asked_ > 0);
    if (--asked_ > 0) return;
    for (const SharedHome& home : std::exchange(judged_, {})) {
        home->is_overdue = false;
        if (home->has_ended) continue;
        // On hold no answer is taken, so none is missing.
        if (ledger_.is_open()) home->group.time_out(judged_at_);
        touch(*home);
    }
    ask_for_inputs(context_.clock.now());
    pump();
}

// While the store took nothing, nobody's answer was taken either.
void Groups::on_ledger_state(std::optional<Clock::Time::duration> held) {
    if (!held) return;
    const Clock::Time now = context_.clock.now();
    for (const auto& [name, home] : homes_) {
        home->group.extend_deadlines(*held);
        home->group.find_due(now);
        touch(*home);
    }
    pump();
}

// ---- standstills --------------------------------------------------------------------------------

// The alarm for what must not be: work, somebody who could do it, and nothing under way.
void Groups::watch_for_stall(Home& home) {
    tell_of_fullness(home);
    const Group& group = home.group;
    const bool rests = (group.has_work() || !home.at_tail) && group.has_ready_member() &&
                       group.with_members() == 0 && !group.is_full();
    if (!rests) {
        home.rests_since.reset();
        if (std::exchange(home.is_stalled, false)) {
            diagnostics::info("a group that stood still goes on",
                              {{"group", to_string(*home.key)}});
        }
        return;
    }
    const Clock::Time now = context_.clock.now();
    if (!home.rests_since || home.rests_at != group.read_through()) {
        home.rests_since = now;
        home.rests_at = group.read_through();
    }
    if (now - *home.rests_since < kStall || std::exchange(home.is_stalled, true)) return;
    home.probe->stalls.add();
    diagnostics::error("a group stands still with work to do and members that wait for it",
                       {{"group", to_string(*home.key)},
                        {"cursor", to_string(group.cursor())},
                        {"lag", std::to_string(group.lag())}});
}

// So many events have failed that no new one is given out.
void Groups::tell_of_fullness(Home& home) {
    const Group& group = home.group;
    if (home.is_stopped) {
        if (group.waiting() > settings_.waiting_max - settings_.waiting_max / 10) return;
        home.is_stopped = false;
        diagnostics::info("a group takes new events again", {{"group", to_string(*home.key)}});
        return;
    }
    if (!group.is_full()) return;
    home.is_stopped = true;
    home.probe->stalls.add();
    const Position worst = *group.most_failed();
    const auto tell = [key = home.key, waiting = group.waiting(),
                       attempts = group.flight(worst)->attempt,
                       offset = offset_text(context_.log, worst)](const Result<Page>& page) {
        const bool is_known = page && !page->entries.empty();
        const Event* const event = is_known ? &page->entries.front()->event : nullptr;
        diagnostics::warn(
            "a group gives out nothing new: as many events failed and wait to be given out again "
            "as may",
            {{"group", to_string(*key)},
             {"waiting", std::to_string(waiting)},
             {"worst_offset", offset},
             {"worst_attempts", std::to_string(attempts)},
             {"worst_type", event != nullptr ? event->type : "?"},
             {"worst_id", event != nullptr ? event->id : "?"}});
    };
    context_.log.read(worst - 1, 1, context_.reactor, tell);
}

// ---- places and ends ----------------------------------------------------------------------------

// A group that does nothing moves on, too, with what passes by.
void Groups::record_places() {
    records_at_.reset();
    for (const auto& [name, home] : homes_) {
        if (home->at_tail) home->group.skip_to(fed_through_);
        if (home->is_stored_as(state_of(*home))) continue;
        home->must_record = true;
        touch(*home);
    }
}

void Groups::note_idle(Home& home) {
    if (home.group.members() > 0) {
        home.idle_since.reset();
        home.idle_before = {};
    } else if (!home.idle_since) {
        home.idle_since = home.idle_recorded_at = context_.clock.now();
    }
}

std::optional<Clock::Time> Groups::idle_alarm(const Home& home) const {
    if (!home.idle_since || settings_.idle_ttl == std::chrono::milliseconds::zero()) return {};
    return std::min<Clock::Time>(*home.idle_since + settings_.idle_ttl - home.idle_before,
                                 home.idle_recorded_at + kIdleRecord);
}

}  // namespace eventbus
