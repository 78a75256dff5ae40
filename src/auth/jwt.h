#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "auth/claims.h"
#include "auth/keys.h"
#include "auth/token_cache.h"
#include "auth/token_verifier.h"
#include "base/clock.h"
#include "base/json_check.h"

namespace eventbus {

// Longer tokens would not fit into the header that browsers and proxies allow.
inline constexpr std::size_t kTokenBytesMax = 8 * 1024;

// Verifies compact JWTs (RFC 7519) as RFC 8725 advises: the header chooses nothing but which of our
// keys is tried, each for its one algorithm; then the signature; then the claims.
//
// Thread:  reactor (asserted by the cache).
// Bounded: kTokenBytesMax, KeySet::kKeysMax checks a token, kCacheEntriesMax principals kept.
// Cost:    a SHA-256 of the token when it was seen before, else a signature check and the
//          reading of its claims (1 µs and 9 µs for a token of 217 bytes, measured with -O2).
class JwtVerifier final : public TokenVerifier {
 public:
    static constexpr std::size_t kCacheEntriesMax = 16'384;  // about 5 MB a reactor

    // `clock` must outlive the verifier.
    JwtVerifier(std::shared_ptr<const KeySet> keys, ClaimRules rules, const Clock& clock,
                std::size_t cache_entries_max = kCacheEntriesMax);

    Result<SharedPrincipal> verify(std::string_view token) override;

 private:
    Result<Principal> verify_anew(std::string_view token);
    Result<std::vector<const Key*>> keys_of_header(std::string_view encoded);

    const std::shared_ptr<const KeySet> keys_;
    const ClaimRules rules_;
    const Clock& clock_;
    JsonChecker json_;
    TokenCache cache_;
};

// A token, signed with HS256, that a verifier with the same secret and rules takes for `who` until
// `ttl` after `now`. Principal::expires_at is not read.
// Errors: kBadRequest, the secret or `who` is not acceptable.
Result<std::string> mint_token(const Principal& who, std::chrono::seconds ttl,
                               std::string_view secret, const ClaimRules& rules,
                               Clock::WallTime now);

}  // namespace eventbus
