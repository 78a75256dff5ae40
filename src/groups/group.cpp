#include "groups/group.h"

#include <algorithm>
#include <string>

#include "base/assert.h"

namespace eventbus {
namespace {

bool is_transient(const Entry& entry) { return entry.durability == Durability::kTransient; }

}  // namespace

std::size_t size_of(const Entry& entry) { return sizeof(Entry) + entry.event.data.size(); }

Group::Group(const GroupSettings& settings, Random& random, Position cursor)
    : settings_(settings), random_(random), read_through_(cursor) {}

void Group::restore(const Restored& restored, Time now) {
    BUS_ASSERT(!restored.position.is_before_first() && restored.position <= read_through_);
    BUS_ASSERT(members_.empty());

    Flight flight;
    flight.state = Flight::State::kWaiting;
    flight.attempt = restored.attempt;
    flight.until = now + restored.delay;
    flight.delay = restored.delay;
    flight.is_transient = restored.is_transient;
    BUS_ASSERT(flights_.emplace(restored.position, flight).second);
    delays_.emplace(flight.until, restored.position);
}

// ---- members ------------------------------------------------------------------------------------

Result<> Group::join(MemberId id, MemberTerms terms) {
    BUS_ASSERT(terms.max_in_flight > 0);

    auto found = members_.find(id);
    if (found == members_.end()) {
        if (members_.size() >= settings_.members_max) {
            return Error{ErrorCode::kTooMany,
                         "the group has as many members as it may (members_max " +
                             std::to_string(settings_.members_max) + ")"};
        }
        found = members_.emplace(id, Member{}).first;
        ++staying_;
    } else if (found->second.leaving) {
        found->second.leaving = false;
        ++staying_;
    }
    found->second.terms = terms;
    queue_if_ready(id, found->second);
    return {};
}

bool Group::leave(MemberId id) {
    const auto found = members_.find(id);
    if (found == members_.end()) return false;
    if (!found->second.leaving) --staying_;
    found->second.leaving = true;
    erase_if_done(found);
    return true;
}

bool Group::member_gone(MemberId id, Time now) {
    const auto found = members_.find(id);
    if (found == members_.end()) return false;

    const std::vector<Position> had(found->second.has.begin(), found->second.has.end());
    leave(id);  // `found` is no more when nothing is left to take
    for (const Position position : had) {
        const auto flight = flights_.find(position);
        BUS_ASSERT(flight != flights_.end());
        take_from_member(flight);
        ++totals_.member_lost;
        // At once the first time; but an event that ends whoever gets it must not end all of them
        // in a second.
        wait(flight, backoff(flight->second.attempt - 1), now);
    }
    return true;
}

void Group::erase_if_done(Members::iterator member) {
    if (!member->second.leaving || !member->second.has.empty()) return;
    if (member->second.queued) std::erase(ready_, member->first);
    members_.erase(member);
}

std::optional<MemberId> Group::next_ready() {
    while (!ready_.empty()) {
        const MemberId id = ready_.front();
        ready_.pop_front();
        Member& member = members_.at(id);
        member.queued = false;
        if (has_space(member)) return id;
    }
    return std::nullopt;
}

void Group::queue_if_ready(MemberId id, Member& member) {
    if (member.queued || !has_space(member)) return;
    member.queued = true;
    ready_.push_back(id);
}

// ---- events that come in ------------------------------------------------------------------------

bool Group::has_room() const {
    return staying_ > 0 && pending_.size() < settings_.pending_max &&
           pending_bytes_ < settings_.pending_bytes_max;
}

void Group::take(SharedEntry entry) {
    BUS_ASSERT(has_room());
    BUS_ASSERT(entry->position > read_through_);

    backlog_.took(entry->position, is_transient(*entry));
    skip_to(entry->position);
    pending_bytes_ += size_of(*entry);
    pending_transient_ += is_transient(*entry) ? 1 : 0;
    pending_.push_back(std::move(entry));
}

Backlog::Count Group::skip_to(Position position) {
    if (position <= read_through_) return {};
    read_through_ = position;
    const Backlog::Count gone = backlog_.pass(position);
    note_lost(gone);
    return gone;
}

void Group::note_unread(Position position, bool is_transient) {
    BUS_ASSERT(position > read_through_);
    backlog_.add(position, is_transient);
}

void Group::note_unread(Position last, Backlog::Count count) { backlog_.add(last, count); }

void Group::note_lost(Backlog::Count count) {
    totals_.expired += count.durable;
    totals_.lost_transient += count.transient;
}

// ---- events that come again ---------------------------------------------------------------------

std::optional<Group::Span> Group::wanted(std::size_t limit) const {
    BUS_ASSERT(limit > 0);
    if (due_.empty() || !loaded_.empty() || staying_ == 0) return std::nullopt;
    const Position first = *due_.begin();
    const Position last = *std::prev(due_.lower_bound(first + limit));
    return Span{first, static_cast<std::size_t>(last - first + 1)};
}

Backlog::Count Group::loaded(const std::vector<SharedEntry>& entries, Position first,
                             Position through) {
    Backlog::Count gone;
    auto entry = entries.begin();
    for (auto due = due_.lower_bound(first); due != due_.end() && *due <= through;) {
        const Position position = *due;
        due = due_.erase(due);
        while (entry != entries.end() && (*entry)->position < position) ++entry;
        const auto flight = flights_.find(position);
        BUS_ASSERT(flight != flights_.end());
        if (entry != entries.end() && (*entry)->position == position) {
            flight->second.state = Flight::State::kLoaded;
            loaded_.push_back(*entry);
        } else {
            ++(flight->second.is_transient ? gone.transient : gone.durable);
            flights_.erase(flight);
            changed_.push_back(position);
        }
    }
    note_lost(gone);
    return gone;
}

// ---- events that go out -------------------------------------------------------------------------

void Group::give_out(std::vector<GivenOut>& out) {
    const auto may_give = [this] {
        return with_members_ < settings_.in_flight_max &&
               (!loaded_.empty() || (!pending_.empty() && !is_full()));
    };
    while (may_give()) {
        const std::optional<MemberId> member = next_ready();
        if (!member) return;
        const bool again = !loaded_.empty();
        std::deque<SharedEntry>& from = again ? loaded_ : pending_;
        SharedEntry entry = std::move(from.front());
        from.pop_front();
        if (!again) {
            pending_bytes_ -= size_of(*entry);
            pending_transient_ -= is_transient(*entry) ? 1 : 0;
        }
        const std::uint32_t attempt = give(*member, *entry);
        out.push_back({*member, std::move(entry), attempt});
    }
}

std::uint32_t Group::give(MemberId id, const Entry& entry) {
    const Position position = entry.position;
    Flight& flight = flights_[position];
    BUS_ASSERT(flight.attempt == 0 || flight.state == Flight::State::kLoaded);

    flight.state = Flight::State::kWithMember;
    flight.member = id;
    flight.until = Time::max();
    flight.delay = {};
    flight.bytes = static_cast<std::uint32_t>(size_of(entry));
    flight.is_transient = is_transient(entry);
    ++flight.attempt;
    changed_.push_back(position);
    ++with_members_;
    ++totals_.delivered;
    if (flight.attempt > 1) ++totals_.redelivered;

    Member& member = members_.at(id);
    member.has.insert(position);
    member.bytes += flight.bytes;
    queue_if_ready(id, member);  // behind the others: that is the round robin
    return flight.attempt;
}

void Group::sent(Position position, std::uint32_t attempt, Time now) {
    const auto flight = flights_.find(position);
    if (flight == flights_.end() || flight->second.state != Flight::State::kWithMember ||
        flight->second.attempt != attempt) {
        return;  // its member has gone meanwhile
    }
    flight->second.until = now + settings_.ack_wait;
    deadlines_.emplace(flight->second.until, position);
}

Result<> Group::ack(MemberId member, Position position, std::uint32_t attempt) {
    const auto flight = find_answered(member, position, attempt);
    if (!flight) return flight.error();
    take_from_member(*flight);
    flights_.erase(*flight);
    changed_.push_back(position);
    ++totals_.acked;
    return {};
}

Result<> Group::nack(MemberId member, Position position, std::uint32_t attempt,
                     std::optional<std::chrono::milliseconds> delay, Time now) {
    const auto flight = find_answered(member, position, attempt);
    if (!flight) return flight.error();
    take_from_member(*flight);
    ++totals_.nacked;
    const auto none = std::chrono::milliseconds::zero();
    wait(*flight, delay ? std::clamp(*delay, none, settings_.nack_delay_max) : backoff(attempt),
         now);
    return {};
}

// ---- time ---------------------------------------------------------------------------------------

void Group::find_due(Time now) {
    while (!delays_.empty() && delays_.begin()->first <= now) {
        const Position position = delays_.begin()->second;
        delays_.erase(delays_.begin());
        flights_.at(position).state = Flight::State::kDue;
        due_.insert(position);
    }
}

void Group::time_out(Time at) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= at) {
        const auto flight = flights_.find(deadlines_.begin()->second);
        BUS_ASSERT(flight != flights_.end());
        take_from_member(flight);
        ++totals_.timed_out;
        wait(flight, backoff(flight->second.attempt - 1), at);  // ack_wait was a pause already
    }
}

