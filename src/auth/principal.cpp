#include "auth/principal.h"

#include <algorithm>

#include "event/pattern.h"

namespace eventbus {

bool Principal::has_role(std::string_view role) const {
    return std::find(roles.begin(), roles.end(), role) != roles.end();
}

std::string Principal::key() const { return (is_user() ? "user:" : "service:") + id; }

bool Principal::may(std::string_view verb, std::string_view what) const {
    return std::any_of(permissions.begin(), permissions.end(), [&](std::string_view permission) {
        return !what.empty() && permission.size() > verb.size() && permission.starts_with(verb) &&
               permission[verb.size()] == ':' && matches(permission.substr(verb.size() + 1), what);
    });
}

}  // namespace eventbus
