#include "net/proxy_header.h"

#include <gtest/gtest.h>

#include <string>

namespace eventbus {
namespace {

using namespace std::string_literals;
using State = ProxyHeaderReader::State;

const std::string kBegin2 = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string kInet = "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"s;  // 192.0.2.1 → …
const std::string kInet6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01"s +
                           "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x02\xdc\x04\x01\xbb"s;

// Version 2 with the length of what follows.
std::string version_2(std::string_view command_and_family, const std::string& rest) {
    return kBegin2 + std::string(command_and_family) + static_cast<char>(rest.size() >> 8U) +
           static_cast<char>(rest.size() & 0xffU) + rest;
}

// "192.0.2.1", "itself", or "failed: …"; `left` is what it did not take.
std::string read(std::string_view bytes, std::size_t piece, std::string& left) {
    ProxyHeaderReader reader;
    while (!bytes.empty()) {
        const std::string now(bytes.substr(0, piece));
        const auto step = reader.feed(now);
        if (step.state == State::kFailed) return "failed: "s + reader.why();
        bytes.remove_prefix(step.consumed);
        if (step.state == State::kNeedMore) {
            EXPECT_EQ(step.consumed, now.size());
            continue;
        }
        left = bytes;
        return reader.client() ? reader.client()->text() : "itself";
    }
    return "more";
}

struct Case {
    const char* name;
    std::string bytes;
    const char* gives;
};

TEST(ProxyHeader, IsReadHoweverItIsCutAndNothingBehindIt) {
    const Case cases[] = {
        {"1, TCP4", "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", "192.0.2.1"},
        {"1, TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", "2001:db8::1"},
        {"1, the longest",
         "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"1, unknown", "PROXY UNKNOWN\r\n", "itself"},
        {"1, unknown with more", "PROXY UNKNOWN ffff::1 anything\r\n", "itself"},
        {"2, TCP4", version_2("\x21\x11", kInet), "192.0.2.1"},
        {"2, TCP6", version_2("\x21\x21", kInet6), "2001:db8::1"},
        {"2, with more behind", version_2("\x21\x11", kInet + "\x04\x00\x01x"s), "192.0.2.1"},
        {"2, the longest", version_2("\x21\x11", kInet + std::string(4'084, 'x')), "192.0.2.1"},
        {"2, local", version_2("\x20\x00"s, ""), "itself"},
        {"2, local with addresses", version_2("\x20\x11", kInet), "itself"},
        {"2, of no family", version_2("\x21\x00"s, ""), "itself"},
        {"2, of Unix", version_2("\x21\x31", std::string(216, 'u')), "itself"},
    };
    for (const Case& c : cases) {
        for (const std::size_t piece : {1, 2, 7, 16, 100, 10'000}) {
            SCOPED_TRACE(testing::Message() << c.name << ", " << piece << " bytes a time");
            std::string left;
            EXPECT_EQ(read(c.bytes + "GET / HTTP/1.1\r\n\r\nPROXY ", piece, left), c.gives);
            EXPECT_EQ(left, "GET / HTTP/1.1\r\n\r\nPROXY ");
            EXPECT_EQ(read(c.bytes.substr(0, c.bytes.size() - 1), piece, left), "more");
        }
    }
}

TEST(ProxyHeader, WhatIsNoneFailsAsSoonAsThatIsClear) {
    const Case cases[] = {
        {"HTTP", "GET / HTTP/1.1\r\n", "failed: it begins with something else"},
        {"TLS", "\x16\x03\x01\x02", "failed: it begins with something else"},
        {"POST", "POST", "failed: it begins with something else"},
        {"other words", "PROXYTCP4 ", "failed: it begins with something else"},
        {"blank lines", "\r\n\r\nGET", "failed: it begins with something else"},
        {"no end", "PROXY UNKNOWN " + std::string(93, 'x'), "failed: its line has no end"},
        {"bare LF", "PROXY UNKNOWN\n", "failed: its line is malformed"},
        {"empty", "PROXY \r\n", "failed: its line is malformed"},
        {"UNKNOWNS", "PROXY UNKNOWNS\r\n", "failed: its line is malformed"},
        {"small letters", "PROXY tcp4 1.2.3.4 1.2.3.4 1 1\r\n", "failed: its line is malformed"},
        {"two spaces", "PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n", "failed: its line is malformed"},
        {"a word more", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n", "failed: its line is malformed"},
        {"no ports", "PROXY TCP4 1.2.3.4 1.2.3.4\r\n", "failed: its line is malformed"},
        {"a large port", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", "failed: its line is malformed"},
        {"no address", "PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n", "failed: its line is malformed"},
        {"other family", "PROXY TCP4 ::1 ::1 1 1\r\n", "failed: its line is malformed"},
        {"mapped", "PROXY TCP6 1.2.3.4 ::1 1 1\r\n", "failed: its line is malformed"},
        {"version 1 in 2", version_2("\x11\x11", kInet),
         "failed: its version, command or addresses are malformed"},
        {"command 2", version_2("\x22\x11", kInet),
         "failed: its version, command or addresses are malformed"},
        {"family 4", version_2("\x21\x41", kInet),
         "failed: its version, command or addresses are malformed"},
        {"transport 3", version_2("\x21\x13", kInet),
         "failed: its version, command or addresses are malformed"},
        {"short", version_2("\x21\x11", kInet.substr(1)),
         "failed: its version, command or addresses are malformed"},
        {"short 6", version_2("\x21\x21", kInet6.substr(1)),
         "failed: its version, command or addresses are malformed"},
        {"too long", version_2("\x21\x11", kInet + std::string(4'085, 'x')).substr(0, 16),
         "failed: it is too long"},
    };
    for (const Case& c : cases) {
        for (const std::size_t piece : {1, 2, 7, 16, 100, 10'000}) {
            SCOPED_TRACE(testing::Message() << c.name << ", " << piece << " bytes a time");
            std::string left;
            EXPECT_EQ(read(c.bytes, piece, left), c.gives);
        }
    }
}

}  // namespace
}  // namespace eventbus