void Group::extend_deadlines(Time::duration by) {
    std::set<std::pair<Time, Position>> extended;
    for (const auto& [until, position] : deadlines_) {
        flights_.at(position).until = until + by;
        extended.emplace_hint(extended.end(), until + by, position);
    }
    deadlines_ = std::move(extended);
}

std::optional<Group::Time> Group::next_due() const {
    return delays_.empty() ? std::nullopt : std::optional(delays_.begin()->first);
}

std::optional<Group::Time> Group::next_deadline() const {
    return deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
}

// ---- answers ------------------------------------------------------------------------------------

Result<Group::Flights::iterator> Group::find_answered(MemberId member, Position position,
                                                      std::uint32_t attempt) {
    const auto flight = flights_.find(position);
    if (flight == flights_.end() || flight->second.state != Flight::State::kWithMember ||
        flight->second.member != member || flight->second.attempt != attempt) {
        ++totals_.stale_answers;
        return Error{ErrorCode::kNotFound,
                     "this delivery is not this member's any more: it was answered, or ack_wait "
                     "passed and the event goes to another"};
    }
    return flight;
}

void Group::take_from_member(Flights::iterator flight) {
    BUS_ASSERT(flight->second.state == Flight::State::kWithMember);
    BUS_ASSERT(with_members_ > 0);

    --with_members_;
    deadlines_.erase({flight->second.until, flight->first});
    const auto member = members_.find(flight->second.member);
    BUS_ASSERT(member != members_.end());
    member->second.has.erase(flight->first);
    member->second.bytes -= flight->second.bytes;
    queue_if_ready(member->first, member->second);
    erase_if_done(member);
}

