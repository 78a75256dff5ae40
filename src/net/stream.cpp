#include "net/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include "base/assert.h"

namespace eventbus {

static_assert(Stream::kPiecesMax <= IOV_MAX);

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

Stream::Stream(Stream&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
    if (this != &other) {
        close();
        descriptor_ = std::exchange(other.descriptor_, -1);
    }
    return *this;
}

Stream::Outcome Stream::outcome_of(ssize_t result, std::size_t asked) {
    if (result < 0) {
        const bool is_blocked = result == -EAGAIN || result == -EWOULDBLOCK;
        return {0, !is_blocked, is_blocked};
    }
    const auto bytes = static_cast<std::size_t>(result);
    return {bytes, false, bytes < asked};
}

Stream::Outcome Stream::read(std::span<char> buffer) {
    BUS_ASSERT(is_open());
    const ssize_t got =
        repeat([&] { return ::recv(descriptor_, buffer.data(), buffer.size(), MSG_DONTWAIT); });
    if (got == 0) return {0, true, false};
    return outcome_of(got, 0);
}

Stream::Outcome Stream::write(std::span<const std::string_view> pieces) {
    BUS_ASSERT(is_open());
    BUS_ASSERT(!pieces.empty() && pieces.size() <= kPiecesMax);

    // A fan-out of one event is one piece a socket, and send() is a twentieth cheaper than
    // sendmsg().
    if (pieces.size() == 1) {
        return outcome_of(repeat([&] {
                              return ::send(descriptor_, pieces[0].data(), pieces[0].size(),
                                            kSendFlags);
                          }),
                          pieces[0].size());
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

void Stream::close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

}  // namespace eventbus
