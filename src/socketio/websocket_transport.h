#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/frame.h"
#include "net/connection.h"
#include "net/due_list.h"
#include "wire/websocket.h"

namespace eventbus {

class EngineServer;
class Session;
enum class CloseReason : std::uint8_t;

// A WebSocket that carries a session's packets, or probes whether it could. Owned by its
// connection.
//
// Bounded: what is done with one read, by Reactor::kSlice and the longest single message: a few
// bytes
//          that inflate to much, or many small messages, go on in the next turns, and meanwhile
//          nothing more is read.
class WebSocketTransport final : public Protocol {
 public:
    // `session` may be null: then all it does is to close.
    WebSocketTransport(EngineServer& server, Connection& connection, Session* session,
                       bool is_probe, bool is_deflated);

    Connection& connection() { return connection_; }

    // Queues a frame, compressed if that was agreed. As Connection::push().
    bool push(SharedFrame frame);

    // Fetches what push() will touch into the cache, one link of the way in each step from 0 on.
    void prefetch(int step) const;

    // It carries the session from now on.
    void become_transport();

    // Says goodbye behind what was sent; its session is not told.
    void close(std::uint16_t code, std::string_view reason);

    void on_bytes(std::span<char> bytes) override;
    void on_drained() override;
    void on_closed() override;

 private:
    // Of what was read: what is for the next turn.
    struct Held {
        std::string bytes;
        std::size_t taken = 0;
    };

    // Returns how many of the last bytes are left to the next turn.
    std::size_t take(std::span<char> bytes);
    void hold(std::unique_ptr<Held> held);
    void go_on();
    void on_ping(std::string_view payload);
    void on_text(std::string_view text);
    void on_probe_text(std::string_view text);
    void fail_as_packet(std::string_view why);
    void fail(std::uint16_t code, std::string_view why);
    void on_upgrade_due();

    EngineServer& server_;
    Connection& connection_;
    Session* session_;  // null once either has ended
    const bool is_deflated_;
    bool is_probe_;
    websocket::Decoder decoder_;
    std::unique_ptr<Held> held_;
    std::unique_ptr<MemberDue<WebSocketTransport, &WebSocketTransport::on_upgrade_due>>
        upgrade_due_;
};

}  // namespace eventbus
