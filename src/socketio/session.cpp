#include "socketio/session.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/diagnostics.h"
#include "socketio/engine.h"
#include "socketio/frames.h"
#include "socketio/websocket_transport.h"

namespace eventbus {
namespace {

using engineio::PacketType;
using engineio::Refusal;
using engineio::Transport;

// A ping that leaves late takes so much at most from the time that its answer has: sessions of a
// busy server still end on time, and a server that stood still does not blame its clients.
constexpr auto kPingLatenessMax = std::chrono::milliseconds(20);

std::uint16_t close_code(CloseReason reason) {
    switch (reason) {
        case CloseReason::kParseError:
            return websocket::kPolicyViolation;
        case CloseReason::kSlowClient:
        case CloseReason::kCrowdedOut:
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
        case CloseReason::kCrowdedOut:
            return "crowded out";
        case CloseReason::kLeft:
            return "client namespace disconnect";
    }
    return "";
}

void say_malformed(std::string_view layer, const IpAddress& client, std::string_view why) {
    diagnostics::debug(
        "a client broke the protocol, and is closed",
        {{"client", client.text()}, {"layer", std::string(layer)}, {"why", std::string(why)}});
}

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

void Session::prefetch(int step) const {
    if (step == 0) return __builtin_prefetch(&websocket_);
    if (websocket_ != nullptr) websocket_->prefetch(step - 1);
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

void Session::admit() {
    server_.strangers_.remove(*this);
    if (websocket_ != nullptr) websocket_->connection().admit();
    if (polling_ && polling_->poll) polling_->poll->connection()->admit();
    if (polling_ && polling_->probe != nullptr) polling_->probe->connection().admit();
}

void Session::give_way() { end(CloseReason::kCrowdedOut); }

const IpAddress& Session::client() const {
    return websocket_ != nullptr ? websocket_->connection().client() : polling_->client;
}

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
            if (pong_is_due_) on_pong();
            if (polling_ && std::exchange(polling_->is_late, false) && polling_->poll) begin_poll();
            return;
        case PacketType::kClose:
            return end(CloseReason::kClientClosed);
        case PacketType::kPing:
            return fail("a ping of a client: since version 4 the server asks");
        case PacketType::kOpen:
            return fail("an open packet of a client");
        case PacketType::kUpgrade:
        case PacketType::kNoop:
            return;
    }
}

void Session::LastRequest::note(const HttpExchange& exchange) {
    name_ = engineio::parse_query(exchange.request.query).t;
    if (name_.size() > kNameBytesMax) name_.clear();
    connection_ = exchange.connection();
}

bool Session::LastRequest::has_name_of(const HttpRequest& request) const {
    return !name_.empty() && name_ == engineio::parse_query(request.query).t;
}

bool Session::LastRequest::is_repeated_by(const HttpExchange& exchange) const {
    return has_name_of(exchange.request) && connection_.lock() != exchange.connection();
}

void Session::on_poll(SharedExchange exchange) {
    if (polling_->poll) {
        // Two GETs at once: the reference ends the session, and so do we.
        server_.refuse(*exchange, Refusal::kBadRequest);
        return end(CloseReason::kTransportClosed);
    }
    if (polling_->last_poll.is_repeated_by(*exchange)) {
        // What the answer before brought is lost. The client comes back and gets it by its place.
        server_.refuse(*exchange, Refusal::kUnknownSid);
        return end(CloseReason::kTransportClosed);
    }
    polling_->last_poll.note(*exchange);
    if (is_admitted()) exchange->connection()->admit();
    polling_->poll = std::move(exchange);
    polling_->poll->on_abort([this] {
        polling_->poll.reset();
        end(CloseReason::kTransportClosed);
    });
    // The pong may lie in another connection. If it does not, the poll has found no session.
    polling_->is_late = pong_is_due_ && heartbeat_.at() <= server_.reactor_.now();
    if (!polling_->is_late) begin_poll();
}

void Session::begin_poll() {
    if (!polling_->queue.is_empty()) return flush();
    if (polling_->probed) return answer_poll(std::string(engineio::kNoopPacket));
    server_.handler_.on_drained(*this);
}

// A POST whose body is on its way. What it was to bring is lost if it does not come, and the
// session ends with it.
class Session::PostOnItsWay final : public BodyWatch {
 public:
    explicit PostOnItsWay(Session& session) : session_(&session) { session.post_ = this; }
    ~PostOnItsWay() override {
        if (session_ == nullptr) return;
        Session& session = *session_;
        arrived();
        session.end(CloseReason::kTransportClosed);
    }
    void arrived() override {
        if (session_ != nullptr) std::exchange(session_, nullptr)->post_ = nullptr;
    }

