#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"

namespace eventbus {

// An answer as a client reads it; names of fields are compared as they stand.
struct RawResponse {
    int status = 0;
    std::string head;
    std::string body;

    std::string field(std::string_view name) const {
        const auto at = head.find("\r\n" + std::string(name) + ": ");
        if (at == std::string::npos) return {};
        const auto begin = at + name.size() + 4;
        return head.substr(begin, head.find("\r\n", begin) - begin);
    }
};

// The other end of a connection, which does what no decent client would: sends bytes as they are,
// reads when told, breaks off. Never blocks: tick() moves bytes. One thread.
class RawClient {
 public:
    // Takes over a connected descriptor (one of a socketpair).
    explicit RawClient(int descriptor) : descriptor_(descriptor) { set_non_blocking(); }

    // Connects to this machine. A small `receive_bytes` makes a client that is full at once.
    static RawClient connect(std::uint16_t port, int receive_bytes = 0) {
        const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        BUS_ASSERT(descriptor >= 0);
        if (receive_bytes > 0) {
            ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
        }
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        BUS_ASSERT(::connect(descriptor, reinterpret_cast<const sockaddr*>(&address),
                             sizeof address) == 0);
        const int on = 1;  // what is sent is seen at once
        ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return RawClient(descriptor);
    }

    RawClient(RawClient&& other) noexcept
        : descriptor_(std::exchange(other.descriptor_, -1)),
          to_send_(std::move(other.to_send_)),
          received_(std::move(other.received_)),
          reads_(other.reads_),
          saw_end_(other.saw_end_) {}
    RawClient& operator=(RawClient&&) = delete;
    ~RawClient() { close(); }

    void send(std::string_view bytes) {
        to_send_ += bytes;
        tick();
    }

    // Whether the kernel has not taken all that was sent.
    bool wants_to_send() const { return !to_send_.empty(); }

    // Writes what the kernel takes, reads what is there. True: something has moved.
    bool tick() {
        if (descriptor_ < 0) return false;
        bool moved = false;
        if (!to_send_.empty()) {
            const ssize_t sent =
                ::send(descriptor_, to_send_.data(), to_send_.size(), MSG_NOSIGNAL);
            if (sent > 0) {
                to_send_.erase(0, static_cast<std::size_t>(sent));
                moved = true;
            } else if (errno != EAGAIN) {
                to_send_.clear();
            }
        }
        char buffer[16 * 1024];
        while (reads_ && !saw_end_) {
            const ssize_t got = ::recv(descriptor_, buffer, sizeof buffer, 0);
            if (got < 0 && errno == EAGAIN) break;
            moved = true;
            if (got <= 0) {
                saw_end_ = true;
            } else {
                received_.append(buffer, static_cast<std::size_t>(got));
            }
        }
        return moved;
    }

    void read(bool on) { reads_ = on; }
    void shut_down() { ::shutdown(descriptor_, SHUT_WR); }  // our side
    void close() {
        if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    }

    std::string& received() { return received_; }
    bool saw_end() const { return saw_end_; }  // the server has closed
    bool is_open() const { return descriptor_ >= 0 && !saw_end_; }

    // Takes the first whole answer off what was received.
    std::optional<RawResponse> take_response() {
        const auto end = received_.find("\r\n\r\n");
        if (end == std::string::npos) return std::nullopt;
        RawResponse response;
        response.head = received_.substr(0, end + 2);
        std::from_chars(response.head.data() + 9, response.head.data() + 12, response.status);
        std::size_t length = 0;
        const std::string text = response.field("Content-Length");
        std::from_chars(text.data(), text.data() + text.size(), length);
        if (received_.size() < end + 4 + length) return std::nullopt;
        response.body = received_.substr(end + 4, length);
        received_.erase(0, end + 4 + length);
        return response;
    }

 private:
    void set_non_blocking() { BUS_ASSERT(::fcntl(descriptor_, F_SETFL, O_NONBLOCK) == 0); }

    int descriptor_ = -1;
    std::string to_send_;
    std::string received_;
    bool reads_ = true;
    bool saw_end_ = false;
};

}  // namespace eventbus
