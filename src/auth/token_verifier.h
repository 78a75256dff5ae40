#pragma once

#include <string_view>

#include "auth/principal.h"
#include "base/result.h"

namespace eventbus {

// Seam: says whose a token is. Reactor; each reactor has its own, so that a cache needs no lock.
class TokenVerifier {
 public:
    virtual ~TokenVerifier() = default;

    // Errors: kUnauthorized (and why, without the token), kTokenExpired.
    virtual Result<SharedPrincipal> verify(std::string_view token) = 0;
};

}  // namespace eventbus
