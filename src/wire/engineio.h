#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace eventbus::engineio {

// Engine.IO v4. A packet as text is its type's digit and its data; a message may be binary:
//
//    WebSocket   text frame `4hello`    binary frame, no type byte
//    polling     `4hello` 1E `4world` 1E `bAQIDBA==`
enum class PacketType : std::uint8_t { kOpen, kClose, kPing, kPong, kMessage, kUpgrade, kNoop };

struct Packet {
    PacketType type = PacketType::kMessage;
    bool is_binary = false;  // of kMessage only
    std::string_view data;
};

inline constexpr char kSeparator = '\x1e';
inline constexpr std::string_view kProbe =
    "probe";  // data of the ping and pong that try a transport
inline constexpr std::string_view kClosePacket = "1";
inline constexpr std::string_view kPingPacket = "2";
inline constexpr std::string_view kNoopPacket = "6";

// One packet of a text frame or of a payload. Its data is a slice of `text`, or of `decoded`, which
// is used for what came as base64 (a client may send that in text frames too).
// Errors: kBadRequest, for an empty text, an unknown type, wrong base64.
Result<Packet> parse_packet(std::string_view text, std::string& decoded);

// Appends a packet as text; binary as base64. (A text frame's payload, or a payload of one packet.)
void append_packet(std::string& out, const Packet& packet);
std::string encode_packet(const Packet& packet);

// The packets of a polling request's body, in order. The body must outlive it.
//
// Bounded: by the body; one binary packet is held decoded at a time.
class PayloadReader {
 public:
    explicit PayloadReader(std::string_view body) : rest_(body) {}

    bool is_done() const { return is_done_; }

    // The next packet, until the next call; not when is_done(). After an error it is done: packets
    // before the wrong one counted. An empty body has one packet, an empty one, which is wrong.
    Result<Packet> next();

 private:
    std::string_view rest_;
    std::string decoded_;
    bool is_done_ = false;
};

// Appends a packet that is text already (encode_packet()) to a polling answer.
void append_to_payload(std::string& payload, std::string_view packet);

struct Handshake {
    std::string_view sid;
    bool may_upgrade = true;  // to WebSocket; false on WebSocket itself
    std::chrono::milliseconds ping_interval{25'000};
    std::chrono::milliseconds ping_timeout{20'000};
    std::size_t payload_bytes_max = 1'000'000;
};

// `0{"sid":…,"upgrades":[…],"pingInterval":…,"pingTimeout":…,"maxPayload":…}`
std::string encode_open(const Handshake& handshake);

enum class Transport : std::uint8_t { kPolling, kWebSocket };
std::string_view to_string(Transport transport);

// The parameters of a request's query that Engine.IO reads. One that stands there twice has a value
// that nothing equals.
struct Query {
    std::string_view eio;
    std::string_view transport;
    std::string_view sid;  // empty: a handshake
    std::string_view t;    // what a client makes each request different by
};
Query parse_query(std::string_view query);

// Why a request is refused; the numbers are the protocol's.
enum class Refusal : std::uint8_t {
    kUnknownTransport,
    kUnknownSid,
    kBadHandshakeMethod,
    kBadRequest,
    kForbidden,
    kUnsupportedVersion,
};
int http_status(Refusal refusal);           // 403 for kForbidden, else 400
std::string_view message(Refusal refusal);  // `Session ID unknown`
std::string refusal_body(Refusal refusal);  // {"code":1,"message":"Session ID unknown"}

// A request to the Engine.IO path. OPTIONS (CORS) is answered before.
struct Request {
    std::string_view method;
    Query query;
    bool is_upgrade = false;  // to WebSocket, and its handshake values are good
    std::optional<Transport>
        session;  // on what the session of query.sid is; nothing: there is none
};

// What it asks for.
enum class Ask : std::uint8_t {
    kOpenPolling,    // a new session, answered with an open packet
    kOpenWebSocket,  // the same, after the 101
    kPoll,           // GET: packets for the client
    kPost,           // POST: packets from it
    kUpgrade,        // a WebSocket for a session that exists
};

// In the reference's order: transport (0), sid (1), method of a handshake (2), transport and
// upgrade that do not fit (3), version (5).
std::variant<Ask, Refusal> judge(const Request& request);

}  // namespace eventbus::engineio