void Group::wait(Flights::iterator flight, std::chrono::milliseconds delay, Time now) {
    flight->second.until = now + delay;
    flight->second.delay = delay;
    changed_.push_back(flight->first);
    if (delay > std::chrono::milliseconds::zero()) {
        flight->second.state = Flight::State::kWaiting;
        delays_.emplace(flight->second.until, flight->first);
    } else {
        flight->second.state = Flight::State::kDue;
        due_.insert(flight->first);
    }
}

// Between the half and the whole of retry_first * 2^(failures - 1): members that failed together
// do not come back together.
std::chrono::milliseconds Group::backoff(std::uint32_t failures) {
    if (failures == 0) return std::chrono::milliseconds::zero();
    std::chrono::milliseconds delay = settings_.retry_first;
    for (std::uint32_t i = 1; i < failures && delay < settings_.retry_max; ++i) delay *= 2;
    delay = std::min(delay, settings_.retry_max);
    const std::chrono::milliseconds half = delay / 2;
    const auto spread = static_cast<std::uint64_t>((delay - half).count());
    return half + std::chrono::milliseconds(random_.below(spread + 1));
}

// ---- questions ----------------------------------------------------------------------------------

Position Group::cursor() const {
    return pending_.empty() ? read_through_ : pending_.front()->position - 1;
}

Backlog::Count Group::unread() const {
    Backlog::Count count = backlog_.count();
    count.transient += pending_transient_;
    count.durable += pending_.size() - pending_transient_;
    return count;
}

const Group::Flight* Group::flight(Position position) const {
    const auto found = flights_.find(position);
    return found == flights_.end() ? nullptr : &found->second;
}

std::optional<Position> Group::most_failed() const {
    auto most = flights_.end();
    for (auto flight = flights_.begin(); flight != flights_.end(); ++flight) {
        if (flight->second.state == Flight::State::kWithMember) continue;
        if (most == flights_.end() || flight->second.attempt > most->second.attempt) most = flight;
    }
    return most == flights_.end() ? std::nullopt : std::optional(most->first);
}

bool Group::has_ready_member() const {
    return std::any_of(ready_.begin(), ready_.end(),
                       [this](MemberId id) { return has_space(members_.at(id)); });
}

bool Group::has_work() const { return !pending_.empty() || !loaded_.empty() || !due_.empty(); }

std::vector<Position> Group::take_changed() {
    std::vector<Position> changed = std::exchange(changed_, {});
    std::sort(changed.begin(), changed.end());
    changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
    return changed;
}

}  // namespace eventbus
