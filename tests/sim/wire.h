#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/result.h"
#include "log/position.h"

namespace eventbus::sim {

// What a server tells a client.
struct Connected {
    std::string pid;    // empty: it cannot be resumed
    Position frontier;  // what was visible then; no client sees this, only its judge
};
struct EventFrame {
    Position position;
    std::string place;  // what a client remembers; empty: a history's, behind its place
    std::string topic;  // of the history, if the client asked for that
};
struct Answer {
    std::uint64_t command = 0;
    std::optional<Error> error = {};
    Position from = {};  // of a subscribe: what comes after it will be sent; of a refresh, what was
                         // visible then: no client sees this, only its judge
};
// All that was missed has been given, and this is where the client stands.
struct CaughtUp {
    Position position;
    std::string place;
};
struct Unknown {
    std::string reason;
    Position to;
};
struct Ended {
    std::string topic;
    Error error;
};
struct Gap {
    Position from;
    Position to;
};
struct GroupEvent {
    Position position;
    std::string delivery;
    std::uint32_t attempt = 1;
};
struct Ping {
    std::uint64_t number = 0;
};
using Message =
    std::variant<Connected, EventFrame, Answer, CaughtUp, Unknown, Ended, Gap, GroupEvent, Ping>;

// One connection: what is under way from the server to a client, in order.
struct Pipe {
    static constexpr std::size_t kRoom = 8;  // has room for more of what was missed
    static constexpr std::size_t kMax = 48;  // past it the client is too slow

    std::deque<Message> messages;
    bool wants_place = false;
    bool is_arriving = true;  // its CONNECT was not answered
    bool is_cut = false;      // the client has gone; the server may not know
    bool is_closed = false;   // by the server
};
using SharedPipe = std::shared_ptr<Pipe>;

}  // namespace eventbus::sim
