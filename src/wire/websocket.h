#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "wire/deflate.h"

namespace eventbus::websocket {

// A frame (RFC 6455, 5.2):
//
//    0               1               2               3
//   +-+-+-+-+-------+-+-------------+-------------------------------+
//   |F|R|R|R| opcode|M| length: 7   | 126: 16 more bits,            |
//   |I|S|S|S|  (4)  |A|             | 127: 64 more bits             |
//   |N|V|V|V|       |S|             |                               |
//   | |1|2|3|       |K|             |                               |
//   +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
//   | masking key (4 bytes), if MASK; then the payload, XORed with it
//
// RSV1 on the first frame of a message: its payload is deflated (RFC 7692).
enum class Opcode : std::uint8_t {
    kContinuation = 0x0,
    kText = 0x1,
    kBinary = 0x2,
    kClose = 0x8,
    kPing = 0x9,
    kPong = 0xA,
};

// Which end we are: a server demands masked frames and sends plain ones, a client the reverse.
enum class Role : std::uint8_t { kServer, kClient };

// RFC 6455, 7.4.1.
enum CloseCode : std::uint16_t {
    kNormal = 1000,
    kGoingAway = 1001,
    kProtocolError = 1002,
    kNoCode = 1005,  // stands for a close without a code; never on the wire
    kInvalidPayload = 1007,
    kPolicyViolation = 1008,
    kTooBig = 1009,
    kInternalError = 1011,
    kTryAgainLater = 1013,
};

// What a decoder read.
struct Item {
    enum class Kind : std::uint8_t {
        kNeedMore,  // all bytes were consumed
        kText,      // `payload`: a whole message, UTF-8
        kBinary,    // `payload`: a whole message
        kPing,      // `payload`: to be sent back as pong
        kPong,
        kClose,  // `code` and, as `payload`, its reason; nothing is read after it
        kError,  // `code` to close with; `payload` says what was wrong; nothing is read after it
    };
    Kind kind = Kind::kNeedMore;
    std::uint16_t code = 0;
    std::string_view payload;  // until the next call of next(), or while the caller's bytes stay
};

// What is the same for all connections of a listener. Outlives its decoders.
struct DecoderSettings {
    Role role = Role::kServer;
    std::size_t message_bytes_max = 1'000'000;  // fragments summed, inflated
    Inflater* inflater = nullptr;  // for connections that negotiated permessage-deflate
};

// Reads frames from a connection's bytes, however they are cut, and gives messages.
//
// Thread:  one at a time; decoders with one inflater together.
// Bounded: a message by message_bytes_max; it is refused when a header says that it would pass it.
// Cost:    a frame that is whole in the caller's bytes is unmasked there and neither copied nor
//          allocated for.
// Invariants:
//   (1) Between messages it holds no memory but itself.
//   (2) After kClose and kError it consumes everything and says kNeedMore.
class Decoder {
 public:
    // `is_deflated`: permessage-deflate was negotiated; settings.inflater is not null.
    explicit Decoder(const DecoderSettings& settings, bool is_deflated = false);
    Decoder(Decoder&&) noexcept;
    Decoder& operator=(Decoder&&) noexcept;
    ~Decoder();

    // Takes the bytes of at most one item off the front of `bytes`, which it changes (unmasking).
    // Call it until it says kNeedMore.
    Item next(std::span<char>& bytes);

    // Nothing of a message or frame has come.
    bool is_idle() const { return pending_ == nullptr; }

 private:
    struct Header;
    struct Pending;
    Item read_header(std::span<char>& bytes);
    Item begin_frame(const Header& header, std::span<char>& bytes);
    Item read_payload(std::span<char>& bytes);
    Item finish_frame();
    Item message(Opcode opcode, bool is_compressed, std::string_view payload);
    Item control(Opcode opcode, std::string_view payload);
    Item close(std::string_view payload);
    Item fail(CloseCode code, std::string_view what);

    const DecoderSettings* settings_;
    std::unique_ptr<Pending> pending_;  // of what has begun and did not end
    bool is_deflated_;
    bool is_over_ = false;  // (2)
};
static_assert(sizeof(Decoder) <= 24);

// Frames of a server.
inline constexpr std::size_t kHeaderBytesMax = 10;
void append_header(std::string& out, Opcode opcode, std::size_t payload_bytes,
                   bool is_compressed = false);
std::string encode_frame(Opcode opcode, std::string_view payload, bool is_compressed = false);

// A close frame; `reason` is cut to what fits, between characters. kNoCode: an empty one.
std::string encode_close(std::uint16_t code, std::string_view reason = {});

// Frames of a client: `mask` must be unpredictable (RFC 6455, 10.3).
using Mask = std::array<char, 4>;
std::string encode_masked_frame(Opcode opcode, std::string_view payload, Mask mask);
std::string encode_masked_close(std::uint16_t code, std::string_view reason, Mask mask);

// Whether `code` may stand in a close frame (RFC 6455, 7.4, and IANA's list).
bool is_close_code(std::uint16_t code);

}  // namespace eventbus::websocket
