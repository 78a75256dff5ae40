#include "net/http_head.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "base/text.h"
#include "base/utf8.h"

namespace eventbus {
namespace {

constexpr std::size_t kLengthDigitsMax = 18;  // below 2^63

// Fields by which it is decided who asks, and what for: each has one value (RFC 9110, 5.3).
constexpr std::string_view kOnce[] = {
    "Authorization",  "Content-Type",      "Last-Event-ID",        "Origin",
    "Sec-Fetch-Site", "Sec-WebSocket-Key", "Sec-WebSocket-Version"};

bool is_letter_or_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// RFC 9110, 5.6.2.
bool is_token_character(char c) {
    return is_letter_or_digit(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_host_character(char c) {
    return is_letter_or_digit(c) ||
           std::string_view("-._~!$&'()*+;=:[]%").find(c) != std::string_view::npos;
}

bool is_value_character(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7F) || c == '\t';
}

bool is_target_character(char c) { return c > 0x20 && c < 0x7F; }

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

template <class Predicate>
bool all(std::string_view text, Predicate predicate) {
    return std::all_of(text.begin(), text.end(), predicate);
}

// Takes the text up to `separator` off the front, and the separator; nothing when there is none.
std::optional<std::string_view> take_until(std::string_view& text, std::string_view separator) {
    const auto end = text.find(separator);
    if (end == std::string_view::npos) return {};
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(end + separator.size());
    return part;
}

std::optional<HttpMethod> method_named(std::string_view name) {
    for (const HttpMethod method :
         {HttpMethod::kGet, HttpMethod::kHead, HttpMethod::kPost, HttpMethod::kPut,
          HttpMethod::kPatch, HttpMethod::kDelete, HttpMethod::kOptions, HttpMethod::kTrace}) {
        if (to_string(method) == name) return method;
    }
    return {};
}

bool has_dot_segment(std::string_view path) {
    while (!path.empty()) {
        const auto end = std::min(path.find_first_of("/\\"), path.size());
        const std::string_view segment = path.substr(0, end);
        if (segment == "." || segment == "..") return true;
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return false;
}

const char* fault_of_path(std::string_view path) {
    if (!path.starts_with('/')) return "the target must be a path";
    if (path.find("//") != std::string_view::npos) return "the path has an empty segment";
    const std::optional<std::string> decoded = percent_decode(path);
    if (!decoded) return "the path has a % without two hex digits";
    if (!is_utf8(*decoded)) return "the path is not UTF-8 when decoded";
    if (std::any_of(decoded->begin(), decoded->end(), is_control))
        return "the path has a control character";
    if (has_dot_segment(*decoded)) return "the path has a . or .. segment";
    return nullptr;
}

// One head being read. The steps return what is wrong, and fill in the head.
class HeadParser {
 public:
    HeadParser(std::string_view head, const HttpLimits& limits) : rest_(head), limits_(limits) {}

    std::variant<HttpHead, HttpFailure> parse() {
        if (auto failure = read_request_line()) return *std::move(failure);
        if (auto failure = read_fields()) return *std::move(failure);
        if (auto failure = judge_fields()) return *std::move(failure);
        return std::move(head_);
    }

 private:
    using Fault = std::optional<HttpFailure>;
    static Fault fault(int status, const char* detail) { return HttpFailure{status, detail}; }

    Fault read_request_line() {
        if (rest_.starts_with("\r\n"))
            rest_.remove_prefix(2);  // RFC 9112, 2.2: after a POST of old
        std::string_view line = take_until(rest_, "\r\n").value_or("");
        const auto method = take_until(line, " ");
        const auto target = take_until(line, " ");
        if (!method || !target || !all(*method, is_token_character)) {
            return fault(400, "the request line must be: method, target, version");
        }
        if (target->size() > limits_.target_bytes_max) return fault(414, "the target is too long");
        if (line != "HTTP/1.1" && line != "HTTP/1.0") {
            return line.starts_with("HTTP/") ? fault(505, "the version must be HTTP/1.1")
                                             : fault(400, "the request line must end in a version");
        }
        request_.is_http_1_0 = line == "HTTP/1.0";
        const auto known = method_named(*method);
        if (!known) return fault(501, "the method is not known");
        request_.method = *known;
        return read_target(*target);
    }

    Fault read_target(std::string_view target) {
        if (!all(target, is_target_character) || target.find('#') != std::string_view::npos) {
            return fault(400, "the target has a character that must be percent-encoded");
        }
        request_.target = target;
        for (const std::string_view scheme :
             {"http://", "https://"}) {  // as to a proxy: 9112, 3.2.2
            if (!target.starts_with(scheme)) continue;
            target.remove_prefix(
                std::min(target.find_first_of("/?", scheme.size()), target.size()));
            if (!target.starts_with('/')) return fault(400, "the target must have a path");
        }
        const auto query_at = std::min(target.find('?'), target.size());
        request_.path = target.substr(0, query_at);
        request_.query = target.substr(std::min(query_at + 1, target.size()));
        if (target == "*" && request_.method == HttpMethod::kOptions) return {};
        if (const char* wrong = fault_of_path(request_.path)) return fault(400, wrong);
        return {};
    }

    Fault read_fields() {
        for (;;) {
            const auto line = take_until(rest_, "\r\n");
            if (!line) return fault(400, "the head must end in an empty line");
            if (line->empty()) return {};
            if (request_.headers.size() == limits_.fields_max)
                return fault(431, "there are too many fields");
            if (line->front() == ' ' || line->front() == '\t')
                return fault(400, "a field is folded");
            const auto colon = line->find(':');
            const std::string_view name = line->substr(0, colon);
            if (colon == std::string_view::npos || name.empty() || !all(name, is_token_character)) {
                return fault(400, "a field must be: name, colon, value");
            }
            const std::string_view value = trim(line->substr(colon + 1));
            if (!all(value, is_value_character))
                return fault(400, "a field has a control character");
            request_.headers.add(std::string(name), std::string(value));
        }
    }

    std::size_t count(std::string_view name) const {
        return static_cast<std::size_t>(std::count_if(
            request_.headers.begin(), request_.headers.end(),
            [name](const HttpHeader& header) { return equals_ignoring_case(header.name, name); }));
    }

    // Of two that differ, one reader takes the first and another the last.
    Fault judge_repeats() {
        for (const std::string_view name : kOnce) {
            if (count(name) < 2) continue;
            return HttpFailure{400, "the field " + std::string(name) + " must stand there once"};
        }
        return {};
    }

    Fault judge_fields() {
        const std::size_t hosts = count("Host");
        if (hosts > 1 || (hosts == 0 && !request_.is_http_1_0)) {
            return fault(400, "there must be exactly one Host");
        }
        if (Fault wrong = judge_repeats()) return wrong;
        if (!all(request_.headers.find("Host").value_or(""), is_host_character)) {
            return fault(400, "the Host is malformed");
        }
        if (Fault wrong = judge_length()) return wrong;
        if (const auto expect = request_.headers.find("Expect")) {
            if (!equals_ignoring_case(*expect, "100-continue"))
                return fault(417, "Expect is not known");
            head_.expects_continue = !request_.is_http_1_0 && has_body();
        }
        judge_connection();
        return {};
    }

    Fault judge_length() {
        const std::size_t lengths = count("Content-Length");
        const std::size_t encodings = count("Transfer-Encoding");
        if (lengths + encodings > 1) {
            return fault(400, "there must be one Content-Length or one Transfer-Encoding");
        }
        if (encodings == 1) {
            if (request_.is_http_1_0) return fault(400, "HTTP/1.0 has no Transfer-Encoding");
            head_.is_chunked =
                equals_ignoring_case(*request_.headers.find("Transfer-Encoding"), "chunked");
            if (!head_.is_chunked) return fault(501, "Transfer-Encoding must be chunked");
        }
        if (lengths == 1) {
            const std::string_view digits = *request_.headers.find("Content-Length");
            const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
            if (digits.empty() || !all(digits, is_digit))
                return fault(400, "Content-Length must be digits");
            if (digits.size() > kLengthDigitsMax) return fault(413, "the body is too large");
            std::from_chars(digits.data(), digits.data() + digits.size(), head_.content_length);
        }
        return {};
    }

    void judge_connection() {
        const std::string connection = request_.headers.joined("Connection");
        request_.keep_alive = !list_contains(connection, "close") &&
                              (!request_.is_http_1_0 || list_contains(connection, "keep-alive"));
        // RFC 9110, 7.8: a server ignores an Upgrade in HTTP/1.0.
        request_.is_upgrade = !request_.is_http_1_0 && !has_body() &&
                              list_contains(connection, "upgrade") &&
                              list_contains(request_.headers.joined("Upgrade"), "websocket");
    }

    bool has_body() const { return head_.is_chunked || head_.content_length > 0; }

    std::string_view rest_;
    const HttpLimits& limits_;
    HttpHead head_;
    HttpRequest& request_ = head_.request;
};

}  // namespace

std::optional<std::size_t> find_head_end(std::string_view bytes, std::size_t known) {
    if (!bytes.empty() && (bytes[0] < 'A' || bytes[0] > 'Z') && bytes[0] != '\r') return {};
    for (auto at = bytes.find('\n', known); at != std::string_view::npos;
         at = bytes.find('\n', at + 1)) {
        if (at == 0 || bytes[at - 1] != '\r') return {};
        if (at >= 3 && bytes[at - 2] == '\n') return at + 1;
    }
    return 0;
}

std::variant<HttpHead, HttpFailure> parse_http_head(std::string_view head,
                                                    const HttpLimits& limits) {
    return HeadParser(head, limits).parse();
}

}  // namespace eventbus
