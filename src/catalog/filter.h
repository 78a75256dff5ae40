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
// Bounded: kConditionsMax conditions, kDepthMax levels, texts of kTextBytesMax, kBranchFieldsMax
//          fields in all branches.
// Cost:    at most fields of all branches times values of the event, once for each level of lists;
//          no operator goes back over a text.
class Filter {
 public:
    static constexpr std::size_t kConditionsMax = 256;
    static constexpr std::size_t kDepthMax = 16;
    static constexpr std::size_t kTextBytesMax = 256;
    static constexpr std::size_t kBranchFieldsMax = 4096;

    // From a subscriber's JSON, checked before (base/json_check.h).
    // Errors: kBadRequest; the detail names the place and the fix.
    static Result<Filter> compile(std::string_view json);

    // From a catalog. On an error `line` is set to its place.
    static Result<Filter> compile(const Spec& spec, int& line);

    bool matches(const Scope& scope) const;
    bool reads_data() const;  // else matches() leaves scope.data alone

    // What a reader may expect otherwise, and how it is written then. For the catalog's warnings.
    struct Surprise {
        int line = 0;
        std::string what;
        std::string fix;
    };
    const std::vector<Surprise>& surprises() const { return surprises_; }

 private:
    struct Field;
    // One choice among the alternatives of each `$or`: all of its fields must match, those below
    // one list in the same element of it. Sorted.
    using Branch = std::vector<std::shared_ptr<const Field>>;
    std::shared_ptr<const std::vector<Branch>> branches_;  // one must match
    bool reads_data_ = false;
    std::vector<Surprise> surprises_;
};

}  // namespace eventbus
