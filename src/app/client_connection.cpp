#include "app/client_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <string>
#include <utility>

#include "app/peer_certificate.h"

namespace eventbus {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

Error unreachable(const ServerUrl& server, const std::string& why) {
    return Error{ErrorCode::kUnavailable,
                 "no server answers at " + server.text + " (" + why +
                     "); start one with `eventbus serve --dev`, or name another with --url or "
                     "EVENT_BUS_URL"};
}

Error failed(const error_code& why) {
    return Error{ErrorCode::kInternal, "the connection failed: " + why.message()};
}

Error too_late(const ServerUrl& server, milliseconds timeout) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
    return Error{ErrorCode::kTimeout,
                 "the server at " + server.text + " has not answered within " +
                     std::to_string(seconds.count()) +
                     " s; try again later, or name another with --url or EVENT_BUS_URL"};
}

// A stream may be silent for hours; a server whose machine is gone is noticed in 45 s.
void keep_alive(int socket) {
    constexpr int kOn = 1;
    constexpr int kIdleSeconds = 30;
    constexpr int kBetweenSeconds = 5;
    constexpr int kProbes = 3;
    ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &kOn, sizeof kOn);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &kIdleSeconds, sizeof kIdleSeconds);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &kBetweenSeconds, sizeof kBetweenSeconds);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &kProbes, sizeof kProbes);
}

bool is_end_of_peer(const error_code& error) {
    return error == asio::error::broken_pipe || error == asio::error::connection_reset ||
           error == asio::error::eof || error == asio::ssl::error::stream_truncated;
}

bool is_no_tls(const error_code& error) {
    if (error.category() != asio::error::get_ssl_category()) return false;
    return ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_WRONG_VERSION_NUMBER;
}

}  // namespace

// Asio's part. Without TLS only the socket under the TLS stream is used.
class ClientConnection::Link {
 public:
    explicit Link(const ServerUrl& server) : server_(server) {}

    Result<> trust();
    Result<> connect(milliseconds timeout);
    Result<> set_up_tls(milliseconds timeout);
    Result<> write(std::string_view bytes, milliseconds timeout);
    Result<std::string_view> read(milliseconds timeout);

 private:
    Error handshake_failed(const error_code& why) const;
    tcp::socket& socket() { return tls_.next_layer(); }

    // What became of the operation that `start` begins with the handler that it is given. Nothing:
    // it took longer than `timeout`, and the connection is closed.
    struct Done {
        error_code error;
        std::size_t bytes = 0;
    };
    template <class Start>
    std::optional<Done> run(milliseconds timeout, Start start) {
        std::optional<Done> done;
        start([&done](const error_code& error, std::size_t bytes = 0) {
            done = Done{error, bytes};
        });
        io_.restart();
        if (timeout < milliseconds::zero()) {
            io_.run();
        } else {
            io_.run_for(timeout);
        }
        if (done) return done;
        error_code ignored;
        socket().close(ignored);
        io_.restart();
        io_.run();  // the handler refers to what is on this stack
        return std::nullopt;
    }

    const ServerUrl server_;
    asio::io_context io_{1};
    asio::ssl::context context_{asio::ssl::context::tls_client};
    asio::ssl::stream<tcp::socket> tls_{io_, context_};
    std::optional<Error> refused_;  // why the server's certificate was
    std::array<char, 16'384> buffer_;
};

Result<> ClientConnection::Link::connect(milliseconds timeout) {
    error_code error;
    const auto addresses = tcp::resolver(io_).resolve(server_.host, server_.port, error);
    if (error) return unreachable(server_, error.message());
    Error why{ErrorCode::kUnavailable, "no address"};
    for (const auto& address : addresses) {
        error_code ignored;
        socket().close(ignored);
        const auto done = run(timeout, [&](auto handler) {
            socket().async_connect(address.endpoint(), std::move(handler));
        });
        if (done && !done->error) {
            keep_alive(socket().native_handle());
            return {};
        }
        why = done ? failed(done->error)
                   : Error{ErrorCode::kTimeout, "it does not take the connection in time"};
    }
    return unreachable(server_, why.detail);
}

