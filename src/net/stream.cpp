#include "net/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include "base/assert.h"
#include "net/proxy_header.h"
#include "net/tls_session.h"

namespace eventbus {

static_assert(Stream::kPiecesMax <= IOV_MAX);
static_assert(Stream::kReadBufferMin == TlsSession::kBufferMin);

namespace {

// What `call` returns, or -errno; again as long as a signal interrupts it.
template <class Call>
ssize_t repeat(Call call) {
    for (;;) {
        const ssize_t result = call();
        if (result >= 0) return result;
        if (errno != EINTR) return -errno;
    }
}

}  // namespace

struct Stream::Preface {
    ProxyHeaderReader reader;
    Callback<const char*> refused;
};

Stream::Stream() = default;

Stream::Stream(int descriptor, const IpAddress& peer) : descriptor_(descriptor), peer_(peer) {}

Stream::Stream(Stream&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      peer_(other.peer_),
      preface_(std::move(other.preface_)),
      tls_(std::move(other.tls_)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
    if (this != &other) {
        close();
        descriptor_ = std::exchange(other.descriptor_, -1);
        peer_ = other.peer_;
        preface_ = std::move(other.preface_);
        tls_ = std::move(other.tls_);
    }
    return *this;
}

Stream::~Stream() { close(); }

void Stream::expect_proxy_header(Callback<const char*> refused) {
    BUS_ASSERT(is_open() && preface_ == nullptr);
    preface_ = std::make_unique<Preface>(Preface{{}, std::move(refused)});
}

// What follows the header stays in the kernel, for whoever reads then.
Stream::Outcome Stream::read_preface() {
    std::array<char, ProxyHeaderReader::kBytesMax> bytes;  // not initialized: as much as comes
    const ssize_t got = repeat(
        [&] { return ::recv(descriptor_, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT); });
    if (got == 0) return {.is_over = true};
    if (got < 0) return outcome_of(got, 0);
    const ProxyHeaderReader::Step step =
        preface_->reader.feed({bytes.data(), static_cast<std::size_t>(got)});
    if (step.state == ProxyHeaderReader::State::kFailed) {
        preface_->refused(preface_->reader.why());
        return {.is_over = true};
    }
    BUS_ASSERT(::recv(descriptor_, bytes.data(), step.consumed, MSG_DONTWAIT) ==
               static_cast<ssize_t>(step.consumed));
    if (step.state == ProxyHeaderReader::State::kNeedMore) return {};
    peer_ = preface_->reader.client().value_or(peer_);
    preface_.reset();
    return {};
}

bool Stream::start_tls(const TlsContext& context, TlsProbe& probe) {
    BUS_ASSERT(is_open() && is_plain());
    tls_ = TlsSession::start(context, descriptor_, probe);
    return tls_ != nullptr;
}

bool Stream::has_pending() const { return tls_ != nullptr && tls_->has_pending(); }

bool Stream::is_shaking_hands() const { return tls_ != nullptr && tls_->is_shaking_hands(); }

Stream::Outcome Stream::outcome_of(ssize_t result, std::size_t asked) {
    if (result < 0) {
        const bool is_blocked = result == -EAGAIN || result == -EWOULDBLOCK;
        return {0, !is_blocked, is_blocked};
    }
    const auto bytes = static_cast<std::size_t>(result);
    return {bytes, false, bytes < asked};
}

Stream::Outcome Stream::send(int descriptor, std::string_view bytes) {
    return outcome_of(
        repeat([&] { return ::send(descriptor, bytes.data(), bytes.size(), kSendFlags); }),
        bytes.size());
}

Stream::Outcome Stream::read(std::span<char> buffer) {
    BUS_ASSERT(is_open());
    if (preface_ != nullptr) {
        const Outcome out = read_preface();
        if (preface_ != nullptr) return out;
    }
    if (tls_ != nullptr) return tls_->read(buffer);
    const ssize_t got =
        repeat([&] { return ::recv(descriptor_, buffer.data(), buffer.size(), MSG_DONTWAIT); });
    if (got == 0) return {.is_over = true};
    Outcome out = outcome_of(got, 0);
    out.has_more = out.bytes == buffer.size();
    return out;
}

Stream::Outcome Stream::write(std::span<const std::string_view> pieces) {
    BUS_ASSERT(is_open());
    BUS_ASSERT(pieces.size() <= kPiecesMax);
    if (tls_ != nullptr) return tls_->write(pieces);
    BUS_ASSERT(!pieces.empty());

    // A fan-out of one event is one piece a socket, and send() is a twentieth cheaper than
    // sendmsg().
    if (pieces.size() == 1) {
        return send(descriptor_, pieces[0]);
    }
    std::array<iovec, kPiecesMax> vectors;  // not initialized: only the used part is touched
    std::size_t asked = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
        asked += pieces[i].size();
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = pieces.size();
    return outcome_of(repeat([&] { return ::sendmsg(descriptor_, &message, kSendFlags); }), asked);
}

Stream::Outcome Stream::shut_down() {
    BUS_ASSERT(is_open());
    if (tls_ != nullptr) {
        const Outcome out = tls_->say_goodbye();
        if (out.is_over || out.is_blocked) return out;
    }
    ::shutdown(descriptor_, SHUT_WR);
    return {};
}

void Stream::close() {
    if (descriptor_ < 0) return;
    // Else the peer could not tell our end from that of somebody who cut the wire.
    if (tls_ != nullptr) tls_->say_goodbye();
    tls_.reset();
    preface_.reset();
    ::close(std::exchange(descriptor_, -1));
}

}  // namespace eventbus
