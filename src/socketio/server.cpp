#include "socketio/server.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "socketio/frames.h"

namespace eventbus {

using socketio::PacketType;

// What a session carries: its sockets, and what is under way.
struct SocketServer::Client final : SessionContext {
    class ConnectDue final : public Due {
     public:
        ConnectDue(SocketServer& server, Session& session) : server_(server), session_(session) {}

     private:
        void on_due() override { server_.on_connect_due(session_); }
        SocketServer& server_;
        Session& session_;
    };

    Client(socketio::Parser& parser, std::size_t bytes_max) : assembler(parser, bytes_max) {}

    std::vector<std::shared_ptr<Socket>> sockets;
    std::vector<std::shared_ptr<Connecting>> connecting;
    std::vector<const Namespace*> put_out_of;  // and it has not asked for them again
    socketio::Assembler assembler;
    std::unique_ptr<ConnectDue> connect_due;  // until it has joined a namespace
    std::size_t refused = 0;                  // CONNECTs
};

namespace {

void send_packet(Session& session, const std::string& packet,
                 std::span<const std::string> attachments) {
    if (!session.send(text_frame(packet))) return;
    for (const std::string& attachment : attachments) {
        if (!session.send(binary_frame(attachment))) return;
    }
}

}  // namespace

// ---- Ack, Socket, Connecting, Namespace ----

void Ack::operator()(std::string_view json, std::span<const std::string> attachments) {
    const std::optional<std::uint64_t> id = std::exchange(id_, std::nullopt);
    const std::shared_ptr<Socket> socket = socket_.lock();
    if (!id || !socket || !socket->is_connected()) return;
    std::string packet = "4";
    socketio::append_ack(packet, socket->nsp_.name(), *id, json, attachments.size());
    send_packet(*socket->session_, packet, attachments);
}

Socket::Socket(Session& session, Namespace& nsp, std::string_view sid)
    : session_(&session), nsp_(nsp), sid_(sid.data(), sid.size()) {}

bool Socket::emit(std::string_view json, std::span<const std::string> attachments) {
    if (!is_connected()) return false;
    if (attachments.empty()) return session_->send(event_frame(nsp_.name_, json));
    return send_event({.nsp = nsp_.name_, .attachments = attachments.size()}, json, attachments);
}

void Socket::emit_with_ack(std::string_view json, std::chrono::milliseconds timeout, OnAnswer done,
                           std::span<const std::string> attachments) {
    if (!is_connected()) return done(Error{ErrorCode::kUnavailable, "the client has gone"});
    if (!asked_) asked_ = std::make_unique<Asked>();
    if (asked_->waiting.size() >= kAnswersMax) {
        return done(Error{ErrorCode::kTooMany, "the client owes as many answers as it may"});
    }
    const std::uint64_t id = asked_->next_id++;
    asked_->waiting.emplace(id, std::move(done));
    Reactor& reactor = nsp_.server_.reactor_;
    reactor.post_at(reactor.now() + timeout, [weak = weak_from_this(), id] {
        const auto self = weak.lock();
        if (self) self->answer(id, Error{ErrorCode::kTimeout, "the client has not answered"});
    });
    send_event({.nsp = nsp_.name_, .ack_id = id, .attachments = attachments.size()}, json,
               attachments);
}

bool Socket::send_event(const socketio::EventHead& head, std::string_view json,
                        std::span<const std::string> attachments) {
    std::string packet = "4";
    socketio::append_event(packet, head, json);
    send_packet(*session_, packet, attachments);
    return is_connected();
}

// Unknown ids are ignored, as the reference does: the answer came too late, or never was due.
void Socket::answer(std::uint64_t ack_id, Result<Arguments> answer) {
    if (!asked_) return;
    const auto found = asked_->waiting.find(ack_id);
    if (found == asked_->waiting.end()) return;
    OnAnswer done = std::move(found->second);
    asked_->waiting.erase(found);
    done(std::move(answer));
}

void Socket::disconnected() {
    session_ = nullptr;
    if (!asked_) return;
    for (auto& [id, done] : std::exchange(asked_->waiting, {})) {
        done(Error{ErrorCode::kUnavailable, "the client has gone"});
    }
}

bool Socket::push(const SharedFrame& frame) { return is_connected() && session_->send(frame); }

void Socket::prefetch(int step) const {
    if (step == 0) return __builtin_prefetch(&session_);
    if (is_connected()) session_->prefetch(step - 1);
}

void Socket::disconnect() {
    if (!is_connected()) return;
    std::string packet = "4";
    socketio::append_disconnect(packet, nsp_.name_);
    Session& session = *session_;
    session.send(text_frame(packet));
    // The session may have ended in send(), and with it this socket's place in it.
    if (is_connected()) nsp_.server_.leave(session, *this, CloseReason::kServer);
}

void Socket::close(CloseReason reason) {
    if (is_connected()) session_->close(reason);
}

engineio::Transport Socket::transport() const {
    return is_connected() ? session_->transport() : engineio::Transport::kWebSocket;
}

Connecting::Connecting(SocketServer& server, Session& session, Namespace& nsp, std::string auth)
    : server_(server), session_(&session), nsp_(nsp), auth_(std::move(auth)) {}

void Connecting::close(CloseReason reason) {
    if (session_ != nullptr) session_->close(reason);
}

const HttpRequest& Connecting::request() const {
    static const HttpRequest kForgotten;
    BUS_ASSERT(is_open());
    return session_->request() == nullptr ? kForgotten : *session_->request();
}

engineio::Transport Connecting::transport() const {
    BUS_ASSERT(is_open());
    return session_->transport();
}

bool Connecting::wait_for_upgrade() {
    waits_for_upgrade_ = is_open() && may_wait_ && transport() == engineio::Transport::kPolling;
    return waits_for_upgrade_;
}

std::shared_ptr<Socket> Connecting::accept(std::string_view sid, std::string_view pid,
                                           std::unique_ptr<SocketData> data) {
    BUS_ASSERT(sid.size() <= Socket::kSidBytesMax);
    if (!is_open()) return nullptr;
    Session& session = *std::exchange(session_, nullptr);
    const auto keep = shared_from_this();
    server_.settle(session, *this);

    session.admit();
    auto socket = std::make_shared<Socket>(session, nsp_, sid);
    socket->data = std::move(data);
    SocketServer::Client& client = SocketServer::client_of(session);
    client.sockets.push_back(socket);
    client.connect_due.reset();
    server_.forget_request_if_joined(session);
    server_.probe_.connects.add();
    server_.probe_.sockets.add();

    std::string packet = "4";
    socketio::append_connect(packet, nsp_.name_, socket->sid(), pid);
    session.send(text_frame(packet));
    return socket->is_connected() ? socket : nullptr;
}

void Connecting::refuse(std::string_view message, std::string_view data) {
    if (!is_open()) return;
    Session& session = *std::exchange(session_, nullptr);
    const auto keep = shared_from_this();
    server_.settle(session, *this);
    server_.send_refusal(session, nsp_.name_, message, data);
}

Namespace& Namespace::on_connect(OnConnect handler) {
    connect_ = std::move(handler);
    return *this;
}
Namespace& Namespace::on(std::string event, OnEvent handler) {
    events_.insert_or_assign(std::move(event), std::move(handler));
    return *this;
}
Namespace& Namespace::on_any(OnAnyEvent handler) {
    any_event_ = std::move(handler);
    return *this;
}
Namespace& Namespace::on_disconnect(OnDisconnect handler) {
    disconnect_ = std::move(handler);
    return *this;
}
Namespace& Namespace::on_drained(OnDrained handler) {
    drained_ = std::move(handler);
    return *this;
}
Namespace& Namespace::on_receipt(OnReceipt handler) {
    receipt_ = std::move(handler);
    return *this;
}

// ---- SocketServer ----

SocketServer::SocketServer(Reactor& reactor, SocketSettings settings)
    : reactor_(reactor), settings_(settings), connect_timeouts_(settings.connect_timeout) {
    reactor_.add_due_list(connect_timeouts_);
}

SocketServer::~SocketServer() = default;

Namespace& SocketServer::of(std::string_view name) {
    auto& made = namespaces_[std::string(name)];
    if (!made) made = std::make_unique<Namespace>(std::string(name), *this);
    return *made;
}

SocketServer::Client& SocketServer::client_of(Session& session) {
    return static_cast<Client&>(*session.context);
}

void SocketServer::on_open(Session& session) {
    session.context = std::make_unique<Client>(parser_, settings_.message_bytes_max);
    await_connect(session);
}

void SocketServer::on_text(Session& session, std::string_view message) {
    if (message.size() > kConnectBytesMax && client_of(session).sockets.empty()) {
        return malformed(session, "too large a packet of a client that has joined no namespace");
    }
    const auto packet = client_of(session).assembler.feed_text(message);
    if (!packet) return malformed(session, packet.error().detail);
    if (*packet) on_packet(session, **packet);
}

void SocketServer::on_binary(Session& session, std::string_view message) {
    const Client& client = client_of(session);
    if (client.sockets.empty() && client.put_out_of.empty()) {
        return malformed(session, "an attachment of a client that has joined no namespace");
    }
    const auto packet = client_of(session).assembler.feed_binary(message);
    if (!packet) return malformed(session, packet.error().detail);
    if (*packet) on_packet(session, **packet);
}

void SocketServer::on_packet(Session& session, const socketio::Packet& packet) {
    if (packet.type == PacketType::kConnect) return on_connect(session, packet);
    if (packet.type == PacketType::kConnectError) {
        return malformed(session, "a refusal of a CONNECT from a client");
    }
    Socket* const socket = find(session, packet.nsp);
    if (socket == nullptr) {
        // It was on its way when the client was put out. The reference lets that pass only when it
        // comes in the same read, and closes over the rest, with the client's other namespaces.
        if (is_put_out_of(session, packet.nsp)) return;
        // What is for a namespace that it has not joined: the reference closes, and so do we.
        return malformed(session, "a packet for a namespace that was not joined");
    }
    if (packet.type == PacketType::kDisconnect) return leave(session, *socket, CloseReason::kLeft);
    if (packet.is_event()) on_event(*socket, packet);
    if (packet.is_ack()) {
        const auto keep = socket->shared_from_this();
        socket->answer(*packet.ack_id,
                       Arguments{packet.arguments, packet.attachments, packet.is_strict});
    }
}

void SocketServer::on_connect(Session& session, const socketio::Packet& packet) {
    Client& client = client_of(session);
    const bool is_pending =
        std::any_of(client.connecting.begin(), client.connecting.end(),
                    [&](const auto& connecting) { return connecting->nsp_.name_ == packet.nsp; });
    if (is_pending || find(session, packet.nsp) != nullptr) {
        return malformed(session, "a second CONNECT to a namespace");
    }

    const auto nsp = namespaces_.find(packet.nsp);
    if (nsp == namespaces_.end() || !nsp->second->connect_) {
        return send_refusal(session, packet.nsp, "Invalid namespace", {});
    }
    std::erase(client.put_out_of, nsp->second.get());
    auto connecting =
        std::make_shared<Connecting>(*this, session, *nsp->second, std::string(packet.json));
    client.connecting.push_back(connecting);
    nsp->second->connect_(connecting);
}

void SocketServer::send_refusal(Session& session, std::string_view nsp, std::string_view message,
                                std::string_view data) {
    probe_.refusals.add();
    std::string packet = "4";
    socketio::append_connect_error(packet, nsp, message, data);
    session.send(text_frame(packet));
    Client& client = client_of(session);
    if (++client.refused < kRefusedMax || !client.sockets.empty()) return;
    malformed(session, "CONNECT was refused too often");
}

void SocketServer::on_event(Socket& socket, const socketio::Packet& packet) {
    probe_.events.add();
    const auto keep = socket.shared_from_this();
    Ack ack = packet.ack_id ? Ack(keep, *packet.ack_id) : Ack();
    const Arguments arguments{packet.arguments, packet.attachments, packet.is_strict};
    const Namespace& nsp = socket.nsp_;
    const auto handler = nsp.events_.find(packet.name);
    if (handler != nsp.events_.end()) return handler->second(socket, arguments, std::move(ack));
    if (nsp.any_event_) nsp.any_event_(socket, packet.name, arguments, std::move(ack));
}

void SocketServer::on_upgraded(Session& session) {
    ask_those_that_wait(session);
    if (session.is_open()) forget_request_if_joined(session);
}

void SocketServer::ask_those_that_wait(Session& session) {
    const auto connecting = client_of(session).connecting;  // a handler may change it
    for (const auto& waiting : connecting) {
        waiting->may_wait_ = false;
        if (waiting->is_open() && std::exchange(waiting->waits_for_upgrade_, false)) {
            waiting->nsp_.connect_(waiting);
        }
    }
}

void SocketServer::forget_request_if_joined(Session& session) {
    const Client& client = client_of(session);
    if (client.connecting.empty() && client.sockets.size() == namespaces_.size()) {
        session.forget_request();
    }
}

void SocketServer::on_drained(Session& session) {
    const auto sockets = client_of(session).sockets;
    for (const auto& socket : sockets) {
        if (socket->is_connected() && socket->nsp_.drained_) socket->nsp_.drained_(*socket);
    }
}

void SocketServer::on_receipt(Session& session) {
    const auto sockets = client_of(session).sockets;
    for (const auto& socket : sockets) {
        if (socket->is_connected() && socket->nsp_.receipt_) socket->nsp_.receipt_(*socket);
    }
}

void SocketServer::on_close(Session& session, CloseReason reason) {
    Client& client = client_of(session);
    client.connect_due.reset();
    for (const auto& connecting : std::exchange(client.connecting, {})) {
        connecting->session_ = nullptr;
    }
    while (!client.sockets.empty()) leave(session, *client.sockets.back(), reason);
}

void SocketServer::await_connect(Session& session) {
    Client& client = client_of(session);
    client.connect_due = std::make_unique<Client::ConnectDue>(*this, session);
    connect_timeouts_.arm(*client.connect_due, reactor_.now());
}

void SocketServer::on_connect_due(Session& session) {
    probe_.connect_timeouts.add();
    ask_those_that_wait(session);  // closed without a word, a client would come back forever
    session.close(CloseReason::kServer);
}

void SocketServer::malformed(Session& session, std::string_view why) {
    probe_.malformed.add();
    say_malformed("socketio", session.client(), why);
    session.close(CloseReason::kParseError);
}

Socket* SocketServer::find(Session& session, std::string_view nsp) {
    for (const auto& socket : client_of(session).sockets) {
        if (socket->nsp_.name_ == nsp) return socket.get();
    }
    return nullptr;
}

bool SocketServer::is_put_out_of(Session& session, std::string_view nsp) {
    const auto& all = client_of(session).put_out_of;
    return std::any_of(all.begin(), all.end(),
                       [&](const Namespace* one) { return one->name_ == nsp; });
}

// The client's request was answered.
void SocketServer::settle(Session& session, const Connecting& connecting) {
    auto& all = client_of(session).connecting;
    std::erase_if(all, [&](const auto& waiting) { return waiting.get() == &connecting; });
    if (all.empty()) all.shrink_to_fit();  // seldom does one join another namespace later
}

void SocketServer::leave(Session& session, Socket& socket, CloseReason reason) {
    const auto keep = socket.shared_from_this();
    std::erase(client_of(session).sockets, keep);
    reactor_.defer([keep] {});  // its functions, and those of its data, may be on the stack
    socket.disconnected();
    probe_.sockets.subtract();
    if (reason == CloseReason::kServer) client_of(session).put_out_of.push_back(&socket.nsp_);
    // Nor may a connection stay that has left all namespaces.
    if (session.is_open() && client_of(session).sockets.empty()) await_connect(session);
    if (socket.nsp_.disconnect_) socket.nsp_.disconnect_(socket, reason);
}

}  // namespace eventbus
