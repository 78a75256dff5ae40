#include "net/batch_sender.h"

#include <fmt/format.h>
#include <liburing.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::size_t kVectorsMax = 4 * Stream::kPiecesMax;
constexpr int kTriesMax = 16;  // of a call that a signal has interrupted, or that has no memory now

Error not_available(std::string_view what, int why) {
    return {ErrorCode::kUnavailable, fmt::format("{}: {}", what, std::strerror(why))};
}

// What it returns, or -errno.
ssize_t send_message(int descriptor, const msghdr& message) {
    for (;;) {
        const ssize_t sent = ::sendmsg(descriptor, &message, Stream::kSendFlags);
        if (sent >= 0) return sent;
        if (errno != EINTR) return -errno;
    }
}

}  // namespace

struct BatchSender::Ring {
    io_uring uring{};
    std::array<iovec, kVectorsMax> vectors{};
    std::array<msghdr, kSendsMax> messages{};
    std::array<int, kSendsMax> descriptors{};
    std::array<std::size_t, kSendsMax> asked{};
    std::array<bool, kSendsMax> is_done{};
    std::array<Stream::Outcome, kSendsMax> outcomes{};
    std::size_t vector_count = 0;
    std::size_t send_count = 0;
    std::size_t done_count = 0;
    std::size_t bytes = 0;
    bool is_on_trial = true;
    std::atomic<bool> is_broken{false};
};

BatchSender::BatchSender(std::unique_ptr<Ring> ring) : ring_(std::move(ring)) {}

BatchSender::~BatchSender() { ::io_uring_queue_exit(&ring_->uring); }

Result<std::unique_ptr<BatchSender>> BatchSender::open() {
    auto ring = std::make_unique<Ring>();
    const int failed = ::io_uring_queue_init(kSendsMax, &ring->uring, 0);
    if (failed != 0) return not_available("io_uring_setup", -failed);
    std::unique_ptr<BatchSender> sender(new BatchSender(std::move(ring)));
    if (Result<> works = sender->try_out(); !works) return works.error();
    return sender;
}

// Some sandboxes give out a ring that does nothing.
Result<> BatchSender::try_out() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return not_available("socketpair", errno);
    }
    const Stream from(ends[0]);
    const Stream to(ends[1]);
    const std::array<std::string_view, 2> pieces{"a", "b"};
    add(from.descriptor(), std::span(pieces).first(1));
    add(from.descriptor(), pieces);
    const std::span<const Stream::Outcome> outcomes = send();
    ring_->is_on_trial = false;
    if (!is_broken() && outcomes[0].bytes == 1 && outcomes[1].bytes == 2) return {};
    return Error{ErrorCode::kUnavailable, "io_uring does not send"};
}

bool BatchSender::is_full() const {
    return ring_->send_count == kSendsMax || ring_->bytes >= kBytesMax ||
           ring_->vector_count + Stream::kPiecesMax > kVectorsMax;
}

void BatchSender::add(int descriptor, std::span<const std::string_view> pieces) {
    BUS_ASSERT(!is_full() && !pieces.empty() && pieces.size() <= Stream::kPiecesMax);
    const std::size_t place = ring_->send_count++;
    iovec* const first = &ring_->vectors[ring_->vector_count];
    std::size_t asked = 0;
    for (const std::string_view piece : pieces) {
        ring_->vectors[ring_->vector_count++] = {const_cast<char*>(piece.data()), piece.size()};
        asked += piece.size();
    }
    msghdr& message = ring_->messages[place];
    message.msg_iov = first;
    message.msg_iovlen = pieces.size();
    ring_->descriptors[place] = descriptor;
    ring_->asked[place] = asked;
    ring_->is_done[place] = false;
    ring_->bytes += asked;
    if (is_broken()) return;

    io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_->uring);
    BUS_ASSERT(entry != nullptr);
    if (pieces.size() == 1) {
        ::io_uring_prep_send(entry, descriptor, pieces[0].data(), asked, Stream::kSendFlags);
    } else {
        ::io_uring_prep_sendmsg(entry, descriptor, &message, Stream::kSendFlags);
    }
    ::io_uring_sqe_set_data64(entry, place);
}

std::span<const Stream::Outcome> BatchSender::send() {
    const std::size_t count = ring_->send_count;
    ring_->done_count = 0;
    for (int tries = 0; ring_->done_count < count && !is_broken(); ++tries) {
        // With MSG_DONTWAIT each send is over when it has been submitted.
        const int result = ::io_uring_submit_and_wait(
            &ring_->uring, static_cast<unsigned>(count - ring_->done_count));
        collect();
        const bool may_pass = result == -EINTR || result == -EAGAIN || result == -EBUSY;
        if (result < 0 && (!may_pass || tries == kTriesMax)) break_down(-result);
    }
    for (std::size_t place = 0; place < count; ++place) {
        if (ring_->is_done[place]) continue;
        ring_->outcomes[place] = Stream::outcome_of(
            send_message(ring_->descriptors[place], ring_->messages[place]), ring_->asked[place]);
    }
    ring_->send_count = 0;
    ring_->vector_count = 0;
    ring_->bytes = 0;
    return std::span(ring_->outcomes).first(count);
}

bool BatchSender::is_broken() const { return ring_->is_broken.load(std::memory_order_relaxed); }

// Notes what the kernel has done.
void BatchSender::collect() {
    unsigned head = 0;
    unsigned seen = 0;
    const io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_->uring, head, completion) {
        const std::size_t place = ::io_uring_cqe_get_data64(completion);
        const int result = completion->res == -EINTR ? -EAGAIN : completion->res;
        ring_->outcomes[place] = Stream::outcome_of(result, ring_->asked[place]);
        ring_->is_done[place] = true;
        ++seen;
    }
    ::io_uring_cq_advance(&ring_->uring, seen);
    ring_->done_count += seen;
}

// What the kernel has taken and not told of may have left or not: such a connection ends, and its
// client comes back. What it has not taken goes without it.
void BatchSender::break_down(int why) {
    const std::size_t taken = ring_->send_count - ::io_uring_sq_ready(&ring_->uring);
    for (std::size_t place = 0; place < taken; ++place) {
        if (std::exchange(ring_->is_done[place], true)) continue;
        ring_->outcomes[place] = {.is_over = true};
    }
    ring_->is_broken.store(true, std::memory_order_relaxed);
    if (ring_->is_on_trial) return;
    diagnostics::warn("io_uring failed; each write is a system call of its own from now on",
                      {{"why", std::strerror(why)}});
}

}  // namespace eventbus