// Reads whom to trust.
Result<> ClientConnection::Link::trust() {
    error_code error;
    if (server_.ca_file.empty()) {
        context_.set_default_verify_paths(error);
    } else {
        context_.add_certificate_authority(asio::buffer(server_.ca_certificates), error);
    }
    if (!error) return {};
    return Error{ErrorCode::kBadRequest,
                 server_.ca_file.empty()
                     ? "the authorities that this machine trusts cannot be read: " + error.message()
                     : "the file " + server_.ca_file + " holds no certificate of an authority (" +
                           error.message() +
                           "); name a PEM file that begins with -----BEGIN CERTIFICATE----- with "
                           "--cacert or EVENT_BUS_CACERT"};
}

Result<> ClientConnection::Link::set_up_tls(milliseconds timeout) {
    SSL* const ssl = tls_.native_handle();
    error_code is_a_name;
    asio::ip::make_address(server_.host, is_a_name);
    // RFC 6066, 3: a server that has many names learns which is meant; an address is none.
    if (is_a_name) SSL_set_tlsext_host_name(ssl, server_.host.c_str());
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
        SSL_set1_host(ssl, server_.host.c_str()) != 1) {
        return Error{ErrorCode::kInternal, "OpenSSL does not take the host's name"};
    }
    tls_.set_verify_mode(asio::ssl::verify_peer);
    tls_.set_verify_callback([this](bool is_good, asio::ssl::verify_context& verification) {
        if (!is_good) refused_ = refused_certificate(server_, verification.native_handle());
        return is_good;
    });
    const auto done = run(timeout, [&](auto handler) {
        tls_.async_handshake(asio::ssl::stream_base::client, std::move(handler));
    });
    if (!done) return too_late(server_, timeout);
    if (done->error) return handshake_failed(done->error);
    return {};
}

Error ClientConnection::Link::handshake_failed(const error_code& why) const {
    if (refused_) return *refused_;
    if (is_no_tls(why)) {
        return Error{ErrorCode::kBadRequest,
                     "what answers at " + server_.text +
                         " does not speak TLS; write http:// for a server without it"};
    }
    if (is_end_of_peer(why)) {
        return Error{ErrorCode::kUnavailable,
                     "the server at " + server_.text +
                         " ends the connection before TLS is set up; is this the port that "
                         "speaks it?"};
    }
    return Error{ErrorCode::kBadRequest,
                 "TLS cannot be set up with " + server_.text + ": " + why.message()};
}

Result<> ClientConnection::Link::write(std::string_view bytes, milliseconds timeout) {
    const asio::const_buffer buffer(bytes.data(), bytes.size());
    const auto done = run(timeout, [&](auto handler) {
        if (server_.is_tls) {
            asio::async_write(tls_, buffer, std::move(handler));
        } else {
            asio::async_write(socket(), buffer, std::move(handler));
        }
    });
    if (!done) return too_late(server_, timeout);
    // A server that refuses by the head alone answers and closes before it has read the body.
    if (done->error && !is_end_of_peer(done->error)) return failed(done->error);
    return {};
}

Result<std::string_view> ClientConnection::Link::read(milliseconds timeout) {
    const asio::mutable_buffer buffer(buffer_.data(), buffer_.size());
    const auto done = run(timeout, [&](auto handler) {
        if (server_.is_tls) {
            tls_.async_read_some(buffer, std::move(handler));
        } else {
            socket().async_read_some(buffer, std::move(handler));
        }
    });
    if (!done) return too_late(server_, timeout);
    if (done->error == asio::error::eof) return std::string_view();
    if (done->error) return failed(done->error);
    return std::string_view(buffer_.data(), done->bytes);
}

Result<ClientConnection> ClientConnection::open(const ServerUrl& server, milliseconds timeout) {
    auto link = std::make_unique<Link>(server);
    if (server.is_tls) {
        if (const Result<> trusts = link->trust(); !trusts) return trusts.error();
    }
    if (const Result<> connected = link->connect(timeout); !connected) return connected.error();
    if (server.is_tls) {
        if (const Result<> set_up = link->set_up_tls(timeout); !set_up) return set_up.error();
    }
    return ClientConnection(std::move(link));
}

ClientConnection::ClientConnection(std::unique_ptr<Link> link) : link_(std::move(link)) {}
ClientConnection::ClientConnection(ClientConnection&&) noexcept = default;
ClientConnection::~ClientConnection() = default;

Result<> ClientConnection::write(std::string_view bytes, milliseconds timeout) {
    return link_->write(bytes, timeout);
}

Result<std::string_view> ClientConnection::read(milliseconds timeout) {
    return link_->read(timeout);
}

}  // namespace eventbus
