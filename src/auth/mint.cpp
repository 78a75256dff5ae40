#include <algorithm>
#include <boost/json.hpp>

#include "auth/jwt.h"
#include "event/subject.h"

namespace eventbus {
namespace {

boost::json::array array_of(const std::vector<std::string>& strings) {
    boost::json::array array;
    for (const std::string& text : strings) array.emplace_back(text);
    return array;
}

Result<> check(const Principal& who) {
    if (who.is_service() && !is_service_name(who.id)) {
        return Error{ErrorCode::kBadRequest,
                     "\"" + who.id + "\" is no service name: 1 to 64 of a-z, 0-9 and -"};
    }
    if (who.is_user() && !is_user_id(who.id)) {
        return Error{ErrorCode::kBadRequest,
                     "the user's id must have 1 to 256 bytes and no control characters"};
    }
    if (who.is_service() && !who.roles.empty()) {
        return Error{ErrorCode::kBadRequest, "roles are of users; give a service permissions"};
    }
    for (const auto* strings : {&who.roles, &who.permissions}) {
        const bool are_roles = strings == &who.roles;
        const std::size_t count_max = are_roles ? kRolesMax : kPermissionsMax;
        if (strings->size() > count_max || !std::all_of(strings->begin(), strings->end(),
                                                        are_roles ? is_user_id : is_permission)) {
            return Error{ErrorCode::kBadRequest,
                         std::string(are_roles ? "roles" : "permissions") + ": at most " +
                             std::to_string(count_max) + ", each of 1 to 256 bytes" +
                             (are_roles ? "" : " and written verb:pattern, such as watch:photo:*")};
        }
    }
    return {};
}

}  // namespace

Result<std::string> mint_token(const Principal& who, std::chrono::seconds ttl,
                               std::string_view secret, const ClaimRules& rules,
                               Clock::WallTime now) {
    if (const auto checked = check(who); !checked) return checked.error();
    const auto key = jose::import_secret(secret);
    if (!key) return key.error();

    const auto issued = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
    boost::json::object claims;
    claims[who.is_service() ? rules.service_claim : rules.user_claim] = who.id;
    if (!who.roles.empty()) claims[rules.roles_claim] = array_of(who.roles);
    if (!who.permissions.empty()) claims[rules.permissions_claim] = array_of(who.permissions);
    if (!rules.issuer.empty()) claims["iss"] = rules.issuer;
    if (!rules.audience.empty()) claims["aud"] = rules.audience;
    claims["iat"] = issued.count();
    claims["exp"] = (issued + ttl).count();
    std::string token = jose::sign(boost::json::serialize(claims), jose::Algorithm::kHs256, **key);
    if (token.size() > kTokenBytesMax) {
        return Error{ErrorCode::kBadRequest,
                     "the token would be longer than " + std::to_string(kTokenBytesMax) + " bytes"};
    }
    return token;
}

}  // namespace eventbus
