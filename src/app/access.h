#pragma once

#include <string>

#include "app/command.h"
#include "app/http_client.h"
#include "auth/claims.h"
#include "base/result.h"

namespace eventbus {

// Errors of all: kBadRequest, kUnauthorized, with the fix.

// The settings that a command line client needs: from `config`, the environment, and `data` if it
// is not empty.
Result<Config> client_config(const std::string& config, const std::string& data,
                             const CommandContext& context);

// What a token of these settings must say.
ClaimRules claim_rules(const Config& config);

Result<ServerUrl> find_server(const AccessOptions& options, const CommandContext& context);

// A token that is good for an hour, or the one that was given. Ask again for each connection.
Result<std::string> find_token(const AccessOptions& options, const CommandContext& context);

// What a server's answer, no 2xx, says: its problem's code, and its detail with what to do next.
Error error_of(const ClientResponse& response);

}  // namespace eventbus
