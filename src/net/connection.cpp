#include "net/connection.h"

#include <sys/epoll.h>

#include <array>
#include <utility>

#include "base/assert.h"
#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::size_t kUrgentBytesMax = 16 * 1024;  // that may wait above the queue's bound
constexpr auto kLinger = std::chrono::seconds(5);   // for the last bytes to a peer that is slow

}  // namespace

// Its place among the strangers.
class Connection::Unknown final : public Stranger {
 public:
    Unknown(Connection& connection, Strangers& strangers)
        : connection_(connection), strangers_(strangers) {}
    ~Unknown() override { strangers_.remove(*this); }

 private:
    void give_way() override { connection_.close(); }

    Connection& connection_;
    Strangers& strangers_;
};

Connections::Connections(std::shared_ptr<ConnectionBudget> budget) : budget_(std::move(budget)) {}

Connections::~Connections() { BUS_ASSERT(all_.empty()); }

void Connections::close_all() {
    are_closed_ = true;
    while (!all_.empty()) all_.back()->close();
}

void Connections::add(Connection& connection) {
    budget_->opened();
    connection.place_ = all_.size();
    all_.push_back(&connection);
}

void Connections::remove(Connection& connection) {
    budget_->closed();
    Connection* const last = all_.back();
    last->place_ = connection.place_;
    all_[connection.place_] = last;
    all_.pop_back();
}

bool Connections::take_handshake_step() {
    if (handshake_steps_left_ == 0) return false;
    --handshake_steps_left_;
    return true;
}

Connection::Connection(Reactor& reactor, Connections& connections, Stream stream,
                       std::size_t queue_bytes_max)
    : reactor_(reactor),
      connections_(connections),
      outbox_(queue_bytes_max),
      stream_(std::move(stream)) {}

Connection::~Connection() { BUS_ASSERT(!self_); }

bool Connection::start(std::unique_ptr<Protocol> protocol) {
    BUS_ASSERT(stream_.is_open() && !protocol_);
    protocol_ = std::move(protocol);
    write_blocked_ = stream_.has_pending();  // from the reactor that had it before
    watched_ = EPOLLIN | (write_blocked_ ? std::uint32_t{EPOLLOUT} : 0U);
    if (connections_.are_closed_ || !reactor_.watch(stream_.descriptor(), *this, watched_)) {
        stream_.close();
        return false;
    }
    self_ = shared_from_this();
    connections_.add(*this);
    return true;
}

void Connection::be_stranger(Strangers& strangers) {
    BUS_ASSERT(self_ && !stranger_);
    stranger_ = std::make_unique<Unknown>(*this, strangers);
    strangers.add(*stranger_, client(), reactor_.now());
}

void Connection::admit() { stranger_.reset(); }

void Connection::switch_to(std::unique_ptr<Protocol> protocol) {
    // The old protocol is on the stack of this call.
    reactor_.defer([old = std::shared_ptr<Protocol>(std::move(protocol_))] {});
    protocol_ = std::move(protocol);
    if (peer_ended_ && !protocol_->on_end()) {
        reactor_.defer([self = shared_from_this()] { self->close(); });
    }
}

bool Connection::push(SharedFrame frame) {
    if (!is_open()) return false;
    if (!outbox_.push(std::move(frame))) {
        close_as_too_slow();
        return false;
    }
    if (write_blocked_) {
        count_queued();
    } else {
        reactor_.flush_later(*this);
    }
    return true;
}

bool Connection::push(std::string bytes) {
    return push(std::make_shared<const Frame>(Frame{std::move(bytes)}));
}

void Connection::push_urgent(SharedFrame frame) {
    if (!is_open()) return;
    if (outbox_.bytes() + frame->bytes.size() > outbox_.bytes_max() + kUrgentBytesMax) {
        return close_as_too_slow();  // it asks for pongs and does not read them
    }
    outbox_.push_urgent(std::move(frame));
    if (write_blocked_) {
        count_queued();
    } else {
        reactor_.flush_later(*this);
    }
}

void Connection::close_as_too_slow() {
    was_too_slow_ = true;
    diagnostics::debug("a client reads too slowly, and is closed", {{"client", client().text()}});
    close();
}

void Connection::close_when_sent() {
    if (!is_open()) return;
    closing_ = true;
    reactor_.flush_later(*this);
    reactor_.post_at(reactor_.now() + kLinger, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->close();
    });
}

void Connection::close() {
    if (!stream_.is_open()) return;
    reactor_.unwatch(stream_.descriptor());
    stream_.close();
    outbox_.clear();
    count_queued();
    finish();
    protocol_->on_closed();
}

Connection::Released Connection::release() {
    BUS_ASSERT(is_open());
    Released released;
    std::array<std::string_view, 1> piece;
    while (outbox_.gather(piece) > 0) {
        released.unsent += piece[0];
        outbox_.sent(piece[0].size());
    }
    count_queued();
    reactor_.unwatch(stream_.descriptor());
    released.stream = std::move(stream_);
    finish();
    return released;
}

