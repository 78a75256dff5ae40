#include <boost/json.hpp>
#include <ostream>

#include "app/access.h"
#include "app/command.h"
#include "app/secret.h"
#include "app/units.h"
#include "auth/jwt.h"

namespace eventbus {
namespace {

constexpr auto kTtlMax = std::chrono::hours(24 * 366);

// For whom the token shall be.
Result<Principal> principal_of(const TokenOptions& options) {
    if (options.user.empty() == options.service.empty()) {
        return Error{ErrorCode::kBadRequest,
                     "say whose token it shall be: --user ID or --service NAME"};
    }
    const bool is_user = options.service.empty();
    return Principal{.kind = is_user ? Principal::Kind::kUser : Principal::Kind::kService,
                     .id = is_user ? options.user : options.service,
                     .roles = options.roles,
                     .permissions = options.permissions};
}

Result<std::chrono::seconds> ttl_of(const TokenOptions& options) {
    const auto ttl = parse_duration(options.ttl);
    if (!ttl) return ttl.error();
    if (*ttl < std::chrono::seconds(1) || *ttl > kTtlMax) {
        return Error{ErrorCode::kBadRequest, "--ttl must be 1s to 366d"};
    }
    return std::chrono::floor<std::chrono::seconds>(*ttl);
}

Result<Secret> secret_of(const TokenOptions& options, Config config) {
    if (!options.secret_file.empty()) {
        config.jwt_secret.clear();
        config.jwt_secret_file = options.secret_file;
    }
    Result<Secret> secret = find_secret(config);
    if (secret || secret.error().code != ErrorCode::kNotFound) return secret;
    return Error{ErrorCode::kUnauthorized,
                 "there is no secret to sign with; set EVENTBUS_JWT_SECRET, name its file with "
                 "--jwt-secret-file, or name the data directory of a server with --dev by "
                 "--data-dir (looked for " +
                     dev_secret_path(config) + ")"};
}

}  // namespace

int run_token(const TokenOptions& options, const CommandContext& context) {
    const auto who = principal_of(options);
    const auto ttl = ttl_of(options);
    if (!who || !ttl) return refuse(context, options.json, who ? ttl.error() : who.error());
    const auto config = client_config(options.config, options.data, context);
    if (!config) return refuse(context, options.json, config.error());
    const auto secret = secret_of(options, *config);
    if (!secret) return fail(context, options.json, secret.error());

    const auto now = context.clock.wall_now();
    const auto token = mint_token(*who, *ttl, secret->bytes, claim_rules(*config), now);
    if (!token) return refuse(context, options.json, token.error());
    if (!options.json) {
        context.out << *token << "\n";
        return finish(context, options.json);
    }
    boost::json::object answer;
    answer["token"] = *token;
    answer["expiresAt"] =
        std::chrono::floor<std::chrono::seconds>((now + *ttl).time_since_epoch()).count();
    context.out << boost::json::serialize(answer) << "\n";
    return finish(context, options.json);
}

}  // namespace eventbus
