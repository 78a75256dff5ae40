#include "net/listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 32;  // some 10 µs each: a storm must not hold up who is connected
constexpr auto kPause = std::chrono::milliseconds(100);
constexpr auto kLineEvery = std::chrono::seconds(10);

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address address_of(const Endpoint& endpoint) {
    Address address;
    const std::string host = endpoint.host == "localhost" ? "127.0.0.1" : endpoint.host;
    auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(endpoint.port);
        address.length = sizeof *v4;
        return address;
    }
    BUS_ASSERT(::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    address.length = sizeof *v6;
    return address;
}

// A bound and listening descriptor, or -1 and errno.
int open_listening(const Address& address, bool shared) {
    const int family = address.get()->sa_family;
    const int descriptor = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    const int on = 1;
    ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // after a kill -9, at once
    if (shared) ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (::bind(descriptor, address.get(), address.length) == 0 &&
        ::listen(descriptor, kBacklog) == 0) {
        return descriptor;
    }
    const int why = errno;
    Stream(descriptor).close();
    errno = why;
    return -1;
}

Error listen_error(const Endpoint& endpoint, int why) {
    const std::string where = to_string(endpoint);
    switch (why) {
        case EADDRINUSE:
            return {ErrorCode::kUnavailable,
                    fmt::format("another process listens on {}; stop it, or choose another address",
                                where)};
        case EADDRNOTAVAIL:
            return {ErrorCode::kUnavailable,
                    fmt::format("{} is not an address of this machine; choose one that it has, or "
                                "0.0.0.0 for all of them",
                                where)};
        case EACCES:
            return {ErrorCode::kUnavailable,
                    fmt::format(
                        "{} needs more rights, as ports below 1024 do; choose a higher port, or "
                        "give the process CAP_NET_BIND_SERVICE",
                        where)};
        default:
            return {ErrorCode::kUnavailable,
                    fmt::format("cannot listen on {}: {}", where, std::strerror(why))};
    }
}

}  // namespace

Result<ListenSocket> ListenSocket::open(const Endpoint& endpoint, bool is_first) {
    const Address address = address_of(endpoint);
    if (is_first && endpoint.port != 0) {
        // Without SO_REUSEPORT this fails if anybody listens, even with it.
        const int probe = open_listening(address, false);
        if (probe < 0) return listen_error(endpoint, errno);
        Stream(probe).close();
    }
    const int descriptor = open_listening(address, true);
    if (descriptor < 0) return listen_error(endpoint, errno);
    return ListenSocket(descriptor);
}

std::uint16_t ListenSocket::port() const {
    Address address;
    address.length = sizeof address.storage;
    BUS_ASSERT(::getsockname(descriptor(), reinterpret_cast<sockaddr*>(&address.storage),
                             &address.length) == 0);
    return ntohs(address.get()->sa_family == AF_INET
                     ? reinterpret_cast<const sockaddr_in*>(address.get())->sin_port
                     : reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_port);
}

Listener::Listener(Reactor& reactor, ListenSocket socket, Accept accept)
    : reactor_(reactor), socket_(std::move(socket)), accept_(std::move(accept)) {
    BUS_ASSERT(reactor_.watch(socket_.descriptor(), *this, EPOLLIN));  // it is among the first
    is_watching_ = true;
}

void Listener::stop() {
    if (is_watching_) reactor_.unwatch(socket_.descriptor());
    is_watching_ = false;
    *alive_ = false;
}

void Listener::on_ready(std::uint32_t) {
    for (int i = 0; i < kAcceptsPerTurn && is_watching_; ++i) {
        Address peer;
        peer.length = sizeof peer.storage;
        const int descriptor =
            ::accept4(socket_.descriptor(), reinterpret_cast<sockaddr*>(&peer.storage),
                      &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor >= 0) {
            const int on = 1;
            ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            accept_(Stream(descriptor, IpAddress::of(*peer.get())));
            continue;
        }
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
        warn_of(errno);
        reactor_.unwatch(socket_.descriptor());
        is_watching_ = false;
        return go_on_later();
    }
}

void Listener::warn_of(int why) {
    if (reactor_.now() < next_line_) return;
    next_line_ = reactor_.now() + kLineEvery;
    diagnostics::warn(
        "no connection can be accepted now; raise the limit of open files, of this process (ulimit "
        "-n) or of the machine (fs.file-max), or give it more memory (one line in 10 s at most)",
        {{"why", std::strerror(why)}});
}

void Listener::go_on_later() {
    reactor_.post_at(reactor_.now() + kPause, [this, alive = alive_] {
        if (!*alive) return;
        is_watching_ = reactor_.watch(socket_.descriptor(), *this, EPOLLIN);
        if (!is_watching_) go_on_later();
    });
}

}  // namespace eventbus
