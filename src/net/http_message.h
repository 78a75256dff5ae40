#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/ip_address.h"

namespace eventbus {

// HTTP/1.1 requests and responses as values, and the few questions that routes ask of them. Any
// thread. The bounds of what comes from a client are those of HttpRequestReader.

enum class HttpMethod : std::uint8_t {
    kGet,
    kHead,
    kPost,
    kPut,
    kPatch,
    kDelete,
    kOptions,
    kTrace
};

std::string_view to_string(HttpMethod method);

struct HttpHeader {
    std::string name;  // as it came
    std::string value;
};

// Fields in the order in which they came or were added; names are compared without case.
class HttpHeaders {
 public:
    HttpHeaders() = default;
    HttpHeaders(std::initializer_list<HttpHeader> headers) : headers_(headers) {}

    void add(std::string name, std::string value);
    void set(std::string_view name, std::string value);         // replaces all of that name
    void append(std::string_view name, std::string_view item);  // to the list that the field is

    // The first field of that name.
    std::optional<std::string_view> find(std::string_view name) const;
    // All fields of that name as one list, as RFC 9110, 5.3 joins them; empty when there is none.
    std::string joined(std::string_view name) const;
    bool contains(std::string_view name) const { return find(name).has_value(); }

    std::size_t size() const { return headers_.size(); }
    auto begin() const { return headers_.begin(); }
    auto end() const { return headers_.end(); }

 private:
    std::vector<HttpHeader> headers_;
};

struct HttpRequest {
    HttpMethod method = HttpMethod::kGet;
    std::string target;  // as it came: /v1/events?x=1
    std::string path;    // the part before `?`, still percent-encoded; no `//`, `.` or `..` in it
    std::string query;   // the part after `?`, still percent-encoded
    HttpHeaders headers;
    std::string body;
    bool is_http_1_0 = false;
    bool keep_alive = true;   // what the client wants; a response may still close
    bool is_upgrade = false;  // asks to become a WebSocket, and has no body
    IpAddress client;         // whose it is, behind trusted proxies; set by HttpServer
};

struct HttpResponse {
    int status = 200;
    HttpHeaders
        headers;  // without Content-Length, Transfer-Encoding, Connection: serialize() sets them
    std::string body;
    bool close = false;  // the connection ends after it, whatever the client wants
};

HttpResponse text_response(int status, std::string body,
                           std::string_view content_type = "text/plain; charset=UTF-8");
HttpResponse json_response(int status, std::string body);

// RFC 9457: {"type":"about:blank","title":…,"status":…,"detail":…,"code":…}, with Retry-After where
// the same request can succeed later.
HttpResponse problem_response(const Error& error);
// The same with a status of HTTP's own, such as 408 or 431.
HttpResponse problem_response(int status, const Error& error);

// 405; `allowed` is the list of methods that the path takes.
HttpResponse method_refusal(std::string_view allowed);

// The bytes of a whole response. `is_head`: the answer to HEAD has every field, and no body.
std::string serialize(const HttpResponse& response, bool keep_alive, bool is_head = false);

// A response without an end that is known (SSE): its head, then encode_chunk() for each piece. To a
// client of HTTP/1.0, which knows no chunks, the pieces go as they are, and the connection's end is
// theirs.
std::string serialize_stream_head(const HttpResponse& response, bool is_chunked);
std::string encode_chunk(std::string_view bytes);  // not empty: an empty chunk is the end
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

struct QueryParameter {
    std::string name;
    std::string value;
};
// The pairs of a query, decoded (`+` is a space); what cannot be decoded stays as it came.
std::vector<QueryParameter> parse_query(std::string_view query);
// The first value of that name.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

// `%41b` → `Ab`; nothing when a `%` is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);

// The value of one cookie of a Cookie field.
std::optional<std::string_view> cookie_value(std::string_view cookies, std::string_view name);

// The media type of Content-Type, in lower case and without its parameters; empty: there is none.
std::string media_type(const HttpHeaders& headers);

// Whether the body is coded (gzip), which nobody here decodes.
bool has_content_coding(const HttpHeaders& headers);
// The answer then: 415, which says what is taken (RFC 9110, 12.5.3).
HttpResponse content_coding_refusal();

// Whether a comma-separated list (Connection, Accept-Encoding without weights) holds `token`, in
// any case.
bool list_contains(std::string_view list, std::string_view token);

}  // namespace eventbus
