// The server that the public suites for Engine.IO v4 and Socket.IO v5 expect, on src/socketio
// alone:
//
//   /socket.io/   namespaces / and /custom: `auth` with the client's auth object on connect,
//                 `message` → `message-back`, `message-with-ack` → its acknowledgement.
//                 Beyond what the suites ask for, what a server does by itself:
//                 `question` → `question-back`, and what the client answers → `answer`;
//                 `burst`, COUNT, CHARS → so many `burst` events with a number and a string;
//                 `twice` → its acknowledgement, two times; `leave` and `close` → it does;
//                 `watch`, AUTH → its acknowledgement, and from then on, for each end of a socket
//                 that joined with this auth, a `gone` with the reason
//   /engine.io/   every message comes back as it was
//
// usage: eventbus_echo --listen HOST:PORT [--patient|--steady]
//   port 0: any; the line on standard output says which
//   --patient: for clients that may be busy: heartbeats of 25 s and 20 s, and not 300 ms and
//              200 ms; 4 s until a namespace is joined, and not 1 s; and `auth` right behind the
//              answer to CONNECT
//   --steady: the same, but a heartbeat every 300 ms

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "net/cors.h"
#include "net/endpoint.h"
#include "net/http_server.h"
#include "net/listener.h"
#include "net/reactor.h"
#include "socketio/engine.h"
#include "socketio/frames.h"
#include "socketio/server.h"

