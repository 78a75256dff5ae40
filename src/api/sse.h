#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/principal.h"
#include "delivery/hub.h"
#include "delivery/receiver.h"
#include "net/connection.h"
#include "net/due_list.h"
#include "net/expiries.h"

namespace eventbus {

class Api;

// How the pieces of an answer without a length are told apart: HTTP/1.0 knows no chunks, and there
// the connection's end is the answer's.
enum class SseFraming : std::uint8_t { kChunks, kNone };

// Makes server-sent events (WHATWG HTML, 9.2), each a chunk, if there are chunks:
//
//   id: k3f9.42
//   event: photo:processing.completed
//   data: {"data":{…},"meta":{…}}
class SseEncoder final : public Encoder {
 public:
    SseEncoder(const Log& log, SseFraming framing) : log_(log), framing_(framing) {}
    SharedFrame encode(const Entry& entry, std::uint16_t variant, As as) override;

 private:
    const Log& log_;
    const SseFraming framing_;
};

// One open stream. Owned by its connection. Reactor.
class SseStream final : public Protocol, public Receiver, public Expiring {
 public:
    static constexpr auto kHeartbeat = std::chrono::seconds(15);  // balancers close after 60 s

    struct Joined {
        Room room;
        Position at;
    };
    SseStream(Api& api, Connection& connection, SseFraming framing);
    ~SseStream() override;

    // Begins to receive what is in `rooms`, after `after`.
    // `unknown_since`: why the place that the client gave is none; empty: it is one.
    void begin(const std::vector<Joined>& rooms, Position after, std::string_view unknown_since);
    // The rights to the rooms were told as of this place: what came since is obeyed.
    void evict_if_late(const std::vector<Joined>& rooms, Position as_of);

    // Ends it; an EventSource comes back by itself.
    void close();

    // Protocol: the client has nothing to say.
    void on_bytes(std::span<char>) override {}
    void on_drained() override;
    void on_closed() override;

    // Receiver
    bool push(const SharedFrame& frame) override { return connection_.push(frame); }
    bool has_room() override { return connection_.has_room(); }
    void on_caught_up(std::uint64_t) override {}
    void on_gap(Position from, Position to) override;
    void on_history_given(const Room&) override {}
    void on_evicted(std::string_view subject, Position at) override;

 private:
    void on_expired() override { close(); }
    void on_heartbeat_due();
    void send(std::string text);

    Api& api_;
    Connection& connection_;
    const SseFraming framing_;
    std::optional<ReceiverId> receiver_;
    MemberDue<SseStream, &SseStream::on_heartbeat_due> heartbeat_{*this};
};

}  // namespace eventbus
