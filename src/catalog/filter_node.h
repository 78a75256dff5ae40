#pragma once

#include <memory>
#include <string>
#include <vector>

#include "catalog/filter.h"
#include "catalog/matcher.h"

namespace eventbus {

// A pattern for one object: every field and every `$or` must match.
struct Filter::Node {
    struct Field {
        std::string name;
        std::vector<Matcher> any;     // one must match; empty: `inner` must
        std::unique_ptr<Node> inner;  // a pattern for the object in this field
    };
    std::vector<Field> fields;
    std::vector<std::vector<Node>> ors;  // of each, one must match
};

}  // namespace eventbus
