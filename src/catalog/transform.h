#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "catalog/scope.h"

namespace eventbus {

struct Spec;

// Makes another payload of an event's data: `pick` or `omit`, then `rename`, then `set`.
// docs/catalog.md has the semantics.
//
// Thread:  any; immutable.
// Bounded: kFieldsMax fields.
// Cost:    one pass over the data.
class Transform {
 public:
    static constexpr std::size_t kFieldsMax = 256;

    // Errors: kBadRequest; `line` is set to its place.
    static Result<Transform> compile(const Spec& spec, int& line);

    // A JSON object. A field of `set` whose references have no value is left out.
    std::string apply(const Scope& scope) const;

 private:
    struct Node;
    struct Program;
    std::shared_ptr<const Program> program_;
};

}  // namespace eventbus
