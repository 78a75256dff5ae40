#include "groups/group.h"

#include <algorithm>
#include <string>

#include "base/assert.h"

namespace eventbus {
namespace {

std::size_t size_of(const Entry& entry) { return sizeof(Entry) + entry.event.data.size(); }

}  // namespace

Group::Group(const GroupSettings& settings, Random& random, Position cursor)
    : settings_(settings), random_(random), read_through_(cursor) {}

void Group::restore(Position position, std::uint32_t attempt, Time due) {
    BUS_ASSERT(!position.is_before_first() && position <= read_through_);
    BUS_ASSERT(members_.empty());

    const bool is_new =
        flights_.emplace(position, Flight{Flight::State::kWaiting, attempt, {}, due}).second;
    BUS_ASSERT(is_new);
    timers_.emplace(due, position);
}

// ---- members ------------------------------------------------------------------------------------

Result<> Group::join(MemberId id, std::size_t max_in_flight) {
    BUS_ASSERT(max_in_flight > 0);

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
    found->second.max_in_flight = max_in_flight;
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

    read_through_ = entry->position;
    pending_bytes_ += size_of(*entry);
    pending_.push_back(std::move(entry));
}

void Group::skip_to(Position position) { read_through_ = std::max(read_through_, position); }

// ---- events that come again ---------------------------------------------------------------------

std::optional<Group::Span> Group::wanted(std::size_t limit) const {
    BUS_ASSERT(limit > 0);
    if (due_.empty() || !loaded_.empty() || !has_ready_member()) return std::nullopt;
    const Position first = *due_.begin();
    const Position last = *std::prev(due_.lower_bound(first + limit));
    return Span{first, static_cast<std::size_t>(last - first + 1)};
}

std::size_t Group::loaded(const std::vector<SharedEntry>& entries, Position first,
                          Position through) {
    std::size_t expired = 0;
    auto entry = entries.begin();
    for (auto due = due_.lower_bound(first); due != due_.end() && *due <= through;) {
        const Position position = *due;
        due = due_.erase(due);
        while (entry != entries.end() && (*entry)->position < position) ++entry;
        if (entry != entries.end() && (*entry)->position == position) {
            flights_.at(position).state = Flight::State::kLoaded;
            loaded_.push_back(*entry);
        } else {
            flights_.erase(position);
            changed_.push_back(position);
            ++totals_.expired;
            ++expired;
        }
    }
    return expired;
}

// ---- events that go out -------------------------------------------------------------------------

void Group::give_out(Time now, std::vector<GivenOut>& out) {
    const auto may_give_new = [this] {
        return !pending_.empty() && flights_.size() < settings_.in_flight_max;
    };
    while (!loaded_.empty() || may_give_new()) {
        const std::optional<MemberId> member = next_ready();
        if (!member) return;
        const bool again = !loaded_.empty();
        std::deque<SharedEntry>& from = again ? loaded_ : pending_;
        SharedEntry entry = std::move(from.front());
        from.pop_front();
        if (!again) pending_bytes_ -= size_of(*entry);
        const std::uint32_t attempt = give(*member, entry->position, now);
        out.push_back({*member, std::move(entry), attempt});
    }
}

std::uint32_t Group::give(MemberId id, Position position, Time now) {
    Flight& flight = flights_[position];
    BUS_ASSERT(flight.attempt == 0 || flight.state == Flight::State::kLoaded);

    flight.state = Flight::State::kWithMember;
    flight.member = id;
    flight.until = now + settings_.ack_wait;
    ++flight.attempt;
    timers_.emplace(flight.until, position);
    changed_.push_back(position);
    ++with_members_;
    ++totals_.delivered;
    if (flight.attempt > 1) ++totals_.redelivered;

    Member& member = members_.at(id);
    member.has.insert(position);
    queue_if_ready(id, member);  // behind the others: that is the round robin
    return flight.attempt;
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

void Group::tick(Time now) {
    while (!timers_.empty() && timers_.begin()->first <= now) {
        const auto flight = flights_.find(timers_.begin()->second);
        BUS_ASSERT(flight != flights_.end());
        if (flight->second.state == Flight::State::kWithMember) {
            take_from_member(flight);
            ++totals_.timed_out;
            wait(flight, backoff(flight->second.attempt - 1), now);  // ack_wait was a pause already
        } else {
            timers_.erase(timers_.begin());
            flight->second.state = Flight::State::kDue;
            due_.insert(flight->first);
        }
    }
}

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
    timers_.erase({flight->second.until, flight->first});
    const auto member = members_.find(flight->second.member);
    BUS_ASSERT(member != members_.end());
    member->second.has.erase(flight->first);
    queue_if_ready(member->first, member->second);
    erase_if_done(member);
}

void Group::wait(Flights::iterator flight, std::chrono::milliseconds delay, Time now) {
    flight->second.until = now + delay;
    changed_.push_back(flight->first);
    if (delay > std::chrono::milliseconds::zero()) {
        flight->second.state = Flight::State::kWaiting;
        timers_.emplace(flight->second.until, flight->first);
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

const Group::Flight* Group::flight(Position position) const {
    const auto found = flights_.find(position);
    return found == flights_.end() ? nullptr : &found->second;
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
