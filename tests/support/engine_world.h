#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/cors.h"
#include "net/http_server.h"
#include "net/listener.h"
#include "socketio/engine.h"
#include "support/engine_client.h"
#include "support/fake_clock.h"
#include "support/reactor_loop.h"
#include "support/seeded_random.h"

namespace eventbus {

// One reactor that serves Engine.IO on a port of its own.
struct EngineLane final : HttpHandler {
    EngineLane(std::size_t index, Clock& clock, Random& random, const CorsPolicy& cors,
               EngineSettings engine_settings, HttpSettings http_settings)
        : reactor(index, clock),
          strangers(1'000, random),
          http(reactor, *this, std::move(http_settings), &strangers),
          random_(random),
          cors_(cors),
          settings_(std::move(engine_settings)) {
        Result<ListenSocket> socket = ListenSocket::open({"127.0.0.1", 0}, true);
        EXPECT_TRUE(socket);
        port = socket->port();
        listener = std::make_unique<Listener>(reactor, std::move(*socket),
                                              [this](Stream s) { http.serve(std::move(s)); });
    }

    void serve(EngineHandler& handler) {
        engine = std::make_unique<EngineServer>(reactor, random_, handler, cors_, settings_);
    }
    std::size_t body_bytes_max(const HttpRequest&) override { return settings_.payload_bytes_max; }
    std::unique_ptr<BodyWatch> watch_body(const HttpRequest& head) override {
        return engine->watch_body(head);
    }
    void complete(const HttpRequest* head, HttpResponse& response) override {
        engine->complete(head, response);
    }
    void on_request(SharedExchange exchange) override { engine->on_request(std::move(exchange)); }

    Reactor reactor;
    Strangers strangers;  // connections
    HttpServer http;
    std::unique_ptr<EngineServer> engine;
    std::uint16_t port = 0;
    std::unique_ptr<Listener> listener;

 private:
    Random& random_;
    const CorsPolicy& cors_;
    const EngineSettings settings_;
};

// A lane or two, and clients, on the thread of a test. `serve()` on each lane comes first.
class EngineWorld : public testing::Test {
 protected:
    static constexpr std::string_view kPolling = "EIO=4&transport=polling";
    static constexpr std::string_view kWebSocket = "EIO=4&transport=websocket";

    explicit EngineWorld(const EngineSettings& engine = {.queue_bytes_max = 64 * 1024,
                                                         .poll_bytes = 16 * 1024},
                         const HttpSettings& http = {.queue_bytes_max = 64 * 1024})
        : lanes_{std::make_unique<EngineLane>(0, clock_, random_, cors_, engine, http),
                 std::make_unique<EngineLane>(1, clock_, random_, cors_, engine, http)},
          loop_{&lanes_[0]->reactor, &lanes_[1]->reactor} {}

    // To be called by the test's own destructor, while its handlers live.
    void end() {
        loop_.turn();
        for (auto& lane : lanes_) {
            lane->listener->stop();
            lane->engine->close_all();
            lane->http.connections().close_all();
        }
        loop_.turn();
    }

    EngineClient& client(std::size_t lane = 0, int receive_bytes = 0) {
        clients_.push_back(std::make_unique<EngineClient>(lanes_[lane]->port, receive_bytes));
        loop_.add(*clients_.back());
        return *clients_.back();
    }

    // ---- HTTP ----
    RawResponse response(RawClient& from) {
        std::optional<RawResponse> got;
        EXPECT_TRUE(loop_.run_until([&] { return (got = from.take_response()).has_value(); }));
        return got.value_or(RawResponse{});
    }
    RawResponse get(std::string_view query, std::string_view more = {}) {
        EngineClient& c = client();
        c.get(query, more);
        return response(c);
    }
    RawResponse post(std::string_view query, std::string_view body, std::string_view more = {}) {
        EngineClient& c = client();
        c.post(query, body, more);
        return response(c);
    }
    // The query of a new polling session.
    std::string open_polling() {
        const std::string body = get(kPolling).body;
        EXPECT_TRUE(body.starts_with("0{\"sid\":\"")) << body;
        return std::string(kPolling) + "&sid=" + body.substr(9, 20);
    }
    static std::string upgrade_of(std::string_view polling_query) {
        return std::string(kWebSocket) + std::string(polling_query.substr(kPolling.size()));
    }
    // A GET that waits.
    EngineClient& poll(std::string_view query) {
        EngineClient& c = client();
        c.get(query);
        loop_.settle();
        EXPECT_EQ(c.received(), "");
        return c;
    }

    // ---- WebSocket ----
    EngineClient& open_websocket() {
        EngineClient& c = client();
        c.upgrade(kWebSocket);
        EXPECT_TRUE(next(c).starts_with("0{"));
        return c;
    }
    EngineClient& probe(std::string_view polling_query) {
        EngineClient& c = client();
        c.upgrade(upgrade_of(polling_query), EngineClient::text("2probe"));
        EXPECT_EQ(next(c), "3probe");
        return c;
    }
    // The next message that a client gets.
    std::string next(EngineClient& c) {
        auto& inbox = inboxes_[&c];
        EXPECT_TRUE(loop_.run_until([&] {
            for (std::string& m : c.take_messages()) inbox.push_back(std::move(m));
            return !inbox.empty();
        }));
        if (inbox.empty()) return {};
        std::string message = std::move(inbox.front());
        inbox.pop_front();
        return message;
    }
    // All that it gets until nothing moves.
    std::vector<std::string> all(EngineClient& c) {
        loop_.settle();
        std::vector<std::string> messages(inboxes_[&c].begin(), inboxes_[&c].end());
        inboxes_[&c].clear();
        for (std::string& m : c.take_messages()) messages.push_back(std::move(m));
        return messages;
    }
    bool ends(EngineClient& c) {
        return loop_.run_until([&] { return c.saw_end(); });
    }
    void pass(std::chrono::milliseconds time) {
        clock_.advance(time);
        loop_.settle();
    }

    FakeClock clock_;
    SeededRandom random_{1};
    const CorsPolicy cors_{{.origins = {"https://a.example"}}};
    std::unique_ptr<EngineLane> lanes_[2];
    ReactorLoop loop_;
    std::vector<std::unique_ptr<EngineClient>> clients_;
    std::map<EngineClient*, std::deque<std::string>> inboxes_;
};

}  // namespace eventbus
