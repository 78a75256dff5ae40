#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "auth/jose.h"
#include "base/result.h"

namespace eventbus {

// A key that may have signed a token, and for whom it may sign: who signs users' tokens must not be
// able to make a service.
struct Key {
    std::string id;  // the header's `kid`; empty: the key is tried for every token
    jose::Algorithm algorithm = jose::Algorithm::kHs256;  // the one that the token must name
    bool signs_users = true;
    bool signs_services = true;
    jose::SharedMaterial material;
};

// The keys of one moment; immutable once verifiers share it. At most kKeysMax, all of which an
// unknown token may cost a signature check.
class KeySet {
 public:
    static constexpr std::size_t kKeysMax = 16;

    // Errors: kTooMany; then nothing has changed.
    Result<> add(Key key);

    // Those that a token with this `kid` (or empty, none) may be signed with.
    std::vector<const Key*> candidates(std::string_view id) const;

    // "HS256, RS256": for messages.
    std::string algorithms() const;

 private:
    std::vector<Key> keys_;
};

// The set of one HS256 secret, which may sign users and services.
// Errors: kBadRequest, as jose::import_secret().
Result<KeySet> keys_of_secret(std::string_view secret);

}  // namespace eventbus
