#pragma once

#include <boost/static_string/static_string.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/hash.h"
#include "base/result.h"
#include "socketio/engine.h"
#include "wire/socketio.h"

namespace eventbus {

class Namespace;
class Socket;
class SocketServer;

// What an event brought: the JSON of each argument, and the binary attachments that placeholders in
// them name. Lives during the handler's call.
struct Arguments {
    std::span<const std::string_view> json;
    std::span<const std::string> attachments;
    bool is_strict = false;  // JsonChecker would take each of `json`; false: it has to be asked
};

// The right to answer one event, once; empty if the client wants no answer. Reactor.
class Ack {
 public:
    Ack() = default;
    Ack(std::weak_ptr<Socket> socket, std::uint64_t id) : socket_(std::move(socket)), id_(id) {}

    explicit operator bool() const { return id_.has_value(); }

    // `json` is an array: the arguments of the client's callback. Does nothing if it is empty,
    // used, or the socket has gone.
    void operator()(std::string_view json, std::span<const std::string> attachments = {});

 private:
    std::weak_ptr<Socket> socket_;
    std::optional<std::uint64_t> id_;
};

// What an application hangs on a socket.
class SocketData {
 public:
    virtual ~SocketData() = default;
};

// A client's membership of a namespace. Reactor.
class Socket : public std::enable_shared_from_this<Socket> {
 public:
    static constexpr std::size_t kSidBytesMax = 20;

    Socket(Session& session, Namespace& nsp, std::string_view sid);

    std::string_view sid() const { return {sid_.data(), sid_.size()}; }
    const Namespace& nsp() const { return nsp_; }
    bool is_connected() const { return session_ != nullptr; }

    // Sends an event; `json` is the whole array, its name first. False: the client is gone, or too
    // slow and being closed.
    bool emit(std::string_view json, std::span<const std::string> attachments = {});

    // The same, and asks for an answer: `done` is called once, with the arguments of the client's
    // acknowledgement, which live during the call.
    // Errors: kTimeout, none came in time; kUnavailable, the client has gone; kTooMany, kAnswersMax
    // are being waited for.
    using OnAnswer = Callback<Result<Arguments>>;
    static constexpr std::size_t kAnswersMax = 1000;
    void emit_with_ack(std::string_view json, std::chrono::milliseconds timeout, OnAnswer done,
                       std::span<const std::string> attachments = {});

    // Sends a frame that was made for this namespace (event_frame()).
    bool push(const SharedFrame& frame);

    // Fetches what push() will touch into the cache, one link of the way in each step from 0 on.
    void prefetch(int step) const;

    bool has_room() { return session_ != nullptr && session_->has_room(); }

    // Calls Namespace::on_receipt() once the client has shown that it has all that was sent until
    // now; as Session::want_receipt().
    void want_receipt() {
        if (session_ != nullptr) session_->want_receipt();
    }

    // Leaves the namespace for good: the client will not come back by itself. What it sends to the
    // namespace before it knows is dropped.
    void disconnect();

    // Closes the whole connection in a way that the client comes back from.
    void close(CloseReason reason);

    engineio::Transport transport() const;

    std::unique_ptr<SocketData> data;

 private:
    friend class Ack;
    friend class SocketServer;

    // What the client has been asked, by ack id.
    struct Asked {
        std::uint64_t next_id = 0;
        std::unordered_map<std::uint64_t, OnAnswer> waiting;
    };
    bool send_event(const socketio::EventHead& head, std::string_view json,
                    std::span<const std::string> attachments);
    void answer(std::uint64_t ack_id, Result<Arguments> answer);
    void disconnected();

    Session* session_;  // null once disconnected
    Namespace& nsp_;
    const boost::static_string<kSidBytesMax> sid_;
    std::unique_ptr<Asked> asked_;  // once something was
};

// A client that asks to join a namespace, and waits for the answer. Reactor.
class Connecting : public std::enable_shared_from_this<Connecting> {
 public:
    Connecting(SocketServer& server, Session& session, Namespace& nsp, std::string auth);

    // False once answered, or the client has gone.
    bool is_open() const { return session_ != nullptr; }

    // The client's auth, a JSON object; empty: none.
    const std::string& auth() const { return auth_; }

    // The HTTP request that opened the connection, or upgraded it. Requires is_open(). It is kept
    // until the client has joined all namespaces; who leaves and joins again comes with an empty
    // one, and has to say in auth() who it is.
    const HttpRequest& request() const;
    engineio::Transport transport() const;

    // Answers with the socket's id, of Socket::kSidBytesMax or less, and, if it can be recovered,
    // its `pid`. Null if the client has gone.
    std::shared_ptr<Socket> accept(std::string_view sid, std::string_view pid,
                                   std::unique_ptr<SocketData> data);

