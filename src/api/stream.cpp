// GET /v1/stream?topic=…&since=…: server-sent events. Without a topic, what is for the signed-in
// user; a browser's EventSource goes on from Last-Event-ID by itself.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/api.h"
#include "api/event_source.h"
#include "event/topic.h"
#include "net/http_message.h"

namespace eventbus {
namespace {

// A place that a stream has named, as a browser sends it when it comes back.
bool shows_a_place(const HttpRequest& request) {
    return parse_offset(request.headers.find("Last-Event-ID").value_or("")).has_value();
}

}  // namespace

void Api::make_ticket(HttpExchange& exchange) {
    const Result<std::string> token = context_.sign_in.token_of(exchange.request);
    const Result<SharedPrincipal> principal =
        token ? context_.sign_in.verify(*token, exchange.request) : token.error();
    if (!principal) {
        probe_.unauthorized.add();
        return refuse(exchange, principal.error());
    }
    const Result<std::string> ticket = tickets_.make(*token);
    if (!ticket) return refuse(exchange, ticket.error());
    const auto ttl_ms = std::chrono::milliseconds(Tickets::kTimeToLive).count();
    HttpResponse response = json_response(
        200, "{\"ticket\":\"" + *ticket + "\",\"expiresInMs\":" + std::to_string(ttl_ms) + "}");
    response.headers.set("Cache-Control", "no-store");
    respond(exchange, std::move(response));
}

Result<SharedPrincipal> Api::sign_in_for_stream(const HttpRequest& request) {
    const std::optional<std::string> ticket = query_value(request.query, "ticket");
    if (!ticket) return context_.sign_in(request);
    const bool is_back = shows_a_place(request);
    const Result<std::string> token = tickets_.open(*ticket, is_back);
    if (!token) return token.error();
    Result<SharedPrincipal> principal = context_.sign_in.verify(*token, request);
    if (principal && !is_back) tickets_.note_use(*ticket, **principal);
    return principal;
}

void Api::refuse_stream(HttpExchange& exchange, const Error& error) const {
    if (!is_of_event_source(exchange.request)) return refuse(exchange, error);
    respond(exchange, event_source_refusal(error));
}

void Api::stream(const SharedExchange& exchange) {
    // Whether a ticket was used is known at home only.
    const auto ticket = query_value(exchange->request.query, "ticket").value_or("");
    const std::optional<std::size_t> home = tickets_.home_of(ticket);
    if (home && *home != context_.reactor.index() && !shows_a_place(exchange->request)) {
        return context_.hand_over(*home, exchange->release());
    }
    Result<SharedPrincipal> principal = sign_in_for_stream(exchange->request);
    if (!principal) {
        probe_.unauthorized.add();
        return refuse_stream(*exchange, principal.error());
    }
    exchange->connection()->admit();
    const HttpRequest& request = exchange->request;
    // An EventSource that has seen no id yet may send an empty one.
    std::optional<std::string> from(request.headers.find("Last-Event-ID"));
    if (!from || from->empty()) from = query_value(request.query, "since");

    std::vector<Topic> topics;
    for (const QueryParameter& parameter : parse_query(request.query)) {
        if (parameter.name != "topic") continue;
        const Result<Topic> topic = parse_topic(parameter.value);
        if (!topic) return refuse_stream(*exchange, topic.error());
        if (std::ranges::find(topics, topic->text, &Topic::text) != topics.end()) continue;
        if (topics.size() == topics_max_) {
            return refuse_stream(
                *exchange,
                Error{ErrorCode::kTooManyRooms, "a stream may have " + std::to_string(topics_max_) +
                                                    " topics; open another for the rest"});
        }
        topics.push_back(*topic);
    }
    const bool has_topics = !topics.empty();
    context_.admissions.sign_in({.principal = std::move(*principal),
                                 .since = std::move(from),
                                 .topics = std::move(topics),
                                 .wants_session = false,
                                 .receives_people = !has_topics},
                                [this, exchange, has_topics](Result<Admitted> admitted) {
                                    if (!admitted)
                                        return refuse_stream(*exchange, admitted.error());
                                    if (!admitted->ended.empty()) {
                                        return refuse_stream(*exchange,
                                                             admitted->ended.front().second);
                                    }
                                    open_stream(*exchange, *admitted, has_topics);
                                });
}

void Api::open_stream(HttpExchange& exchange, const Admitted& admitted, bool has_topics) {
    if (!exchange.is_open()) return;
    HttpResponse head = text_response(200, {}, "text/event-stream");
    head.headers.set("Cache-Control", "no-store");
    head.headers.set("X-Accel-Buffering", "no");  // nginx would hold events back
    context_.cors.apply(exchange.request, head);
    head.headers.set("Event-Bus-Offset", offset_text(context_.log, context_.log.frontier()));

    const std::shared_ptr<Connection> connection = exchange.connection();
    const auto framing = exchange.request.is_http_1_0 ? SseFraming::kNone : SseFraming::kChunks;
    const auto expires_at = admitted.principal->expires_at;
    auto made = std::make_unique<SseStream>(*this, *connection, framing, admitted);
    SseStream& stream = *made;
    exchange.respond_with_stream(head, std::move(made));
    stream.open(admitted, has_topics);
    if (connection->is_open()) expiries_.add(stream, expires_at);
}

}  // namespace eventbus
