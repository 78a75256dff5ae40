#include "net/http_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eventbus {
namespace {

using namespace std::string_literals;
using State = HttpRequestReader::State;

const HttpLimits kLimits;
constexpr std::size_t kBodyBytesMax = 100;

// What came out: a line for each request, "STATUS" for a failure, "..." for an unfinished request.
std::string read(const std::string& wire, const std::vector<std::size_t>& ends,
                 const HttpLimits& limits) {
    HttpRequestReader reader(limits);
    std::string seen;
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
        std::string_view bytes = std::string_view(wire).substr(begin, end - begin);
        begin = end;
        for (;;) {
            const auto step = reader.feed(bytes);
            bytes.remove_prefix(step.consumed);
            if (step.state == State::kFailed) return seen + std::to_string(reader.failure().status);
            if (step.state == State::kNeedMore) {
                EXPECT_TRUE(bytes.empty());
                break;
            }
            if (step.state == State::kHead && !reader.request().is_upgrade) {
                reader.accept_body(kBodyBytesMax);
                if (reader.wants_continue()) seen += "(continue) ";
                continue;
            }
            const HttpRequest request = reader.take();
            EXPECT_TRUE(reader.is_idle());
            seen += std::string(to_string(request.method)) + " " + request.target + " [" +
                    request.body + "]";
            if (!request.keep_alive) seen += " close";
            if (request.is_upgrade) seen += " upgrade";
            seen += "\n";
        }
    }
    return reader.is_idle() ? seen : seen + "...";
}

void expect_read(const std::string& wire, const std::string& expected,
                 const HttpLimits& limits = kLimits) {
    std::vector<std::size_t> every_byte;
    for (std::size_t i = 1; i <= wire.size(); ++i) every_byte.push_back(i);
    EXPECT_EQ(read(wire, {wire.size()}, limits), expected) << "whole";
    EXPECT_EQ(read(wire, every_byte, limits), expected) << "byte by byte";
    if (wire.size() > 2000) return;
    for (std::size_t cut = 1; cut < wire.size(); ++cut) {
        EXPECT_EQ(read(wire, {cut, wire.size()}, limits), expected) << "cut at " << cut;
    }
}