namespace eventbus {
namespace {

using std::chrono::milliseconds;

constexpr char kUsage[] = "usage: eventbus_echo --listen HOST:PORT [--patient|--steady]\n";
constexpr std::size_t kPayloadBytesMax = 1'000'000;
constexpr std::size_t kQueueBytesMax = 8 << 20;
constexpr milliseconds kConnectTimeout{1'000};
constexpr milliseconds kPatientConnectTimeout{4'000};

// The public suite waits for `auth` only after it has seen the answer to CONNECT, and misses what
// comes in one read with it. The reference's two writes come apart by themselves; ours are one.
constexpr auto kAuthDelay = milliseconds(25);  // a busy machine wakes a client in less

constexpr milliseconds kAnswerTimeout{1'000};  // of the client, to a question
constexpr std::size_t kBurstMax = 1'000;
constexpr std::size_t kBurstCharactersMax = 1'000'000;

class EngineEcho final : public EngineHandler {
 public:
    void on_open(Session&) override {}
    void on_text(Session& session, std::string_view message) override {
        session.send(text_frame("4" + std::string(message)));
    }
    void on_binary(Session& session, std::string_view message) override {
        session.send(binary_frame(message));
    }
    void on_upgraded(Session&) override {}
    void on_drained(Session&) override {}
    void on_receipt(Session&) override {}
    void on_close(Session&, CloseReason) override {}
};

// `begin` is the array's first element, or empty.
std::string array_of(std::string begin, const Arguments& arguments) {
    std::string json = "[" + std::move(begin);
    for (const std::string_view argument : arguments.json) {
        if (json.size() > 1) json += ',';
        json += argument;
    }
    return json + "]";
}

struct EchoSocket final : SocketData {
    explicit EchoSocket(std::string of) : auth(std::move(of)) {}
    const std::string auth;  // JSON
    bool is_greeted = false;
    std::string watches;  // the auth of those whose end it is told; empty: nobody's

    static EchoSocket& of(const Socket& socket) { return static_cast<EchoSocket&>(*socket.data); }
};

// The `auth` event, before all else.
void greet(Socket& socket) {
    EchoSocket& echo = EchoSocket::of(socket);
    if (!std::exchange(echo.is_greeted, true)) socket.emit("[\"auth\"," + echo.auth + "]");
}

void serve_echo(Namespace& nsp, Random& random, Reactor& reactor, milliseconds auth_delay) {
    nsp.on_connect([&, auth_delay](const std::shared_ptr<Connecting>& connecting) {
        const std::string auth = connecting->auth().empty() ? "{}" : connecting->auth();
        const auto socket =
            connecting->accept(random_token(random, 20), {}, std::make_unique<EchoSocket>(auth));
        if (!socket) return;
        if (auth_delay == milliseconds::zero()) return greet(*socket);
        reactor.post_at(reactor.now() + auth_delay, [weak = std::weak_ptr<Socket>(socket)] {
            if (const auto connected = weak.lock()) greet(*connected);
        });
    });
    nsp.on("message", [](Socket& socket, const Arguments& arguments, const Ack&) {
        greet(socket);
        socket.emit(array_of("\"message-back\"", arguments), arguments.attachments);
    });
    nsp.on("message-with-ack", [](Socket& socket, const Arguments& arguments, Ack ack) {
        greet(socket);
        ack(array_of({}, arguments), arguments.attachments);
    });
}

// The argument at `index`, if it is a whole number; else 0.
std::size_t number_at(const Arguments& arguments, std::size_t index) {
    if (index >= arguments.json.size()) return 0;
    const std::string_view text = arguments.json[index];
    std::size_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// What a server does by itself, when a client asks for it.
void serve_requests(Namespace& nsp) {
    nsp.on("question", [](Socket& socket, const Arguments& arguments, const Ack&) {
        const auto done = [weak = socket.weak_from_this()](Result<Arguments> answer) {
            const auto asker = weak.lock();
            if (!asker) return;
            if (!answer) {
                asker->emit(R"(["answer","there was none"])");
            } else {
                asker->emit(array_of("\"answer\"", *answer), answer->attachments);
            }
        };
        socket.emit_with_ack(array_of("\"question-back\"", arguments), kAnswerTimeout, done,
                             arguments.attachments);
    });
    nsp.on("burst", [](Socket& socket, const Arguments& arguments, const Ack&) {
        const std::size_t count = std::min(number_at(arguments, 0), kBurstMax);
        const std::string text(std::min(number_at(arguments, 1), kBurstCharactersMax), 'x');
        for (std::size_t at = 0; at < count; ++at) {
            socket.emit("[\"burst\"," + std::to_string(at) + ",\"" + text + "\"]");
        }
    });
    nsp.on("twice", [](Socket&, const Arguments&, Ack ack) {
        ack(R"(["first"])");
        ack(R"(["second"])");
    });
    const auto watchers = std::make_shared<std::vector<std::weak_ptr<Socket>>>();
    nsp.on("watch", [watchers](Socket& socket, const Arguments& arguments, Ack ack) {
        if (arguments.json.empty()) return;
        EchoSocket::of(socket).watches = arguments.json[0];
        watchers->push_back(socket.weak_from_this());
        ack("[]");
    });
    nsp.on_disconnect([watchers](Socket& gone, CloseReason reason) {
        std::erase_if(*watchers, [](const auto& watcher) { return watcher.expired(); });
        for (const auto& weak : std::vector(*watchers)) {
            const auto watcher = weak.lock();
            if (!watcher || EchoSocket::of(*watcher).watches != EchoSocket::of(gone).auth) continue;
            watcher->emit("[\"gone\",\"" + std::string(to_string(reason)) + "\"]");
        }
    });
    nsp.on("leave", [](Socket& socket, const Arguments&, const Ack&) { socket.disconnect(); });
    nsp.on("close", [](Socket& socket, const Arguments&, const Ack&) {
        socket.close(CloseReason::kServer);
    });
}

class Paths final : public HttpHandler {
 public:
    Paths(EngineServer& sockets, EngineServer& engine) : sockets_(sockets), engine_(engine) {}
    std::size_t body_bytes_max(const HttpRequest&) override { return kPayloadBytesMax; }
    std::unique_ptr<BodyWatch> watch_body(const HttpRequest& head) override {
        return (head.path == "/socket.io/" ? sockets_ : engine_).watch_body(head);
    }
    void complete(const HttpRequest* head, HttpResponse& response) override {
        engine_.complete(head, response);
    }
    void on_request(SharedExchange exchange) override {
        const std::string& path = exchange->request.path;
        if (path == "/socket.io/") return sockets_.on_request(std::move(exchange));
        if (path == "/engine.io/") return engine_.on_request(std::move(exchange));
        exchange->respond(text_response(404, "only /socket.io/ and /engine.io/ are here\n"));
    }

 private:
    EngineServer& sockets_;
    EngineServer& engine_;
};

Reactor* g_reactor = nullptr;  // for the signal

struct Patience {
    milliseconds connect_timeout = kConnectTimeout;
    milliseconds auth_delay = kAuthDelay;
};

int serve(const Endpoint& endpoint, const EngineSettings& settings, const Patience& patience) {
    const SystemClock clock;
    SystemRandom random;
    const CorsPolicy cors({.origins = {"*"}});
    Reactor reactor(0, clock);
    SocketServer sockets(reactor, {.connect_timeout = patience.connect_timeout});
    for (const char* name : {"/", "/custom"}) {
        serve_echo(sockets.of(name), random, reactor, patience.auth_delay);
        serve_requests(sockets.of(name));
    }
    EngineEcho echo;
    EngineServer socket_engine(reactor, random, sockets, cors, settings);
    EngineServer raw_engine(reactor, random, echo, cors, settings);
    Paths paths(socket_engine, raw_engine);
    HttpServer http(reactor, paths, {.queue_bytes_max = kQueueBytesMax});
    Result<ListenSocket> socket = ListenSocket::open(endpoint, true);
    if (!socket) {
        std::fprintf(stderr, "eventbus_echo: %s\n", socket.error().detail.c_str());
        return 1;
    }
    std::printf("listening on %s\n", to_string({endpoint.host, socket->port()}).c_str());
    std::fflush(stdout);
    Listener listener(reactor, std::move(*socket),
                      [&http](Stream stream) { http.serve(std::move(stream)); });

    g_reactor = &reactor;
    for (const int signal : {SIGINT, SIGTERM}) {
        std::signal(signal, [](int) { g_reactor->stop(); });
    }
    reactor.run();
    listener.stop();
    socket_engine.close_all();
    raw_engine.close_all();
    http.connections().close_all();
    reactor.run_once();  // what was put off to the end of the turn
    return 0;
}

}  // namespace
}  // namespace eventbus

int main(int count, char** words) {
    const std::string_view pace = count == 4 ? words[3] : "";
    const bool is_steady = pace == "--steady";
    const bool is_patient = pace == "--patient" || is_steady;
    if ((count != 3 && !is_patient) || std::string_view(words[1]) != "--listen") {
        std::fputs(eventbus::kUsage, stderr);
        return 2;
    }
    const auto endpoint = eventbus::parse_endpoint(words[2]);
    if (!endpoint) {
        std::fprintf(stderr, "eventbus_echo: %s\n", endpoint.error().detail.c_str());
        return 2;
    }
    eventbus::EngineSettings settings{.payload_bytes_max = eventbus::kPayloadBytesMax,
                                      .queue_bytes_max = eventbus::kQueueBytesMax};
    eventbus::Patience patience;
    if (is_patient) {
        patience = {eventbus::kPatientConnectTimeout, std::chrono::milliseconds(0)};
    } else {
        settings.ping_timeout = std::chrono::milliseconds(200);
    }
    if (is_steady || !is_patient) settings.ping_interval = std::chrono::milliseconds(300);
    return eventbus::serve(*endpoint, settings, patience);
}