    // `data` is JSON; the connection stays open for other namespaces.
    void refuse(std::string_view message, std::string_view data = {});

    // Neither: closes the whole connection, in a way that the client comes back from.
    void close(CloseReason reason);

    // Asks again once the client has upgraded, whose request may bring a cookie, or when
    // connect_timeout has passed without. False: it has, so there is nothing to wait for.
    [[nodiscard]] bool wait_for_upgrade();

 private:
    friend class SocketServer;

    SocketServer& server_;
    Session* session_;
    Namespace& nsp_;
    const std::string auth_;
    bool waits_for_upgrade_ = false;
    bool may_wait_ = true;
};

// Handlers of one namespace; to be set before the server runs.
class Namespace {
 public:
    using OnConnect = std::function<void(const std::shared_ptr<Connecting>&)>;
    using OnEvent = std::function<void(Socket&, const Arguments&, Ack)>;
    using OnAnyEvent = std::function<void(Socket&, std::string_view name, const Arguments&, Ack)>;
    using OnDisconnect = std::function<void(Socket&, CloseReason)>;
    using OnDrained = std::function<void(Socket&)>;
    using OnReceipt = std::function<void(Socket&)>;

    Namespace(std::string name, SocketServer& server) : name_(std::move(name)), server_(server) {}
    const std::string& name() const { return name_; }

    Namespace& on_connect(OnConnect handler);
    Namespace& on(std::string event, OnEvent handler);
    Namespace& on_any(OnAnyEvent handler);  // for events without a handler of their own
    Namespace& on_disconnect(OnDisconnect handler);
    // The client has taken all that was sent; after has_room() said no.
    Namespace& on_drained(OnDrained handler);
    // After any socket of the client wanted it.
    Namespace& on_receipt(OnReceipt handler);

 private:
    friend class SocketServer;
    friend class Connecting;
    friend class Socket;

    const std::string name_;
    SocketServer& server_;
    OnConnect connect_;
    StringMap<OnEvent> events_;
    OnAnyEvent any_event_;
    OnDisconnect disconnect_;
    OnDrained drained_;
    OnReceipt receipt_;
};

struct SocketSettings {
    std::chrono::milliseconds connect_timeout{10'000};  // from the open to a first CONNECT
    std::size_t message_bytes_max = 1'000'000;          // of a packet with its attachments
};

struct SocketProbe {
    Counter sockets;  // now
    Counter connects;
    Counter refusals;
    Counter events;  // from clients
    Counter malformed;
    Counter connect_timeouts;
};

// Socket.IO v5 on one reactor: server.of("/chat").on("message", …). An EngineServer is to be made
// with it as handler.
//
// Thread:  reactor.
// Bounded: by the EngineServer's sessions; a packet by message_bytes_max; a client that joins no
//          namespace within connect_timeout is closed, and so is one that has joined none and sends
//          a packet of more than kConnectBytesMax, or is refused kRefusedMax times.
class SocketServer final : public EngineHandler {
 public:
    static constexpr std::size_t kConnectBytesMax = 131'072;
    static constexpr std::size_t kRefusedMax = 8;

    SocketServer(Reactor& reactor, SocketSettings settings);
    ~SocketServer() override;

    // The namespace of that name, made at the first call. Others are "Invalid namespace".
    Namespace& of(std::string_view name);

    const SocketProbe& probe() const { return probe_; }

    // EngineHandler
    void on_open(Session& session) override;
    void on_text(Session& session, std::string_view message) override;
    void on_binary(Session& session, std::string_view message) override;
    void on_upgraded(Session& session) override;
    void on_drained(Session& session) override;
    void on_receipt(Session& session) override;
    void on_close(Session& session, CloseReason reason) override;

 private:
    friend class Connecting;
    friend class Socket;
    struct Client;

    static Client& client_of(Session& session);
    void on_packet(Session& session, const socketio::Packet& packet);
    void on_connect(Session& session, const socketio::Packet& packet);
    void send_refusal(Session& session, std::string_view nsp, std::string_view message,
                      std::string_view data);
    void on_event(Socket& socket, const socketio::Packet& packet);
    void await_connect(Session& session);
    void on_connect_due(Session& session);
    void malformed(Session& session, std::string_view why);
    Socket* find(Session& session, std::string_view nsp);
    static bool is_put_out_of(Session& session, std::string_view nsp);
    void settle(Session& session, const Connecting& connecting);
    void ask_those_that_wait(Session& session);
    void forget_request_if_joined(Session& session);
    void leave(Session& session, Socket& socket, CloseReason reason);

    Reactor& reactor_;
    const SocketSettings settings_;
    StringMap<std::unique_ptr<Namespace>> namespaces_;
    socketio::Parser parser_;
    DueList connect_timeouts_;
    SocketProbe probe_;
};

}  // namespace eventbus
