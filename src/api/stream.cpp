// GET /v1/stream?topic=…&since=…: server-sent events. Without a topic, what is for the signed-in
// user; a browser's EventSource goes on from Last-Event-ID by itself.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/api.h"
#include "bus/access.h"
#include "event/topic.h"
#include "net/http_message.h"

namespace eventbus {

struct Api::Opening {
    SharedExchange exchange;
    SharedPrincipal principal;
    Position now;
    std::optional<Position> since;
    std::string unknown_since;  // why it is none
    std::vector<SseStream::Joined> rooms;
    Position asked_at = kEndOfTime;  // the answers hold as of here, the oldest of them
    std::optional<Error> refusal;
    std::size_t to_ask = 1;
};

void Api::make_ticket(HttpExchange& exchange) {
    Result<SharedPrincipal> principal = context_.sign_in(exchange.request);
    if (!principal) {
        probe_.unauthorized.add();
        return refuse(exchange, principal.error());
    }
    const std::string ticket = tickets_.make(std::move(*principal), context_.reactor.now());
    const auto ttl_ms = std::chrono::milliseconds(Tickets::kTimeToLive).count();
    HttpResponse response = json_response(
        200, "{\"ticket\":\"" + ticket + "\",\"expiresInMs\":" + std::to_string(ttl_ms) + "}");
    response.headers.set("Cache-Control", "no-store");
    respond(exchange, std::move(response));
}

Result<SharedPrincipal> Api::sign_in_for_stream(const HttpRequest& request) {
    const std::optional<std::string> ticket = query_value(request.query, "ticket");
    if (!ticket) return context_.sign_in(request);
    const SharedPrincipal principal = tickets_.take(*ticket, context_.reactor.now());
    if (principal != nullptr) return principal;
    return Error{ErrorCode::kUnauthorized,
                 "the ticket was used, or is older than a minute; POST /v1/tickets gives another"};
}

void Api::stream(const SharedExchange& exchange) {
    const auto ticket = query_value(exchange->request.query, "ticket").value_or("");
    const std::optional<std::size_t> home = Tickets::reactor_of(ticket);
    if (home && *home != context_.reactor.index() && *home < context_.reactors) {
        return context_.hand_over(*home, exchange->release());
    }
    Result<SharedPrincipal> principal = sign_in_for_stream(exchange->request);
    if (!principal) {
        probe_.unauthorized.add();
        return refuse(*exchange, principal.error());
    }
    auto opening = std::make_shared<Opening>();
    opening->exchange = exchange;
    opening->principal = std::move(*principal);
    opening->now = context_.hub.cursor();

    const HttpRequest& request = exchange->request;
    std::string from(request.headers.find("Last-Event-ID").value_or(""));
    if (from.empty()) from = query_value(request.query, "since").value_or("");
    if (!from.empty()) {
        const Result<Position> since = visible_position(context_.log, from);
        // Refused, an EventSource would give up for ever: it is told, and goes on from now.
        if (since) {
            opening->since = *since;
        } else {
            opening->unknown_since = since.error().detail;
        }
    }

    std::vector<Topic> topics;
    for (const QueryParameter& parameter : parse_query(request.query)) {
        if (parameter.name != "topic") continue;
        const Result<Topic> topic = parse_topic(parameter.value);
        if (!topic) return refuse(*exchange, topic.error());
        if (topics.size() == topics_max_) {
            return refuse(*exchange, Error{ErrorCode::kTooManyRooms,
                                           "a stream may have " + std::to_string(topics_max_) +
                                               " topics; open another for the rest"});
        }
        topics.push_back(*topic);
    }
    const Position at = opening->since.value_or(opening->now);
    // With topics it is in its people's rooms, too, by which evictions find it, and gets nothing
    // of them.
    const Position of_people = topics.empty() ? at : kEndOfTime;
    for (Room& room : rooms_of(*opening->principal)) {
        opening->rooms.push_back({std::move(room), of_people});
    }
    for (const Topic& topic : topics) {
        if (!topic.is_subject()) {
            const Result<> may = check_may_consume(*catalog_, *opening->principal, topic.text);
            if (!may) return refuse(*exchange, may.error());
            opening->rooms.push_back({Room::pattern(topic.text), at});
            continue;
        }
        ++opening->to_ask;
        context_.watches.ask(
            watch_question(*catalog_, *opening->principal, topic.text), context_.reactor,
            [this, opening, subject = topic.text](Result<WatchAnswer> answer) {
                if (answer) {
                    const Position from_here = opening->since
                                                   ? std::max(*opening->since, answer->right_since)
                                                   : answer->at;
                    opening->rooms.push_back({Room::subject(subject), from_here});
                    opening->asked_at = std::min(opening->asked_at, answer->at);
                } else {
                    opening->refusal = answer.error();
                }
                if (--opening->to_ask == 0) open_stream(opening);
            });
    }
    if (--opening->to_ask == 0) open_stream(opening);
}

void Api::open_stream(const std::shared_ptr<Opening>& opening) {
    HttpExchange& exchange = *opening->exchange;
    if (opening->refusal) return refuse(exchange, *opening->refusal);
    if (!exchange.is_open()) return;
    HttpResponse head = text_response(200, {}, "text/event-stream");
    head.headers.set("Cache-Control", "no-store");
    head.headers.set("X-Accel-Buffering", "no");  // nginx would hold events back
    context_.cors.apply(exchange.request, head);
    head.headers.set("Event-Bus-Offset", offset_text(context_.log, context_.log.frontier()));

    const std::shared_ptr<Connection> connection = exchange.connection();
    const auto framing = exchange.request.is_http_1_0 ? SseFraming::kNone : SseFraming::kChunks;
    auto made = std::make_unique<SseStream>(*this, *connection, framing);
    SseStream& stream = *made;
    exchange.respond_with_stream(head, std::move(made));
    stream.begin(opening->rooms, opening->since.value_or(opening->now), opening->unknown_since);
    stream.evict_if_late(opening->rooms, opening->asked_at);
    if (connection->is_open()) expiries_.add(stream, opening->principal->expires_at);
}

}  // namespace eventbus
