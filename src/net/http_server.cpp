#include "net/http_server.h"

#include <tuple>
#include <utility>

#include "base/assert.h"
#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::size_t kPipelinedBytesMax = 64 * 1024;  // then the kernel holds the rest back
constexpr std::size_t kHandshakesPerTurn = 2;          // steps; one signs for up to 1 ms
constexpr auto kProxyLineEvery = std::chrono::seconds(10);
constexpr int kPipelinedPerTurn = 32;  // requests of one client that are answered
constexpr int kRoomTries = 4;          // connections that give way to one that comes

}  // namespace

// HTTP/1.1 on one connection: reads a request, has it answered, reads the next.
class HttpProtocol final : public Protocol {
 public:
    // `is_refused`: it is told so once its first head is there, since what it can read of a refusal
    // stands in that: an origin, and whether it is an EventSource.
    HttpProtocol(HttpServer& server, std::weak_ptr<Connection> connection, bool is_refused = false)
        : server_(server),
          connection_(std::move(connection)),
          reader_(server.settings_.limits),
          is_refused_(is_refused) {
        server_.head_timeouts_.arm(request_due_, server_.reactor_.now());
    }

    void on_bytes(std::span<char> bytes) override {
        if (exchange_ != nullptr || !waiting_.empty()) {
            waiting_.append(bytes.data(), bytes.size());
            if (waiting_.size() > kPipelinedBytesMax) connection()->pause_reading(true);
            return;
        }
        const auto keep = connection();
        is_reading_ = true;
        read(std::string_view(bytes.data(), bytes.size()));
        is_reading_ = false;
        read_waiting();
    }

    void on_drained() override { read_waiting(); }

    // A request that came whole is answered, though its client has closed its side.
    bool on_end() override {
        if (exchange_ != nullptr) return client_ended_ = !exchange_->aborted_;
        if (!waiting_.empty()) return client_ended_ = true;
        if (connection()->queued_bytes() == 0) return false;
        connection()->close_when_sent();
        return true;
    }

    void on_closed() override {
        is_over_ = true;
        request_due_.disarm();
        idle_due_.disarm();
        body_.reset();
        if (exchange_ != nullptr) std::exchange(exchange_, nullptr)->abort();
    }

    // Has `request` answered as if it had been read here.
    void go_on_with(HttpRequest request, std::string rest) {
        request_due_.disarm();
        waiting_ = std::move(rest);
        dispatch(std::move(request), true);
    }

 private:
    friend class HttpExchange;

    std::shared_ptr<Connection> connection() const { return connection_.lock(); }

    void complete(const HttpRequest& request, HttpResponse& response) {
        server_.handler_.complete(&request, response);
    }

    void read(std::string_view bytes) {
        for (;;) {
            if (!request_due_.is_armed()) {
                idle_due_.disarm();
                server_.head_timeouts_.arm(request_due_, server_.reactor_.now());
            }
            const HttpRequestReader::Step step = reader_.feed(bytes);
            bytes.remove_prefix(step.consumed);
            switch (step.state) {
                case HttpRequestReader::State::kNeedMore:
                    return;
                case HttpRequestReader::State::kFailed:
                    return fail();
                case HttpRequestReader::State::kHead:
                    if (is_refused_) return refuse();
                    if (reader_.request().is_upgrade) break;
                    note_if_known();
                    server_.body_timeouts_.arm(request_due_, server_.reactor_.now());
                    body_ = server_.handler_.watch_body(reader_.request());
                    reader_.accept_body(server_.handler_.body_bytes_max(reader_.request()));
                    if (reader_.wants_continue()) connection()->push(std::string(kContinue));
                    continue;
                case HttpRequestReader::State::kComplete:
                    break;
            }
            request_due_.disarm();
            body_has_arrived();
            waiting_.assign(bytes);
            server_.probe_.requests.add();
            return dispatch(reader_.take(), false);
        }
    }

    void dispatch(HttpRequest request, bool is_handed_over) {
        keep_alive_ = request.keep_alive && !server_.draining_;
        is_head_ = request.method == HttpMethod::kHead;
        request.client = server_.client_of(connection()->client(), request);
        auto exchange = std::make_shared<HttpExchange>(connection(), *this, std::move(request));
        exchange->is_handed_over = is_handed_over;
        exchange_ = exchange.get();
        server_.handler_.on_request(std::move(exchange));
    }

    void note_if_known() {
        const auto keep = connection();
        if (keep->is_stranger() && server_.handler_.is_known(reader_.request())) keep->admit();
    }

    void body_has_arrived() {
        if (body_) std::exchange(body_, nullptr)->arrived();
    }

    void fail() {
        request_due_.disarm();
        body_has_arrived();
        server_.probe_.malformed.add();
        const HttpFailure& failure = reader_.failure();
        say("a request is malformed", failure.detail);
        const ErrorCode code =
            failure.status == 413 ? ErrorCode::kTooLarge : ErrorCode::kBadRequest;
        give_up(problem_response(failure.status, Error{code, failure.detail}));
    }

