// The load of bench/run: many sockets in one room, one publisher. Prints one line of JSON. Exits 1
// if an event was lost, repeated or out of order: a figure of a server that cheats is no figure.
#include <sys/epoll.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "load/client.h"
#include "load/process.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr std::size_t kHandshakesMax = 64;  // at once: below every server's backlog
constexpr auto kConnectTimeout = 60s;
constexpr auto kSettle = 500ms;  // what a server still does for the connects is not the fan-out's
constexpr auto kDrain = 10s;     // for the last events to arrive

struct Options {
    std::uint16_t port = 0;
    pid_t server = 0;
    std::size_t sockets = 1000;
    double rate = 20;  // events per second
    double seconds = 5;
    std::string tokens_file;  // a token a line: the first is the publisher's
    std::string subscribe;
    std::string answer = "430[";
    std::string publish;  // {seq} and {t} are filled in
};

nanoseconds now() { return Clock::now().time_since_epoch(); }

std::vector<std::string> read_lines(const std::string& path) {
    std::vector<std::string> lines;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

std::string replaced(std::string text, const std::string& name, std::int64_t value) {
    if (const std::size_t at = text.find(name); at != std::string::npos) {
        text.replace(at, name.size(), std::to_string(value));
    }
    return text;
}

// The integer behind `"key":`, or -1.
std::int64_t number_after(std::string_view text, std::string_view key) {
    const std::size_t at = text.find(key);
    if (at == std::string_view::npos) return -1;
    std::int64_t value = -1;
    std::from_chars(text.data() + at + key.size(), text.data() + text.size(), value);
    return value;
}

// The sockets of the room, with what each expects next.
class Room {
 public:
    explicit Room(const Options& options)
        : options_(options), tokens_(read_lines(options.tokens_file)) {
        epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
        if (epoll_ < 0) throw std::runtime_error("epoll_create1 failed");
    }

    void connect() {
        publisher_ = open(0, {auth(0), "", ""});
        sockets_.reserve(options_.sockets);
        const auto deadline = now() + kConnectTimeout;
        while (ready_ < options_.sockets + 1) {
            while (sockets_.size() < options_.sockets &&
                   sockets_.size() + 1 - ready_ < kHandshakesMax) {
                const std::size_t number = sockets_.size() + 1;
                sockets_.push_back(
                    {open(number, {auth(number), options_.subscribe, options_.answer})});
            }
            poll(10);
            if (now() > deadline) throw std::runtime_error("the sockets did not connect in time");
        }
    }

    void publish() {
        std::string packet =
            replaced(options_.publish, "{seq}", static_cast<std::int64_t>(published_));
        publisher_->send(replaced(std::move(packet), "{t}", now().count()));
        ++published_;
    }

    // Reads for at most `timeout_ms` whatever has come.
    void poll(int timeout_ms) {
        epoll_event ready[256];
        const int count = ::epoll_wait(epoll_, ready, 256, timeout_ms);
        for (int i = 0; i < count; ++i) {
            const std::uint64_t number = ready[i].data.u64;
            Client& client = number == 0 ? *publisher_ : *sockets_[number - 1].client;
            const bool was_ready = client.is_ready();
            const auto& events = client.read();
            if (!client.failure().empty()) throw std::runtime_error(client.failure());
            if (!was_ready && client.is_ready()) ++ready_;
            if (number == 0) continue;
            for (const std::string_view event : events) receive(sockets_[number - 1], event);
        }
    }

    bool has_all() const { return received_ >= published_ * sockets_.size(); }
    std::uint64_t published() const { return published_; }
    std::uint64_t received() const { return received_; }
    std::uint64_t out_of_order() const { return out_of_order_; }
    double bytes_per_event() const {
        return received_ ? static_cast<double>(bytes_) / static_cast<double>(received_) : 0;
    }

    // Microseconds from publish() to receipt that a share of all deliveries took at most.
    double latency_us(double share) {
        if (latencies_.empty()) return 0;
        const auto place =
            latencies_.begin() +
            static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies_.size() - 1));
        std::nth_element(latencies_.begin(), place, latencies_.end());
        return static_cast<double>(*place) / 1000;
    }

 private:
    struct Socket {
        std::unique_ptr<Client> client;
        std::int64_t expected = 0;
    };

    std::string auth(std::size_t number) const {
        if (tokens_.empty()) return "";
        return R"({"token":")" + tokens_[std::min(number, tokens_.size() - 1)] + R"("})";
    }

    std::unique_ptr<Client> open(std::size_t number, Script script) const {
        auto client = std::make_unique<Client>(options_.port, std::move(script));
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = number;
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, client->descriptor(), &event);
        return client;
    }

    void receive(Socket& socket, std::string_view event) {
        const std::int64_t seq = number_after(event, R"("seq":)");
        if (seq < 0) return;
        if (seq != socket.expected) ++out_of_order_;
        socket.expected = seq + 1;
        ++received_;
        bytes_ += event.size();
        latencies_.push_back(now().count() - number_after(event, R"("t":)"));
    }

    const Options& options_;
    const std::vector<std::string> tokens_;
    int epoll_ = -1;
    std::unique_ptr<Client> publisher_;
    std::vector<Socket> sockets_;
    std::size_t ready_ = 0;
    std::uint64_t published_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t out_of_order_ = 0;
    std::uint64_t bytes_ = 0;
    std::vector<std::int64_t> latencies_;
};

