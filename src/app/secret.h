#pragma once

#include <string>

#include "app/config.h"
#include "base/random.h"
#include "base/result.h"

namespace eventbus {

// What signs tokens, and where it was found.
struct Secret {
    std::string bytes;
    std::string from;  // "EVENTBUS_JWT_SECRET or the config file", or a path
};

// The secret that the settings name; else, where a server has run with --dev, the one that it made
// in the data directory.
// Errors: kUnauthorized, there is none, or it cannot be read or used, and how to fix it.
Result<Secret> find_secret(const Config& config);

// For `serve`: the same, and with --dev a secret is made when there is none, readable by this user
// only. `made` says whether.
Result<Secret> find_or_make_secret(const Config& config, Random& random, bool& made);

// What about a secret was hardly meant, so that every token would fail: a byte order mark, quotes,
// blanks, line breaks. "stands in quotes"; empty: nothing. Says nothing of what the secret is.
std::string oddity_of(const Secret& secret);
inline constexpr const char* kOddSecretMend =
    "if who signs tokens does not have that in the secret, take it away: it counts";

// DATA/dev-secret.
std::string dev_secret_path(const Config& config);

}  // namespace eventbus
