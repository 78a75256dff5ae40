#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/raw_client.h"
#include "wire/websocket.h"

namespace eventbus {

// A client of Engine.IO that is a test: what it sends need not be right, and it shows all it gets.
class EngineClient : public RawClient {
 public:
    explicit EngineClient(std::uint16_t port, int receive_bytes = 0)
        : RawClient(RawClient::connect(port, receive_bytes)) {}

    void get(std::string_view query, std::string_view more = {}) {
        send("GET /socket.io/?" + std::string(query) + " HTTP/1.1\r\nHost: x\r\n" +
             std::string(more) + "\r\n");
    }
    void post(std::string_view query, std::string_view body, std::string_view more = {}) {
        send("POST /socket.io/?" + std::string(query) + " HTTP/1.1\r\nHost: x\r\nContent-Length: " +
             std::to_string(body.size()) + "\r\n" + std::string(more) + "\r\n" + std::string(body));
    }
    // Asks to become a WebSocket; `behind` goes in the same segment.
    void upgrade(std::string_view query, std::string_view behind = {}) {
        send("GET /socket.io/?" + std::string(query) +
             " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
             std::string(behind));
    }

    static std::string frame(websocket::Opcode opcode, std::string_view payload) {
        return websocket::encode_masked_frame(opcode, payload, {'a', 'b', 'c', 'd'});
    }
    static std::string text(std::string_view packet) {
        return frame(websocket::Opcode::kText, packet);
    }
    void send_text(std::string_view packet) { send(text(packet)); }
    void send_binary(std::string_view bytes) { send(frame(websocket::Opcode::kBinary, bytes)); }

    // What came over the WebSocket so far and was not taken: a text as it is, `binary:…`, `ping:…`,
    // `pong:…`, `close:CODE`, `error:CODE`; before the 101 nothing.
    std::vector<std::string> take_messages() {
        if (!is_websocket_) {
            const auto end = received().find("\r\n\r\n");
            if (end == std::string::npos || !received().starts_with("HTTP/1.1 101 ")) return {};
            received().erase(0, end + 4);
            is_websocket_ = true;
        }
        std::vector<std::string> messages;
        std::string bytes = std::exchange(received(), {});
        std::span<char> rest(bytes);
        for (;;) {
            using Kind = websocket::Item::Kind;
            const websocket::Item item = decoder_.next(rest);
            const std::string payload(item.payload);
            switch (item.kind) {
                case Kind::kNeedMore:
                    return messages;
                case Kind::kText:
                    messages.push_back(payload);
                    break;
                case Kind::kBinary:
                    messages.push_back("binary:" + payload);
                    break;
                case Kind::kPing:
                    messages.push_back("ping:" + payload);
                    break;
                case Kind::kPong:
                    messages.push_back("pong:" + payload);
                    break;
                case Kind::kClose:
                    messages.push_back("close:" + std::to_string(item.code));
                    break;
                case Kind::kError:
                    messages.push_back("error:" + std::to_string(item.code));
                    break;
            }
        }
    }

 private:
    bool is_websocket_ = false;
    const websocket::DecoderSettings settings_{.role = websocket::Role::kClient,
                                               .message_bytes_max = 64 << 20};
    websocket::Decoder decoder_{settings_};
};

}  // namespace eventbus
