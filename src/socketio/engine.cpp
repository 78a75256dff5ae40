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

using engineio::Refusal;

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

HttpResponse packets(std::string payload) {
    HttpResponse response = text_response(200, std::move(payload));
    response.headers.set("Cache-Control", "no-store");
    return response;
}

std::optional<std::size_t> reactor_of(std::string_view sid) {
    if (sid.size() != Session::kSidBytes) return std::nullopt;
    const auto high = kSidAlphabet.find(sid[0]);
    const auto low = kSidAlphabet.find(sid[1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    return high * 64 + low;
}

}  // namespace

EngineServer::EngineServer(Reactor& reactor, Random& random, EngineHandler& handler,
                           const CorsPolicy& cors, EngineSettings settings)
    : reactor_(reactor),
      random_(random),
      handler_(handler),
      cors_(cors),
      settings_(std::move(settings)),
      compressor_(settings_.compress_bytes_min),
      decoder_settings_{.message_bytes_max = settings_.payload_bytes_max, .inflater = &inflater_},
      strangers_(settings_.strangers_max, random),
      heartbeats_(settings_.ping_interval),
      ping_timeouts_(settings_.ping_timeout),
      upgrade_timeouts_(settings_.upgrade_timeout),
      farewells_(reactor),
      ping_(text_frame(engineio::kPingPacket)) {
    reactor_.add_due_list(heartbeats_);
    reactor_.add_due_list(ping_timeouts_);
    reactor_.add_due_list(upgrade_timeouts_);
}

EngineServer::~EngineServer() { close_all(); }

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

    if (request.method == HttpMethod::kTrace) {
        probe_.refused.add();
        respond(*exchange, method_refusal("GET, POST, OPTIONS"));
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
            respond_with_packets(*exchange, std::move(*last_words));
            return;
        }
    }

    const auto verdict = engineio::judge(asked);
    if (const auto* const refusal = std::get_if<Refusal>(&verdict)) {
        return refuse(*exchange, *refusal);
    }
    switch (std::get<engineio::Ask>(verdict)) {
        case engineio::Ask::kOpenPolling:
            return open_polling(exchange);
        case engineio::Ask::kOpenWebSocket:
            return open_websocket(exchange);
        case engineio::Ask::kPoll:
            return session->on_poll(std::move(exchange));
        case engineio::Ask::kPost:
            if (has_content_coding(request.headers)) {
                probe_.refused.add();
                respond(*exchange, content_coding_refusal());
                return;
            }
            return session->on_post(std::move(exchange));
        case engineio::Ask::kUpgrade:
            return upgrade(*session, exchange);
    }
}

void EngineServer::close_all() {
    std::vector<Session*> all;
    all.reserve(sessions_.size());
    for (std::size_t i = 0; i < sessions_.kShards; ++i) {
        for (const auto& [sid, session] : sessions_.part(i)) all.push_back(session.get());
    }
    for (Session* const session : all) session->close(CloseReason::kServer);
}

Session* EngineServer::find(std::string_view sid) {
    const auto* const found = sessions_.find(sid);
    return found != nullptr && found->second->is_open() ? found->second.get() : nullptr;
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
    strangers_.add(session, session.client(), reactor_.now());
    handler_.on_open(session);
}

void EngineServer::remove(Session& session) {
    auto* const found = sessions_.find(session.sid());
    BUS_ASSERT(found != nullptr);
    // Its functions may be on the stack.
    reactor_.defer([gone = std::shared_ptr<Session>(std::move(found->second))] {});
    sessions_.erase(found->first);
}

void EngineServer::note_websocket_error(const IpAddress& client, std::string_view why) {
    probe_.websocket_errors.add();
    say_malformed("websocket", client, why);
}

void EngineServer::note_packet_error(const IpAddress& client, std::string_view why) {
    probe_.packet_errors.add();
    say_malformed("engineio", client, why);
}

