#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/scope.h"

namespace eventbus {

struct Spec;

// A pattern that an event matches or does not: the operators of AWS EventBridge, over the event's
// attributes and its data: { data: { size: [ { numeric: [ ">", 0 ] } ], kind: [ jpeg, png ] } }.
// docs/catalog.md has the semantics.
//
// Thread:  any; immutable.
// Bounded: kConditionsMax conditions, kDepthMax levels, texts of kTextBytesMax.
// Cost:    at most conditions times values of the event; no operator goes back over a text.
class Filter {
 public:
    static constexpr std::size_t kConditionsMax = 256;
    static constexpr std::size_t kDepthMax = 16;
    static constexpr std::size_t kTextBytesMax = 256;

    // From a subscriber's JSON, checked before (base/json_check.h).
    // Errors: kBadRequest; the detail names the place and the mend.
    static Result<Filter> compile(std::string_view json);

    // From a catalog. On an error `line` is set to its place.
    static Result<Filter> compile(const Spec& spec, int& line);

    bool matches(const Scope& scope) const;
    bool reads_data() const;  // else matches() leaves scope.data alone

    // Fields with `anything-but` where no alternative accepts that they are missing: a reader may
    // expect that they do. For the catalog's warnings.
    struct Surprise {
        std::string field;
        int line = 0;
    };
    const std::vector<Surprise>& surprises() const { return surprises_; }

 private:
    struct Node;
    std::shared_ptr<const Node> root_;
    bool reads_data_ = false;
    std::vector<Surprise> surprises_;
};

}  // namespace eventbus
