#include "net/http_message.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <ostream>  // Boost's string_view needs it, and does not include it
#include <utility>

#include <boost/beast/http/status.hpp>

#include "base/assert.h"
#include "base/json_text.h"
#include "base/text.h"

namespace eventbus {
namespace {

std::optional<char> hex_pair(std::string_view digits) {
    unsigned value = 0;
    const char* const end = digits.data() + digits.size();
    if (digits.size() != 2 || std::from_chars(digits.data(), end, value, 16).ptr != end) return {};
    return static_cast<char>(value);
}

std::string decode_parameter(std::string_view text) {
    std::string spaced(text);
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    return percent_decode(spaced).value_or(std::string(text));
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    out += ": ";
    // A line break in a value would begin a field of its own.
    std::copy_if(value.begin(), value.end(), std::back_inserter(out),
                 [](char c) { return c != '\r' && c != '\n' && c != '\0'; });
    out += "\r\n";
}

void append_head(std::string& out, const HttpResponse& response) {
    out += "HTTP/1.1 " + std::to_string(response.status) + " ";
    out += std::string_view(boost::beast::http::obsolete_reason(
        static_cast<boost::beast::http::status>(response.status)));
    out += "\r\n";
    for (const HttpHeader& header : response.headers) append_field(out, header.name, header.value);
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

std::string_view to_string(HttpMethod method) {
    switch (method) {
        case HttpMethod::kGet:
            return "GET";
        case HttpMethod::kHead:
            return "HEAD";
        case HttpMethod::kPost:
            return "POST";
        case HttpMethod::kPut:
            return "PUT";
        case HttpMethod::kPatch:
            return "PATCH";
        case HttpMethod::kDelete:
            return "DELETE";
        case HttpMethod::kOptions:
            return "OPTIONS";
        case HttpMethod::kTrace:
            return "TRACE";
    }
    BUS_ASSERT(!"a method that is not in the list");
}

void HttpHeaders::add(std::string name, std::string value) {
    headers_.push_back({std::move(name), std::move(value)});
}

void HttpHeaders::set(std::string_view name, std::string value) {
    std::erase_if(headers_, [name](const HttpHeader& header) {
        return equals_ignoring_case(header.name, name);
    });
    add(std::string(name), std::move(value));
}

void HttpHeaders::append(std::string_view name, std::string_view item) {
    std::string list = joined(name);
    if (!list.empty()) list += ", ";
    set(name, list.append(item));
}

std::optional<std::string_view> HttpHeaders::find(std::string_view name) const {
    for (const HttpHeader& header : headers_) {
        if (equals_ignoring_case(header.name, name)) return header.value;
    }
    return {};
}

std::string HttpHeaders::joined(std::string_view name) const {
    std::string list;
    for (const HttpHeader& header : headers_) {
        if (!equals_ignoring_case(header.name, name)) continue;
        if (!list.empty()) list += ", ";
        list += header.value;
    }
    return list;
}

HttpResponse text_response(int status, std::string body, std::string_view content_type) {
    return {status, {{"Content-Type", std::string(content_type)}}, std::move(body)};
}

HttpResponse json_response(int status, std::string body) {
    return text_response(status, std::move(body), "application/json");
}

HttpResponse problem_response(const Error& error) {
    const ErrorInfo& info = error_info(error.code);
    HttpResponse response = problem_response(info.http_status, error);
    if (error.passes()) response.headers.add("Retry-After", "1");
    return response;
}

HttpResponse problem_response(int status, const Error& error) {
    const ErrorInfo& info = error_info(error.code);
    std::string body = "{\"type\":\"about:blank\",\"title\":";
    append_json_string(body, info.title);
    body += ",\"status\":" + std::to_string(status) + ",\"detail\":";
    append_json_string(body, error.detail);
    body += ",\"code\":";
    append_json_string(body, info.name);
    body += '}';
    return text_response(status, std::move(body), "application/problem+json");
}

HttpResponse method_refusal(std::string_view allowed) {
    HttpResponse response = problem_response(
        Error{ErrorCode::kMethodNotAllowed, "this path takes " + std::string(allowed)});
    response.headers.set("Allow", std::string(allowed));
    return response;
}

std::string serialize(const HttpResponse& response, bool keep_alive, bool is_head) {
    std::string out;
    out.reserve(256 + response.body.size());
    append_head(out, response);
    if (may_have_body(response.status)) {
        out += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
    }
    // Of 101 the connection is the other protocol's, and its Connection field among
    // response.headers.
    if (response.status >= 200) {
        out +=
            keep_alive && !response.close ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
    }
    out += "\r\n";
    if (!is_head && may_have_body(response.status)) out += response.body;
    return out;
}

std::string serialize_stream_head(const HttpResponse& response, bool is_chunked) {
    std::string out;
    append_head(out, response);
    if (is_chunked) out += "Transfer-Encoding: chunked\r\n";
    out += "Connection: close\r\n\r\n";
    return out;
}

std::string encode_chunk(std::string_view bytes) {
    BUS_ASSERT(!bytes.empty());
    char digits[16];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, bytes.size(), 16);
    std::string chunk(digits, end);
    chunk += "\r\n";
    chunk += bytes;
    chunk += "\r\n";
    return chunk;
}

std::vector<QueryParameter> parse_query(std::string_view query) {
    std::vector<QueryParameter> parameters;
    while (!query.empty()) {
        const std::string_view pair = take_part(query, '&');
        if (pair.empty()) continue;
        const auto equals = std::min(pair.find('='), pair.size());
        parameters.push_back({decode_parameter(pair.substr(0, equals)),
                              decode_parameter(pair.substr(std::min(equals + 1, pair.size())))});
    }
    return parameters;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
    for (QueryParameter& parameter : parse_query(query)) {
        if (parameter.name == name) return std::move(parameter.value);
    }
    return {};
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        const auto byte = hex_pair(text.substr(i + 1, 2));
        if (!byte) return {};
        decoded += *byte;
        i += 2;
    }
    return decoded;
}

std::optional<std::string_view> cookie_value(std::string_view cookies, std::string_view name) {
    while (!cookies.empty()) {
        const std::string_view cookie = take_part(cookies, ';');
        const auto equals = cookie.find('=');
        if (equals == std::string_view::npos || trim(cookie.substr(0, equals)) != name) continue;
        std::string_view value = trim(cookie.substr(equals + 1));
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
            value = value.substr(1, value.size() - 2);
        }
        return value;
    }
    return {};
}

std::string media_type(const HttpHeaders& headers) {
    std::string_view value = headers.find("Content-Type").value_or("");
    return to_lower_case(take_part(value, ';'));
}

bool has_content_coding(const HttpHeaders& headers) {
    const std::string codings = headers.joined("Content-Encoding");
    return !codings.empty() && !equals_ignoring_case(codings, "identity");
}

HttpResponse content_coding_refusal() {
    HttpResponse response = problem_response(
        Error{ErrorCode::kUnsupportedMedia, "the body is compressed; send it as it is"});
    response.headers.set("Accept-Encoding", "identity");
    return response;
}

bool list_contains(std::string_view list, std::string_view token) {
    while (!list.empty()) {
        if (equals_ignoring_case(take_part(list, ','), token)) return true;
    }
    return false;
}

}  // namespace eventbus
