#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "base/counters.h"
#include "base/executor.h"
#include "net/connection.h"
#include "net/connection_budget.h"
#include "net/due_list.h"
#include "net/http_message.h"
#include "net/http_reader.h"
#include "net/tls.h"

namespace eventbus {

class HttpProtocol;
class HttpServer;

// One request and the right to answer it, now or later, once. Reactor.
class HttpExchange {
 public:
    HttpExchange(std::shared_ptr<Connection> connection, HttpProtocol& protocol,
                 HttpRequest request);
    ~HttpExchange();  // unanswered: 500, and the connection closes
    HttpExchange(const HttpExchange&) = delete;
    HttpExchange& operator=(const HttpExchange&) = delete;

    HttpRequest request;
    bool is_handed_over = false;  // by another reactor, which has seen and counted the request

    // False once the client has gone or it was answered.
    bool is_open() const { return protocol_ != nullptr; }

    // Answers. False: the client has gone, or it takes its answers too slowly and now is gone.
    bool respond(const HttpResponse& response);

    // Answers with a head, and leaves the rest to `protocol`, which writes the chunks (SSE).
    // Requests behind this one are not answered.
    void respond_with_stream(const HttpResponse& head, std::unique_ptr<Protocol> protocol);

    // Answers with `head` (101) and goes on with `protocol`. Returns what came behind the request,
    // which are its first bytes. Requires is_open().
    [[nodiscard]] std::string upgrade(std::string head, std::unique_ptr<Protocol> protocol);

    // Takes the connection away with this request, for HttpServer::adopt() of another reactor.
    // Requires is_open().
    struct Released {
        Stream stream;
        HttpRequest request;
        std::string rest;    // bytes behind the request
        std::string unsent;  // answers to earlier requests that have not left yet
        bool is_stranger = false;
    };
    Released release();

    // Called if the client goes away before the answer, but not from within respond(). Who asks for
    // it waits long, and is told of a half-closed connection, too; to others the answer goes.
    void on_abort(Callback<> callback) { aborted_ = std::move(callback); }

    const std::shared_ptr<Connection>& connection() const { return connection_; }

 private:
    friend class HttpProtocol;
    void abort();

    std::shared_ptr<Connection> connection_;
    HttpProtocol* protocol_;
    Callback<> aborted_;
};
using SharedExchange = std::shared_ptr<HttpExchange>;

// A body that is on its way. Destroyed before arrived() was called, it never came: the client went
// away, or took too long. Reactor.
class BodyWatch {
 public:
    virtual ~BodyWatch() = default;
    virtual void arrived() = 0;  // or was refused, and its request answered
};

// Seam: who answers requests. Reactor.
class HttpHandler {
 public:
    virtual ~HttpHandler() = default;

    // How many bytes of body a request with this head may have.
    virtual std::size_t body_bytes_max(const HttpRequest& head) = 0;

    // The head of a request has come, and a body may follow; null: whoever asks need not know.
    virtual std::unique_ptr<BodyWatch> watch_body(const HttpRequest&) { return nullptr; }

    // Whether the head of a request shows whose it is: its connection is no stranger's from here
    // on, however long the body takes.
    virtual bool is_known(const HttpRequest&) { return false; }

    virtual void on_request(SharedExchange exchange) = 0;

    // Adds what belongs to every answer (CORS) to one that the server makes by itself: the request
    // broke the protocol, did not come in time, was dropped. `head` is null if none was read.
    virtual void complete(const HttpRequest* head, HttpResponse& response) {
        (void)head;
        (void)response;
    }
};

struct HttpSettings {
    HttpLimits limits;
    std::chrono::milliseconds head_timeout{10'000};  // from its first byte to its last
    std::chrono::milliseconds body_timeout{30'000};  // from the head's end to its last byte
    std::chrono::milliseconds idle_timeout{75'000};  // between requests; balancers use 60 s
    std::size_t queue_bytes_max = 1 << 20;           // of a connection's outbox
    std::size_t connections_max = 100'000;           // of this reactor
    std::shared_ptr<ConnectionBudget> budget =       // of the process
        std::make_shared<ConnectionBudget>();
    bool proxy_protocol = false;     // each connection begins with it
    TrustedProxies trusted_proxies;  // who may speak it, or X-Forwarded-For
};

struct HttpProbe {
    Counter accepted;
    Counter refused;  // above connections_max, or no descriptor is left for them
    Counter requests;
    Counter malformed;
    Counter timeouts;
    Counter proxy_refusals;  // no PROXY protocol where it is asked for, or of nobody who may
    TlsProbe tls;
};

// One reactor's HTTP server.
//
// Thread:  reactor.
// Bounded: connections_max, and the budget of the process; beyond it the first request of a new one
//          is answered 503 and it is closed, and when kRefusedMax more are being told so, closed
//          without a word. Those of whom it is not known yet whose they are count among the
//          strangers instead, if there is such a pool, and make room for one another and, where
//          descriptors are short, for all; those of trusted proxies are known. A TLS handshake
//          counts as a part of the first request's head: head_timeout ends both. In each turn a few
//          steps of handshakes are done, since one can cost a millisecond; the others wait for the
//          next.
class HttpServer {
 public:
    static constexpr std::size_t kRefusedMax = 256;

    // `strangers` outlives it; null: all connections count alike.
    HttpServer(Reactor& reactor, HttpHandler& handler, HttpSettings settings,
               Strangers* strangers = nullptr);

    // New connections speak TLS with `context` from now on; those that are open go on as they are.
    void use_tls(std::shared_ptr<const TlsContext> context) { tls_ = std::move(context); }

    // Serves a new connection.
    void serve(Stream stream);

    // Goes on with a connection whose request another reactor has read.
    void adopt(HttpExchange::Released released);

    // New connections are refused, and each open one closes after its next answer.
    void stop_keeping_alive() { draining_ = true; }

    Reactor& reactor() { return reactor_; }
    // The open connections, whatever is spoken on them.
    Connections& connections() { return connections_; }
    const Connections& connections() const { return connections_; }
    const HttpProbe& probe() const { return probe_; }

 private:
    friend class HttpProtocol;
    friend class HttpExchange;
    std::shared_ptr<Connection> make_connection(Stream stream);
    void make_room(const ConnectionBudget& budget);
    std::size_t known() const;
    void note_stranger(Connection& connection);
    void refuse_proxy(const IpAddress& from, const char* why);
    IpAddress client_of(const IpAddress& peer, const HttpRequest& request) const;

    Reactor& reactor_;
    HttpHandler& handler_;
    const HttpSettings settings_;
    Strangers* const strangers_;
    DueList head_timeouts_;
    DueList body_timeouts_;
    DueList idle_timeouts_;
    bool draining_ = false;
    Clock::Time next_proxy_line_{};
    std::shared_ptr<const TlsContext> tls_;  // null: plain HTTP
    Connections connections_;
    HttpProbe probe_;
};

}  // namespace eventbus
