#include "app/http_client.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <cerrno>
#include <cstring>
#include <memory>

namespace eventbus {
namespace {

namespace http = boost::beast::http;
using std::chrono::milliseconds;
using Parser = http::response_parser<http::string_body>;

constexpr milliseconds kForever{-1};

Error unreachable(const ServerUrl& server, const std::string& why) {
    return Error{ErrorCode::kUnavailable,
                 "no server answers at " + server.text + " (" + why +
                     "); start one with `eventbus serve --dev`, or name another with --url or "
                     "EVENT_BUS_URL"};
}

// A connected TCP socket.
class Connection {
 public:
    static Result<Connection> open(const ServerUrl& server, milliseconds timeout);

    Connection(Connection&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
    Connection& operator=(Connection&&) = delete;
    ~Connection() {
        if (socket_ >= 0) ::close(socket_);
    }

    Result<> write(std::string_view bytes, milliseconds timeout);
    // The next bytes, empty at the end.
    Result<std::string_view> read(milliseconds timeout);

 private:
    explicit Connection(int socket) : socket_(socket) {}
    Result<> wait(short events, milliseconds timeout) const;
    Result<> connect(const addrinfo& address, milliseconds timeout);

    int socket_;
    std::array<char, 16'384> buffer_;
};

Error failed(int reason) {
    return Error{ErrorCode::kInternal,
                 std::string("the connection failed: ") + std::strerror(reason)};
}

Result<Connection> Connection::open(const ServerUrl& server, milliseconds timeout) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int found = ::getaddrinfo(server.host.c_str(), server.port.c_str(), &hints, &list);
    if (found != 0) return unreachable(server, ::gai_strerror(found));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(list, ::freeaddrinfo);

    std::string why = "no address";
    for (const addrinfo* address = list; address != nullptr; address = address->ai_next) {
        Connection connection(
            ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const Result<> connected = connection.connect(*address, timeout);
        if (connected) return connection;
        why = connected.error().detail;
    }
    return unreachable(server, why);
}

Result<> Connection::connect(const addrinfo& address, milliseconds timeout) {
    if (socket_ < 0) return failed(errno);
    if (::connect(socket_, address.ai_addr, address.ai_addrlen) != 0) {
        if (errno != EINPROGRESS) return failed(errno);
        if (const Result<> ready = wait(POLLOUT, timeout); !ready) return ready;
        int reason = 0;
        socklen_t size = sizeof reason;
        if (::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &reason, &size) != 0) return failed(errno);
        if (reason != 0) return failed(reason);
    }
    // A stream may be silent for hours; a server whose machine is gone is noticed in 45 s.
    constexpr int kOn = 1;
    constexpr int kIdleSeconds = 30;
    constexpr int kBetweenSeconds = 5;
    constexpr int kProbes = 3;
    ::setsockopt(socket_, SOL_SOCKET, SO_KEEPALIVE, &kOn, sizeof kOn);
    ::setsockopt(socket_, IPPROTO_TCP, TCP_KEEPIDLE, &kIdleSeconds, sizeof kIdleSeconds);
    ::setsockopt(socket_, IPPROTO_TCP, TCP_KEEPINTVL, &kBetweenSeconds, sizeof kBetweenSeconds);
    ::setsockopt(socket_, IPPROTO_TCP, TCP_KEEPCNT, &kProbes, sizeof kProbes);
    return {};
}

Result<> Connection::wait(short events, milliseconds timeout) const {
    pollfd poll{socket_, events, 0};
    for (;;) {
        const int ready = ::poll(&poll, 1, static_cast<int>(timeout.count()));
        if (ready > 0) return {};
        if (ready == 0) return Error{ErrorCode::kTimeout, "the server does not answer in time"};
        if (errno != EINTR) return failed(errno);
    }
}

Result<> Connection::write(std::string_view bytes, milliseconds timeout) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            continue;
        }
        // A server that refuses by the head alone answers and closes before it has read the body.
        if (errno == EPIPE || errno == ECONNRESET) return {};
        if (errno != EAGAIN && errno != EINTR) return failed(errno);
        if (const Result<> ready = wait(POLLOUT, timeout); !ready) return ready;
    }
    return {};
}

Result<std::string_view> Connection::read(milliseconds timeout) {
    for (;;) {
        const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
        if (got >= 0) return std::string_view(buffer_.data(), static_cast<std::size_t>(got));
        if (errno != EAGAIN && errno != EINTR) return failed(errno);
        if (const Result<> ready = wait(POLLIN, timeout); !ready) return ready.error();
    }
}

