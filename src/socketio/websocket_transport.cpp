#include "socketio/websocket_transport.h"

#include <utility>

#include "socketio/engine.h"
#include "socketio/frames.h"
#include "wire/engineio.h"

namespace eventbus {

using websocket::Item;

WebSocketTransport::WebSocketTransport(EngineServer& server, Connection& connection,
                                       Session* session, bool is_probe, bool is_deflated)
    : server_(server),
      connection_(connection),
      session_(session),
      is_deflated_(is_deflated),
      is_probe_(is_probe),
      decoder_(server.decoder_settings_, is_deflated) {
    if (!is_probe) return;
    upgrade_due_ =
        std::make_unique<MemberDue<WebSocketTransport, &WebSocketTransport::on_upgrade_due>>(*this);
    server.upgrade_timeouts_.arm(*upgrade_due_, server.reactor_.now());
}

bool WebSocketTransport::push(SharedFrame frame) {
    return connection_.push(is_deflated_ ? server_.compressor_.compressed(frame)
                                         : std::move(frame));
}

void WebSocketTransport::prefetch(int step) const {
    step == 0 ? __builtin_prefetch(this) : connection_.prefetch();
}

void WebSocketTransport::become_transport() {
    is_probe_ = false;
    upgrade_due_.reset();
}

void WebSocketTransport::close(std::uint16_t code, std::string_view reason) {
    session_ = nullptr;
    upgrade_due_.reset();
    Frame frame;
    frame.bytes = websocket::encode_close(code, reason);
    // Behind what waits: after a Close frame no other may follow (RFC 6455, 5.5.1).
    connection_.push(std::make_shared<const Frame>(std::move(frame)));
    connection_.close_when_sent();
}

void WebSocketTransport::on_bytes(std::span<char> bytes) {
    if (held_) {  // a peer that is gone was read to its end
        held_->bytes.append(bytes.data(), bytes.size());
    } else if (const std::size_t left = take(bytes); left > 0) {
        const std::span<const char> rest = bytes.last(left);
        hold(std::make_unique<Held>(Held{std::string(rest.begin(), rest.end())}));
    }
}

std::size_t WebSocketTransport::take(std::span<char> bytes) {
    Reactor::Slice slice = server_.reactor_.slice();
    while (connection_.is_open()) {
        const Item item = decoder_.next(bytes);
        switch (item.kind) {
            case Item::Kind::kNeedMore:
                return 0;
            case Item::Kind::kText:
                on_text(item.payload);
                break;
            case Item::Kind::kBinary:
                if (session_ == nullptr) break;
                if (is_probe_) {
                    fail_as_packet("a probe was expected");
                } else {
                    session_->on_packet({.is_binary = true, .data = item.payload});
                }
                break;
            case Item::Kind::kPing:
                on_ping(item.payload);
                break;
            case Item::Kind::kPong:
                break;
            case Item::Kind::kClose: {
                Session* const session = session_;
                close(
                    item.code == websocket::kNoCode ? std::uint16_t{websocket::kNormal} : item.code,
                    {});
                if (session == nullptr) return 0;
                if (is_probe_) {
                    session->on_probe_closed();
                } else {
                    session->on_websocket_closed(CloseReason::kTransportClosed);
                }
                return 0;
            }
            case Item::Kind::kError:
                server_.note_websocket_error(connection_.client(), item.payload);
                fail(item.code, item.payload);
                return 0;
        }
        if (!bytes.empty() && slice.is_over()) return bytes.size();
    }
    return 0;
}

void WebSocketTransport::hold(std::unique_ptr<Held> held) {
    held_ = std::move(held);
    connection_.pause_reading(true);
    server_.reactor_.post([this, keep = connection_.shared_from_this()] {
        if (keep->is_open()) go_on();
    });
}

void WebSocketTransport::go_on() {
    std::unique_ptr<Held> held = std::move(held_);
    const std::size_t left = take(std::span(held->bytes).subspan(held->taken));
    if (left > 0) {
        held->taken = held->bytes.size() - left;
        hold(std::move(held));
    } else if (connection_.is_open()) {
        connection_.pause_reading(false);
    }
}

void WebSocketTransport::on_ping(std::string_view payload) {
    // Who pings faster than it reads need not have an answer to each (RFC 6455, 5.5.3).
    if (connection_.has_much_urgent()) return;
    Frame pong;
    pong.bytes = websocket::encode_frame(websocket::Opcode::kPong, payload);
    connection_.push_urgent(std::make_shared<const Frame>(std::move(pong)));
}

void WebSocketTransport::on_text(std::string_view text) {
    if (session_ == nullptr) return;
    if (is_probe_) return on_probe_text(text);
    std::string decoded;
    const Result<engineio::Packet> packet = engineio::parse_packet(text, decoded);
    if (!packet) return fail_as_packet("this is no Engine.IO packet");
    session_->on_packet(*packet);
}

void WebSocketTransport::on_probe_text(std::string_view text) {
    std::string decoded;
    const Result<engineio::Packet> packet = engineio::parse_packet(text, decoded);
    if (packet && packet->type == engineio::PacketType::kPing && packet->data == engineio::kProbe) {
        if (connection_.push(text_frame("3probe"))) session_->on_probe(*this);
        return;
    }
    const bool is_upgrade = packet && packet->type == engineio::PacketType::kUpgrade;
    if (is_upgrade && session_->on_upgrade(*this)) return;
    fail_as_packet("a probe was expected");
}

void WebSocketTransport::fail_as_packet(std::string_view why) {
    server_.note_packet_error(connection_.client(), why);
    fail(websocket::kPolicyViolation, why);
}

// The peer broke the protocol: this WebSocket ends, and with it the session that it carries.
void WebSocketTransport::fail(std::uint16_t code, std::string_view why) {
    Session* const session = session_;
    close(code, why);
    if (session == nullptr) return;
    if (is_probe_) return session->on_probe_closed();
    session->on_websocket_closed(CloseReason::kParseError);
}

void WebSocketTransport::on_upgrade_due() {
    Session* const session = session_;
    close(websocket::kPolicyViolation, "the upgrade took too long");
    if (session != nullptr) session->on_probe_closed();
}

void WebSocketTransport::on_drained() {
    if (session_ != nullptr && !is_probe_) session_->on_websocket_drained();
}

void WebSocketTransport::on_closed() {
    upgrade_due_.reset();
    Session* const session = std::exchange(session_, nullptr);
    if (session == nullptr) return;
    if (is_probe_) return session->on_probe_closed();
    session->on_websocket_closed(CloseReason::kTransportClosed);
}

}  // namespace eventbus
