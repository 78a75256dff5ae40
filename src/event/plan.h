#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "event/event.h"
#include "event/room.h"

namespace eventbus {

enum class Durability : std::uint8_t { kDurable, kTransient };

// One line of an audience: who gets which payload. The owner is a symbol until bind() names it.
struct Target {
    enum class To : std::uint8_t { kRoom, kOwner };
    To to = To::kRoom;
    Room room = Room::everyone();  // of kRoom
    std::uint16_t variant = 0;     // into Plan::variants, counted from 1; 0 is Event::data itself
};

// That an event lets somebody watch its subject, or no longer.
struct GrantChange {
    Room who = Room::everyone();  // user or role
    bool revoke = false;
};

// How long entries of one type are kept.
struct Retention {
    std::chrono::seconds age{0};
    std::uint64_t bytes_max = 0;  // of this type; 0: no bound of its own
};

// What plan() made of an event and the catalog, before its place in the log is known: the pure half
// of routing.
struct Plan {
    Event event;                        // complete: id, source, subject and time are filled in
    std::string name;                   // on the wire
    std::vector<std::string> variants;  // payloads that differ from event.data; JSON objects
    std::vector<Target> audience;  // read from the top; a receiver gets the first that names it
    std::string owner;             // id of the user whom this event names as owner, or empty
    bool transfer = false;         // `owner` may replace another owner
    bool disown = false;           // ends what is known of the subject: its owner and its grants
    std::vector<GrantChange> grants;
    Durability durability = Durability::kDurable;
    bool latest = false;
    Retention retention;

    std::string publisher;       // the principal's key: "service:api", "user:ID"
    bool has_client_id = false;  // event.id came from the publisher: repeats are looked for
    std::uint64_t content_hash =
        0;  // of what the publisher sent: the same id with another is refused
    // The publisher, a user, must own the subject, or be named by this event as its first owner.
    bool publisher_must_own = false;
};

}  // namespace eventbus
