#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "catalog/event_rule.h"

namespace eventbus {

// What the operator says about each event type and each kind of subject. load_catalog() makes it;
// a reload makes another one.
//
// Thread:  any; immutable, shared by all reactors as shared_ptr<const Catalog>.
// Bounded: by the loader (kCatalogTypesMax).
class Catalog {
 public:
    Catalog(std::vector<EventRule> events, StringMap<WatchRule> rooms,
            StringMap<GroupRule> groups = {});

    // The rule of `type`: its own entry, else the first pattern entry in the file that matches.
    // Null: the catalog does not know it.
    const EventRule* find(std::string_view type) const;

    // Who may watch subjects of this kind. Null: nobody, but for whom an event grants it.
    const WatchRule* watch_rule(std::string_view subject_kind) const;

    // Whether the service may join groups of this name that belong to another.
    bool admits(std::string_view group_name, std::string_view service) const;

    // The known type that is spelt most like `type`; empty if none is near. For messages.
    std::string nearest_type(std::string_view type) const;

    // Types and patterns, in the order of the file.
    std::vector<std::string> types() const;
    const std::vector<EventRule>& events() const { return events_; }
    // The place of a rule of this catalog in events().
    std::size_t index_of(const EventRule& rule) const {
        return static_cast<std::size_t>(&rule - events_.data());
    }

 private:
    const std::vector<EventRule> events_;
    const StringMap<WatchRule> rooms_;
    const StringMap<GroupRule> groups_;
    StringMap<const EventRule*> exact_;
    std::vector<const EventRule*> patterns_;
};

}  // namespace eventbus