    void refuse() {
        request_due_.disarm();
        give_up(problem_response(Error{
            ErrorCode::kUnavailable, "this server has as many connections as it may; try again"}));
    }

    // The answer has been queued. The next request is never read within this: whoever answers is in
    // the middle of something, as the end of a session, which that request may be about.
    void answered(bool close) {
        const auto keep = connection();
        if (close) return keep->close_when_sent();
        server_.idle_timeouts_.arm(idle_due_, server_.reactor_.now());
        if (!is_reading_ && has_more()) keep->tell_when_drained();
    }

    bool has_more() const { return !waiting_.empty() || client_ended_; }

    // Pipelined requests, some a turn and while their answers find room; on_drained() goes on.
    void read_waiting() {
        if (is_over_ || exchange_ != nullptr || !has_more()) return;
        const auto keep = connection();
        is_reading_ = true;
        for (int n = 0; n < kPipelinedPerTurn && !waiting_.empty() && exchange_ == nullptr &&
                        !is_over_ && keep->has_room();
             ++n) {
            read(std::exchange(waiting_, {}));
        }
        is_reading_ = false;
        if (client_ended_ && !is_over_ && exchange_ == nullptr && waiting_.empty()) {
            return keep->close_when_sent();
        }
        if (!waiting_.empty() && exchange_ == nullptr) keep->tell_when_drained();
        if (!is_over_) keep->pause_reading(waiting_.size() > kPipelinedBytesMax);
    }

    void on_request_due() {
        server_.probe_.timeouts.add();
        say("a request did not come in time", reader_.is_idle() ? "nothing came" : "a part came");
        if (reader_.is_idle()) return connection()->close();  // it never said a word
        body_.reset();
        give_up(problem_response(
            408, Error{ErrorCode::kTimeout, "the request did not come whole in time"}));
    }

    // Of the connection, not of its requests: what they would say of their client has not come.
    void say(std::string_view sentence, std::string_view why) {
        diagnostics::debug(sentence,
                           {{"from", connection()->client().text()}, {"why", std::string(why)}});
    }

    // Nothing that follows can be read as a request.
    void give_up(HttpResponse response) {
        const HttpRequest* const head = reader_.head();
        server_.handler_.complete(head, response);
        const bool is_head = head != nullptr && head->method == HttpMethod::kHead;
        connection()->push(serialize(response, false, is_head));
        connection()->close_when_sent();
    }

    void on_idle_due() { connection()->close(); }

    HttpServer& server_;
    const std::weak_ptr<Connection> connection_;
    HttpRequestReader reader_;
    const bool is_refused_;
    HttpExchange* exchange_ = nullptr;  // the request that is being answered
    std::string waiting_;               // what came behind it
    bool keep_alive_ = true;
    bool is_head_ = false;
    bool is_over_ = false;
    bool client_ended_ = false;
    bool is_reading_ = false;          // and goes on with what waits once the handler returns
    std::unique_ptr<BodyWatch> body_;  // of the request that is being read
    MemberDue<HttpProtocol, &HttpProtocol::on_request_due> request_due_{*this};
    MemberDue<HttpProtocol, &HttpProtocol::on_idle_due> idle_due_{*this};
};

HttpExchange::HttpExchange(std::shared_ptr<Connection> connection, HttpProtocol& protocol,
                           HttpRequest of)
    : request(std::move(of)), connection_(std::move(connection)), protocol_(&protocol) {}

HttpExchange::~HttpExchange() {
    if (!is_open()) return;
    HttpResponse response =
        problem_response(Error{ErrorCode::kInternal, "the request was dropped"});
    protocol_->complete(request, response);
    respond(response);
}

bool HttpExchange::respond(const HttpResponse& response) {
    if (!is_open()) return false;
    HttpProtocol& protocol = *std::exchange(protocol_, nullptr);
    protocol.exchange_ = nullptr;
    const bool keep_alive = protocol.keep_alive_ && !response.close;
    if (!connection_->push(serialize(response, keep_alive, protocol.is_head_))) return false;
    protocol.answered(!keep_alive);
    return true;
}

void HttpExchange::respond_with_stream(const HttpResponse& head,
                                       std::unique_ptr<Protocol> protocol) {
    if (!is_open()) return;
    // What came behind the request is never answered, as the head says (Connection: close, RFC
    // 9112, 9.6): like what comes later, it is dropped.
    std::ignore = upgrade(serialize_stream_head(head, !request.is_http_1_0), std::move(protocol));
}

std::string HttpExchange::upgrade(std::string head, std::unique_ptr<Protocol> next) {
    BUS_ASSERT(is_open());
    HttpProtocol& protocol = *std::exchange(protocol_, nullptr);
    protocol.exchange_ = nullptr;
    protocol.is_over_ = true;
    std::string rest = std::move(protocol.waiting_);
    connection_->pause_reading(false);
    connection_->set_client(request.client);  // from now on there is one behind it
    connection_->switch_to(std::move(next));
    connection_->push(std::move(head));  // if it fails, `next` is told that it is over
    connection_->pin_queued();  // no pong to a ping that came with the request overtakes it
    return rest;
}

