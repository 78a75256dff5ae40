#include <algorithm>

#include "base/assert.h"
#include "base/utf8.h"
#include "wire/websocket.h"

namespace eventbus::websocket {
namespace {

constexpr std::size_t kReasonBytesMax = 123;  // 125 less the code
constexpr unsigned kMasked = 0x80;

void append_number(std::string& out, std::uint64_t number, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
        out += static_cast<char>(number >> shift & 0xFFU);
    }
}

void append_header_bytes(std::string& out, unsigned first, unsigned mask_bit, std::size_t size) {
    out += static_cast<char>(first);
    if (size < 126) {
        out += static_cast<char>(mask_bit | size);
    } else if (size <= 0xFFFF) {
        out += static_cast<char>(mask_bit | 126U);
        append_number(out, size, 2);
    } else {
        out += static_cast<char>(mask_bit | 127U);
        append_number(out, size, 8);
    }
}

unsigned first_byte(Opcode opcode, bool is_compressed) {
    return 0x80U | (is_compressed ? 0x40U : 0U) | static_cast<unsigned>(opcode);
}

std::string close_payload(std::uint16_t code, std::string_view reason) {
    if (code == kNoCode) return {};
    BUS_ASSERT(is_close_code(code));
    std::string payload;
    append_number(payload, code, 2);
    reason = reason.substr(0, kReasonBytesMax);
    while (!is_utf8(reason)) reason.remove_suffix(1);
    payload += reason;
    return payload;
}

}  // namespace

void append_header(std::string& out, Opcode opcode, std::size_t payload_bytes, bool is_compressed) {
    append_header_bytes(out, first_byte(opcode, is_compressed), 0, payload_bytes);
}

std::string encode_frame(Opcode opcode, std::string_view payload, bool is_compressed) {
    std::string frame;
    frame.reserve(kHeaderBytesMax + payload.size());
    append_header(frame, opcode, payload.size(), is_compressed);
    frame += payload;
    return frame;
}

std::string encode_close(std::uint16_t code, std::string_view reason) {
    return encode_frame(Opcode::kClose, close_payload(code, reason));
}

std::string encode_masked_frame(Opcode opcode, std::string_view payload, Mask mask) {
    std::string frame;
    frame.reserve(kHeaderBytesMax + mask.size() + payload.size());
    append_header_bytes(frame, first_byte(opcode, false), kMasked, payload.size());
    frame.append(mask.data(), mask.size());
    for (std::size_t i = 0; i < payload.size(); ++i) {
        frame += static_cast<char>(payload[i] ^ mask[i % mask.size()]);
    }
    return frame;
}

std::string encode_masked_close(std::uint16_t code, std::string_view reason, Mask mask) {
    return encode_masked_frame(Opcode::kClose, close_payload(code, reason), mask);
}

bool is_close_code(std::uint16_t code) {
    if (code >= 3000) return code <= 4999;
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

}  // namespace eventbus::websocket
