#pragma once

#include <cstdint>
#include <string_view>

namespace eventbus {

// Whether all of `text` is UTF-8 (RFC 3629: shortest forms only, no surrogates, up to U+10FFFF).
bool is_utf8(std::string_view text);

// The same for text that comes in pieces: says at the first wrong byte that it is wrong. Whether
// the last character is whole is for is_utf8() to say, once the text is together.
class Utf8Checker {
 public:
    // False from the first byte on that no UTF-8 text can have there.
    bool feed(std::string_view piece);

 private:
    std::uint8_t missing_ = 0;    // continuation bytes of the character that is half read
    std::uint8_t lowest_ = 0x80;  // what the next of them may be
    std::uint8_t highest_ = 0xBF;
};

}  // namespace eventbus
