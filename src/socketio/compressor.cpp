#include "socketio/compressor.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "wire/websocket.h"

namespace eventbus {

SharedFrame Compressor::compressed(const SharedFrame& frame) {
    const std::string_view payload = std::string_view(frame->bytes).substr(frame->payload_at);
    if (payload.size() < bytes_min_) return frame;
    if (!frame->deflated) {
        const auto opcode =
            static_cast<websocket::Opcode>(static_cast<unsigned char>(frame->bytes[0]) & 0x0FU);
        const std::string deflated = deflater_.deflate(payload);
        Frame twin;
        if (deflated.size() < payload.size()) {  // else it stays empty, which says so
            websocket::append_header(twin.bytes, opcode, deflated.size(), true);
            twin.payload_at = twin.bytes.size();
            twin.bytes += deflated;
            twin.latest_key = frame->latest_key;
        }
        frame->deflated = std::make_shared<const Frame>(std::move(twin));
        made_.add();
    }
    return frame->deflated->bytes.empty() ? frame : frame->deflated;
}

}  // namespace eventbus
