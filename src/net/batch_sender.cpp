#include "net/batch_sender.h"

#include <fmt/format.h>
#include <liburing.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace eventbus {
namespace {

constexpr std::size_t kVectorsMax = 4 * Stream::kPiecesMax;

Error not_available(std::string_view what, int why) {
    return {ErrorCode::kUnavailable, fmt::format("{}: {}", what, std::strerror(why))};
}

}  // namespace

struct BatchSender::Ring {
    io_uring uring{};
    std::array<iovec, kVectorsMax> vectors{};
    std::array<msghdr, kSendsMax> messages{};
    std::array<std::size_t, kSendsMax> asked{};
    std::array<Stream::Outcome, kSendsMax> outcomes{};
    std::size_t vector_count = 0;
    std::size_t send_count = 0;
    std::size_t bytes = 0;
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
    if (outcomes[0].bytes == 1 && outcomes[1].bytes == 2) return {};
    return Error{ErrorCode::kUnavailable, "io_uring does not send"};
}

bool BatchSender::is_full() const {
    return ring_->send_count == kSendsMax || ring_->bytes >= kBytesMax ||
           ring_->vector_count + Stream::kPiecesMax > kVectorsMax;
}

void BatchSender::add(int descriptor, std::span<const std::string_view> pieces) {
    BUS_ASSERT(!is_full() && !pieces.empty() && pieces.size() <= Stream::kPiecesMax);
    io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_->uring);
    BUS_ASSERT(entry != nullptr);

    const std::size_t place = ring_->send_count++;
    std::size_t asked = 0;
    if (pieces.size() == 1) {
        asked = pieces[0].size();
        ::io_uring_prep_send(entry, descriptor, pieces[0].data(), asked, Stream::kSendFlags);
    } else {
        iovec* const first = &ring_->vectors[ring_->vector_count];
        for (const std::string_view piece : pieces) {
            ring_->vectors[ring_->vector_count++] = {const_cast<char*>(piece.data()), piece.size()};
            asked += piece.size();
        }
        msghdr& message = ring_->messages[place];
        message.msg_iov = first;
        message.msg_iovlen = pieces.size();
        ::io_uring_prep_sendmsg(entry, descriptor, &message, Stream::kSendFlags);
    }
    ::io_uring_sqe_set_data64(entry, place);
    ring_->asked[place] = asked;
    ring_->bytes += asked;
}

std::span<const Stream::Outcome> BatchSender::send() {
    const std::size_t count = std::exchange(ring_->send_count, 0);
    for (std::size_t done = 0; done < count;) {
        // With MSG_DONTWAIT each send is over when it has been submitted.
        const int failed =
            ::io_uring_submit_and_wait(&ring_->uring, static_cast<unsigned>(count - done));
        BUS_ASSERT(failed >= 0 || failed == -EINTR || failed == -EAGAIN || failed == -EBUSY);
        unsigned head = 0;
        unsigned seen = 0;
        const io_uring_cqe* completion = nullptr;
        io_uring_for_each_cqe(&ring_->uring, head, completion) {
            const std::size_t place = ::io_uring_cqe_get_data64(completion);
            const int result = completion->res == -EINTR ? -EAGAIN : completion->res;
            ring_->outcomes[place] = Stream::outcome_of(result, ring_->asked[place]);
            ++seen;
        }
        ::io_uring_cq_advance(&ring_->uring, seen);
        done += seen;
    }
    ring_->vector_count = 0;
    ring_->bytes = 0;
    return std::span(ring_->outcomes).first(count);
}

}  // namespace eventbus