// Reads until `end` or until all has come, whichever is first.
void read_until(Room& room, nanoseconds end, bool stop_when_complete) {
    while (now() < end && !(stop_when_complete && room.has_all())) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - now()).count();
        room.poll(static_cast<int>(std::clamp<std::int64_t>(left, 0, 20)));
    }
}

int run(const Options& options) {
    Room room(options);
    room.connect();
    read_until(room, now() + kSettle, false);

    const auto events = static_cast<std::int64_t>(options.rate * options.seconds);
    const nanoseconds cpu_before = cpu_time(options.server);
    const nanoseconds began = now();
    for (std::int64_t i = 0; i < events; ++i) {
        const double due_ns = static_cast<double>(i) * 1e9 / options.rate;
        read_until(room, began + nanoseconds(static_cast<std::int64_t>(due_ns)), false);
        room.publish();
    }
    read_until(room, now() + kDrain, true);
    const nanoseconds cpu = cpu_time(options.server) - cpu_before;

    const std::uint64_t expected = room.published() * options.sockets;
    const bool exact = room.received() == expected && room.out_of_order() == 0;
    std::printf(R"({"sockets":%zu,"published":%)" PRIu64 R"(,"received":%)" PRIu64
                R"(,"expected":%)" PRIu64 R"(,"out_of_order":%)" PRIu64
                R"(,"bytes_per_event":%.0f,"cpu_us_per_delivery":%.3f,)"
                R"("p50_us":%.0f,"p99_us":%.0f,"exact":%s})"
                "\n",
                options.sockets, room.published(), room.received(), expected, room.out_of_order(),
                room.bytes_per_event(),
                static_cast<double>(cpu.count()) / 1000 /
                    static_cast<double>(std::max<std::uint64_t>(room.received(), 1)),
                room.latency_us(0.5), room.latency_us(0.99), exact ? "true" : "false");
    return exact ? 0 : 1;
}

// A descriptor a socket: the usual soft limit of 1024 is too small.
void raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    bench::Options options;
    CLI::App app("Many sockets in one room, one publisher: server CPU time per delivery.");
    app.add_option("--port", options.port, "the server's port on 127.0.0.1")->required();
    app.add_option("--server", options.server, "its process id")->required();
    app.add_option("--sockets", options.sockets, "in the room")->capture_default_str();
    app.add_option("--rate", options.rate, "events per second")->capture_default_str();
    app.add_option("--seconds", options.seconds, "of publishing")->capture_default_str();
    app.add_option("--tokens", options.tokens_file, "a token a line, the publisher's first");
    app.add_option("--subscribe", options.subscribe, "packet that joins the room")->required();
    app.add_option("--answer", options.answer, "how its answer begins")->capture_default_str();
    app.add_option("--publish", options.publish, "packet with {seq} and {t}")->required();
    CLI11_PARSE(app, argc, argv);
    try {
        bench::raise_descriptor_limit();
        return bench::run(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_fanout: %s\n", error.what());
        return 2;
    }
}
