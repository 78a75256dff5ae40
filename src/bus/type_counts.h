#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/counters.h"
#include "base/hash.h"
#include "catalog/catalog.h"

namespace eventbus {

// How many events one reactor published under each entry of one catalog.
//
// Thread:  add() by the reactor; each() by any: the table never changes once it is made.
// Bounded: by the catalog's entries; types of a pattern entry count together.
class TypeCounts {
 public:
    explicit TypeCounts(const Catalog& catalog) {
        for (const std::string& type : catalog.types()) {
            counts_.emplace(type, std::make_unique<Counter>());
        }
    }

    // `entry` is EventRule::type.
    void add(std::string_view entry) {
        const auto found = counts_.find(entry);
        if (found != counts_.end()) found->second->add();
    }

    // Calls visit(entry, count) for each.
    template <class Visit>
    void each(Visit&& visit) const {
        for (const auto& [entry, count] : counts_) visit(entry, count->get());
    }

 private:
    StringMap<std::unique_ptr<Counter>> counts_;
};

}  // namespace eventbus
