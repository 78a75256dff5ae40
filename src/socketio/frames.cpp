#include "socketio/frames.h"

#include <utility>

#include "base/assert.h"
#include "wire/engineio.h"
#include "wire/socketio.h"
#include "wire/websocket.h"

namespace eventbus {
namespace {

SharedFrame frame(websocket::Opcode opcode, std::string_view payload, LatestKey latest_key) {
    auto made = std::make_shared<Frame>();
    made->bytes.reserve(websocket::kHeaderBytesMax + payload.size());
    websocket::append_header(made->bytes, opcode, payload.size());
    made->payload_at = made->bytes.size();
    made->bytes.append(payload);
    made->latest_key = latest_key;
    return made;
}

}  // namespace

SharedFrame text_frame(std::string_view packet, LatestKey latest_key) {
    return frame(websocket::Opcode::kText, packet, latest_key);
}

SharedFrame binary_frame(std::string_view bytes) {
    return frame(websocket::Opcode::kBinary, bytes, LatestKey::kNone);
}

std::string begin_event(std::string_view nsp, std::size_t json_bytes) {
    std::string packet;
    packet.reserve(json_bytes + nsp.size() + 4);
    packet += '4';
    socketio::append_event(packet, {.nsp = nsp}, {});
    return packet;
}

SharedFrame event_frame(std::string_view nsp, std::string_view json, LatestKey latest_key) {
    return text_frame(begin_event(nsp, json.size()).append(json), latest_key);
}

void append_to_poll(std::string& payload, const Frame& frame) {
    BUS_ASSERT(frame.payload_at <= frame.bytes.size());
    const std::string_view data = std::string_view(frame.bytes).substr(frame.payload_at);
    const auto opcode = static_cast<unsigned char>(frame.bytes[0]) & 0x0FU;
    if (opcode != static_cast<unsigned>(websocket::Opcode::kBinary)) {
        engineio::append_to_payload(payload, data);
        return;
    }
    engineio::append_to_payload(payload,
                                engineio::encode_packet({.is_binary = true, .data = data}));
}

}  // namespace eventbus