std::string post(const std::string& fields, const std::string& body = "") {
    return "POST /v1/events HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

std::string get(const std::string& target) {
    return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

TEST(HttpReader, ReadsRequestsHoweverTheyAreCut) {
    struct Case {
        const char* name;
        std::string wire;
        std::string seen;
    };
    const Case cases[] = {
        {"nothing", "", ""},
        {"GET", get("/healthz"), "GET /healthz []\n"},
        {"an empty line before", "\r\n" + get("/a"), "GET /a []\n"},
        {"a body", post("Content-Length: 5\r\n", "hello"), "POST /v1/events [hello]\n"},
        {"an empty body", post("Content-Length: 0\r\n"), "POST /v1/events []\n"},
        {"POST without a length", post(""), "POST /v1/events []\n"},
        {"pipelined", get("/1") + post("content-length:3\r\n", "abc") + get("/2"),
         "GET /1 []\nPOST /v1/events [abc]\nGET /2 []\n"},
        {"chunked",
         post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
         "POST /v1/events [hello world]\n"},
        {"chunked and pipelined",
         post("transfer-encoding: Chunked\r\n", "1\r\na\r\n0\r\n\r\n") + get("/2") +
             post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
         "POST /v1/events [a]\nGET /2 []\nPOST /v1/events []\n"},
        {"chunk extensions and trailers",
         post("Transfer-Encoding: chunked\r\n",
              "A;x=\"y\";z\r\n0123456789\r\n0\r\nTrailer: yes\r\n\r\n"),
         "POST /v1/events [0123456789]\n"},
        {"a body full of line ends",
         post("Transfer-Encoding: chunked\r\n", "6\r\n\r\n\r\n\r\n\r\n0\r\n\r\n"),
         "POST /v1/events [\r\n\r\n\r\n]\n"},
        {"Expect", post("Content-Length: 2\r\nExpect: 100-Continue\r\n", "ok"),
         "(continue) POST /v1/events [ok]\n"},
        {"Expect without a body", post("Expect: 100-continue\r\n"), "POST /v1/events []\n"},
        {"close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", "GET / [] close\n"},
        {"1.0", "GET / HTTP/1.0\r\n\r\n", "GET / [] close\n"},
        {"1.0 kept alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / []\n"},
        {"upgrade, and nothing behind it is read as a request",
         "GET /s HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
         "websocket\r\n\r\n",
         "GET /s [] upgrade\n"},
        {"no upgrade in 1.0",
         "GET /s HTTP/1.0\r\nConnection: Upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n",
         "GET /s []\n"},
        {"TRACE", "TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n", "TRACE /a []\n"},
        {"no upgrade to anything else",
         "GET /s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "
         "h2c\r\n\r\n",
         "GET /s []\n"},
        {"no upgrade with a body",
         post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", "x"),
         "POST /v1/events [x]\n"},
        {"absolute form", get("http://a:80/x?y"), "GET http://a:80/x?y []\n"},
        {"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * []\n"},
        {"odd but fine", get("/a%2Fb/c.d/..e/%C3%A4?x=../..//%zz|{}"),
         "GET /a%2Fb/c.d/..e/%C3%A4?x=../..//%zz|{} []\n"},
        {"an empty and an obsolete value", "GET / HTTP/1.1\r\nHost:\r\nX:\xe4\r\n\r\n",
         "GET / []\n"},
        {"unfinished head", "GET / HTT", "..."},
        {"unfinished body", post("Content-Length: 5\r\n", "hell"), "..."},
        {"unfinished chunks", post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n"), "..."},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        expect_read(c.wire, c.seen);
    }
}

TEST(HttpReader, RefusesWhatAnotherReaderCouldUnderstandOtherwise) {
    struct Case {
        const char* name;
        std::string wire;
        const char* status;
    };
    const Case cases[] = {
        {"length and encoding", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "400"},
        {"encoding and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), "400"},
        {"two lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n"), "400"},
        {"a list of lengths", post("Content-Length: 5, 5\r\n"), "400"},
        {"a signed length", post("Content-Length: +5\r\n"), "400"},
        {"a negative length", post("Content-Length: -1\r\n"), "400"},
        {"a hexadecimal length", post("Content-Length: 0x5\r\n"), "400"},
        {"an empty length", post("Content-Length:\r\n"), "400"},
        {"a length with a space in it", post("Content-Length: 1 1\r\n"), "400"},
        {"a huge length", post("Content-Length: 99999999999999999999\r\n"), "413"},
        {"gzip", post("Transfer-Encoding: gzip\r\n"), "501"},
        {"gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n"), "501"},
        {"chunked, identity", post("Transfer-Encoding: chunked, identity\r\n"), "501"},
        {"xchunked", post("Transfer-Encoding: xchunked\r\n"), "501"},
        {"an empty encoding", post("Transfer-Encoding:\r\n"), "501"},
        {"two encodings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
         "400"},
        {"a space before the colon", post("Transfer-Encoding : chunked\r\n"), "400"},
        {"chunked in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
        {"a folded field", post("X: a\r\n b\r\n"), "400"},
        {"a field folded by a tab", post("X: a\r\n\tb\r\n"), "400"},
        {"a field without a colon", post("Nonsense\r\n"), "400"},
        {"a field without a name", post(": a\r\n"), "400"},
        {"a NUL in a value", post("X: a\0b\r\n"s), "400"},
        {"a lone CR in a value", post("X: a\rb\r\n"), "400"},
        {"a non-ASCII name", post("X\xe4: a\r\n"), "400"},
        {"no Host", "GET / HTTP/1.1\r\n\r\n", "400"},
        {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"},
        {"two Hosts in one", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
        {"two tokens", post("Authorization: Bearer a\r\nauthorization: Bearer b\r\n"), "400"},
        {"two types", post("Content-Type: a/b\r\nContent-Type: c/d\r\n"), "400"},
        {"two origins", post("Origin: https://a\r\nOrigin: https://b\r\n"), "400"},
        {"two places", post("Last-Event-ID: a.1\r\nLast-Event-ID: a.2\r\n"), "400"},
        {"two keys of a WebSocket",
         "GET /s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
         "400"},
        {"a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
        {"bare line feeds", "GET / HTTP/1.1\nHost: a\n\n", "400"},
        {"one bare line feed", "GET / HTTP/1.1\r\nHost: a\n\r\n", "400"},
        {"no version", "GET /\r\n\r\n", "400"},
        {"version 2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
        {"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
        {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"a space behind", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "505"},
        {"an unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
        {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
        {"lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"TLS", "\x16\x03\x01\x02"s, "400"},
        {"a NUL", "\0"s, "400"},
        {"Expect something else", post("Content-Length: 1\r\nExpect: cake\r\n"), "417"},
        {"a double slash", get("//etc/passwd"), "400"},
        {"a double slash within", get("/a//b"), "400"},
        {"traversal", get("/../etc/passwd"), "400"},
        {"traversal at the end", get("/a/.."), "400"},
        {"a dot", get("/./a"), "400"},
        {"encoded traversal", get("/%2e%2E/etc"), "400"},
        {"traversal behind an encoded slash", get("/a%2f../b"), "400"},
        {"traversal with backslashes", get("/..\\..\\x"), "400"},
        {"overlong traversal", get("/%c0%ae%c0%ae/x"), "400"},
        {"an encoded NUL", get("/a%00"), "400"},
        {"an encoded line end", get("/a%0d%0aX:b"), "400"},
        {"a broken escape", get("/%4"), "400"},
        {"a raw NUL", get("/a\0"s), "400"},
        {"a tab", get("/a\tb"), "400"},
        {"non-ASCII", get("/\xc3\xa4"), "400"},
        {"a fragment", get("/a#b"), "400"},
        {"no path", get("a"), "400"},
        {"an absolute form without a path", get("http://a?b"), "400"},
        {"GET *", get("*"), "400"},
        {"a bad chunk size", post("Transfer-Encoding: chunked\r\n", "x\r\n"), "400"},
        {"a signed chunk size", post("Transfer-Encoding: chunked\r\n", "+5\r\nhello\r\n"), "400"},
        {"0x before a chunk size",
         post("Transfer-Encoding: chunked\r\n", "0x5\r\nhello\r\n0\r\n\r\n"), "400"},
        {"an empty chunk size", post("Transfer-Encoding: chunked\r\n", "\r\n"), "400"},
        {"a chunk size of 65 bits",
         post("Transfer-Encoding: chunked\r\n", "10000000000000005\r\nhello\r\n"), "413"},
        {"a chunk that is longer than it says",
         post("Transfer-Encoding: chunked\r\n", "3\r\nhello\r\n0\r\n\r\n"), "400"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        expect_read(c.wire, c.status);
    }
}

TEST(HttpReader, KeepsItsBoundsOnTheHead) {
    const HttpLimits limits{.head_bytes_max = 200, .target_bytes_max = 50, .fields_max = 3};
    const std::string target = "/" + std::string(49, 'a');
    expect_read(get(target), "GET " + target + " []\n", limits);
    expect_read(get(target + "a"), "414", limits);
    expect_read("GET /" + std::string(300, 'a'), "414", limits);

    const auto with_fields = [](int count) {
        std::string wire = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (int i = 1; i < count; ++i) wire += "X: y\r\n";
        return wire + "\r\n";
    };
    expect_read(with_fields(3), "GET / []\n", limits);
    expect_read(with_fields(4), "431", limits);

    const auto with_bytes = [](std::size_t count) {
        const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        return head + std::string(count - head.size() - 4, 'x') + "\r\n\r\n";
    };
    expect_read(with_bytes(200), "GET / []\n", limits);
    expect_read(with_bytes(201), "431", limits);
    expect_read(with_bytes(200).substr(0, 199), "...", limits);
    expect_read(with_bytes(204).substr(0, 200), "431", limits);  // no byte more can make it good
}

TEST(HttpReader, KeepsItsBoundsOnTheBody) {
    const std::string full(kBodyBytesMax, 'b');
    expect_read(post("Content-Length: 100\r\n", full), "POST /v1/events [" + full + "]\n");
    expect_read(post("Content-Length: 101\r\n"), "413");  // without waiting for it
    expect_read(post("Content-Length: 101\r\nExpect: 100-continue\r\n"), "413");
    expect_read(post("Transfer-Encoding: chunked\r\n", "64\r\n" + full + "\r\n0\r\n\r\n"),
                "POST /v1/events [" + full + "]\n");
    expect_read(post("Transfer-Encoding: chunked\r\n", "64\r\n" + full + "\r\n1\r\nx\r\n0\r\n\r\n"),
                "413");
    expect_read(post("Transfer-Encoding: chunked\r\n", "65\r\n"), "413");
    expect_read(post("Transfer-Encoding: chunked\r\n", "1;" + std::string(5000, 'x') + "\r\n"),
                "400");
    expect_read(
        post("Transfer-Encoding: chunked\r\n", "0\r\nX: " + std::string(5000, 'x') + "\r\n\r\n"),
        "400");
}

TEST(HttpReader, GivesTheRequestBeforeItsBody) {
    HttpRequestReader reader(kLimits);
    const std::string wire = post("X-Token: a\r\nx-token: b\r\nContent-Length: 3\r\n", "abcGET");

    const auto step = reader.feed(wire);

    ASSERT_EQ(step.state, State::kHead);
    EXPECT_EQ(wire.substr(step.consumed), "abcGET");
    EXPECT_EQ(reader.request().path, "/v1/events");
    EXPECT_EQ(reader.request().headers.find("X-TOKEN"), "a");
    EXPECT_EQ(reader.request().headers.joined("x-token"), "a, b");
    reader.accept_body(3);
    const auto end = reader.feed(std::string_view(wire).substr(step.consumed));
    EXPECT_EQ(end.state, State::kComplete);
    EXPECT_EQ(end.consumed, 3u);
    EXPECT_EQ(reader.take().body, "abc");
}

TEST(HttpReader, SplitsTheTarget) {
    HttpRequestReader reader(kLimits);
    for (const char* target :
         {"/p%20q?a=1?b", "http://host/p%20q?a=1?b", "https://host:8443/p%20q?a=1?b"}) {
        ASSERT_EQ(reader.feed(get(target)).state, State::kHead);
        const HttpRequest request = reader.take();
        EXPECT_EQ(request.target, target);
        EXPECT_EQ(request.path, "/p%20q");
        EXPECT_EQ(request.query, "a=1?b");
    }
}

}  // namespace
}  // namespace eventbus
