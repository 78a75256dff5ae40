#include "base/assert.h"
#include "base/json_text.h"
#include "wire/socketio.h"

namespace eventbus::socketio {
namespace {

void append_head(std::string& out, PacketType type, std::string_view nsp,
                 std::size_t attachments = 0) {
    BUS_ASSERT(nsp.starts_with('/'));
    out += static_cast<char>('0' + static_cast<int>(type));
    if (attachments > 0) {
        out += std::to_string(attachments);
        out += '-';
    }
    if (nsp != kMainNamespace) {
        out += nsp;
        out += ',';
    }
}

}  // namespace

void append_connect(std::string& out, std::string_view nsp, std::string_view sid,
                    std::string_view pid) {
    append_head(out, PacketType::kConnect, nsp);
    out += "{\"sid\":";
    append_json_string(out, sid);
    if (!pid.empty()) {
        out += ",\"pid\":";
        append_json_string(out, pid);
    }
    out += '}';
}

void append_connect_error(std::string& out, std::string_view nsp, std::string_view message,
                          std::string_view data) {
    append_head(out, PacketType::kConnectError, nsp);
    out += "{\"message\":";
    append_json_string(out, message);
    if (!data.empty()) {
        out += ",\"data\":";
        out += data;
    }
    out += '}';
}

void append_event(std::string& out, const EventHead& head, std::string_view json) {
    append_head(out, head.attachments > 0 ? PacketType::kBinaryEvent : PacketType::kEvent, head.nsp,
                head.attachments);
    if (head.ack_id) out += std::to_string(*head.ack_id);
    out += json;
}

void append_ack(std::string& out, std::string_view nsp, std::uint64_t ack_id, std::string_view json,
                std::size_t attachments) {
    append_head(out, attachments > 0 ? PacketType::kBinaryAck : PacketType::kAck, nsp, attachments);
    out += std::to_string(ack_id);
    out += json;
}

void append_disconnect(std::string& out, std::string_view nsp) {
    append_head(out, PacketType::kDisconnect, nsp);
}

void append_connect_request(std::string& out, std::string_view nsp, std::string_view auth) {
    append_head(out, PacketType::kConnect, nsp);
    out += auth;
}

}  // namespace eventbus::socketio
