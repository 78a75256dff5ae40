#pragma once

#include <string>
#include <vector>

#include "catalog/filter.h"
#include "catalog/matcher.h"

namespace eventbus {

// A field of the event and its conditions.
struct Filter::Field {
    std::vector<std::string> path;  // "data", "owner", "country"
    std::vector<Matcher> any;       // one must match
    bool accepts_missing = false;   // one is `exists: false`
};

}  // namespace eventbus
