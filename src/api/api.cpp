#include "api/api.h"

#include <utility>

#include "api/event_source.h"

namespace eventbus {
namespace {

constexpr std::string_view kStreamPath = "/v1/stream";
constexpr std::string_view kReads = "GET, HEAD";
constexpr std::string_view kGroupsPath = "/v1/groups/";
constexpr std::string_view kRetentionPath = "/v1/retention/resume";

bool is_of_operations(std::string_view path) {
    return path == "/healthz" || path == "/readyz" || path == "/metrics";
}

// What an operator asks for, apart from these.
bool is_of_operators(std::string_view path) {
    return path.starts_with(kGroupsPath) || path == kRetentionPath;
}

Error not_on_admin_address() {
    return {ErrorCode::kNotFound,
            "this is the admin address, which has only /metrics, /healthz, /readyz, /v1/groups and "
            "/v1/retention; events are at the address of the setting `listen`"};
}

// What the path takes; empty: there is nothing at it.
std::string_view methods_of(std::string_view path) {
    if (path == "/v1/events" || path == "/v1/tickets" || path == kRetentionPath) {
        return "POST, OPTIONS";
    }
    if (path == kStreamPath) return "GET, OPTIONS";
    if (path.starts_with(kGroupsPath)) return "DELETE, OPTIONS";
    return is_of_operations(path) ? "GET, HEAD, OPTIONS" : "";
}

}  // namespace

Api::Api(Context context, ReadLimits limits, std::size_t topics_max)
    : context_(std::move(context)),
      topics_max_(topics_max),
      reader_(limits),
      tickets_(context_.reactor.index(), context_.reactors, context_.ticket_key, context_.random,
               context_.clock),
      chunk_encoder_(context_.log, SseFraming::kChunks),
      plain_encoder_(context_.log, SseFraming::kNone),
      sse_heartbeats_(SseStream::kHeartbeat),
      expiries_(context_.reactor, context_.clock) {
    context_.reactor.add_due_list(sse_heartbeats_);
}

void Api::on_request(const SharedExchange& exchange) {
    const HttpRequest& request = exchange->request;
    if (request.method == HttpMethod::kOptions) {
        exchange->respond(context_.cors.preflight(request));
        return;
    }
    const std::string_view allowed = methods_of(request.path);
    if (allowed.empty()) {
        return refuse(
            *exchange,
            Error{ErrorCode::kNotFound,
                  "there is nothing at this path; there are /v1/events, /v1/stream, /v1/tickets, "
                  "/v1/groups/NAME/TOPIC, /v1/retention/resume, /healthz, /readyz, /metrics and "
                  "/socket.io/"});
    }
    if (!list_contains(allowed, to_string(request.method))) {
        return respond(*exchange, method_refusal(allowed));
    }
    if (request.path == "/v1/events") return publish(exchange);
    if (request.path == kStreamPath) return stream(exchange);
    if (request.path == "/v1/tickets") return make_ticket(*exchange);
    if (request.path.starts_with(kGroupsPath)) {
        return delete_group(exchange, std::string_view(request.path).substr(kGroupsPath.size()));
    }
    if (request.path == kRetentionPath) return resume_retention(exchange);
    if (request.path == "/metrics") return serve_metrics(*exchange);
    answer_health(*exchange);
}

void Api::on_admin_request(const SharedExchange& exchange) {
    const HttpRequest& request = exchange->request;
    if (is_of_operators(request.path)) return on_request(exchange);
    if (!is_of_operations(request.path)) return refuse(*exchange, not_on_admin_address());
    if (!list_contains(kReads, to_string(request.method))) {
        return respond(*exchange, method_refusal(kReads));
    }
    if (request.path != "/metrics") return answer_health(*exchange);
    respond(*exchange,
            text_response(200, context_.metrics(), "text/plain; version=0.0.4; charset=utf-8"));
}

void Api::complete_admin(const HttpRequest& request, HttpResponse& response) {
    const bool has_path = is_of_operators(request.path) || is_of_operations(request.path);
    if (response.status != 413 || has_path) return;
    const bool closes = response.close;
    response = problem_response(not_on_admin_address());
    response.close = closes;
}

void Api::complete(const HttpRequest& request, HttpResponse& response) const {
    const bool may_pass = response.status >= 500 || response.status == 408;
    if (request.path != kStreamPath || !may_pass || !is_of_event_source(request)) return;
    HttpResponse refusal =
        event_source_refusal(Error{ErrorCode::kUnavailable, "the request cannot be served now"});
    refusal.close = response.close;
    response = std::move(refusal);
}

void Api::close_streams() {
    for (SseStream* const stream : std::unordered_set<SseStream*>(streams_)) stream->close();
}

void Api::respond(HttpExchange& exchange, HttpResponse response) const {
    context_.cors.apply(exchange.request, response);
    response.headers.set("Event-Bus-Offset", offset_text(context_.log, context_.log.frontier()));
    exchange.respond(response);
}

void Api::refuse(HttpExchange& exchange, const Error& error) const {
    HttpResponse response = problem_response(error);
    if (response.status == 401) response.headers.set("WWW-Authenticate", "Bearer");
    respond(exchange, std::move(response));
}

void Api::answer_health(HttpExchange& exchange) const {
    if (exchange.request.path == "/healthz") {
        return respond(exchange, json_response(200, R"({"status":"ok"})"));
    }
    const Result<> ready = context_.is_ready();
    if (!ready) return refuse(exchange, ready.error());
    respond(exchange, json_response(200, R"({"status":"ready"})"));
}

void Api::serve_metrics(HttpExchange& exchange) {
    const Result<SharedPrincipal> principal = context_.sign_in(exchange.request);
    if (!principal) return refuse(exchange, principal.error());
    if (!(**principal).may("admin", "metrics")) {
        return refuse(exchange, Error{ErrorCode::kForbidden,
                                      "metrics need the permission admin:metrics; or ask the "
                                      "admin address, see --admin-listen"});
    }
    respond(exchange,
            text_response(200, context_.metrics(), "text/plain; version=0.0.4; charset=utf-8"));
}

}  // namespace eventbus
