#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "base/hash.h"
#include "event/plan.h"

namespace eventbus {

// A durable plan as the planner makes it, for tests to change: from service:api, to the watchers of
// its subject, with an id that the publisher gave.
inline Plan make_plan(std::string id, std::string subject = "photo:1",
                      std::string type = "photo.uploaded") {
    Plan plan;
    plan.event.id = std::move(id);
    plan.event.type = std::move(type);
    plan.event.source = "service:api";
    plan.event.subject = std::move(subject);
    plan.event.time = "2024-05-01T12:00:00Z";
    plan.event.data = R"({"id":")" + plan.event.id + R"("})";
    plan.name = plan.event.type;
    plan.audience.push_back({.room = Room::subject(plan.event.subject)});
    plan.publisher = "service:api";
    plan.has_client_id = true;
    plan.content_hash = stable_hash(plan.event.data);
    plan.retention.age = std::chrono::hours(24);
    return plan;
}

inline Plan make_transient_plan(std::string id, std::string subject = "photo:1") {
    Plan plan = make_plan(std::move(id), std::move(subject), "photo.processing.progress");
    plan.durability = Durability::kTransient;
    return plan;
}

// One that names the owner of its subject, and goes to them.
inline Plan make_owner_plan(std::string id, std::string subject, std::string owner) {
    Plan plan = make_plan(std::move(id), std::move(subject));
    plan.owner = std::move(owner);
    plan.audience.push_back({.to = Target::To::kOwner});
    return plan;
}

}  // namespace eventbus
