#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/principal.h"
#include "base/result.h"
#include "bus/watch.h"
#include "catalog/catalog.h"
#include "event/room.h"

namespace eventbus {

// Who may do what with events, by the catalog and the token (DESIGN 3, Permissions). Pure.

// Whether the principal may publish events of `type`, of which this is the rule, or consume all
// that the rule covers. A user whom only ownership of the subject would let publish may not, by
// this answer: bind() decides.
bool may_publish(const EventRule& rule, std::string_view type, const Principal& principal);
bool may_consume(const EventRule& rule, const Principal& principal);

// Whether a service may watch all types that a pattern covers.
// Errors: kForbidden, naming the type; kUnknownType when it covers none, with the nearest.
Result<> check_may_consume(const Catalog& catalog, const Principal& principal,
                           const std::string& pattern);

// The rooms that a principal is in by its token alone.
std::vector<Room> rooms_of(const Principal& principal);

// What Watches is to be asked for one principal, by one catalog.
//
// Cost: of a service, the first question looks at each type of the catalog and each permission of
//       the token, which may be millions of comparisons; the others do not.
class WatchQuestions {
 public:
    WatchQuestions(std::shared_ptr<const Catalog> catalog, SharedPrincipal principal)
        : catalog_(std::move(catalog)), principal_(std::move(principal)) {}

    WatchQuestion about(const std::string& subject);

    const std::shared_ptr<const Catalog>& catalog() const { return catalog_; }

 private:
    std::shared_ptr<const Catalog> catalog_;
    SharedPrincipal principal_;
    std::optional<bool> may_consume_all_;
};

}  // namespace eventbus