 private:
    Session* session_;  // null once nothing is awaited
};

std::unique_ptr<BodyWatch> Session::watch_post(const HttpRequest& head) {
    if (in_hand_ && polling_->last_post.has_name_of(head)) return nullptr;  // on_post() sees to it
    if (post_ == nullptr && !in_hand_) return std::make_unique<PostOnItsWay>(*this);
    // Two POSTs at once: which of them comes first cannot be said, so the reference ends the
    // session, and so do we. Both are answered that they have none.
    end(CloseReason::kTransportClosed);
    return nullptr;
}

// A POST whose packets are being handled: a body holds many, and others have turns in between.
struct Session::PostInHand {
    Session* session;  // null once it is over
    SharedExchange exchange;
    engineio::PayloadReader reader;
};

void Session::on_post(SharedExchange exchange) {
    if (polling_->last_post.is_repeated_by(*exchange)) return accept_post(*exchange);
    if (media_type(exchange->request.headers) == "application/octet-stream") {
        server_.refuse(*exchange, Refusal::kBadRequest);
        return fail("a POST of application/octet-stream, which was version 3's");
    }
    if (in_hand_) {  // two at once, of which one came by another reactor
        server_.refuse(*exchange, Refusal::kBadRequest);
        return end(CloseReason::kTransportClosed);
    }
    polling_->last_post.note(*exchange);
    const std::string_view body = exchange->request.body;
    in_hand_ = std::make_shared<PostInHand>(
        PostInHand{this, std::move(exchange), engineio::PayloadReader(body)});
    take_post();
}

void Session::take_post() {
    const std::shared_ptr<PostInHand> post = in_hand_;
    Reactor::Slice slice = server_.reactor_.slice();
    while (!post->reader.is_done() && !is_closed_) {
        const Result<engineio::Packet> packet = post->reader.next();
        if (!packet) {
            server_.refuse(*post->exchange, Refusal::kBadRequest);
            return fail(packet.error().detail);
        }
        on_packet(*packet);
        if (post->reader.is_done() || is_closed_ || !slice.is_over()) continue;
        return server_.reactor_.post([post] {
            if (post->session != nullptr) post->session->take_post();
        });
    }
    post_is_done();
}

void Session::post_is_done() {
    if (!in_hand_) return;
    in_hand_->session = nullptr;
    accept_post(*std::exchange(in_hand_, nullptr)->exchange);
}

void Session::accept_post(HttpExchange& exchange) {
    if (is_admitted()) exchange.connection()->admit();
    server_.respond(exchange, text_response(200, "ok", "text/html"));
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
        server_.respond_with_packets(*poll, std::string(engineio::kNoopPacket));
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

void Session::on_pong() {
    start_heartbeat();
    if (receipt_ != Receipt::kUnderWay) return;
    receipt_ = Receipt::kNone;
    server_.handler_.on_receipt(*this);
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
    if (receipt_ == Receipt::kWanted && queued_bytes() == 0) receipt_ = Receipt::kUnderWay;
    server_.ping_timeouts_.arm(
        heartbeat_, std::max(heartbeat_.at(), server_.reactor_.now() - kPingLatenessMax));
    if (websocket_ != nullptr) {
        websocket_->connection().push_urgent(server_.ping_);
    } else {
        polling_->queue.push_urgent(server_.ping_);
        if (polling_->poll) server_.reactor_.flush_later(*this);
    }
}

void Session::flush() {
    if (is_closed_ || !polling_ || !polling_->poll || polling_->queue.is_empty()) return;
    answer_poll(take_payload().text);
    if (!is_closed_ && polling_->queue.is_empty()) server_.handler_.on_drained(*this);
}

void Session::Payload::append(const Frame& frame) {
    append_to_poll(text, frame);
    ++packets;
}

// Takes of what waits as much as an answer may hold, but a packet at least; none if nothing waits.
Session::Payload Session::take_payload() {
    Outbox& queue = polling_->queue;
    const std::size_t bytes_max = server_.settings_.poll_bytes;
    Payload payload;
    while (!queue.is_empty() && payload.packets < kPollPacketsMax) {
        if (payload.packets > 0 && payload.text.size() + queue.next_bytes() > bytes_max) break;
        payload.append(*queue.pop());
    }
    return payload;
}

// All that waits and the end, in as many answers as it takes. The end has one of its own:
// socket.io-client closes as soon as it sees it, and takes what came with it for what came behind.
std::vector<std::string> Session::take_last_payloads() {
    std::vector<std::string> payloads;
    while (!polling_->queue.is_empty()) payloads.push_back(take_payload().text);
    payloads.emplace_back(engineio::kClosePacket);
    return payloads;
}

void Session::answer_poll(std::string payload) {
    const SharedExchange poll = std::exchange(polling_->poll, nullptr);
    if (!server_.respond_with_packets(*poll, std::move(payload))) {
        end(CloseReason::kTransportClosed);  // what was in it is lost
    }
}

// The last answers over polling. Only if it was us who ended the session is what waits worth
// saying.
void Session::say_goodbye(CloseReason reason) {
    if (reason == CloseReason::kPingTimeout && polling_->poll && polling_->is_late) {
        const SharedExchange poll = std::exchange(polling_->poll, nullptr);
        return server_.refuse(*poll, Refusal::kUnknownSid);
    }
    std::vector<std::string> payloads;
    if (reason == CloseReason::kServer) {
        payloads = take_last_payloads();
    } else {
        const bool has_left = reason == CloseReason::kClientClosed;
        payloads.emplace_back(has_left ? engineio::kNoopPacket : engineio::kClosePacket);
    }
    if (polling_->poll) {
        answer_poll(std::move(payloads.front()));
        payloads.erase(payloads.begin());
    }
    if (reason == CloseReason::kServer && !payloads.empty()) {
        server_.farewells_.keep(sid(), std::move(payloads));
    }
}

void Session::fail(std::string_view why) {
    if (is_closed_) return;
    server_.note_packet_error(client(), why);
    end(CloseReason::kParseError);
}

void Session::end(CloseReason reason) {
    if (is_closed_) return;
    is_closed_ = true;
    if (post_ != nullptr) post_->arrived();
    post_is_done();
    heartbeat_.disarm();
    server_.strangers_.remove(*this);
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

}  // namespace eventbus
