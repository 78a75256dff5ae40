#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace eventbus::socketio {

// Socket.IO v5. A packet is the data of an Engine.IO message:
//
//    <type>[<attachments>-][/<namespace>,][<ack id>][<JSON>]
//    451-/chat,7["image",{"_placeholder":true,"num":0}]
//
// and, for the binary types, as many binary messages as it says, right after it.
enum class PacketType : std::uint8_t {
    kConnect,       // JSON: nothing or an object
    kDisconnect,    // no JSON
    kEvent,         // JSON: [name, arguments…]
    kAck,           // JSON: [arguments…]; always with an ack id
    kConnectError,  // JSON: an object or a string; from a client it is an error
    kBinaryEvent,
    kBinaryAck,
};

inline constexpr std::string_view kMainNamespace = "/";
inline constexpr std::uint64_t kAckIdMax = (std::uint64_t{1} << 53) - 1;  // what JavaScript counts

// A packet whose JSON was checked whole (scan_json()): every slice of it may be passed on as it is,
// and has to be checked by who reads it (JsonChecker). Lives until the next call to the parser or
// assembler that gave it.
struct Packet {
    PacketType type = PacketType::kEvent;
    std::string_view nsp = kMainNamespace;  // as it came, a query string included
    std::optional<std::uint64_t> ack_id;
    std::string_view json;   // without spaces around it; empty: none
    bool is_strict = false;  // JsonScan::is_strict

    // Events: the name (unescaped; of a number its digits).
    std::string_view name;
    // Events: the JSON of each argument behind the name. Acks: of each.
    std::span<const std::string_view> arguments;

    // Binary types: how many follow, and, once they have, what they hold. The placeholders in the
    // JSON name them by their number.
    std::size_t attachment_count = 0;
    std::span<const std::string> attachments;

    bool is_event() const { return type == PacketType::kEvent || type == PacketType::kBinaryEvent; }
    bool is_ack() const { return type == PacketType::kAck || type == PacketType::kBinaryAck; }
    bool is_binary() const { return type >= PacketType::kBinaryEvent; }
};

// Thread:  one at a time; one parser a reactor.
// Bounded: by the text, kJsonScanLevelsMax and kAttachmentsMax.
// Cost:    linear; an event of 250 bytes takes about 0.4 µs and allocates nothing.
class Parser {
 public:
    static constexpr std::size_t kAttachmentsMax = 10;  // as the reference has it

    // Errors: kBadRequest; the connection is to be closed, as the reference does.
    Result<Packet> parse(std::string_view text);

    // The same for a packet that is together with its attachments, which the parser keeps for as
    // long.
    Result<Packet> parse(std::string text, std::vector<std::string> attachments);

 private:
    Result<> read_json(Packet& packet);
    Result<> read_name(Packet& packet, std::string_view json);

    std::vector<std::string_view> slices_;  // of the last packet's array
    std::string name_;                      // of the last packet, if it was written with escapes
    std::string text_;                      // of the last packet with attachments
    std::vector<std::string> attachments_;
};

// The packets of one connection: holds a binary packet until its attachments are there.
//
// Thread:  one at a time; assemblers with one parser together.
// Bounded: by kAttachmentsMax and by `bytes_max` for the text and its attachments.
// Invariant: between packets it holds no memory but itself.
class Assembler {
 public:
    Assembler(Parser& parser, std::size_t bytes_max);
    Assembler(Assembler&&) noexcept;
    Assembler& operator=(Assembler&&) noexcept;
    ~Assembler();

    // The packet that an Engine.IO message completes; nothing: attachments are missing yet.
    // Errors: kBadRequest, also for text where an attachment is due and the reverse, and for text
    // behind a binary packet that announced none; kTooLarge.
    Result<std::optional<Packet>> feed_text(std::string_view text);
    Result<std::optional<Packet>> feed_binary(std::string_view bytes);

    bool is_idle() const { return pending_ == nullptr; }

 private:
    struct Pending;

    Parser* parser_;
    std::size_t bytes_max_;
    std::unique_ptr<Pending> pending_;  // a packet whose attachments are missing yet
};

// Encoders append, so that a frame's header and the Engine.IO type can stand before.

// `0{"sid":…,"pid":…}`; without recovery (an empty pid) exactly `0{"sid":…}`.
void append_connect(std::string& out, std::string_view nsp, std::string_view sid,
                    std::string_view pid);

// `4{"message":…,"data":…}`; `data` is JSON, empty: none.
void append_connect_error(std::string& out, std::string_view nsp, std::string_view message,
                          std::string_view data = {});

// `2["name",…]`: `json` is the whole array; with attachments it holds their placeholders.
struct EventHead {
    std::string_view nsp = kMainNamespace;
    std::optional<std::uint64_t> ack_id = {};  // set: the client shall answer with it
    std::size_t attachments = 0;
};
void append_event(std::string& out, const EventHead& head, std::string_view json);

void append_ack(std::string& out, std::string_view nsp, std::uint64_t ack_id, std::string_view json,
                std::size_t attachments = 0);

void append_disconnect(std::string& out, std::string_view nsp);

// What a client sends to join a namespace: `0{"token":…}`; `auth` is JSON, empty: none.
void append_connect_request(std::string& out, std::string_view nsp, std::string_view auth = {});

// Names that neither end may emit: connect, disconnect, …
bool is_reserved_name(std::string_view name);

}  // namespace eventbus::socketio
