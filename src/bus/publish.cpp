#include "bus/publish.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "bus/access.h"

namespace eventbus {
namespace {

// A UUID of version 7 (RFC 9562, 5.7): ids of one publisher sort by time.
std::string make_id(Clock::WallTime now, Random& random) {
    const auto ms = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
    std::uint64_t bits[2] = {};
    random.fill(std::as_writable_bytes(std::span(bits)));
    return fmt::format("{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}", ms >> 16U, ms & 0xFFFFU,
                       bits[0] & 0xFFFU, 0x8000U | ((bits[0] >> 12U) & 0x3FFFU),
                       bits[1] & 0xFFFFFFFFFFFFU);
}

// RFC 3339 with milliseconds.
std::string format_time(Clock::WallTime now) {
    const auto ms = std::chrono::time_point_cast<std::chrono::milliseconds>(now);
    const auto day = std::chrono::floor<std::chrono::days>(ms);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(ms - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count(), time.seconds().count(),
                       time.subseconds().count());
}

}  // namespace

Publisher::Publisher(Context context, std::shared_ptr<const Catalog> catalog,
                     std::size_t events_max)
    : context_(context),
      planner_(std::make_unique<Planner>(std::move(catalog))),
      events_max_(events_max) {}

void Publisher::set_catalog(std::shared_ptr<const Catalog> catalog) {
    planner_ = std::make_unique<Planner>(std::move(catalog));
}

void Publisher::publish(const Principal& principal, std::vector<Event> events, AppendDone done) {
    if (events.size() > events_max_) {
        return done(Error{
            ErrorCode::kTooLarge,
            fmt::format("{} events came at once; send at most {}", events.size(), events_max_)});
    }
    std::vector<Plan> plans;
    plans.reserve(events.size());
    for (Event& event : events) {
        Result<Plan> made = plan(principal, std::move(event));
        if (!made) {
            Error error = made.error();
            if (events.size() > 1) {
                error.detail = fmt::format("event {}: {}", plans.size(), error.detail);
            }
            return done(std::move(error));
        }
        plans.push_back(std::move(*made));
    }
    if (plans.empty()) return done(std::vector<Receipt>());
    context_.log.append(std::move(plans), context_.reactor, std::move(done));
}

Result<Plan> Publisher::plan(const Principal& principal, Event event) {
    const Catalog& catalog = planner_->catalog();
    const EventRule* const rule = catalog.find(event.type);
    if (rule == nullptr) {
        const std::string nearest = catalog.nearest_type(event.type);
        return Error{ErrorCode::kUnknownType,
                     fmt::format("the catalog has no type '{}'{}", event.type,
                                 nearest.empty() ? "" : "; did you mean " + nearest + "?")};
    }
    const bool may = may_publish(*rule, principal);
    if (!may && !(principal.is_user() && rule->publish.users_if_owner)) {
        return Error{ErrorCode::kForbidden,
                     fmt::format("{} may not publish {}; the catalog's `publish` or the token's "
                                 "permissions would have to say so",
                                 principal.key(), event.type)};
    }
    const std::string key = principal.key();
    if (event.source.empty()) {
        event.source = key;
    } else if (principal.is_user() && event.source != key) {
        return Error{ErrorCode::kForbidden,
                     fmt::format("a user's events have the source {}; leave it out", key)};
    }
    const Given given{.id = !event.id.empty(), .time = !event.time.empty()};
    const Clock::WallTime now = context_.clock.wall_now();
    if (!given.id) event.id = make_id(now, context_.random);
    if (!given.time) event.time = format_time(now);
    Result<Plan> made = planner_->plan(
        std::move(event),
        PublisherView{.key = key, .is_user = principal.is_user(), .id = principal.id}, given);
    if (made && may) made->publisher_must_own = false;
    return made;
}

}  // namespace eventbus