void EngineServer::refuse(HttpExchange& exchange, Refusal refusal) {
    probe_.refused.add();
    const int status = engineio::http_status(refusal);
    if (!exchange.request.is_upgrade) {
        respond(exchange, json_response(status, engineio::refusal_body(refusal)));
        return;
    }
    HttpResponse response = text_response(status, std::string(engineio::message(refusal)));
    response.close = true;
    respond(exchange, std::move(response));
}

bool EngineServer::refuse_if_full(HttpExchange& exchange) {
    if (sessions_.size() - strangers_.size() < settings_.sessions_max) return false;
    probe_.refused.add();
    respond(exchange, problem_response(
                          Error{ErrorCode::kUnavailable, "there are as many sessions as may be"}));
    return true;
}

void EngineServer::open_polling(const SharedExchange& exchange) {
    if (refuse_if_full(*exchange)) return;
    Session& session = make_session(exchange->request);
    session.polling_ =
        std::make_unique<Session::Polling>(settings_.queue_bytes_max, exchange->request.client);
    probe_.polling_sessions.add();
    HttpResponse response = packets(handshake(session, true));
    if (!settings_.sticky_cookie.empty()) {
        response.headers.set("Set-Cookie", settings_.sticky_cookie + "=" +
                                               std::string(session.sid()) +
                                               "; Path=/; HttpOnly; SameSite=Lax");
    }
    respond(*exchange, std::move(response));
    announce(session);
}

void EngineServer::open_websocket(const SharedExchange& exchange) {
    if (refuse_if_full(*exchange)) return;
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

void EngineServer::upgrade(Session& session, const SharedExchange& exchange) {
    // A second WebSocket for one session is turned away; the first goes on.
    if (!session.polling_ || session.polling_->probe != nullptr) return turn_away(*exchange);
    if (refuse_bad_handshake(*exchange)) return;
    session.polling_->probe_request = std::make_unique<HttpRequest>(exchange->request);
    if (session.is_admitted()) exchange->connection()->admit();
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
    if (refusal->status == 405) response.headers.set("Allow", "GET");  // as a WebSocket
    if (refusal->status == 426) {
        response.headers.set("Sec-WebSocket-Version", "13");
        response.headers.set("Upgrade", "websocket");
    }
    response.close = true;
    respond(exchange, std::move(response));
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

bool EngineServer::respond(HttpExchange& exchange, HttpResponse response) const {
    cors_.apply(exchange.request, response);
    return exchange.respond(response);
}

bool EngineServer::respond_with_packets(HttpExchange& exchange, std::string payload) {
    HttpResponse response = packets(std::move(payload));
    compress(exchange.request, response);
    return respond(exchange, std::move(response));
}

void EngineServer::compress(const HttpRequest& request, HttpResponse& response) {
    const std::size_t bytes = response.body.size();
    const std::size_t bytes_min = settings_.compress_bytes_min;
    if (bytes_min == 0 || bytes < bytes_min || bytes > kCompressedBytesMax) return;
    response.headers.append("Vary", "Accept-Encoding");
    const ContentCoding coding = choose_content_coding(request.headers.joined("Accept-Encoding"));
    if (coding == ContentCoding::kIdentity) return;
    response.headers.set("Content-Encoding", std::string(to_string(coding)));
    response.body = content_encoder_.encode(response.body, coding);
    probe_.compressed_polls.add();
}

std::unique_ptr<BodyWatch> EngineServer::watch_body(const HttpRequest& head) {
    if (head.method != HttpMethod::kPost) return nullptr;
    // Of a session of another reactor it is known once the request is there.
    Session* const session = find(engineio::parse_query(head.query).sid);
    if (session == nullptr || !session->polling_) return nullptr;
    return session->watch_post(head);
}

void EngineServer::complete(const HttpRequest* head, HttpResponse& response) const {
    if (head != nullptr) return cors_.apply(*head, response);
    cors_.apply_unread(response);
}

}  // namespace eventbus
