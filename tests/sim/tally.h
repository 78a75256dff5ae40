#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace eventbus::sim {

// Things that happen in a run, as clients, services and members of the group learn of them.
enum class Happened : std::size_t {
    kPublished,     // acknowledged
    kEvent,         // given in order
    kHistoryEvent,  // given as part of a history
    kSubscribed,
    kUnsubscribed,
    kResumed,
    kRefreshed,  // another token was taken
    kPlace,      // it was told where it stands
    kForgotten,  // a session or a place is unknown
    kEnded,      // a right, of a client that was in the room or comes back for it
    kGap,
    kReceipt,  // of all that was sent before it
    kAcked,    // by a member of the group
};
inline constexpr std::size_t kHappenings = 13;

// Counts for all seeds, whichever process runs them. To be called once, before the first fork.
void begin_tally();
void count(Happened what);

std::string tally();
// What happened too rarely in so many seeds; empty: nothing. A server that refuses everybody loses
// nothing, so no other judge would notice.
std::string too_rare(std::uint64_t seeds);

}  // namespace eventbus::sim
