#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "auth/principal.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/owner_thread.h"
#include "base/random.h"
#include "base/result.h"
#include "bus/probe.h"
#include "bus/type_counts.h"
#include "catalog/catalog.h"
#include "catalog/planner.h"
#include "event/event.h"
#include "log/log.h"

namespace eventbus {

// Publishes for one reactor: authorize, complete, plan, append, answer.
//
// Thread:  reactor (asserted), but the constructor.
// Bounded: events a call by events_max.
class Publisher {
 public:
    struct Context {
        Log& log;
        Executor& reactor;
        const Clock& clock;
        Random& random;
    };

    Publisher(Context context, std::shared_ptr<const Catalog> catalog, std::size_t events_max);

    // Publishes `events`, as read (event_reader.h), in order and all or nothing. `done` runs on the
    // reactor, before publish() returns if nothing had to be waited for.
    // Errors: kForbidden, kUnknownType (with the nearest), kBadSubject, kBadEvent, kTooLarge (more
    // than events_max), and those of Log::append(). The detail says of which event of several.
    void publish(const Principal& principal, std::vector<Event> events, AppendDone done);

    // For the calls that follow.
    void set_catalog(std::shared_ptr<const Catalog> catalog);

    const PublishProbe& probe() const { return probe_; }

    // Events taken since the last set_catalog(), by its entries.
    std::shared_ptr<const TypeCounts> type_counts() const { return type_counts_; }

 private:
    Result<std::vector<Plan>> plan_all(const Principal& principal, std::vector<Event> events);
    Result<> add_plan(const Principal& principal, Event&& event, Clock::WallTime now,
                      std::vector<Plan>& plans);
    Result<> authorize(const EventRule& rule, const Principal& principal, const Event& event,
                       bool has_right);

    const Context context_;
    Planner planner_;
    std::shared_ptr<TypeCounts> type_counts_;
    const std::size_t events_max_;
    std::vector<std::size_t> entries_;  // of the catalog, of the events of one call
    PublishProbe probe_;
    OwnerThread owner_;
};

}  // namespace eventbus
