#include "wire/engineio.h"

#include <algorithm>

#include "base/assert.h"
#include "base/json_text.h"
#include "wire/base64.h"

namespace eventbus::engineio {
namespace {

constexpr char kBinaryMark = 'b';
constexpr std::string_view kVersion = "4";
// The value of a parameter that stands in a query twice: `?` cannot stand in a value that is sent
// by a client of ours, nor in a sid.
constexpr std::string_view kAmbiguous = "?";

Error malformed(const char* what) { return {ErrorCode::kBadRequest, what}; }

void set_once(std::string_view& parameter, std::string_view value) {
    parameter = parameter.data() == nullptr ? value : kAmbiguous;
}

std::optional<Transport> transport_named(std::string_view name) {
    if (name == "polling") return Transport::kPolling;
    if (name == "websocket") return Transport::kWebSocket;
    return {};
}

std::variant<Ask, Refusal> judge_handshake(const Request& request, Transport transport) {
    if (request.method != "GET") return Refusal::kBadHandshakeMethod;
    if ((transport == Transport::kWebSocket) != request.is_upgrade) return Refusal::kBadRequest;
    if (request.query.eio != kVersion) return Refusal::kUnsupportedVersion;
    return request.is_upgrade ? Ask::kOpenWebSocket : Ask::kOpenPolling;
}

std::variant<Ask, Refusal> judge_of_session(const Request& request, Transport transport) {
    if (!request.session) return Refusal::kUnknownSid;
    if ((transport == Transport::kWebSocket) != request.is_upgrade) return Refusal::kBadRequest;
    if (request.is_upgrade) return Ask::kUpgrade;
    if (*request.session != Transport::kPolling) return Refusal::kBadRequest;
    if (request.method == "GET") return Ask::kPoll;
    if (request.method == "POST") return Ask::kPost;
    return Refusal::kBadRequest;
}

}  // namespace

Result<Packet> parse_packet(std::string_view text, std::string& decoded) {
    if (text.empty()) return malformed("an empty Engine.IO packet");
    const char mark = text.front();
    const std::string_view data = text.substr(1);
    if (mark == kBinaryMark) {
        decoded.clear();
        if (!append_decoded_base64(decoded, data)) {
            return malformed("a binary Engine.IO packet that is not base64");
        }
        return Packet{PacketType::kMessage, true, decoded};
    }
    if (mark < '0' || mark > '6') return malformed("an Engine.IO packet of an unknown type");
    return Packet{static_cast<PacketType>(mark - '0'), false, data};
}

void append_packet(std::string& out, const Packet& packet) {
    if (packet.is_binary) {
        BUS_ASSERT(packet.type == PacketType::kMessage);
        out += kBinaryMark;
        append_base64(out, packet.data);
        return;
    }
    out += static_cast<char>('0' + static_cast<int>(packet.type));
    out += packet.data;
}

std::string encode_packet(const Packet& packet) {
    std::string out;
    append_packet(out, packet);
    return out;
}

Result<Packet> PayloadReader::next() {
    BUS_ASSERT(!is_done_);
    const auto end = rest_.find(kSeparator);
    const std::string_view text = rest_.substr(0, end);
    is_done_ = end == std::string_view::npos;
    if (!is_done_) rest_.remove_prefix(end + 1);

    Result<Packet> packet = parse_packet(text, decoded_);
    if (!packet) is_done_ = true;
    return packet;
}

void append_to_payload(std::string& payload, std::string_view packet) {
    if (!payload.empty()) payload += kSeparator;
    payload += packet;
}

std::string encode_open(const Handshake& handshake) {
    std::string out = "0{\"sid\":";
    append_json_string(out, handshake.sid);
    out += handshake.may_upgrade ? ",\"upgrades\":[\"websocket\"]" : ",\"upgrades\":[]";
    out += ",\"pingInterval\":" + std::to_string(handshake.ping_interval.count());
    out += ",\"pingTimeout\":" + std::to_string(handshake.ping_timeout.count());
    out += ",\"maxPayload\":" + std::to_string(handshake.payload_bytes_max) + "}";
    return out;
}

std::string_view to_string(Transport transport) {
    return transport == Transport::kPolling ? "polling" : "websocket";
}

Query parse_query(std::string_view query) {
    Query parsed;
    while (!query.empty()) {
        const std::string_view pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(pair.size() + 1, query.size()));
        const auto equals = std::min(pair.find('='), pair.size());
        const std::string_view name = pair.substr(0, equals);
        const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
        if (name == "EIO") set_once(parsed.eio, value);
        if (name == "transport") set_once(parsed.transport, value);
        if (name == "sid") set_once(parsed.sid, value);
        if (name == "t") set_once(parsed.t, value);
    }
    return parsed;
}

int http_status(Refusal refusal) { return refusal == Refusal::kForbidden ? 403 : 400; }

std::string_view message(Refusal refusal) {
    switch (refusal) {
        case Refusal::kUnknownTransport:
            return "Transport unknown";
        case Refusal::kUnknownSid:
            return "Session ID unknown";
        case Refusal::kBadHandshakeMethod:
            return "Bad handshake method";
        case Refusal::kBadRequest:
            return "Bad request";
        case Refusal::kForbidden:
            return "Forbidden";
        case Refusal::kUnsupportedVersion:
            return "Unsupported protocol version";
    }
    BUS_ASSERT(!"a refusal that is not in the list");
}

std::string refusal_body(Refusal refusal) {
    return "{\"code\":" + std::to_string(static_cast<int>(refusal)) + ",\"message\":\"" +
           std::string(message(refusal)) + "\"}";
}

std::variant<Ask, Refusal> judge(const Request& request) {
    const auto transport = transport_named(request.query.transport);
    if (!transport) return Refusal::kUnknownTransport;
    return request.query.sid.empty() ? judge_handshake(request, *transport)
                                     : judge_of_session(request, *transport);
}

}  // namespace eventbus::engineio
