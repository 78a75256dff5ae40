#include "app/access.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <ostream>

#include "app/secret.h"
#include "auth/jwt.h"
#include "base/settings_file.h"

namespace eventbus {
namespace {

namespace json = boost::json;

constexpr auto kDefaultUrl = "http://127.0.0.1:8080";
constexpr auto kTokenTtl = std::chrono::hours(1);
constexpr std::size_t kCaBytesMax = 16U << 20U;  // all authorities of a system are some 0.3 MB

// The flag's value, else the variable's, else `otherwise`.
Result<std::string> first_of(const std::string& given, const CommandContext& context,
                             const std::string& variable, const char* otherwise) {
    if (!given.empty()) return given;
    const auto found = context.environment.find(variable);
    if (found == context.environment.end()) return std::string(otherwise);
    if (!found->second.empty()) return found->second;
    return Error{ErrorCode::kBadRequest, variable + " is empty; give it a value, or unset it"};
}

// The first of our codes for whose row `is_meant` holds.
template <class IsMeant>
std::optional<ErrorCode> find_code(IsMeant is_meant) {
    constexpr auto kCodes = std::to_array<ErrorCode>({
#define BUS_ERROR_CODE(enumerator, name, status, retry, title) ErrorCode::enumerator,
        BUS_ERRORS(BUS_ERROR_CODE)
#undef BUS_ERROR_CODE
    });
    for (const ErrorCode code : kCodes) {
        if (is_meant(error_info(code))) return code;
    }
    return std::nullopt;
}

std::string_view mend_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::kUnauthorized:
        case ErrorCode::kTokenExpired:
            return "; make a token with `eventbus token --service NAME`, with the secret of that "
                   "server, and give it with --token or EVENT_BUS_TOKEN";
        case ErrorCode::kForbidden:
            return "; use a token that may, or --as NAME for a service of the catalog";
        default:
            return "";
    }
}

Error not_an_event_bus(const ServerUrl& server, const ClientResponse& response) {
    const int status = response.status;
    const bool redirects = status / 100 == 3;
    const auto code = find_code([&](const ErrorInfo& info) { return info.http_status == status; });
    return {code.value_or(ErrorCode::kInternal),
            "what answers at " + server.text + " is not an event bus (it answered " +
                std::to_string(status) +
                (response.media_type.empty() ? " without a content type"
                                             : " with " + response.media_type) +
                "): check --url or EVENT_BUS_URL" +
                (redirects       ? "; redirects are not followed"
                 : status >= 500 ? ", and that the server behind the proxy runs"
                                 : ""),
            status < 400};
}

json::object object_in(const std::string& text) {
    json::error_code not_json;
    const json::value value = json::parse(text, not_json);
    return !not_json && value.is_object() ? value.get_object() : json::object();
}

}  // namespace

Result<Config> client_config(const std::string& config, const std::string& data,
                             const CommandContext& context) {
    ConfigSources sources{.environment = context.environment, .file = config};
    if (!data.empty()) sources.flags["data"] = data;
    LoadedConfig loaded = load_config(sources);
    for (const ConfigProblem& problem : loaded.problems) {
        if (!problem.warning) return Error{ErrorCode::kBadRequest, problem.text()};
    }
    return std::move(loaded.config);
}

ClaimRules claim_rules(const Config& config) {
    return {.issuer = config.jwt_issuer,
            .audience = config.jwt_audience,
            .clock_skew = std::chrono::ceil<std::chrono::seconds>(config.jwt_clock_skew),
            .user_claim = config.jwt_user_claim,
            .roles_claim = config.jwt_roles_claim,
            .permissions_claim = config.jwt_permissions_claim,
            .service_claim = config.jwt_service_claim};
}

Result<ServerUrl> find_server(const AccessOptions& options, const CommandContext& context) {
    const Result<std::string> url = first_of(options.url, context, "EVENT_BUS_URL", kDefaultUrl);
    Result<ServerUrl> server = url ? parse_server_url(*url) : Result<ServerUrl>(url.error());
    if (!server || !server->is_tls) return server;
    Result<std::string> file = first_of(options.cacert, context, "EVENT_BUS_CACERT", "");
    if (!file) return file.error();
    if (file->empty()) return server;
    server->ca_file = std::move(*file);
    // Once: a pipe can be read only once, and `tail` connects more often.
    Result<std::string> certificates = read_settings_file(server->ca_file, kCaBytesMax);
    if (!certificates) {
        return Error{ErrorCode::kBadRequest, "the file of authorities " + server->ca_file + " " +
                                                 certificates.error().detail};
    }
    server->ca_certificates = std::move(*certificates);
    return server;
}

