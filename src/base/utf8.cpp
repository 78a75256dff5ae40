#include "base/utf8.h"

#include <simdjson.h>

#include <cstring>

namespace eventbus {
namespace {

bool are_ascii(const char* eight_bytes) {
    std::uint64_t word;
    std::memcpy(&word, eight_bytes, sizeof word);
    return (word & 0x8080808080808080U) == 0;
}

}  // namespace

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text); }

bool Utf8Checker::feed(std::string_view piece) {
    const char* at = piece.data();
    const char* const end = at + piece.size();
    while (at != end) {
        if (missing_ == 0 && end - at >= 8 && are_ascii(at)) {
            at += 8;
            continue;
        }
        const auto byte = static_cast<std::uint8_t>(*at++);
        if (missing_ > 0) {
            if (byte < lowest_ || byte > highest_) return false;
            --missing_;
            lowest_ = 0x80;
            highest_ = 0xBF;
        } else if (byte >= 0x80) {
            if (byte < 0xC2 || byte > 0xF4) return false;  // C0 and C1 begin longer forms only
            missing_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
            if (byte == 0xE0) lowest_ = 0xA0;   // shorter forms exist below
            if (byte == 0xED) highest_ = 0x9F;  // surrogates above
            if (byte == 0xF0) lowest_ = 0x90;
            if (byte == 0xF4) highest_ = 0x8F;  // U+10FFFF
        }
    }
    return true;
}

}  // namespace eventbus
