#include "app/http_client.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <iterator>

#include "app/client_connection.h"
#include "base/text.h"

namespace eventbus {
namespace {

namespace http = boost::beast::http;
using std::chrono::milliseconds;
using Parser = http::response_parser<http::string_body>;

constexpr milliseconds kForever{-1};

std::string serialize(const ServerUrl& server, const ClientRequest& request) {
    const bool is_ipv6 = server.host.find(':') != std::string::npos;
    std::string text = request.method + " " + server.path + request.target +
                       " HTTP/1.1\r\nHost: " + (is_ipv6 ? "[" + server.host + "]" : server.host) +
                       ":" + server.port + "\r\nConnection: close\r\nUser-Agent: eventbus\r\n";
    for (const auto& [name, value] : request.headers) {
        text.append(name).append(": ").append(value).append("\r\n");
    }
    if (request.method == "POST") {
        text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    }
    return text + "\r\n" + request.body;
}

Error speaks_tls(const ServerUrl& server) {
    return Error{ErrorCode::kBadRequest,
                 "what answers at " + server.text + " speaks TLS; write https://"};
}

// RFC 8446, 5.1: a server that finds no TLS sends the record of an alert.
bool is_tls_alert(std::string_view answer) { return answer.starts_with("\x15\x03"); }

// Others say in plain HTTP what they miss: we, nginx, Go, Apache.
bool asks_for_tls(const ClientResponse& response) {
    constexpr std::string_view kWords[] = {"speaks TLS", "HTTPS", "SSL-enabled"};
    return response.status == 400 &&
           std::any_of(std::begin(kWords), std::end(kWords), [&](std::string_view words) {
               return response.body.find(words) != std::string::npos;
           });
}

std::string media_type_of(std::string_view content_type) {
    constexpr std::size_t kBytesMax = 64;
    content_type = content_type.substr(0, std::min(content_type.find_first_of("; \t"), kBytesMax));
    return to_lower_case(content_type);
}

// Feeds the parser what was read, and keeps what it does not take yet.
class Answer {
 public:
    explicit Answer(const ServerUrl& server) : server_(server) {
        parser_.eager(true);
        parser_.body_limit(boost::none);
    }

    Result<> feed(std::string_view bytes) {
        rest_ += bytes;
        if (rest_.size() > kResponseBytesMax) return no_http("its answer is too long");
        while (!rest_.empty() && !parser_.is_done()) {
            boost::beast::error_code error;
            const std::size_t taken =
                parser_.put(boost::asio::buffer(rest_.data(), rest_.size()), error);
            rest_.erase(0, taken);
            if (error == http::error::need_more) break;
            if (error) return no_http(error.message());
            if (taken == 0) break;
        }
        return {};
    }
    // The server closed its side.
    Result<> end() {
        boost::beast::error_code error;
        if (parser_.got_some() && !parser_.is_done()) parser_.put_eof(error);
        if (error || !parser_.got_some()) {
            return Error{ErrorCode::kInternal,
                         "the server at " + server_.text + " broke off its answer"};
        }
        return {};
    }

    bool has_head() const { return parser_.is_header_done(); }
    bool is_done() const { return parser_.is_done(); }
    int status() const { return static_cast<int>(parser_.get().result_int()); }
    std::string media_type() const {
        return media_type_of(parser_.get()[http::field::content_type]);
    }
    std::string& body() { return parser_.get().body(); }

 private:
    Error no_http(const std::string& why) const {
        return Error{ErrorCode::kInternal, "what answers at " + server_.text +
                                               " is not an event bus (" + why +
                                               "): check --url or EVENT_BUS_URL"};
    }

    const ServerUrl& server_;
    Parser parser_;
    std::string rest_;
};

// One request and its answer. With `take` an answer with status 200 is meant to be a stream.
Result<ClientResponse> exchange(const ServerUrl& server, const ClientRequest& request,
                                milliseconds timeout,
                                const std::function<bool(std::string_view)>& take) {
    Result<ClientConnection> connection = ClientConnection::open(server, timeout);
    if (!connection) return connection.error();
    const Result<> sent = connection->write(serialize(server, request), timeout);
    if (!sent) return sent.error();

    Answer answer(server);
    bool is_stream = false;
    while (!answer.is_done()) {
        const auto bytes = connection->read(is_stream ? kForever : timeout);
        if (!bytes) return bytes.error();
        if (!answer.has_head() && is_tls_alert(*bytes)) return speaks_tls(server);
        const Result<> fed = bytes->empty() ? answer.end() : answer.feed(*bytes);
        if (!fed) return fed.error();
        if (take && answer.has_head() && answer.status() == 200) {
            is_stream = answer.media_type() == kEventStreamType;
            if (!is_stream || !take(answer.body())) break;
            answer.body().clear();
        }
        if (answer.body().size() > kResponseBytesMax) break;
    }
    ClientResponse response{answer.status(), answer.media_type(), std::move(answer.body())};
    if (!server.is_tls && asks_for_tls(response)) return speaks_tls(server);
    return response;
}

}  // namespace

Result<ClientResponse> stream_request(const ServerUrl& server, const ClientRequest& request,
                                      milliseconds timeout,
                                      const std::function<bool(std::string_view)>& take) {
    return exchange(server, request, timeout, take);
}

Result<ClientResponse> send_request(const ServerUrl& server, const ClientRequest& request,
                                    milliseconds timeout) {
    return exchange(server, request, timeout, {});
}

}  // namespace eventbus