Result<std::string> find_token(const AccessOptions& options, const CommandContext& context) {
    Result<std::string> token = first_of(options.token, context, "EVENT_BUS_TOKEN", "");
    if (!token) return token;
    if (!token->empty()) {
        const bool is_printable =
            std::all_of(token->begin(), token->end(), [](char c) { return c > ' ' && c < '\x7f'; });
        if (is_printable) return token;
        return Error{ErrorCode::kBadRequest,
                     "the token holds blanks or other characters that no token "
                     "has; `eventbus token` prints one on a line"};
    }
    const auto config = client_config(options.config, options.data, context);
    if (!config) return config.error();
    const auto secret = find_secret(*config);
    if (!secret && secret.error().code != ErrorCode::kNotFound) return secret.error();
    if (!secret) {
        return Error{ErrorCode::kUnauthorized,
                     "there is no token; make one with `eventbus token --service NAME` where the "
                     "server's secret is and give it with --token or EVENT_BUS_TOKEN, or name the "
                     "data directory of a server with --dev by --data-dir (looked for " +
                         dev_secret_path(*config) + ")"};
    }
    const Principal who{.kind = Principal::Kind::kService,
                        .id = options.service,
                        .permissions = {"publish:**", "consume:**", "watch:**", "admin:**"}};
    return mint_token(who, kTokenTtl, secret->bytes, claim_rules(*config),
                      context.clock.wall_now());
}

Error error_of(const ServerUrl& server, const ClientResponse& response) {
    const json::object problem = object_in(response.body);
    const auto text = [&](const char* key) {
        const auto* value = problem.if_contains(key);
        return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                      : std::string();
    };
    const std::string name = text("code");
    const std::string detail = text("detail").empty() ? text("title") : text("detail");
    const auto code = find_code([&](const ErrorInfo& info) { return info.name == name; });
    if (response.status < 400 || !code || detail.empty()) return not_an_event_bus(server, response);
    return Error{*code, detail + std::string(mend_of(*code))};
}

Result<json::object> object_of(const ServerUrl& server, const ClientResponse& response,
                               std::initializer_list<std::string_view> members, json::kind kind) {
    json::object object = object_in(response.body);
    const bool is_whole = std::all_of(members.begin(), members.end(), [&](std::string_view member) {
        const json::value* value = object.if_contains(member);
        return value != nullptr && value->kind() == kind;
    });
    if (response.status / 100 != 2 || !is_whole) return error_of(server, response);
    return object;
}

Result<> flush_output(std::ostream& out) {
    // A text that was too long for the buffer may have failed just before; then errno says why.
    if (out) errno = 0;
    if (out.flush()) return {};
    const std::string why = errno == 0       ? "a write to it has failed"
                            : errno == EBADF ? "it is closed"
                                             : std::strerror(errno);
    return Error{ErrorCode::kInternal, "standard output cannot be written: " + why};
}

int finish(const CommandContext& context, bool json, std::string_view done) {
    const Result<> written = flush_output(context.out);
    if (written) return kExitDone;
    return fail(context, json, {written.error().code, std::string(done) + written.error().detail});
}

int refuse(const CommandContext& context, bool json, const Error& error) {
    fail(context, json, error);
    return error.code == ErrorCode::kBadRequest || error.code == ErrorCode::kBadOffset
               ? kExitUsage
               : kExitFailed;
}

int fail(const CommandContext& context, bool json, const Error& error) {
    if (json) {
        boost::json::object inner;
        inner["code"] = error.name();
        inner["message"] = error.detail;
        context.err << boost::json::serialize(boost::json::object{{"error", inner}}) << "\n";
    } else {
        context.err << "eventbus: " << error.detail << "\n";
    }
    return kExitFailed;
}

}  // namespace eventbus
