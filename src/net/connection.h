#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/counters.h"
#include "base/frame.h"
#include "net/connection_budget.h"
#include "net/outbox.h"
#include "net/reactor.h"
#include "net/strangers.h"
#include "net/stream.h"

namespace eventbus {

class Connection;

// The open connections of one server. Reactor.
class Connections {
 public:
    // They count in `budget` while they are open.
    explicit Connections(std::shared_ptr<ConnectionBudget> budget);
    ~Connections();
    std::size_t size() const { return all_.size(); }

    // Bytes that wait for peers which have not taken them. Any thread.
    const Counter& queued_bytes() const { return queued_bytes_; }

    // Closes each of them, and whatever would come later: another reactor may still hand one over.
    void close_all();

    // How many steps of TLS handshakes may be done until the next call; any number before the
    // first.
    void allow_handshakes(std::size_t steps) { handshake_steps_left_ = steps; }

 private:
    friend class Connection;
    void add(Connection& connection);
    void remove(Connection& connection);
    bool take_handshake_step();

    const std::shared_ptr<ConnectionBudget> budget_;
    std::vector<Connection*> all_;
    bool are_closed_ = false;
    Counter queued_bytes_;
    std::size_t handshake_steps_left_ = std::numeric_limits<std::size_t>::max();
};

// What is spoken on a connection: HTTP, then perhaps WebSocket. Owned by its connection.
class Protocol {
 public:
    virtual ~Protocol() = default;

    // Bytes have arrived; they may be changed in place, and are gone after the call.
    virtual void on_bytes(std::span<char> bytes) = 0;

    // Everything that was pushed has gone to the kernel; only if it was asked for
    // (Connection::tell_when_drained), since nearly nobody waits for it.
    virtual void on_drained() {}

    // The peer has said its last word, and may still wait for ours (a half-closed connection; or it
    // has gone, which looks the same until something is sent). True: there is one to come, behind
    // which the protocol closes. It is called again when the protocol is switched.
    virtual bool on_end() { return false; }

    // The connection is over, by whichever side; called once. The connection still exists.
    virtual void on_closed() = 0;
};

// A client's connection: its stream, its outbox, and the protocol that is spoken on it. All that
// leaves goes through the one outbox, in one gather write at the end of the turn.
//
// Thread:  reactor.
// Life:    it holds itself until it is closed; whoever still answers it may hold it longer.
class Connection final : public std::enable_shared_from_this<Connection>,
                         public Watcher,
                         private Flushable {
 public:
    // Counts among `connections`, which outlives it, from start() until it is closed.
    Connection(Reactor& reactor, Connections& connections, Stream stream,
               std::size_t queue_bytes_max);
    ~Connection();

    // Starts reading. False: the kernel has no room to watch it, or all connections were closed; it
    // is closed, without on_closed().
    [[nodiscard]] bool start(std::unique_ptr<Protocol> protocol);

    // Counts among `strangers`, and is closed when it has to give way to others, until admit() or
    // its end. After start().
    void be_stranger(Strangers& strangers);
    bool is_stranger() const { return stranger_ != nullptr; }

    // It is known whose it is.
    void admit();

    // Speaks another protocol from the next byte on. The old one lives until the turn's end.
    void switch_to(std::unique_ptr<Protocol> protocol);

    // Queues `frame`. False: the client is too slow (or gone), and the connection is closing.
    bool push(SharedFrame frame);
    bool push(std::string bytes);
    // The same, ahead of what waits; the bound is a little higher, so that pings go out to the
    // last.
    void push_urgent(SharedFrame frame);

    // Fetches what push() and its write will touch into the cache.
    using Flushable::prefetch;

    // Lets nothing urgent overtake what is queued now.
    void pin_queued() { outbox_.pin(); }

    // Whether urgent frames wait that nobody has taken yet, as many as make sense.
    bool has_much_urgent() const { return outbox_.urgent_frames() >= kUrgentFramesMax; }

    // Sends what is queued, then closes; reads no more for the protocol. A peer that does not take
    // it within the linger time is cut off.
    void close_when_sent();

    // Closes now. Idempotent.
    void close();

    // Takes the stream away, to go on with on another reactor: this connection is over, without
    // on_closed(). Requires is_open().
    struct Released {
        Stream stream;
        std::string unsent;  // what was queued, to be pushed there first
    };
    Released release();

    // Stops and goes on with reading: what a slow answer holds back stays in the kernel.
    void pause_reading(bool paused);

    bool is_open() const { return stream_.is_open() && !closing_; }
    bool was_too_slow() const { return was_too_slow_; }
    std::size_t queued_bytes() const { return outbox_.bytes(); }

    // Whether more should be queued now; if not, on_drained() follows.
    bool has_room();

    // Has on_drained() called, once, when all that is queued has gone.
    void tell_when_drained() { tells_drained_ = true; }

    Reactor& reactor() { return reactor_; }

    // Where the client is, as far as that is known; what a request says counts from then on.
    const IpAddress& client() const { return stream_.peer(); }
    void set_client(const IpAddress& client) { stream_.set_peer(client); }

    // Watcher
    void on_ready(std::uint32_t events) override;

 private:
    void flush() override;
    std::size_t offer(std::span<std::string_view> pieces, int& descriptor) override;
    void sent(Stream::Outcome outcome) override;
    bool note_sent(Stream::Outcome outcome);
    void after_write();
    void read();
    void end();
    void go_on_with_tls();
    void shut_down();
    void close_as_too_slow();
    void update_watch();
    void count_queued();
    void finish();

    friend class Connections;
    class Unknown;
    static constexpr std::size_t kUrgentFramesMax = 64;

    // What each push and write touches comes first: Flushable::prefetch() fetches that much.
    Reactor& reactor_;
    Connections& connections_;
    std::uint32_t watched_ = 0;
    bool closing_ = false;        // close_when_sent()
    bool write_blocked_ = false;  // the kernel's buffer is full, or TLS is not set up
    bool tells_drained_ = false;
    bool reading_paused_ = false;
    bool is_shut_ = false;     // our side
    bool peer_ended_ = false;  // its side; nothing is read any more
    bool was_too_slow_ = false;
    Outbox outbox_;
    std::size_t counted_ = 0;  // of connections_.queued_bytes_
    Stream stream_;            // its descriptor
    std::unique_ptr<Protocol> protocol_;
    std::shared_ptr<Connection> self_;   // until it is closed
    std::size_t place_ = 0;              // in connections_
    std::unique_ptr<Unknown> stranger_;  // until it is known whose it is
};

}  // namespace eventbus
