#include "socketio/engine.h"

#include <optional>
#include <utility>
#include <variant>

#include "base/assert.h"
#include "socketio/frames.h"
#include "socketio/websocket_transport.h"
#include "wire/websocket_handshake.h"

namespace eventbus {
namespace {

using engineio::PacketType;
using engineio::Refusal;
using engineio::Transport;

constexpr std::string_view kSidAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
constexpr std::size_t kSidIndexBytes = 2;  // which reactor; the rest, 108 bits, is the secret

Session::Sid make_sid(Random& random, std::size_t reactor) {
    Session::Sid sid{};
    const std::string secret = random_token(random, sid.size() - kSidIndexBytes);
    sid[0] = kSidAlphabet[reactor / 64];
    sid[1] = kSidAlphabet[reactor % 64];
    std::copy(secret.begin(), secret.end(), sid.begin() + kSidIndexBytes);
    return sid;
}

std::optional<std::size_t> reactor_of(std::string_view sid) {
    if (sid.size() != Session::kSidBytes) return std::nullopt;
    const auto high = kSidAlphabet.find(sid[0]);
    const auto low = kSidAlphabet.find(sid[1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    return high * 64 + low;
}

HttpResponse payload_response(std::string payload) {
    HttpResponse response = text_response(200, std::move(payload));
    response.headers.set("Cache-Control", "no-store");
    return response;
}

std::uint16_t close_code(CloseReason reason) {
    switch (reason) {
        case CloseReason::kParseError:
            return websocket::kPolicyViolation;
        case CloseReason::kSlowClient:
            return websocket::kTryAgainLater;
        case CloseReason::kServer:
            return websocket::kGoingAway;
        default:
            return websocket::kNormal;
    }
}

}  // namespace

std::string_view to_string(CloseReason reason) {
    switch (reason) {
        case CloseReason::kTransportClosed:
            return "transport close";
        case CloseReason::kClientClosed:
            return "client close";
        case CloseReason::kPingTimeout:
            return "ping timeout";
        case CloseReason::kSlowClient:
            return "slow client";
        case CloseReason::kParseError:
            return "parse error";
        case CloseReason::kServer:
            return "server close";
        case CloseReason::kLeft:
            return "client namespace disconnect";
    }
    return "";
}

// ---- Session ----

Session::Session(EngineServer& server, Sid sid) : server_(server), sid_(sid) {}

Session::~Session() { BUS_ASSERT(websocket_ == nullptr && (!polling_ || !polling_->poll)); }

Transport Session::transport() const {
    return websocket_ != nullptr ? Transport::kWebSocket : Transport::kPolling;
}

bool Session::send(SharedFrame frame) {
    if (is_closed_) return false;
    if (websocket_ != nullptr) return websocket_->push(std::move(frame));
    if (!polling_->queue.push(std::move(frame))) {
        end(CloseReason::kSlowClient);
        return false;
    }
    if (polling_->poll) server_.reactor_.flush_later(*this);
    return true;
}

std::size_t Session::queued_bytes() const {
    if (websocket_ != nullptr) return websocket_->connection().queued_bytes();
    return polling_ ? polling_->queue.bytes() : 0;
}

bool Session::has_room() {
    if (is_closed_) return false;
    return websocket_ != nullptr ? websocket_->connection().has_room() : polling_->queue.has_room();
}

void Session::close(CloseReason reason) { end(reason); }

void Session::on_packet(const engineio::Packet& packet) {
    if (is_closed_) return;
    switch (packet.type) {
        case PacketType::kMessage:
            if (packet.is_binary) {
                server_.handler_.on_binary(*this, packet.data);
            } else {
                server_.handler_.on_text(*this, packet.data);
            }
            return;
        case PacketType::kPong:
            if (pong_is_due_) start_heartbeat();
            return;
        case PacketType::kClose:
            return end(CloseReason::kClientClosed);
        case PacketType::kPing:  // since v4 the server asks
        case PacketType::kOpen:
            return end(CloseReason::kParseError);
        case PacketType::kUpgrade:
        case PacketType::kNoop:
            return;
    }
}

void Session::on_poll(SharedExchange exchange) {
    if (polling_->poll) {
        // Two GETs at once: the reference ends the session, and so do we.
        exchange->respond(server_.with_cors(
            exchange->request, json_response(400, engineio::refusal_body(Refusal::kBadRequest))));
        return end(CloseReason::kTransportClosed);
    }
    polling_->poll = std::move(exchange);
    polling_->poll->on_abort([this] {
        polling_->poll.reset();
        end(CloseReason::kTransportClosed);
    });
    if (!polling_->queue.is_empty()) return flush();
    if (polling_->probed) return answer_poll(std::string(engineio::kNoopPacket));
    server_.handler_.on_drained(*this);
}

void Session::on_post(SharedExchange exchange) {
    const auto type = exchange->request.headers.find("Content-Type");
    if (type && type->starts_with("application/octet-stream")) {
        exchange->respond(server_.with_cors(
            exchange->request, json_response(400, engineio::refusal_body(Refusal::kBadRequest))));
        return end(CloseReason::kParseError);
    }
    engineio::PayloadReader reader(exchange->request.body);
    bool is_wrong = false;
    while (!reader.is_done() && !is_closed_) {
        const Result<engineio::Packet> packet = reader.next();
        if (!packet) {
            is_wrong = true;
            break;
        }
        on_packet(*packet);
    }
    exchange->respond(server_.with_cors(
        exchange->request, is_wrong
                               ? json_response(400, engineio::refusal_body(Refusal::kBadRequest))
                               : text_response(200, "ok", "text/html")));
    if (is_wrong && !is_closed_) {
        server_.probe_.parse_errors.add();
        end(CloseReason::kParseError);
    }
}

void Session::on_probe(WebSocketTransport& transport) {
    polling_->probe = &transport;
    polling_->probed = true;
    if (polling_->poll && polling_->queue.is_empty()) {
        answer_poll(std::string(engineio::kNoopPacket));
    }
}

bool Session::on_upgrade(WebSocketTransport& transport) {
    BUS_ASSERT(polling_ && polling_->probe == &transport);
    if (!polling_->probed) return false;
    const auto polling = std::move(polling_);
    websocket_ = &transport;
    request_ = std::move(polling->probe_request);
    transport.become_transport();
    server_.probe_.polling_sessions.subtract();
    server_.probe_.websocket_sessions.add();
    server_.probe_.upgraded.add();
    if (const SharedExchange poll = std::exchange(polling->poll, nullptr)) {
        poll->respond(
            server_.with_cors(poll->request, payload_response(std::string(engineio::kNoopPacket))));
    }
    while (const SharedFrame frame = polling->queue.pop()) {
        if (!transport.push(frame)) return true;  // and that has ended the session
    }
    server_.handler_.on_upgraded(*this);
    // Who waits for the polling queue to drain would wait for ever; has_room() else sees to it.
    if (has_room()) server_.handler_.on_drained(*this);
    return true;
}

void Session::on_websocket_drained() { server_.handler_.on_drained(*this); }

void Session::on_websocket_closed(CloseReason reason) {
    if (is_closed_) return;
    if (websocket_->connection().was_too_slow()) reason = CloseReason::kSlowClient;
    websocket_ = nullptr;
    end(reason);
}

void Session::on_probe_closed() {
    if (!polling_) return;
    polling_->probe = nullptr;
    polling_->probed = false;
    polling_->probe_request.reset();
}

void Session::start_heartbeat() {
    pong_is_due_ = false;
    server_.heartbeats_.arm(heartbeat_, server_.reactor_.now());
}

void Session::on_heartbeat_due() {
    if (pong_is_due_) {
        server_.probe_.ping_timeouts.add();
        return end(CloseReason::kPingTimeout);
    }
    pong_is_due_ = true;
    server_.ping_timeouts_.arm(heartbeat_, server_.reactor_.now());
    if (websocket_ != nullptr) {
        websocket_->connection().push_urgent(server_.ping_);
    } else {
        polling_->queue.push_urgent(server_.ping_);
        if (polling_->poll) server_.reactor_.flush_later(*this);
    }
}

void Session::flush() {
    if (is_closed_ || !polling_ || !polling_->poll || polling_->queue.is_empty()) return;
    answer_poll(take_payload(server_.settings_.poll_bytes));
    if (!is_closed_ && polling_->queue.is_empty()) server_.handler_.on_drained(*this);
}

// Takes what waits, at most `bytes_max` of it, but a packet at least.
std::string Session::take_payload(std::size_t bytes_max) {
    Outbox& queue = polling_->queue;
    std::string payload;
    while (!queue.is_empty()) {
        if (!payload.empty() && payload.size() + queue.next_bytes() > bytes_max) break;
        append_to_poll(payload, *queue.pop());
    }
    return payload;
}

void Session::answer_poll(std::string payload) {
    const SharedExchange poll = std::exchange(polling_->poll, nullptr);
    HttpResponse response = payload_response(std::move(payload));
    if (!poll->respond(server_.with_cors(poll->request, std::move(response)))) {
        end(CloseReason::kTransportClosed);  // what was in it is lost
    }
}

// The last answer over polling. Only if it was us who ended the session is what waits worth saying.
void Session::say_goodbye(CloseReason reason) {
    std::string payload;
    if (reason == CloseReason::kClientClosed) {
        payload = engineio::kNoopPacket;
    } else {
        if (reason == CloseReason::kServer) payload = take_payload(polling_->queue.bytes() * 2);
        engineio::append_to_payload(payload, engineio::kClosePacket);
    }
    if (polling_->poll) {
        answer_poll(std::move(payload));
    } else if (reason == CloseReason::kServer) {
        server_.farewells_.keep(sid(), std::move(payload));
    }
}

void Session::end(CloseReason reason) {
    if (is_closed_) return;
    is_closed_ = true;
    heartbeat_.disarm();
    server_.reactor_.forget(*this);
    if (reason == CloseReason::kSlowClient) server_.probe_.slow_clients.add();
    (polling_ ? server_.probe_.polling_sessions : server_.probe_.websocket_sessions).subtract();
    if (websocket_ != nullptr) {
        std::exchange(websocket_, nullptr)->close(close_code(reason), to_string(reason));
    }
    if (polling_) {
        if (polling_->probe != nullptr) {
            polling_->probe->close(websocket::kNormal, to_string(reason));
        }
        say_goodbye(reason);
    }
    if (is_announced_) server_.handler_.on_close(*this, reason);
    server_.remove(*this);
}

// ---- EngineServer ----

EngineServer::EngineServer(Reactor& reactor, Random& random, EngineHandler& handler,
                           const CorsPolicy& cors, EngineSettings settings)
    : reactor_(reactor),
      random_(random),
      handler_(handler),
      cors_(cors),
      settings_(settings),
      compressor_(settings.compress_bytes_min),
      decoder_settings_{.message_bytes_max = settings.payload_bytes_max, .inflater = &inflater_},
      heartbeats_(settings.ping_interval),
      ping_timeouts_(settings.ping_timeout),
      upgrade_timeouts_(settings.upgrade_timeout),
      farewells_(reactor),
      ping_(text_frame(engineio::kPingPacket)) {
    reactor_.add_due_list(heartbeats_);
    reactor_.add_due_list(ping_timeouts_);
    reactor_.add_due_list(upgrade_timeouts_);
}

EngineServer::~EngineServer() { BUS_ASSERT(sessions_.empty()); }

void EngineServer::set_hand_over(std::size_t reactors, HandOver hand_over) {
    BUS_ASSERT(reactors <= kSidAlphabet.size() * kSidAlphabet.size());
    reactors_ = reactors;
    hand_over_ = std::move(hand_over);
}

void EngineServer::on_request(SharedExchange exchange) {
    const HttpRequest& request = exchange->request;
    if (request.method == HttpMethod::kOptions) {
        exchange->respond(cors_.preflight(request));
        return;
    }

    engineio::Request asked{.method = to_string(request.method),
                            .query = engineio::parse_query(request.query),
                            .is_upgrade = request.is_upgrade};
    if (hand_over_if_foreign(asked.query.sid, *exchange)) return;
    Session* const session = find(asked.query.sid);
    if (session != nullptr) asked.session = session->transport();
    if (session == nullptr && request.method == HttpMethod::kGet && !request.is_upgrade) {
        if (auto last_words = farewells_.take(asked.query.sid)) {
            exchange->respond(with_cors(request, payload_response(std::move(*last_words))));
            return;
        }
    }

    const auto verdict = engineio::judge(asked);
    if (const auto* const refusal = std::get_if<Refusal>(&verdict)) {
        return refuse(*exchange, *refusal);
    }
    switch (std::get<engineio::Ask>(verdict)) {
        case engineio::Ask::kOpenPolling:
            return open_polling(std::move(exchange));
        case engineio::Ask::kOpenWebSocket:
            return open_websocket(std::move(exchange));
        case engineio::Ask::kPoll:
            return session->on_poll(std::move(exchange));
        case engineio::Ask::kPost:
            return session->on_post(std::move(exchange));
        case engineio::Ask::kUpgrade:
            return upgrade(*session, std::move(exchange));
    }
}

void EngineServer::close_all() {
    std::vector<Session*> all;
    all.reserve(sessions_.size());
    for (const auto& [sid, session] : sessions_) all.push_back(session.get());
    for (Session* const session : all) session->close(CloseReason::kServer);
}

Session* EngineServer::find(std::string_view sid) {
    const auto found = sessions_.find(sid);
    return found == sessions_.end() ? nullptr : found->second.get();
}

Session& EngineServer::make_session(HttpRequest request) {
    probe_.opened.add();
    auto session = std::make_unique<Session>(*this, make_sid(random_, reactor_.index()));
    session->request_ = std::make_unique<HttpRequest>(std::move(request));
    Session& made = *session;
    sessions_.emplace(made.sid(), std::move(session));
    made.start_heartbeat();
    return made;
}

// A client may be gone before its session has begun.
void EngineServer::announce(Session& session) {
    if (!session.is_open()) return;
    session.is_announced_ = true;
    handler_.on_open(session);
}

void EngineServer::remove(Session& session) {
    const auto found = sessions_.find(session.sid());
    BUS_ASSERT(found != sessions_.end());
    // Its functions may be on the stack.
    reactor_.defer([gone = std::shared_ptr<Session>(std::move(found->second))] {});
    sessions_.erase(found);
}

void EngineServer::refuse(HttpExchange& exchange, Refusal refusal) {
    probe_.refused.add();
    if (exchange.request.is_upgrade) {
        HttpResponse response =
            text_response(engineio::http_status(refusal), std::string(engineio::message(refusal)));
        response.close = true;
        exchange.respond(response);
        return;
    }
    exchange.respond(with_cors(exchange.request, json_response(engineio::http_status(refusal),
                                                               engineio::refusal_body(refusal))));
}

void EngineServer::open_polling(SharedExchange exchange) {
    if (sessions_.size() >= settings_.sessions_max) {
        probe_.refused.add();
        exchange->respond(with_cors(
            exchange->request, problem_response(Error{ErrorCode::kUnavailable,
                                                      "there are as many sessions as may be"})));
        return;
    }
    Session& session = make_session(exchange->request);
    session.polling_ = std::make_unique<Session::Polling>(settings_.queue_bytes_max);
    probe_.polling_sessions.add();
    exchange->respond(with_cors(exchange->request, payload_response(handshake(session, true))));
    announce(session);
}

void EngineServer::open_websocket(SharedExchange exchange) {
    if (sessions_.size() >= settings_.sessions_max) {
        probe_.refused.add();
        exchange->respond(problem_response(
            Error{ErrorCode::kUnavailable, "there are as many sessions as may be"}));
        return;
    }
    if (refuse_bad_handshake(*exchange)) return;
    Session& session = make_session(exchange->request);
    probe_.websocket_sessions.add();
    std::string rest;
    WebSocketTransport& transport = become_websocket(*exchange, &session, false, rest);
    transport.connection().push(text_frame(handshake(session, false)));
    transport.connection().pin_queued();  // the open packet is the first of all
    announce(session);
    transport.on_bytes(rest);
}

void EngineServer::upgrade(Session& session, SharedExchange exchange) {
    // A second WebSocket for one session is turned away; the first goes on.
    if (!session.polling_ || session.polling_->probe != nullptr) return turn_away(*exchange);
    if (refuse_bad_handshake(*exchange)) return;
    session.polling_->probe_request = std::make_unique<HttpRequest>(exchange->request);
    std::string rest;
    become_websocket(*exchange, &session, true, rest).on_bytes(rest);
}

// As the reference does: a client sees a WebSocket that opens and closes, and no HTTP error.
void EngineServer::turn_away(HttpExchange& exchange) {
    if (refuse_bad_handshake(exchange)) return;
    probe_.refused.add();
    std::string rest;
    become_websocket(exchange, nullptr, false, rest)
        .close(websocket::kNormal, "the session has a WebSocket already");
}

bool EngineServer::refuse_bad_handshake(HttpExchange& exchange) {
    const HttpHeaders& headers = exchange.request.headers;
    const std::string connection = headers.joined("Connection");
    const std::string upgrade_to = headers.joined("Upgrade");
    const auto refusal =
        websocket::check_upgrade({.method = to_string(exchange.request.method),
                                  .upgrade = upgrade_to,
                                  .connection = connection,
                                  .key = headers.find("Sec-WebSocket-Key").value_or(""),
                                  .version = headers.find("Sec-WebSocket-Version").value_or(""),
                                  .extensions = {}});
    if (!refusal) return false;
    probe_.refused.add();
    HttpResponse response = text_response(refusal->status, std::string(refusal->detail));
    if (refusal->status == 405) response.headers.set("Allow", "GET");
    if (refusal->status == 426) {
        response.headers.set("Sec-WebSocket-Version", "13");
        response.headers.set("Upgrade", "websocket");
    }
    response.close = true;
    exchange.respond(response);
    return true;
}

// Sets `rest` to what the client has sent behind its request. The transport lives until the turn's
// end at least; if the client was gone already, it has told its session so.
WebSocketTransport& EngineServer::become_websocket(HttpExchange& exchange, Session* session,
                                                   bool is_probe, std::string& rest) {
    const auto key = exchange.request.headers.find("Sec-WebSocket-Key").value_or("");
    std::string head =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: ";
    head.append(websocket::accept_value(key)).append("\r\n");
    const auto deflate = settings_.compress_bytes_min == 0
                             ? std::nullopt
                             : websocket::agree_to_deflate(
                                   exchange.request.headers.joined("Sec-WebSocket-Extensions"));
    if (deflate) head.append("Sec-WebSocket-Extensions: ").append(*deflate).append("\r\n");
    head += "\r\n";
    auto owned = std::make_unique<WebSocketTransport>(*this, *exchange.connection(), session,
                                                      is_probe, deflate.has_value());
    WebSocketTransport& transport = *owned;
    if (session != nullptr) {
        (is_probe ? session->polling_->probe : session->websocket_) = &transport;
    }
    rest = exchange.upgrade(std::move(head), std::move(owned));
    return transport;
}

std::string EngineServer::handshake(const Session& session, bool may_upgrade) const {
    return engineio::encode_open({.sid = session.sid(),
                                  .may_upgrade = may_upgrade,
                                  .ping_interval = settings_.ping_interval,
                                  .ping_timeout = settings_.ping_timeout,
                                  .payload_bytes_max = settings_.payload_bytes_max});
}

bool EngineServer::hand_over_if_foreign(std::string_view sid, HttpExchange& exchange) {
    const std::optional<std::size_t> home = reactor_of(sid);
    if (!home || *home == reactor_.index() || *home >= reactors_ || !hand_over_) return false;
    probe_.handed_over.add();
    hand_over_(*home, exchange.release());
    return true;
}

HttpResponse EngineServer::with_cors(const HttpRequest& request, HttpResponse response) const {
    cors_.apply(request, response);
    return response;
}

}  // namespace eventbus
