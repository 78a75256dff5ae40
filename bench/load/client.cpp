#include "load/client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace bench {
namespace {

constexpr std::string_view kUpgrade =
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::array<unsigned char, 4> kMask = {0x37, 0xfa, 0x21, 0x3d};  // RFC 6455, 5.7

[[noreturn]] void throw_errno(const char* what) {
    throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

int connect_to(std::uint16_t port) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) throw_errno("socket");
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(descriptor);
        throw_errno("connect");
    }
    ::fcntl(descriptor, F_SETFL, O_NONBLOCK);
    return descriptor;
}

std::uint64_t big_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
}

}  // namespace

std::string text_frame(std::string_view text) {
    std::string frame = "\x81";
    if (text.size() < 126) {
        frame += static_cast<char>(0x80 | text.size());
    } else {
        if (text.size() > 0xffff) throw std::runtime_error("a packet of over 64 KiB");
        frame += static_cast<char>(0x80 | 126);
        frame += static_cast<char>(text.size() >> 8);
        frame += static_cast<char>(text.size() & 0xff);
    }
    frame.append(reinterpret_cast<const char*>(kMask.data()), kMask.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        frame += static_cast<char>(static_cast<unsigned char>(text[i]) ^ kMask[i % kMask.size()]);
    }
    return frame;
}

bool take_frame(std::string_view& bytes, std::string_view& text) {
    if (bytes.size() < 2) return false;
    if (static_cast<unsigned char>(bytes[0]) != 0x81) {
        throw std::runtime_error("the server sent a close frame or no whole text frame");
    }
    const std::size_t length7 = static_cast<unsigned char>(bytes[1]);
    if (length7 > 127) throw std::runtime_error("the server masked a frame");
    const std::size_t extended = length7 < 126 ? 0 : length7 == 126 ? 2 : 8;
    if (bytes.size() < 2 + extended) return false;
    const std::uint64_t length = extended == 0 ? length7 : big_endian(bytes.substr(2, extended));
    if (bytes.size() - 2 - extended < length) return false;
    text = bytes.substr(2 + extended, length);
    bytes.remove_prefix(2 + extended + length);
    return true;
}

Client::Client(std::uint16_t port, Script script)
    : script_(std::move(script)), descriptor_(connect_to(port)) {
    write_all(kUpgrade);
}

Client::~Client() { ::close(descriptor_); }

const std::vector<std::string_view>& Client::read() {
    events_.clear();
    input_.erase(0, used_);
    used_ = 0;
    const std::size_t before = input_.size();
    input_.resize(before + kReadBytes);
    const ssize_t count = ::recv(descriptor_, input_.data() + before, kReadBytes, 0);
    input_.resize(before + static_cast<std::size_t>(count > 0 ? count : 0));
    if (count == 0) fail("the server closed the connection");
    if (count < 0 && errno != EAGAIN && errno != EINTR) fail(std::strerror(errno));

    std::string_view bytes = input_;
    try {
        if (state_ == State::kUpgrading) take_response(bytes);
        if (state_ != State::kUpgrading) take_frames(bytes);
    } catch (const std::runtime_error& error) {
        fail(error.what());
    }
    used_ = input_.size() - bytes.size();
    return events_;
}

void Client::send(std::string_view packet) { write_all(text_frame(packet)); }

void Client::take_response(std::string_view& bytes) {
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) return;
    if (bytes.substr(0, 12) != "HTTP/1.1 101") {
        throw std::runtime_error("the upgrade was refused: " + std::string(bytes.substr(0, 200)));
    }
    bytes.remove_prefix(end + 4);
    state_ = State::kOpening;
}

void Client::take_frames(std::string_view& bytes) {
    std::string_view packet;
    while (take_frame(bytes, packet)) take_packet(packet);
}

void Client::take_packet(std::string_view packet) {
    if (packet == "2") {
        send("3");
    } else if (state_ == State::kOpening && packet.substr(0, 1) == "0") {
        state_ = State::kConnecting;
        send("40" + script_.auth);
    } else if (state_ == State::kConnecting && packet.substr(0, 2) == "40") {
        state_ = script_.subscribe.empty() ? State::kReady : State::kSubscribing;
        if (!script_.subscribe.empty()) send(script_.subscribe);
    } else if (state_ == State::kSubscribing && packet.substr(0, 2) == "43") {
        if (packet.substr(0, script_.answer.size()) != script_.answer) {
            throw std::runtime_error("the subscription was refused: " + std::string(packet));
        }
        state_ = State::kReady;
    } else if (packet.substr(0, 2) == "42") {
        events_.push_back(packet);
    } else if (packet.substr(0, 2) == "44") {
        throw std::runtime_error("the connection was refused: " + std::string(packet));
    }
}

void Client::write_all(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {
            pollfd writable{descriptor_, POLLOUT, 0};
            ::poll(&writable, 1, -1);
        } else if (errno != EINTR) {
            return fail(std::strerror(errno));
        }
    }
}

void Client::fail(std::string reason) {
    if (failure_.empty()) failure_ = std::move(reason);
}

}  // namespace bench
