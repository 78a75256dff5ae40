#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "event/plan.h"
#include "log/offset.h"

namespace eventbus {

// Where an entry goes: a room and the payload that its members see.
struct Delivery {
    Room room;
    std::uint16_t variant = 0;  // as in Target
};

// That `who` no longer may watch `subject` from this entry on.
struct Eviction {
    std::string subject;
    Room who;  // a user, a role, or everyone: whoever may not by another right
};

// One place of the log, bound and immutable: an event, whom it goes to, and what each of them sees.
struct Entry {
    Position position;
    Event event;
    std::string name;
    std::vector<std::string> variants;
    std::vector<Delivery> deliveries;  // in the order of the audience
    std::vector<Eviction> evictions;   // delivery obeys them before it delivers the event
    Durability durability = Durability::kDurable;
    bool latest = false;
    Retention retention;
    std::string publisher;
    bool has_client_id = false;
    std::uint64_t content_hash = 0;
    bool unowned = false;  // it was for an owner whom nobody has named yet
    std::chrono::steady_clock::time_point published_at{};  // not stored; for the latency histogram

    const std::string& payload(std::uint16_t variant) const {
        return variant == 0 ? event.data : variants[variant - 1U];
    }
};
using SharedEntry = std::shared_ptr<const Entry>;

// Bytes of memory that the entry takes, about.
std::size_t memory_of(const Entry& entry);

// Calls visit(const Room&) for the rooms in which `entry` may be shown: those that it goes to, its
// subject's, and the pattern that is exactly its type. May repeat itself.
template <class Visit>
void for_each_room(const Entry& entry, Visit&& visit) {
    for (const Delivery& delivery : entry.deliveries) visit(delivery.room);
    if (!entry.event.subject.empty()) visit(Room::subject(entry.event.subject));
    visit(Room::pattern(entry.event.type));
}

}  // namespace eventbus
