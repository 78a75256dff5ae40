#pragma once

#include <sys/socket.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/http_server.h"
#include "net/listener.h"
#include "support/raw_client.h"

namespace eventbus {

// Answers as the test says; by default with the path and the body.
class Script final : public HttpHandler {
 public:
    std::size_t body_bytes_max(const HttpRequest&) override { return body_max; }
    void on_request(SharedExchange exchange) override {
        paths.push_back(exchange->request.path);
        clients.push_back(exchange->request.client.text());
        if (act) return act(std::move(exchange));
        exchange->respond(text_response(200, exchange->request.path + exchange->request.body));
    }
    void complete(const HttpRequest* head, HttpResponse& response) override {
        response.headers.set("Completed", head == nullptr ? "unread" : head->path);
    }

    std::size_t body_max = 100;
    std::vector<std::string> paths;
    std::vector<std::string> clients;
    std::function<void(SharedExchange)> act;
};

// An HTTP server on a reactor with a port of its own.
struct Served {
    Served(std::size_t index, Clock& clock, HttpSettings settings, Strangers* strangers = nullptr)
        : reactor(index, clock), server(reactor, script, std::move(settings), strangers) {
        Result<ListenSocket> socket = ListenSocket::open({"127.0.0.1", 0}, true);
        BUS_ASSERT(socket.has_value());
        port = socket->port();
        listener = std::make_unique<Listener>(reactor, std::move(*socket), [this](Stream stream) {
            server.serve(std::move(stream));
        });
    }

    // A connection whose kernel holds some hundred kilobytes of what the client sends.
    RawClient roomy_client() {
        std::array<int, 2> ends{};
        BUS_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        const int bytes = 400 * 1024;
        ::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        server.serve(Stream(ends[0]));
        return RawClient(ends[1]);
    }

    Reactor reactor;
    Script script;
    HttpServer server;
    std::uint16_t port = 0;
    std::unique_ptr<Listener> listener;
};

}  // namespace eventbus
