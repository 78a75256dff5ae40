#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "net/endpoint.h"
#include "net/reactor.h"
#include "net/stream.h"

namespace eventbus {

// A listening socket. Several on one port share its connections (SO_REUSEPORT); the first one makes
// sure that nobody else has the port, which SO_REUSEPORT alone would silently share.
class ListenSocket {
 public:
    // Errors: kUnavailable: the address is in use, not ours, or not permitted; says which.
    static Result<ListenSocket> open(const Endpoint& endpoint, bool is_first);

    ListenSocket(ListenSocket&&) noexcept = default;
    ListenSocket& operator=(ListenSocket&&) noexcept = default;
    int descriptor() const { return stream_.descriptor(); }
    std::uint16_t port() const;  // the real one, if 0 was asked for

 private:
    explicit ListenSocket(int descriptor) : stream_(descriptor) {}
    Stream stream_;
};

// Accepts on a reactor. Out of descriptors, it pauses for a moment instead of spinning.
class Listener final : private Watcher {
 public:
    using Accept = std::function<void(Stream)>;
    Listener(Reactor& reactor, ListenSocket socket, Accept accept);
    ~Listener() { stop(); }
    void stop();

 private:
    void on_ready(std::uint32_t events) override;
    void warn_of(int why);
    void go_on_later();

    Reactor& reactor_;
    ListenSocket socket_;
    Accept accept_;
    bool is_watching_ = false;
    Clock::Time next_line_{};
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace eventbus
