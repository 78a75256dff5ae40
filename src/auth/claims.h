#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "auth/principal.h"
#include "base/clock.h"
#include "base/result.h"

namespace simdjson::dom {
class object;
}

namespace eventbus {

// What is asked of a token whose signature is good, and how its claims are called: a claim's whole
// name (https://example.com/roles), or else the way to it through objects (realm_access.roles).
struct ClaimRules {
    std::string issuer;                  // empty: not asked
    std::string audience;                // empty: not asked; else `aud` is it or holds it
    std::chrono::seconds clock_skew{0};  // by which other machines' clocks may differ from ours
    std::string user_claim = "sub";
    std::string roles_claim = "roles";
    std::string permissions_claim = "permissions";
    std::string service_claim = "service";
};

inline constexpr std::size_t kUserIdBytesMax = 256;
inline constexpr std::size_t kRolesMax = 64;
inline constexpr std::size_t kPermissionsMax = 256;

// 1 to 256 bytes of UTF-8 without control characters.
bool is_user_id(std::string_view id);

// verb:pattern, of that length.
bool is_permission(std::string_view text);

// The principal that checked claims speak of. A token with a `service` claim, even a wrong one,
// never makes a user. Principal::expires_at is when it ends for us: `exp` and the clock skew.
// Errors: kTokenExpired; kUnauthorized, and which claim is wrong.
Result<Principal> read_claims(const simdjson::dom::object& claims, const ClaimRules& rules,
                              Clock::WallTime now);

}  // namespace eventbus
