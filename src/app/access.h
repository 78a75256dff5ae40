#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "app/command.h"
#include "app/http_client.h"
#include "auth/claims.h"
#include "base/result.h"

namespace boost::json {
class object;
enum class kind : unsigned char;
}  // namespace boost::json

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

// What an answer says that is not the one that was asked for: the code of its problem, and its
// detail with what to do next; or that it does not come from an event bus. The latter is final
// unless it is an error, as a proxy's may pass.
Error error_of(const ServerUrl& server, const ClientResponse& response);

// The object that `response` holds, if its status is 2xx and it has these members, all of `kind`,
// as docs/http.md promises. Errors: error_of.
Result<boost::json::object> object_of(const ServerUrl& server, const ClientResponse& response,
                                      std::initializer_list<std::string_view> members,
                                      boost::json::kind kind);

}  // namespace eventbus
