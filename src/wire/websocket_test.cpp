#include "wire/websocket.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace eventbus::websocket {
namespace {

using namespace std::string_literals;
using Kind = Item::Kind;

constexpr Mask kMask{'\x37', '\xfa', '\x21', '\x3d'};  // RFC 6455, 5.7

struct Read {
    Kind kind;
    std::string payload;
    std::uint16_t code = 0;

    bool operator==(const Read&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Read& read) {
    return out << "kind " << int(read.kind) << " code " << read.code << " [" << read.payload << "]";
}

// What a decoder makes of `wire`, when it comes in pieces that end at `ends`.
std::vector<Read> decode(std::string wire, const std::vector<std::size_t>& ends,
                         const DecoderSettings& settings, bool is_deflated) {
    Decoder decoder(settings, is_deflated);
    std::vector<Read> reads;
    std::size_t begin = 0;
    for (std::size_t end : ends) {
        std::string piece = wire.substr(begin, end - begin);
        begin = end;
        std::span<char> bytes(piece);
        for (Item item; (item = decoder.next(bytes)).kind != Kind::kNeedMore;) {
            // What is said of an error is for people, and may change.
            const bool is_error = item.kind == Kind::kError;
            reads.push_back({item.kind, std::string(is_error ? "" : item.payload), item.code});
        }
        EXPECT_TRUE(bytes.empty());
    }
    return reads;
}

// Whole, byte by byte, and cut in two at every place.
void expect_reads(const std::string& wire, const std::vector<Read>& expected,
                  const DecoderSettings& settings = {}, bool is_deflated = false) {
    std::vector<std::size_t> every_byte;
    for (std::size_t i = 1; i <= wire.size(); ++i) every_byte.push_back(i);
    EXPECT_EQ(decode(wire, {wire.size()}, settings, is_deflated), expected) << "whole";
    EXPECT_EQ(decode(wire, every_byte, settings, is_deflated), expected) << "byte by byte";
    const std::size_t step = std::max<std::size_t>(1, wire.size() / 300);
    for (std::size_t cut = 1; cut < wire.size(); cut += step) {
        EXPECT_EQ(decode(wire, {cut, wire.size()}, settings, is_deflated), expected)
            << "cut at " << cut;
    }
}

// A frame as a client sends it; `first` is its first byte.
std::string masked(int first, const std::string& payload) {
    std::string frame = encode_masked_frame(Opcode::kText, payload, kMask);
    frame[0] = static_cast<char>(first);
    return frame;
}

Read error(std::uint16_t code) { return {Kind::kError, "", code}; }

TEST(WebSocketDecoder, ReadsTheExamplesOfRfc6455) {
    const DecoderSettings client{.role = Role::kClient};
    expect_reads("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", {{Kind::kText, "Hello"}});
    expect_reads("\x81\x05Hello", {{Kind::kText, "Hello"}}, client);
    expect_reads("\x01\x03Hel\x80\x02lo"s, {{Kind::kText, "Hello"}}, client);
    expect_reads("\x89\x05Hello", {{Kind::kPing, "Hello"}}, client);
    expect_reads("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", {{Kind::kPong, "Hello"}});
    expect_reads("\x82\x7e\x01\x00"s + std::string(256, 'x'),
                 {{Kind::kBinary, std::string(256, 'x')}}, client);
    expect_reads("\x82\x7f\0\0\0\0\0\1\0\0"s + std::string(65536, 'x'),
                 {{Kind::kBinary, std::string(65536, 'x')}}, client);
}

TEST(WebSocketDecoder, ReadsMessagesHoweverTheyAreFramed) {
    struct Case {
        const char* name;
        std::string wire;
        std::vector<Read> reads;
    };
    const Case cases[] = {
        {"nothing", "", {}},
        {"an empty text", masked(0x81, ""), {{Kind::kText, ""}}},
        {"an empty binary and a text",
         masked(0x82, "") + masked(0x81, "a"),
         {{Kind::kBinary, ""}, {Kind::kText, "a"}}},
        {"125, 126 and 65536 bytes",
         masked(0x82, std::string(125, 'a')) + masked(0x82, std::string(126, 'b')) +
             masked(0x82, std::string(65536, 'c')),
         {{Kind::kBinary, std::string(125, 'a')},
          {Kind::kBinary, std::string(126, 'b')},
          {Kind::kBinary, std::string(65536, 'c')}}},
        {"fragments, empty ones too",
         masked(0x01, "") + masked(0x00, "ab") + masked(0x00, "") + masked(0x80, ""),
         {{Kind::kText, "ab"}}},
        {"control frames between fragments",
         masked(0x02, "a") + masked(0x89, "ping") + masked(0x89, "2") + masked(0x00, "b") +
             masked(0x8a, "") + masked(0x80, "c") + masked(0x81, "next"),
         {{Kind::kPing, "ping"},
          {Kind::kPing, "2"},
          {Kind::kPong, ""},
          {Kind::kBinary, "abc"},
          {Kind::kText, "next"}}},
        {"a character over three fragments",
         masked(0x01, "\xe2") + masked(0x00, "\x82") + masked(0x80, "\xac"),
         {{Kind::kText, "\xe2\x82\xac"}}},
        {"binary may be anything", masked(0x82, "\xff\xfe"), {{Kind::kBinary, "\xff\xfe"}}},
        {"the largest ping",
         masked(0x89, std::string(125, 'p')),
         {{Kind::kPing, std::string(125, 'p')}}},
        {"a close without a code", masked(0x88, ""), {{Kind::kClose, "", kNoCode}}},
        {"a close with a reason",
         masked(0x88, "\x03\xe8tsch\xc3\xbc\xc3\x9f"),
         {{Kind::kClose, "tsch\xc3\xbc\xc3\x9f", kNormal}}},
        {"nothing is read after a close",
         masked(0x88, "\x03\xe9") + masked(0x81, "a") + "garbage",
         {{Kind::kClose, "", kGoingAway}}},
        {"a close between fragments",
         masked(0x01, "a") + masked(0x88, "") + masked(0x80, "b"),
         {{Kind::kClose, "", kNoCode}}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        expect_reads(c.wire, c.reads);
    }
}

TEST(WebSocketDecoder, RefusesWhatRfc6455Forbids) {
    struct Case {
        const char* name;
        std::string wire;
        std::uint16_t code;
    };
    const Case cases[] = {
        {"unmasked", "\x81\x01z", 1002},
        {"unmasked ping", "\x89\x00"s, 1002},
        {"RSV1 without an extension", masked(0xC1, "a"), 1002},
        {"RSV2", masked(0xA1, "a"), 1002},
        {"RSV3", masked(0x91, "a"), 1002},
        {"RSV on ping", masked(0xC9, ""), 1002},
        {"opcode 3", masked(0x83, ""), 1002},
        {"opcode 7", masked(0x87, ""), 1002},
        {"opcode 11", masked(0x8B, ""), 1002},
        {"opcode 15", masked(0x8F, ""), 1002},
        {"a fragmented ping", masked(0x09, "a"), 1002},
        {"a fragmented close", masked(0x08, ""), 1002},
        {"a ping of 126 bytes", masked(0x89, std::string(126, 'p')), 1002},
        {"a close of 126 bytes", masked(0x88, "\x03\xe8" + std::string(124, 'r')), 1002},
        {"a stray continuation", masked(0x80, "a"), 1002},
        {"a stray continuation, not final", masked(0x00, "a"), 1002},
        {"a message within a message", masked(0x01, "a") + masked(0x81, "b"), 1002},
        {"a beginning within a message", masked(0x01, "a") + masked(0x02, "b"), 1002},
        {"a length of 2 bytes for 125", "\x81\xfe\x00\x7d"s + std::string(129, 'x'), 1002},
        {"a length of 8 bytes for 65535", "\x81\xff\0\0\0\0\0\0\xff\xff"s + std::string(99, 'x'),
         1002},
        {"a length with the highest bit", "\x82\xff\x80\0\0\0\0\0\0\0mask"s, 1002},
        {"a close of one byte", masked(0x88, "a"), 1002},
        {"a close reason cut within a character", masked(0x88, "\x03\xe8\xe2\x82"), 1007},
        {"a close reason that is not UTF-8", masked(0x88, "\x03\xe8\xff"), 1007},
        {"a text that is not UTF-8", masked(0x81, "a\xff"), 1007},
        {"a surrogate", masked(0x81, "\xed\xa0\x80"), 1007},
        {"overlong", masked(0x81, "\xc0\xaf"), 1007},
        {"above U+10FFFF", masked(0x81, "\xf4\x90\x80\x80"), 1007},
        {"a text cut within a character", masked(0x81, "\xe2\x82"), 1007},
        {"fragments cut within a character", masked(0x01, "\xe2") + masked(0x80, "\x82"), 1007},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        expect_reads(c.wire + masked(0x81, "not read"), {error(c.code)});
    }
    expect_reads("\x81\x81maskz", {error(1002)}, {.role = Role::kClient});
}

TEST(WebSocketDecoder, JudgesCloseCodes) {
    const auto close = [](unsigned code) {
        return masked(0x88, {static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)});
    };
    for (unsigned code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
                          3000, 3999, 4000, 4999}) {
        expect_reads(close(code), {{Kind::kClose, "", static_cast<std::uint16_t>(code)}});
    }
    for (unsigned code : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
        expect_reads(close(code), {error(1002)});
    }
}

TEST(WebSocketDecoder, RefusesInvalidTextBeforeItsEnd) {
    DecoderSettings settings;
    Decoder decoder(settings);
    std::string begun = masked(0x01, "fine") + masked(0x80, "\xf4\x90 and so on for long");
    begun.resize(begun.size() - 10);
    std::span<char> bytes(begun);

    const Item item = decoder.next(bytes);

    EXPECT_EQ(item.kind, Kind::kError);
    EXPECT_EQ(item.code, kInvalidPayload);
}

TEST(WebSocketDecoder, RefusesAHeaderThatSaysTooMuch) {
    const DecoderSettings settings{.message_bytes_max = 10};
    const std::string ten(10, 'x');
    expect_reads(masked(0x81, ten), {{Kind::kText, ten}}, settings);
    expect_reads(masked(0x01, "12345") + masked(0x80, "67890"), {{Kind::kText, "1234567890"}},
                 settings);
    expect_reads(masked(0x81, ten + "x").substr(0, 6), {error(1009)}, settings);
    expect_reads(masked(0x01, "12345") + masked(0x80, "678901").substr(0, 6), {error(1009)},
                 settings);
    expect_reads("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask"s, {error(1009)}, settings);
    expect_reads(masked(0x01, ten) + masked(0x89, "still there") + masked(0x80, ""),
                 {{Kind::kPing, "still there"}, {Kind::kText, ten}}, settings);
}

TEST(WebSocketDecoder, NeitherCopiesNorKeepsAMessageThatIsWhole) {
    DecoderSettings settings;
    Decoder decoder(settings);
    std::string wire = masked(0x81, "zero copies") + masked(0x89, "") + masked(0x82, "x");
    std::span<char> bytes(wire);

    const Item text = decoder.next(bytes);

    EXPECT_EQ(text.payload, "zero copies");
    EXPECT_EQ(text.payload.data(), wire.data() + 6);
    EXPECT_EQ(decoder.next(bytes).kind, Kind::kPing);
    EXPECT_EQ(decoder.next(bytes).kind, Kind::kBinary);
    EXPECT_TRUE(decoder.is_idle());
}

TEST(WebSocketDecoder, IsIdleAgainAfterAMessageInPieces) {
    DecoderSettings settings;
    Decoder decoder(settings);
    for (const std::string& piece : {masked(0x01, "a"), masked(0x80, "b").substr(0, 5)}) {
        std::string wire = piece;
        std::span<char> bytes(wire);
        EXPECT_EQ(decoder.next(bytes).kind, Kind::kNeedMore);
        EXPECT_FALSE(decoder.is_idle());
    }
    std::string rest = masked(0x80, "b").substr(5);
    std::span<char> bytes(rest);
    EXPECT_EQ(decoder.next(bytes).payload, "ab");
    EXPECT_EQ(decoder.next(bytes).kind, Kind::kNeedMore);
    EXPECT_TRUE(decoder.is_idle());
}

TEST(WebSocketDecoder, InflatesMessagesOfRfc7692) {
    Inflater inflater;
    const DecoderSettings settings{.message_bytes_max = 1000, .inflater = &inflater};
    const std::string hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"s;
    struct Case {
        const char* name;
        std::string wire;
        std::vector<Read> reads;
    };
    Deflater deflater;
    const Case cases[] = {
        {"one frame", masked(0xC1, hello), {{Kind::kText, "Hello"}}},
        {"fragments",
         masked(0x41, hello.substr(0, 3)) + masked(0x89, "") + masked(0x80, hello.substr(3)),
         {{Kind::kPing, ""}, {Kind::kText, "Hello"}}},
        {"a final block",
         masked(0xC1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s),
         {{Kind::kText, "Hello"}}},
        {"a stored block",
         masked(0xC1, "\x00\x05\x00\xfa\xffHello\x00"s),
         {{Kind::kText, "Hello"}}},
        {"two blocks",
         masked(0xC1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s),
         {{Kind::kText, "Hello"}}},
        {"nothing", masked(0xC2, "\0"s), {{Kind::kBinary, ""}}},
        {"plain messages between",
         masked(0x81, "plain") + masked(0xC1, hello),
         {{Kind::kText, "plain"}, {Kind::kText, "Hello"}}},
        {"exactly the limit",
         masked(0xC2, deflater.deflate(std::string(1000, 'a'))),
         {{Kind::kBinary, std::string(1000, 'a')}}},
        {"one past the limit",
         masked(0xC2, deflater.deflate(std::string(1001, 'a'))),
         {error(1009)}},
        {"a bomb", masked(0xC2, deflater.deflate(std::string(900'000, 'a'))), {error(1009)}},
        {"not deflated", masked(0xC1, "Hello"), {error(1007)}},
        {"cut off", masked(0xC1, hello.substr(0, 4)), {error(1007)}},
        {"not UTF-8 when inflated", masked(0xC1, deflater.deflate("\xff\xff")), {error(1007)}},
        {"RSV1 on a continuation",
         masked(0x41, hello.substr(0, 3)) + masked(0xC0, hello.substr(3)),
         {error(1002)}},
        {"RSV1 on a ping", masked(0xC9, "a"), {error(1002)}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        expect_reads(c.wire, c.reads, settings, true);
    }
}

TEST(WebSocketEncode, IsReadBackByTheOtherEnd) {
    for (std::size_t size : {0, 1, 125, 126, 127, 65535, 65536, 70001}) {
        const std::string payload(size, 'p');
        expect_reads(encode_frame(Opcode::kText, payload), {{Kind::kText, payload}},
                     {.role = Role::kClient});
        expect_reads(encode_masked_frame(Opcode::kBinary, payload, kMask),
                     {{Kind::kBinary, payload}});
    }
    expect_reads(encode_close(4000, "why"), {{Kind::kClose, "why", 4000}}, {.role = Role::kClient});
    expect_reads(encode_close(kNoCode), {{Kind::kClose, "", kNoCode}}, {.role = Role::kClient});
    expect_reads(encode_masked_close(kNormal, "bye", kMask), {{Kind::kClose, "bye", kNormal}});
    EXPECT_EQ(encode_frame(Opcode::kText, "Hello"), "\x81\x05Hello");
}

TEST(WebSocketEncode, CutsALongReasonBetweenCharacters) {
    std::string reason;
    for (int i = 0; i < 50; ++i) reason += "\xe2\x82\xac";
    const std::string frame = encode_close(kGoingAway, reason);
    expect_reads(frame, {{Kind::kClose, reason.substr(0, 123), kGoingAway}},
                 {.role = Role::kClient});
    EXPECT_EQ(encode_close(kGoingAway, "a" + reason).size(), 2u + 2 + 121);
}

}  // namespace
}  // namespace eventbus::websocket