HttpExchange::Released HttpExchange::release() {
    BUS_ASSERT(is_open());
    HttpProtocol& protocol = *std::exchange(protocol_, nullptr);
    protocol.exchange_ = nullptr;
    protocol.is_over_ = true;
    const bool is_stranger = connection_->is_stranger();
    Connection::Released released = connection_->release();
    return {std::move(released.stream), std::move(request), std::move(protocol.waiting_),
            std::move(released.unsent), is_stranger};
}

void HttpExchange::abort() {
    protocol_ = nullptr;
    if (aborted_) aborted_();
}

HttpServer::HttpServer(Reactor& reactor, HttpHandler& handler, HttpSettings settings,
                       Strangers* strangers)
    : reactor_(reactor),
      handler_(handler),
      settings_(std::move(settings)),
      strangers_(strangers),
      head_timeouts_(settings_.head_timeout),
      body_timeouts_(settings_.body_timeout),
      idle_timeouts_(settings_.idle_timeout),
      connections_(settings_.budget) {
    reactor_.add_due_list(head_timeouts_);
    reactor_.add_due_list(body_timeouts_);
    reactor_.add_due_list(idle_timeouts_);
    reactor_.add_turn_hook([this] {
        connections_.allow_handshakes(kHandshakesPerTurn);
        return Reactor::Again::kNo;
    });
}

std::shared_ptr<Connection> HttpServer::make_connection(Stream stream) {
    return std::make_shared<Connection>(reactor_, connections_, std::move(stream),
                                        settings_.queue_bytes_max);
}

void HttpServer::serve(Stream stream) {
    probe_.accepted.add();
    const ConnectionBudget& budget = *settings_.budget;
    if (strangers_ != nullptr) make_room(budget);
    if (known() >= settings_.connections_max + kRefusedMax || !budget.has_room_to_tell()) {
        return probe_.refused.add();
    }
    if (settings_.proxy_protocol) {
        const IpAddress from = stream.peer();
        if (!settings_.trusted_proxies.contains(from)) {
            return refuse_proxy(from, "trusted_proxies does not hold the address");
        }
        stream.expect_proxy_header([this, from](const char* why) { refuse_proxy(from, why); });
    }
    if (tls_ != nullptr && !stream.start_tls(*tls_, probe_.tls)) return probe_.refused.add();
    const bool refused =
        draining_ || known() >= settings_.connections_max || !budget.has_room_to_serve();
    const auto connection = make_connection(std::move(stream));
    if (refused) probe_.refused.add();
    if (!connection->start(std::make_unique<HttpProtocol>(*this, connection, refused))) {
        return probe_.refused.add();
    }
    note_stranger(*connection);
}

// Another reactor may take what one gave up.
void HttpServer::make_room(const ConnectionBudget& budget) {
    for (int n = 0; n < kRoomTries && !budget.has_room_to_serve(); ++n) {
        strangers_->make_room(reactor_.now());
    }
}

// Connections that count towards connections_max.
std::size_t HttpServer::known() const {
    return connections_.size() - (strangers_ == nullptr ? 0 : strangers_->size());
}

void HttpServer::note_stranger(Connection& connection) {
    if (strangers_ == nullptr || settings_.trusted_proxies.contains(connection.client())) return;
    connection.be_stranger(*strangers_);
}

void HttpServer::refuse_proxy(const IpAddress& from, const char* why) {
    probe_.proxy_refusals.add();
    if (reactor_.now() < next_proxy_line_) return;
    next_proxy_line_ = reactor_.now() + kProxyLineEvery;
    diagnostics::warn(
        "a connection that does not begin with the PROXY protocol of a trusted proxy was closed; "
        "fix the balancer, or proxy_protocol and trusted_proxies (one line in 10 s at most)",
        {{"from", from.text()}, {"why", why}});
}

IpAddress HttpServer::client_of(const IpAddress& peer, const HttpRequest& request) const {
    const TrustedProxies& trusted = settings_.trusted_proxies;
    if (!trusted.contains(peer)) return peer;
    return trusted.client_of(peer, request.headers.joined("X-Forwarded-For"));
}

void HttpServer::adopt(HttpExchange::Released released) {
    const auto connection = make_connection(std::move(released.stream));
    auto protocol = std::make_unique<HttpProtocol>(*this, connection);
    HttpProtocol& http = *protocol;
    if (!connection->start(std::move(protocol))) return probe_.refused.add();
    if (released.is_stranger) note_stranger(*connection);
    if (!released.unsent.empty()) connection->push(std::move(released.unsent));
    http.go_on_with(std::move(released.request), std::move(released.rest));
}

}  // namespace eventbus
