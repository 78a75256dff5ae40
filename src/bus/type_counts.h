#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/counters.h"
#include "catalog/catalog.h"

namespace eventbus {

// How many events one reactor published under each entry of one catalog.
//
// Thread:  add() by the reactor; each() by any: the table never changes once it is made.
// Bounded: by the catalog's entries; types of a pattern entry count together.
class TypeCounts {
 public:
    explicit TypeCounts(const Catalog& catalog)
        : entries_(catalog.types()), counts_(std::make_unique<Counter[]>(entries_.size())) {}

    // `entry` is Catalog::index_of() the event's rule.
    void add(std::size_t entry) { counts_[entry].add(); }

    // Calls visit(entry, count) for each.
    template <class Visit>
    void each(Visit&& visit) const {
        for (std::size_t i = 0; i < entries_.size(); ++i) visit(entries_[i], counts_[i].get());
    }

 private:
    const std::vector<std::string> entries_;
    const std::unique_ptr<Counter[]> counts_;
};

}  // namespace eventbus
