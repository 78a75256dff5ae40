#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/counters.h"
#include "base/frame.h"
#include "base/random.h"
#include "net/cors.h"
#include "net/due_list.h"
#include "net/http_server.h"
#include "net/outbox.h"
#include "net/reactor.h"
#include "socketio/compressor.h"
#include "socketio/farewells.h"
#include "wire/engineio.h"
#include "wire/websocket.h"

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
    kServer,  // we closed it; the client comes back
    kLeft,    // the client left the namespace (Socket.IO's DISCONNECT)
};
std::string_view to_string(CloseReason reason);

// What whoever uses a session hangs on it.
class SessionContext {
 public:
    virtual ~SessionContext() = default;
};

// One Engine.IO session: a client that is reached over polling, over a WebSocket, or first by one
// and then by the other.
//
// Thread:  reactor.
// Bounded: what waits for the client by queue_bytes_max; past it the session closes.
// Invariants:
//   (1) Packets leave in the order of send(), over a change of transport too; pings go ahead. What
//       was sent before close() leaves before the end.
//   (2) It has one transport at a time; a WebSocket that probes has no say before its `5`.
class Session final : private Flushable {
 public:
    static constexpr std::size_t kSidBytes = 20;
    using Sid = std::array<char, kSidBytes>;

    Session(EngineServer& server, Sid sid);
    ~Session();

    std::string_view sid() const { return {sid_.data(), sid_.size()}; }
    engineio::Transport transport() const;
    bool is_open() const { return !is_closed_; }

    // Queues a packet (frames.h). False: the session is over, or was too slow and now is.
    bool send(SharedFrame frame);

    // Bytes that the client has not taken yet, and their bound.
    std::size_t queued_bytes() const;
    bool has_room();  // less than half of it is used; if not, on_drained() follows

    // Ends the session in a way that a client comes back from.
    void close(CloseReason reason);

    // The request that opened the session, or upgraded it: who it is from. Null once forgotten,
    // until the next upgrade.
    const HttpRequest* request() const { return request_.get(); }
    void forget_request() { request_.reset(); }

    std::unique_ptr<SessionContext> context;

 private:
    friend class EngineServer;
    friend class WebSocketTransport;

    struct Polling {
        explicit Polling(std::size_t queue_bytes_max) : queue(queue_bytes_max) {}
        Outbox queue;
        SharedExchange poll;                  // the GET that waits
        WebSocketTransport* probe = nullptr;  // the WebSocket that would take over
        std::unique_ptr<HttpRequest> probe_request;
        bool probed = false;  // it has been answered; GETs are sent home
    };

    // From the transports.
    void on_packet(const engineio::Packet& packet);
    void on_poll(SharedExchange exchange);
    void on_post(SharedExchange exchange);
    void on_probe(WebSocketTransport& transport);
    bool on_upgrade(WebSocketTransport& transport);  // false: it has not probed
    void on_websocket_drained();
    void on_websocket_closed(CloseReason reason);
    void on_probe_closed();

    void start_heartbeat();
    void on_heartbeat_due();
    void flush() override;
    std::string take_payload(std::size_t bytes_max);
    void answer_poll(std::string payload);
    void say_goodbye(CloseReason reason);
    void end(CloseReason reason);

    EngineServer& server_;
    const Sid sid_;
    bool is_closed_ = false;
    bool pong_is_due_ = false;
    bool is_announced_ = false;  // the handler knows of it
    WebSocketTransport* websocket_ = nullptr;
    std::unique_ptr<Polling> polling_;  // null once a WebSocket has taken over
    std::unique_ptr<HttpRequest> request_;
    MemberDue<Session, &Session::on_heartbeat_due> heartbeat_{*this};
};

// Seam: what a server does with its sessions. Reactor.
class EngineHandler {
 public:
    virtual ~EngineHandler() = default;
    virtual void on_open(Session& session) = 0;
    virtual void on_text(Session& session, std::string_view message) = 0;
    virtual void on_binary(Session& session, std::string_view message) = 0;
    virtual void on_upgraded(Session& session) = 0;  // request() is the upgrade's
    virtual void on_drained(Session& session) = 0;   // the queue is empty
    // The last call for this session.
    virtual void on_close(Session& session, CloseReason reason) = 0;
};

struct EngineSettings {
    std::chrono::milliseconds ping_interval{25'000};
    std::chrono::milliseconds ping_timeout{20'000};
    std::chrono::milliseconds upgrade_timeout{10'000};
    std::size_t payload_bytes_max = 1'000'000;  // what a client may send at once
    std::size_t queue_bytes_max = 1 << 20;      // what may wait for a client
    std::size_t compress_bytes_min = 1024;      // smaller frames are not; 0: none is
    std::size_t poll_bytes = 1 << 19;           // an answer to a poll is split above it
    std::size_t sessions_max = 100'000;         // of this reactor
};

struct EngineProbe {
    Counter websocket_sessions;  // open now
    Counter polling_sessions;
    Counter opened;
    Counter upgraded;
    Counter refused;  // requests
    Counter ping_timeouts;
    Counter slow_clients;
    Counter parse_errors;
    Counter handed_over;  // requests that belonged to another reactor
};

// Engine.IO v4 on one reactor.
//
// Thread:  reactor.
// Bounded: sessions_max.
class EngineServer {
 public:
    // Gives the request to the reactor with this index.
    using HandOver = std::function<void(std::size_t reactor_index, HttpExchange::Released)>;

    EngineServer(Reactor& reactor, Random& random, EngineHandler& handler, const CorsPolicy& cors,
                 EngineSettings settings);
    ~EngineServer();

    // Requests for sessions of other reactors go there; without it there is only this one.
    void set_hand_over(std::size_t reactors, HandOver hand_over);

    // Answers a request to the Engine.IO path.
    void on_request(SharedExchange exchange);

    // Ends all sessions so that their clients come back.
    void close_all();

    const EngineSettings& settings() const { return settings_; }
    Reactor& reactor() { return reactor_; }
    const EngineProbe& probe() const { return probe_; }
    const Counter& compressed_frames() const { return compressor_.made(); }

 private:
    friend class Session;
    friend class WebSocketTransport;

    Session* find(std::string_view sid);
    Session& make_session(HttpRequest request);
    void announce(Session& session);
    void remove(Session& session);
    void refuse(HttpExchange& exchange, engineio::Refusal refusal);
    void open_polling(SharedExchange exchange);
    void open_websocket(SharedExchange exchange);
    void upgrade(Session& session, SharedExchange exchange);
    bool refuse_bad_handshake(HttpExchange& exchange);
    WebSocketTransport& become_websocket(HttpExchange& exchange, Session* session, bool is_probe,
                                         std::string& rest);
    void turn_away(HttpExchange& exchange);
    std::string handshake(const Session& session, bool may_upgrade) const;
    bool hand_over_if_foreign(std::string_view sid, HttpExchange& exchange);
    HttpResponse with_cors(const HttpRequest& request, HttpResponse response) const;

    Reactor& reactor_;
    Random& random_;
    EngineHandler& handler_;
    const CorsPolicy& cors_;
    const EngineSettings settings_;
    Inflater inflater_;
    Compressor compressor_;
    const websocket::DecoderSettings decoder_settings_;
    std::size_t reactors_ = 1;
    HandOver hand_over_;
    std::unordered_map<std::string_view, std::unique_ptr<Session>> sessions_;  // keys: their sids
    DueList heartbeats_;
    DueList ping_timeouts_;
    DueList upgrade_timeouts_;
    Farewells farewells_;
    const SharedFrame ping_;
    EngineProbe probe_;
};

}  // namespace eventbus
