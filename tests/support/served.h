#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/http_server.h"
#include "net/listener.h"

namespace eventbus {

// Answers as the test says; by default with the path and the body.
class Script final : public HttpHandler {
 public:
    std::size_t body_bytes_max(const HttpRequest&) override { return 100; }
    void on_request(SharedExchange exchange) override {
        paths.push_back(exchange->request.path);
        clients.push_back(exchange->request.client.text());
        if (act) return act(std::move(exchange));
        exchange->respond(text_response(200, exchange->request.path + exchange->request.body));
    }
    void complete(const HttpRequest* head, HttpResponse& response) override {
        response.headers.set("Completed", head == nullptr ? "unread" : head->path);
    }

    std::vector<std::string> paths;
    std::vector<std::string> clients;
    std::function<void(SharedExchange)> act;
};

// An HTTP server on a reactor with a port of its own.
struct Served {
    Served(std::size_t index, Clock& clock, HttpSettings settings)
        : reactor(index, clock), server(reactor, script, std::move(settings)) {
        Result<ListenSocket> socket = ListenSocket::open({"127.0.0.1", 0}, true);
        BUS_ASSERT(socket.has_value());
        port = socket->port();
        listener = std::make_unique<Listener>(reactor, std::move(*socket), [this](Stream stream) {
            server.serve(std::move(stream));
        });
    }

    Reactor reactor;
    Script script;
    HttpServer server;
    std::uint16_t port = 0;
    std::unique_ptr<Listener> listener;
};

}  // namespace eventbus
