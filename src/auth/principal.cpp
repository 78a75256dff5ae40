#include "auth/principal.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "auth/base64url.h"
#include "event/pattern.h"

namespace eventbus {

bool Principal::has_role(std::string_view role) const {
    return std::find(roles.begin(), roles.end(), role) != roles.end();
}

std::string Principal::key() const { return (is_user() ? "user:" : "service:") + id; }

std::string Principal::fingerprint() const {
    constexpr std::size_t kBytes = 16;
    const std::string name = key();
    std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
    ::SHA256(reinterpret_cast<const unsigned char*>(name.data()), name.size(), hash.data());
    return to_base64url({reinterpret_cast<const char*>(hash.data()), kBytes});
}

bool Principal::may(std::string_view verb, std::string_view what) const {
    return std::any_of(permissions.begin(), permissions.end(), [&](std::string_view permission) {
        return !what.empty() && permission.size() > verb.size() && permission.starts_with(verb) &&
               permission[verb.size()] == ':' && matches(permission.substr(verb.size() + 1), what);
    });
}

}  // namespace eventbus
