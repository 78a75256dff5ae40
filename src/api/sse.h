#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admission/guest.h"
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
    SharedFrame encode(const Entry& entry, std::uint16_t variant, const As& as) override;

 private:
    const Log& log_;
    const SseFraming framing_;
};

// One open stream. Owned by its connection. Reactor.
class SseStream final : public Protocol, public Guest, public Expiring {
 public:
    static constexpr auto kHeartbeat = std::chrono::seconds(15);  // balancers close after 60 s
    static constexpr auto kComesBackAfter = std::chrono::milliseconds(2'000);

    SseStream(Api& api, Connection& connection, SseFraming framing, const Admitted& admitted);
    ~SseStream() override;

    // Begins to receive. `has_topics`: it watches some, and ends with the right to any.
    void open(const Admitted& admitted, bool has_topics);

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

 private:
    // Guest
    void tell_unknown(const Admitted::Unknown& unknown, Position goes_on) override;
    void tell_ended(std::string_view topic, const Error& error) override;
    void tell_gap(Position from, Position to) override;
    void close_for_take_over() override { close(); }

    void on_expired() override;
    void on_heartbeat_due();
    void send_place(Position place);
    void send(std::string text);

    Api& api_;
    Connection& connection_;
    const SseFraming framing_;
    bool has_topics_ = false;
    MemberDue<SseStream, &SseStream::on_heartbeat_due> heartbeat_{*this};
};

}  // namespace eventbus
