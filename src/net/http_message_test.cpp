#include "net/http_message.h"

#include <gtest/gtest.h>

namespace eventbus {
namespace {

TEST(HttpMessage, ResponsesAreWrittenWhole) {
    const HttpResponse response = text_response(200, "ok", "text/html");
    EXPECT_EQ(serialize(response, true),
              "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: "
              "keep-alive\r\n\r\nok");
    EXPECT_EQ(serialize(response, true, true),
              "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: "
              "keep-alive\r\n\r\n");
    EXPECT_EQ(serialize({.status = 204, .headers = {}, .body = ""}, false),
              "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(serialize({.status = 404, .headers = {}, .body = "", .close = true}, true),
              "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(serialize({.status = 101, .headers = {{"Upgrade", "websocket"}}, .body = ""}, true),
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
}

TEST(HttpMessage, AValueBeginsNoFieldOfItsOwn) {
    const HttpResponse response{
        .status = 204, .headers = {{"X", "a\r\nSet-Cookie: b"}}, .body = ""};
    EXPECT_EQ(serialize(response, true),
              "HTTP/1.1 204 No Content\r\nX: aSet-Cookie: b\r\nConnection: keep-alive\r\n\r\n");
}

TEST(HttpMessage, AStreamIsChunkedUnlessTheClientKnowsNoChunks) {
    const HttpResponse head{.status = 200, .headers = {}, .body = ""};
    EXPECT_EQ(serialize_stream_head(head, true),
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(serialize_stream_head(head, false), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(encode_chunk("hello chunked world"), "13\r\nhello chunked world\r\n");
}

TEST(HttpMessage, AProblemSaysWhatHowAndWhen) {
    const HttpResponse never = problem_response({ErrorCode::kBadTopic, "\"x\" is no topic"});
    EXPECT_EQ(never.status, 400);
    EXPECT_EQ(never.headers.find("content-type"), "application/problem+json");
    EXPECT_EQ(never.body, R"({"type":"about:blank","title":"The topic is malformed.","status":400,)"
                          R"("detail":"\"x\" is no topic","code":"bad_topic"})");
    EXPECT_FALSE(never.headers.contains("Retry-After"));
    EXPECT_TRUE(problem_response({ErrorCode::kReadOnly, ""}).headers.contains("Retry-After"));
}

TEST(HttpMessage, AMediaTypeHasNoCaseAndNoParameters) {
    EXPECT_EQ(media_type({{"Content-Type", " Application/JSON\t; charset=UTF-8"}}),
              "application/json");
    EXPECT_EQ(media_type({}), "");
}

TEST(HttpMessage, ACodedBodyIsRefusedWithWhatIsTaken) {
    EXPECT_TRUE(has_content_coding({{"content-encoding", "gzip"}}));
    EXPECT_TRUE(has_content_coding({{"Content-Encoding", "identity"}, {"Content-Encoding", "br"}}));
    EXPECT_FALSE(has_content_coding({{"Content-Encoding", "Identity"}}));
    EXPECT_FALSE(has_content_coding({}));
    EXPECT_EQ(content_coding_refusal().status, 415);
    EXPECT_EQ(content_coding_refusal().headers.find("Accept-Encoding"), "identity");
}

TEST(HttpMessage, QueriesAreDecoded) {
    const std::string_view query = "topic=photo%3A1&&x&topic=a+b%2B&bad=%4&=v&e=";
    EXPECT_EQ(query_value(query, "topic"), "photo:1");
    EXPECT_EQ(query_value(query, "x"), "");
    EXPECT_EQ(query_value(query, "bad"), "%4");
    EXPECT_EQ(query_value(query, "e"), "");
    EXPECT_FALSE(query_value(query, "top"));
    const auto all = parse_query(query);
    ASSERT_EQ(all.size(), 6u);
    EXPECT_EQ(all[2].value, "a b+");
    EXPECT_EQ(percent_decode("%41b%c3%A4"), "Ab\xc3\xa4");
    EXPECT_FALSE(percent_decode("%"));
    EXPECT_FALSE(percent_decode("%+1"));
    EXPECT_FALSE(percent_decode("%0x"));
}

TEST(HttpMessage, CookiesAndListsAreSearchedByWholeNames) {
    const std::string_view cookies = "session=abc=; token=\"x.y\" ;  empty=; tokens=no";
    EXPECT_EQ(cookie_value(cookies, "session"), "abc=");
    EXPECT_EQ(cookie_value(cookies, "token"), "x.y");
    EXPECT_EQ(cookie_value(cookies, "empty"), "");
    EXPECT_FALSE(cookie_value(cookies, "toke"));
    EXPECT_TRUE(list_contains("keep-alive , UPGRADE", "upgrade"));
    EXPECT_FALSE(list_contains("upgraded", "upgrade"));
    EXPECT_FALSE(list_contains("", "upgrade"));
}

TEST(HttpMessage, SetReplacesAllOfThatName) {
    HttpHeaders headers{{"A", "1"}, {"b", "2"}, {"a", "3"}};
    headers.set("a", "4");
    EXPECT_EQ(headers.joined("A"), "4");
    EXPECT_EQ(headers.size(), 2u);
}

}  // namespace
}  // namespace eventbus
