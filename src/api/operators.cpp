// DELETE /v1/groups/NAME/TOPIC: an operator ends a consumer group.

#include <string>
#include <utility>

#include "api/api.h"

namespace eventbus {

// `key` is what follows in the path.
void Api::delete_group(const SharedExchange& exchange, std::string_view key) {
    const Result<SharedPrincipal> principal = context_.sign_in(exchange->request);
    if (!principal) return refuse(*exchange, principal.error());
    if (!(**principal).may("admin", "groups")) {
        return refuse(*exchange, Error{ErrorCode::kForbidden,
                                       "to delete a group needs the permission admin:groups"});
    }
    const std::size_t slash = key.find('/');
    if (slash == std::string_view::npos) {
        return refuse(*exchange, Error{ErrorCode::kNotFound,
                                       "a group is /v1/groups/NAME/TOPIC, as in "
                                       "/v1/groups/thumbnails/photo.*"});
    }
    GroupKey group{std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
    if (const Result<> good = check(group); !good) return refuse(*exchange, good.error());
    groups_->post_remove(std::move(group), context_.reactor,
                         [this, exchange](const Result<>& removed) {
                             if (!removed) return refuse(*exchange, removed.error());
                             respond(*exchange, json_response(200, R"({"deleted":true})"));
                         });
}

}  // namespace eventbus
