#include "bus/publish.h"

#include <fmt/format.h>

#include <utility>

#include "base/assert.h"
#include "bus/access.h"
#include "bus/stamp.h"

namespace eventbus {

Publisher::Publisher(Context context, std::shared_ptr<const Catalog> catalog,
                     std::size_t events_max)
    : context_(context),
      planner_(std::move(catalog)),
      type_counts_(std::make_shared<TypeCounts>(planner_.catalog())),
      events_max_(events_max) {}

void Publisher::set_catalog(std::shared_ptr<const Catalog> catalog) {
    BUS_ASSERT(owner_.is_here());
    type_counts_ = std::make_shared<TypeCounts>(*catalog);
    planner_ = Planner(std::move(catalog));
}

void Publisher::publish(const Principal& principal, std::vector<Event> events, AppendDone done) {
    BUS_ASSERT(owner_.is_here());
    const std::size_t count = events.size();
    Result<std::vector<Plan>> plans = plan_all(principal, std::move(events));
    if (!plans) {
        probe_.refused.add(count);
        return done(plans.error());
    }
    probe_.events.add(count);
    for (const std::size_t entry : entries_) type_counts_->add(entry);
    context_.log.append(std::move(*plans), context_.reactor, std::move(done));
}

Result<std::vector<Plan>> Publisher::plan_all(const Principal& principal,
                                              std::vector<Event> events) {
    if (events.empty()) return Error{ErrorCode::kBadEvent, "there is no event to publish"};
    if (events.size() > events_max_) {
        return Error{ErrorCode::kTooLarge,
                     fmt::format("{} events at once are more than the limit of {}; publish them in "
                                 "several calls",
                                 events.size(), events_max_)};
    }
    const Clock::WallTime now = context_.clock.wall_now();
    std::vector<Plan> plans;
    plans.reserve(events.size());
    entries_.clear();
    for (Event& event : events) {
        const Result<> planned = add_plan(principal, std::move(event), now, plans);
        if (!planned) {
            Error error = planned.error();
            if (events.size() > 1) {
                error.detail = fmt::format("event {}: {}", plans.size(), error.detail);
            }
            return error;
        }
    }
    return plans;
}

Result<> Publisher::add_plan(const Principal& principal, Event&& event, Clock::WallTime now,
                             std::vector<Plan>& plans) {
    const EventRule* const rule = planner_.catalog().find(event.type);
    // Of a type that is not known, plan() says which is near.
    const bool has_right = rule != nullptr && may_publish(*rule, event.type, principal);
    if (rule != nullptr) {
        if (Result<> may = authorize(*rule, principal, event, has_right); !may) return may;
    }
    const Given given{.id = !event.id.empty(), .time = !event.time.empty()};
    const PublisherView publisher{principal.key(), principal.is_user(), principal.id};
    if (!given.id) event.id = make_event_id(context_.random, now);
    if (!given.time) event.time = make_event_time(now);
    if (event.source.empty()) event.source = publisher.key;

    Result<Plan> planned = planner_.plan(std::move(event), publisher, given);
    if (!planned) return planned.error();
    if (has_right) planned->publisher_must_own = false;
    plans.push_back(std::move(*planned));
    entries_.push_back(planner_.catalog().index_of(*rule));
    return {};
}

Result<> Publisher::authorize(const EventRule& rule, const Principal& principal, const Event& event,
                              bool has_right) {
    const bool as_owner = principal.is_user() && rule.publish.users_if_owner;
    if (!as_owner && !has_right) {
        probe_.forbidden.add();
        return Error{ErrorCode::kForbidden,
                     fmt::format("{} may not publish {}; the catalog's `publish` would have to "
                                 "say so",
                                 principal.key(), event.type)};
    }
    if (principal.is_user() && !event.source.empty() && event.source != principal.key()) {
        probe_.forbidden.add();
        return Error{
            ErrorCode::kForbidden,
            fmt::format("a user's events have the source {}; leave `source` out", principal.key())};
    }
    return {};
}

}  // namespace eventbus
