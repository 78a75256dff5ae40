#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "event/room.h"
#include "log/offset.h"

namespace eventbus {

// Of SessionRecord::pid; a longer one names no session.
inline constexpr std::size_t kPidBytesMax = 24;

// What a node must know to let a socket go on after a drop, on any node.
struct SessionRecord {
    struct Joined {
        Room room;
        Position at;  // a resume shows nothing of this room from before it
    };

    std::string pid;        // unguessable; the key; at most kPidBytesMax
    std::string principal;  // Principal::key(): nobody else may go on with it
    std::string sid;        // the socket's id, which stays over a resume
    Position started_at;    // where a client that saw no event yet goes on
    std::vector<Joined> rooms;
    std::chrono::system_clock::time_point expires_at;
};

// Seam: sessions that survive their connection. Reactor.
class SessionStore {
 public:
    virtual ~SessionStore() = default;

    // Stores or replaces. `done` runs on `reply_to` once the record survives the end of this
    // process (not of the machine); it may run before put() returns.
    virtual void put(SessionRecord record, Executor& reply_to, Callback<Result<>> done) = 0;

    // Finds what has not expired. `done` runs on `reply_to`; it may run before find() returns.
    virtual void find(std::string_view pid, Executor& reply_to,
                      Callback<Result<std::optional<SessionRecord>>> done) = 0;

    virtual void erase(std::string_view pid) = 0;
};

}  // namespace eventbus
