#pragma once

#include <memory>
#include <span>
#include <utility>

#include "log/binder.h"

namespace eventbus {

// Binds a plan to the rooms that its audience names.
class PlainBinder final : public Binder {
 public:
    Result<Bound> bind(Plan&& plan, Position position) override {
        Bound bound{std::make_shared<Entry>(), {}};
        Entry& entry = *bound.entry;
        entry.position = position;
        entry.event = std::move(plan.event);
        entry.name = std::move(plan.name);
        entry.variants = std::move(plan.variants);
        for (const Target& target : plan.audience) {
            entry.deliveries.push_back({target.room, target.variant});
        }
        for (const GrantChange& change : plan.grants) {
            if (change.revoke) entry.evictions.push_back({entry.event.subject, change.who});
        }
        entry.durability = plan.durability;
        entry.latest = plan.latest;
        entry.retention = plan.retention;
        entry.publisher = std::move(plan.publisher);
        entry.has_client_id = plan.has_client_id;
        entry.content_hash = plan.content_hash;
        return bound;
    }
    void commit() override {}
    void undo() override {}
    Result<> load(std::span<const StoredView>) override { return {}; }
};

}  // namespace eventbus
