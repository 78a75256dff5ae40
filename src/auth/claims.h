#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "auth/principal.h"
#include "base/clock.h"
#include "base/result.h"

namespace simdjson::dom {
class object;
}

namespace eventbus {

// What is asked of a token whose signature is good, and how its claims are called.
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
inline constexpr std::size_t kClaimBytesMax = 256;  // one role, one permission

// 1 to 256 bytes without control characters.
bool is_user_id(std::string_view id);

// The principal that checked claims speak of. A token with a `service` claim, even a wrong one,
// never makes a user. Principal::expires_at is when it ends for us: `exp` and the clock skew.
// Errors: kTokenExpired; kUnauthorized, and which claim is wrong.
Result<Principal> read_claims(const simdjson::dom::object& claims, const ClaimRules& rules,
                              Clock::WallTime now);

}  // namespace eventbus
