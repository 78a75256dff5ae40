#pragma once

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
#include "base/sharded.h"
#include "net/cors.h"
#include "net/due_list.h"
#include "net/http_server.h"
#include "net/reactor.h"
#include "net/strangers.h"
#include "socketio/compressor.h"
#include "socketio/farewells.h"
#include "socketio/session.h"
#include "wire/content_coding.h"
#include "wire/engineio.h"
#include "wire/websocket.h"

namespace eventbus {

// Seam: what a server does with its sessions. Reactor.
class EngineHandler {
 public:
    virtual ~EngineHandler() = default;
    virtual void on_open(Session& session) = 0;
    virtual void on_text(Session& session, std::string_view message) = 0;
    virtual void on_binary(Session& session, std::string_view message) = 0;
    virtual void on_upgraded(Session& session) = 0;  // request() is the upgrade's
    virtual void on_drained(Session& session) = 0;   // the queue is empty
    virtual void on_receipt(Session& session) = 0;   // as Session::want_receipt() says
    // The last call for this session.
    virtual void on_close(Session& session, CloseReason reason) = 0;
};

struct EngineSettings {
    std::chrono::milliseconds ping_interval{25'000};
    std::chrono::milliseconds ping_timeout{20'000};
    std::chrono::milliseconds upgrade_timeout{10'000};
    std::size_t payload_bytes_max = 1'000'000;  // what a client may send at once
    std::size_t queue_bytes_max = 1 << 20;      // what may wait for a client
    std::size_t compress_bytes_min = 1024;      // smaller frames and polls are not; 0: none is
    std::size_t poll_bytes = 1 << 19;           // an answer to a poll is split above it
    std::size_t sessions_max = 100'000;         // of this reactor, that were admitted
    std::size_t strangers_max = 10'000;         // of this reactor, that were not yet
    std::string sticky_cookie = {};  // tells a balancer the session; empty: no cookie is set
};

struct EngineProbe {
    Counter websocket_sessions;  // open now
    Counter polling_sessions;
    Counter opened;
    Counter upgraded;
    Counter refused;  // requests
    Counter ping_timeouts;
    Counter slow_clients;
    Counter websocket_errors;  // clients that broke RFC 6455 …
    Counter packet_errors;     // … or Engine.IO; Socket.IO's are SocketProbe's
    Counter handed_over;       // requests that belonged to another reactor
    Counter compressed_polls;
};

// Engine.IO v4 on one reactor.
//
// Thread:  reactor.
// Bounded: sessions_max of those that were admitted; at it no new one is taken (503). Those that
// were
//          not are strangers_max more, and make room for one another (Strangers): nobody is locked
//          out by them.
class EngineServer {
 public:
    // A larger answer to a poll is not compressed: it would hold the reactor up for longer than a
    // millisecond.
    static constexpr std::size_t kCompressedBytesMax = 128 * 1024;

    // Gives the request to the reactor with this index.
    using HandOver = std::function<void(std::size_t reactor_index, HttpExchange::Released)>;

    EngineServer(Reactor& reactor, Random& random, EngineHandler& handler, const CorsPolicy& cors,
                 EngineSettings settings);
    ~EngineServer();  // ends the sessions that are left: the handler outlives it

    // Requests for sessions of other reactors go there; without it there is only this one.
    void set_hand_over(std::size_t reactors, HandOver hand_over);

    // Answers a request to the Engine.IO path.
    void on_request(SharedExchange exchange);

    // For HttpHandler: of a request to the Engine.IO path.
    std::unique_ptr<BodyWatch> watch_body(const HttpRequest& head);
    void complete(const HttpRequest* head, HttpResponse& response) const;

    // Ends all sessions so that their clients come back.
    void close_all();

    const EngineSettings& settings() const { return settings_; }
    Reactor& reactor() { return reactor_; }
    const EngineProbe& probe() const { return probe_; }
    const Counter& compressed_frames() const { return compressor_.made(); }
    const Strangers& strangers() const { return strangers_; }

 private:
    friend class Session;
    friend class WebSocketTransport;

    Session* find(std::string_view sid);
    Session& make_session(HttpRequest request);
    void announce(Session& session);
    void remove(Session& session);
    void refuse(HttpExchange& exchange, engineio::Refusal refusal);
    void note_websocket_error(const IpAddress& client, std::string_view why);
    void note_packet_error(const IpAddress& client, std::string_view why);
    bool refuse_if_full(HttpExchange& exchange);
    void open_polling(const SharedExchange& exchange);
    void open_websocket(const SharedExchange& exchange);
    void upgrade(Session& session, const SharedExchange& exchange);
    bool refuse_bad_handshake(HttpExchange& exchange);
    WebSocketTransport& become_websocket(HttpExchange& exchange, Session* session, bool is_probe,
                                         std::string& rest);
    void turn_away(HttpExchange& exchange);
    std::string handshake(const Session& session, bool may_upgrade) const;
    bool hand_over_if_foreign(std::string_view sid, HttpExchange& exchange);
    bool respond(HttpExchange& exchange, HttpResponse response) const;
    bool respond_with_packets(HttpExchange& exchange, std::string payload);
    void compress(const HttpRequest& request, HttpResponse& response);

    Reactor& reactor_;
    Random& random_;
    EngineHandler& handler_;
    const CorsPolicy& cors_;
    const EngineSettings settings_;
    Inflater inflater_;
    Compressor compressor_;
    ContentEncoder content_encoder_;
    const websocket::DecoderSettings decoder_settings_;
    std::size_t reactors_ = 1;
    HandOver hand_over_;
    Sharded<std::unordered_map<std::string_view, std::unique_ptr<Session>>> sessions_;  // by sid
    Strangers strangers_;  // the sessions that were not admitted yet
    DueList heartbeats_;
    DueList ping_timeouts_;
    DueList upgrade_timeouts_;
    Farewells farewells_;
    const SharedFrame ping_;
    EngineProbe probe_;
};

}  // namespace eventbus
