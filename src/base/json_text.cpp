#include "base/json_text.h"

#include <algorithm>
#include <charconv>

#include "base/eight_bytes.h"

namespace eventbus {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

void append_escaped(std::string& out, char c) {
    switch (c) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            out += "\\u00";
            out += kHexDigits[static_cast<unsigned char>(c) >> 4];
            out += kHexDigits[static_cast<unsigned char>(c) & 0x0F];
    }
}

bool needs_escape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

bool any_needs_escape(const char* eight_bytes) {
    const EightBytes eight(eight_bytes);
    return (eight.below(0x20) | eight.equal_to('"') | eight.equal_to('\\')) != 0;
}

// Whether all of it may stand as it is, which is nearly always so. The last eight bytes may have
// been looked at in part before.
bool is_plain(std::string_view text) {
    if (text.size() < 8) return std::none_of(text.begin(), text.end(), needs_escape);
    for (std::size_t at = 0; at + 8 < text.size(); at += 8) {
        if (any_needs_escape(text.data() + at)) return false;
    }
    return !any_needs_escape(text.data() + text.size() - 8);
}

void append_with_escapes(std::string& out, std::string_view text) {
    std::size_t plain_from = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!needs_escape(text[i])) continue;
        out += text.substr(plain_from, i - plain_from);
        append_escaped(out, text[i]);
        plain_from = i + 1;
    }
    out += text.substr(plain_from);
}

constexpr std::string_view kEscapes = "\"\\/bfnrt";

unsigned hex_value(std::string_view digits) {
    unsigned value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    return value;
}

void append_utf8(std::string& out, unsigned code) {
    const auto put = [&out](unsigned byte) { out += static_cast<char>(byte); };
    if (code < 0x80) return put(code);
    if (code < 0x800) {
        put(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        put(0xE0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3F));
    } else {
        put(0xF0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3F));
        put(0x80 | (code >> 6 & 0x3F));
    }
    put(0x80 | (code & 0x3F));
}

bool is_high(unsigned code) { return code >= 0xD800 && code < 0xDC00; }
bool is_low(unsigned code) { return code >= 0xDC00 && code < 0xE000; }

// Takes the character of an escape, `rest` being behind its `\u`, off the front.
unsigned take_escaped(std::string_view& rest) {
    constexpr unsigned kReplacement = 0xFFFD;
    const unsigned first = hex_value(rest.substr(0, 4));
    rest.remove_prefix(4);
    if (!is_high(first) && !is_low(first)) return first;
    if (is_low(first) || !rest.starts_with("\\u")) return kReplacement;
    const unsigned second = hex_value(rest.substr(2, 4));
    if (!is_low(second)) return kReplacement;
    rest.remove_prefix(6);
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
    if (is_plain(text)) {
        out += text;
    } else {
        append_with_escapes(out, text);
    }
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    append_json_text(out, text);
    out += '"';
}

std::string json_string(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

bool has_json_escapes(std::string_view string) {
    return string.find('\\') != std::string_view::npos;
}

std::string json_unescaped(std::string_view string) {
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";  // of kEscapes
    std::string out;
    std::string_view rest = string.substr(1, string.size() - 2);
    while (!rest.empty()) {
        const auto plain = std::min(rest.find('\\'), rest.size());
        out += rest.substr(0, plain);
        rest.remove_prefix(plain);
        if (rest.empty()) break;
        const char name = rest[1];
        rest.remove_prefix(2);
        if (name == 'u') {
            append_utf8(out, take_escaped(rest));
        } else {
            out += kMeanings[kEscapes.find(name)];
        }
    }
    return out;
}

}  // namespace eventbus
