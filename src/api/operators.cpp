// What operators do: DELETE /v1/groups/NAME/TOPIC, POST /v1/retention/resume.

#include <string>
#include <utility>

#include "api/api.h"

namespace eventbus {

// Errors: kForbidden, whoever asks does not have admin:`permission`, which it takes to `what`; as a
// sign-in.
Result<> Api::may_operate(const HttpRequest& request, std::string_view what,
                          std::string_view permission) {
    const Result<SharedPrincipal> principal = context_.sign_in(request);
    if (!principal) return principal.error();
    if ((**principal).may("admin", permission)) return {};
    return Error{ErrorCode::kForbidden, "to " + std::string(what) + " needs the permission admin:" +
                                            std::string(permission)};
}

// `key` is what follows in the path.
void Api::delete_group(const SharedExchange& exchange, std::string_view key) {
    const Result<> may = may_operate(exchange->request, "delete a group", "groups");
    if (!may) return refuse(*exchange, may.error());
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

void Api::resume_retention(const SharedExchange& exchange) {
    const Result<> may = may_operate(exchange->request, "resume retention", "retention");
    if (!may) return refuse(*exchange, may.error());
    context_.resume_retention(context_.reactor, [this, exchange](const Result<bool>& was_held) {
        if (!was_held) return refuse(*exchange, was_held.error());
        respond(*exchange,
                json_response(200, *was_held ? R"({"wasHeld":true})" : R"({"wasHeld":false})"));
    });
}

}  // namespace eventbus