void Connection::finish() {
    admit();
    reactor_.forget(*this);
    connections_.remove(*this);
    // Events of this turn may still name the connection: it stays until the turn is over.
    reactor_.defer([self = std::move(self_)] {});
}

bool Connection::has_room() {
    if (!is_open()) return false;
    if (outbox_.has_room()) return true;
    tell_when_drained();
    return false;
}

void Connection::pause_reading(bool paused) {
    reading_paused_ = paused;
    update_watch();
}

void Connection::on_ready(std::uint32_t events) {
    if (!stream_.is_open()) return;  // closed earlier in this turn
    if ((events & EPOLLOUT) != 0 && write_blocked_) {
        write_blocked_ = false;
        flush();
    }
    if (!stream_.is_open()) return;
    if (!peer_ended_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) return read();
    if (peer_ended_ && (events & (EPOLLHUP | EPOLLERR)) != 0) close();  // it takes no answer either
}

void Connection::read() {
    // In the next turn, then: the descriptor is still readable.
    if (stream_.is_shaking_hands() && !connections_.take_handshake_step()) {
        return reactor_.expect_more();
    }
    const std::span<char> buffer = reactor_.scratch();
    const Stream::Outcome got = stream_.read(buffer);
    if (got.has_more) reactor_.expect_more();
    // Once it is closing, what still comes is read and dropped: closing a socket with unread bytes
    // would reset it, and the peer would lose our last words.
    if (got.bytes > 0 && !closing_) protocol_->on_bytes(buffer.first(got.bytes));
    if (got.is_over) return end();  // TLS tells it with the last bytes
    if (stream_.is_open() && !stream_.is_plain()) go_on_with_tls();
}

void Connection::end() {
    if (!stream_.is_open()) return;
    peer_ended_ = true;
    const bool has_unsent = !outbox_.is_empty() || stream_.has_pending();
    if (closing_ ? !has_unsent : !protocol_->on_end()) {
        // What answers its last bytes still leaves, at the end of this turn.
        reactor_.defer([self = shared_from_this()] { self->close(); });
    }
    update_watch();
    if (!stream_.is_plain()) go_on_with_tls();
}

// What was read can be an answer that the handshake waited for, or ask for one.
void Connection::go_on_with_tls() {
    if (!write_blocked_ && !stream_.has_pending()) return;
    write_blocked_ = false;
    reactor_.flush_later(*this);
}

void Connection::flush() {
    while (!outbox_.is_empty() || stream_.has_pending()) {
        const std::span<std::string_view> pieces = reactor_.pieces();
        if (!note_sent(stream_.write(pieces.first(outbox_.gather(pieces))))) break;
    }
    after_write();
}

std::size_t Connection::offer(std::span<std::string_view> pieces, int& descriptor) {
    if (!stream_.is_plain()) return 0;
    descriptor = stream_.descriptor();
    return outbox_.gather(pieces);
}

void Connection::sent(Stream::Outcome outcome) {
    // What was pushed meanwhile, and what was too much for one call, goes now.
    if (note_sent(outcome) && !outbox_.is_empty()) return flush();
    after_write();
}

// Whether more may be written.
bool Connection::note_sent(Stream::Outcome outcome) {
    outbox_.sent(outcome.bytes);
    write_blocked_ = outcome.is_blocked;
    if (outcome.is_over) close();
    return !outcome.is_over && !outcome.is_blocked;
}

void Connection::after_write() {
    update_watch();
    count_queued();
    if (write_blocked_ || !stream_.is_open()) return;
    if (closing_) {
        // Then the peer's end is waited for, or the linger time.
        if (!is_shut_) shut_down();
        if (is_shut_ && peer_ended_) close();
        return;
    }
    if (std::exchange(tells_drained_, false)) protocol_->on_drained();
}

void Connection::shut_down() {
    const Stream::Outcome out = stream_.shut_down();
    write_blocked_ = out.is_blocked;
    is_shut_ = !out.is_blocked;
    update_watch();
}

void Connection::count_queued() {
    if (outbox_.bytes() == counted_) return;
    connections_.queued_bytes_.add(outbox_.bytes() - counted_);  // it may be less: modulo 2^64
    counted_ = outbox_.bytes();
}

void Connection::update_watch() {
    if (!stream_.is_open()) return;
    const std::uint32_t wanted =
        (peer_ended_ || (reading_paused_ && !closing_) ? 0U : std::uint32_t{EPOLLIN}) |
        (write_blocked_ && stream_.waits_for_room() ? std::uint32_t{EPOLLOUT} : 0U);
    if (wanted == watched_) return;
    watched_ = wanted;
    reactor_.change(stream_.descriptor(), *this, watched_);
}

}  // namespace eventbus
