#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/frame.h"
#include "net/due_list.h"
#include "net/http_server.h"
#include "net/ip_address.h"
#include "net/outbox.h"
#include "net/reactor.h"
#include "net/strangers.h"
#include "wire/engineio.h"

namespace eventbus {

class EngineServer;
class WebSocketTransport;

// Why a session ended.
enum class CloseReason : std::uint8_t {
    kTransportClosed,  // the client's connection was lost, or it closed it
    kClientClosed,     // it said so by a close packet
    kPingTimeout,
    kSlowClient,
    kParseError,
    kServer,      // we closed it; the client comes back
    kCrowdedOut,  // it was not admitted, and its place was needed; the client comes back
    kLeft,        // the client left the namespace (Socket.IO's DISCONNECT)
};
std::string_view to_string(CloseReason reason);

// The debug line of a client that is closed since it broke the protocol of this layer.
void say_malformed(std::string_view layer, const IpAddress& client, std::string_view why);

// What whoever uses a session hangs on it.
class SessionContext {
 public:
    virtual ~SessionContext() = default;
};

// One Engine.IO session: a client that is reached over polling, over a WebSocket, or first by one
// and then by the other.
//
// Thread:  reactor.
// Bounded: what waits for the client by queue_bytes_max; past it the session closes. An answer to a
//          poll by poll_bytes, or one packet that is larger, and by kPollPacketsMax.
// Invariants:
//   (1) Packets leave in the order of send(), over a change of transport too; pings go ahead. What
//       was sent before close() leaves before the end.
//   (2) A pong whose ping was sent while nothing waited is a receipt: packets arrive in the order
//       of (1), an answer to a poll before the next GET, and the last one before an upgrade. A ping
//       that overtook something tells nothing of it, so the next one has to.
//   (3) It has one transport at a time; a WebSocket that probes has no say before its `5`.
class Session final : private Flushable, private Stranger {
 public:
    static constexpr std::size_t kSidBytes = 20;
    // python-engineio and what was built after it drop an answer of more, and come back for the
    // same again.
    static constexpr std::size_t kPollPacketsMax = 16;
    using Sid = std::array<char, kSidBytes>;

    Session(EngineServer& server, Sid sid);
    ~Session();

    std::string_view sid() const { return {sid_.data(), sid_.size()}; }
    engineio::Transport transport() const;
    bool is_open() const { return !is_closed_; }

    // Queues a packet (frames.h). False: the session is over, or was too slow and now is.
    bool send(SharedFrame frame);

    // Fetches what send() will touch into the cache, one link of the way in each step from 0 on.
    void prefetch(int step) const;

    // Bytes that the client has not taken yet, and their bound.
    std::size_t queued_bytes() const;
    bool has_room();  // less than half of it is used; if not, on_drained() follows

    // Calls EngineHandler::on_receipt() once the client has shown that it has all that was sent
    // until now. At the next ping at the earliest; a second call before that counts for both.
    void want_receipt() { receipt_ = Receipt::kWanted; }

    // Ends the session in a way that a client comes back from.
    void close(CloseReason reason);

    // Takes it, and the connections that it comes by, from those whose place others may take: it is
    // known whose it is.
    void admit();
    bool is_admitted() const { return is_announced_ && !is_closed_ && !is_held(); }

    // Where the client is, as far as that is known.
    const IpAddress& client() const;

    // The request that opened the session, or upgraded it: who it is from. Null once forgotten,
    // until the next upgrade.
    const HttpRequest* request() const { return request_.get(); }
    void forget_request() { request_.reset(); }

    std::unique_ptr<SessionContext> context;

 private:
    friend class EngineServer;
    friend class WebSocketTransport;

    // Knows the last request of its kind again. A browser sends a request a second time by itself,
    // when the connection broke before the head of the answer was there: with the same `t`, which
    // is otherwise another one each time, on another connection.
    class LastRequest {
     public:
        void note(const HttpExchange& exchange);
        bool has_name_of(const HttpRequest& request) const;
        bool is_repeated_by(const HttpExchange& exchange) const;

     private:
        static constexpr std::size_t kNameBytesMax = 64;  // a longer one is not known again
        std::string name_;
        std::weak_ptr<Connection> connection_;
    };

    struct Polling {
        Polling(std::size_t queue_bytes_max, const IpAddress& at)
            : queue(queue_bytes_max), client(at) {}
        Outbox queue;
        IpAddress client;                     // of its first request
        SharedExchange poll;                  // the GET that waits
        bool is_late = false;                 // it came when the pong was overdue
        WebSocketTransport* probe = nullptr;  // the WebSocket that would take over
        std::unique_ptr<HttpRequest> probe_request;
        bool probed = false;  // it has been answered; GETs are sent home
        LastRequest last_poll;
        LastRequest last_post;
    };

    // From the transports.
    std::unique_ptr<BodyWatch> watch_post(const HttpRequest& head);
    void on_packet(const engineio::Packet& packet);
    void on_poll(SharedExchange exchange);
    void begin_poll();
    void on_post(SharedExchange exchange);
    void take_post();
    void post_is_done();
    void accept_post(HttpExchange& exchange);
    void on_probe(WebSocketTransport& transport);
    bool on_upgrade(WebSocketTransport& transport);  // false: it has not probed
    void on_websocket_drained();
    void on_websocket_closed(CloseReason reason);
    void on_probe_closed();

    void on_pong();
    void start_heartbeat();
    void on_heartbeat_due();
    void flush() override;
    void give_way() override;
    struct Payload {
        std::string text;
        std::size_t packets = 0;
        void append(const Frame& frame);
    };
    Payload take_payload();
    std::vector<std::string> take_last_payloads();
    void answer_poll(std::string payload);
    void say_goodbye(CloseReason reason);
    void fail(std::string_view why);  // the client broke Engine.IO
    void end(CloseReason reason);

    EngineServer& server_;
    const Sid sid_;
    bool is_closed_ = false;
    bool pong_is_due_ = false;
    enum class Receipt : std::uint8_t { kNone, kWanted, kUnderWay };
    Receipt receipt_ = Receipt::kNone;
    bool is_announced_ = false;  // the handler knows of it
    WebSocketTransport* websocket_ = nullptr;
    std::unique_ptr<Polling> polling_;  // null once a WebSocket has taken over
    class PostOnItsWay;
    PostOnItsWay* post_ = nullptr;
    struct PostInHand;
    std::shared_ptr<PostInHand> in_hand_;  // its packets are being handled, a slice a turn
    std::unique_ptr<HttpRequest> request_;
    MemberDue<Session, &Session::on_heartbeat_due> heartbeat_{*this};
};

}  // namespace eventbus
