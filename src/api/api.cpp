#include "api/api.h"

#include <utility>

namespace eventbus {

Api::Api(Context context, ReadLimits limits, std::size_t topics_max,
         std::shared_ptr<const Catalog> catalog)
    : context_(std::move(context)),
      topics_max_(topics_max),
      catalog_(std::move(catalog)),
      reader_(limits),
      tickets_(context_.reactor.index(), context_.random),
      encoder_(context_.log),
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
    const bool is_get = request.method == HttpMethod::kGet || request.method == HttpMethod::kHead;
    const auto wants = [&](bool method_fits, std::string_view allowed) {
        if (method_fits) return true;
        HttpResponse response = problem_response(
            Error{ErrorCode::kMethodNotAllowed, "this path takes " + std::string(allowed)});
        response.headers.set("Allow", std::string(allowed));
        respond(*exchange, std::move(response));
        return false;
    };
    if (request.path == "/v1/events") {
        if (wants(request.method == HttpMethod::kPost, "POST")) publish(exchange);
    } else if (request.path == "/v1/stream") {
        if (wants(request.method == HttpMethod::kGet, "GET")) stream(exchange);
    } else if (request.path == "/v1/tickets") {
        if (wants(request.method == HttpMethod::kPost, "POST")) make_ticket(*exchange);
    } else if (request.path == "/metrics") {
        if (wants(is_get, "GET")) serve_metrics(*exchange);
    } else if (!is_get || !answer_health(*exchange)) {
        refuse(
            *exchange,
            Error{ErrorCode::kNotFound,
                  "there is nothing at this path; there are /v1/events, /v1/stream, /v1/tickets, "
                  "/healthz, /readyz, /metrics and /socket.io/"});
    }
}

void Api::on_admin_request(const SharedExchange& exchange) {
    if (exchange->request.path == "/metrics") {
        return respond(*exchange, text_response(200, context_.metrics(),
                                                "text/plain; version=0.0.4; charset=utf-8"));
    }
    if (answer_health(*exchange)) return;
    refuse(*exchange,
           Error{ErrorCode::kNotFound, "the admin address has /metrics, /healthz and /readyz"});
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

bool Api::answer_health(HttpExchange& exchange) const {
    if (exchange.request.path == "/healthz") {
        respond(exchange, json_response(200, R"({"status":"ok"})"));
        return true;
    }
    if (exchange.request.path != "/readyz") return false;
    const Result<> ready = context_.is_ready();
    if (ready) {
        respond(exchange, json_response(200, R"({"status":"ready"})"));
    } else {
        refuse(exchange, ready.error());
    }
    return true;
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