std::string serialize(const ServerUrl& server, const ClientRequest& request) {
    const bool is_ipv6 = server.host.find(':') != std::string::npos;
    std::string text = request.method + " " + server.path + request.target +
                       " HTTP/1.1\r\nHost: " + (is_ipv6 ? "[" + server.host + "]" : server.host) +
                       ":" + server.port + "\r\nConnection: close\r\nUser-Agent: eventbus\r\n";
    for (const auto& [name, value] : request.headers) text += name + ": " + value + "\r\n";
    if (request.method == "POST") {
        text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    }
    return text + "\r\n" + request.body;
}

// Feeds the parser what was read, and keeps what it does not take yet.
class Answer {
 public:
    Answer() {
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
        if (error || !parser_.got_some())
            return Error{ErrorCode::kInternal, "the server broke off its answer"};
        return {};
    }

    bool has_head() const { return parser_.is_header_done(); }
    bool is_done() const { return parser_.is_done(); }
    int status() const { return static_cast<int>(parser_.get().result_int()); }
    std::string& body() { return parser_.get().body(); }

 private:
    static Error no_http(const std::string& why) {
        return Error{ErrorCode::kInternal, "what answers there is no event bus: " + why};
    }

    Parser parser_;
    std::string rest_;
};

// One request and its answer; bytes of a body with status 200 go to `take`.
Result<ClientResponse> exchange(const ServerUrl& server, const ClientRequest& request,
                                milliseconds timeout, milliseconds body_timeout,
                                const std::function<bool(std::string_view)>& take) {
    Result<Connection> connection = Connection::open(server, timeout);
    if (!connection) return connection.error();
    const Result<> sent = connection->write(serialize(server, request), timeout);
    if (!sent) return sent.error();

    Answer answer;
    while (!answer.is_done()) {
        const bool is_good = answer.has_head() && answer.status() == 200;
        const auto bytes = connection->read(is_good ? body_timeout : timeout);
        if (!bytes) return bytes.error();
        const Result<> fed = bytes->empty() ? answer.end() : answer.feed(*bytes);
        if (!fed) return fed.error();
        if (answer.has_head() && answer.status() == 200) {
            const bool goes_on = take(answer.body());
            answer.body().clear();
            if (!goes_on) break;
        }
        if (answer.body().size() > kResponseBytesMax) {
            return Error{ErrorCode::kInternal, "the server's answer is too long"};
        }
    }
    return ClientResponse{answer.status(), std::move(answer.body())};
}

}  // namespace

Result<ServerUrl> parse_server_url(std::string_view text) {
    const Error wrong{
        ErrorCode::kBadRequest,
        "\"" + std::string(text) + "\" is no address of a server; write http://127.0.0.1:8080"};
    const auto url = boost::urls::parse_uri(boost::urls::string_view(text.data(), text.size()));
    if (url.has_error() || url->host().empty()) return wrong;
    if (url->scheme_id() == boost::urls::scheme::https) {
        return Error{ErrorCode::kBadRequest,
                     "the command line does not speak TLS; name the server's own http:// address "
                     "behind the balancer, or use curl, as docs/http.md shows"};
    }
    if (url->scheme_id() != boost::urls::scheme::http || url->has_userinfo() || url->has_query()) {
        return wrong;
    }
    ServerUrl server{.host = url->host_address(),
                     .port = url->has_port() ? std::string(url->port()) : "80",
                     .path = std::string(url->encoded_path()),
                     .text = std::string(text)};
    while (server.path.ends_with('/')) server.path.pop_back();
    return server;
}

Result<ClientResponse> stream_request(const ServerUrl& server, const ClientRequest& request,
                                      milliseconds timeout,
                                      const std::function<bool(std::string_view)>& take) {
    return exchange(server, request, timeout, kForever, take);
}

Result<ClientResponse> send_request(const ServerUrl& server, const ClientRequest& request,
                                    milliseconds timeout) {
    std::string body;
    Result<ClientResponse> response =
        exchange(server, request, timeout, timeout, [&](std::string_view bytes) {
            body += bytes;
            return body.size() <= kResponseBytesMax;
        });
    if (response && response->body.empty()) response->body = std::move(body);
    return response;
}

}  // namespace eventbus
