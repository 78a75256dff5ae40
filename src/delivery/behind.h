#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "delivery/receiver.h"
#include "delivery/rooms.h"
#include "event/room.h"
#include "log/position.h"

namespace eventbus {

// One stretch of the log that a member is owed.
struct Stretch {
    Position at;                    // it was given everything up to here
    Position until = kEndOfTime;    // of a history; else up to the cursor, and then it is live
    std::optional<Room> only = {};  // a history of this room
    std::uint64_t sure_of = 0;      // Page::losses: whether these were its own is known, and told
    Position told_lost = {};        // on_gap() was told of losses up to here

    bool is_history() const { return only.has_value(); }
    // As what `receiver` gets its entries. The text of the topic lives as long as `only`.
    Encoder::As as(const Receiver& receiver) const {
        if (!is_history()) return Encoder::As::in_order();
        return Encoder::As::history(receiver.wants_topics() ? only->name() : std::string_view());
    }
};

// The first entry that takes, or may take, a right to watch `subject` from a member, which has not
// come to it yet.
struct Loss {
    std::string subject;
    Position at;
};

// What a member that is behind is owed, and what it waits for.
struct Behind {
    enum class Waits : std::uint8_t {
        kForItsTurn,  // to be looked at
        kForPage,     // it stands at its place
        kInWalk,      // it is given what a page has
        kAside,       // the same, after others
        kForLosses,   // until it is known whether what was lost could have been for it
        kForRoom,     // until drained()
        kForAnswer,   // until release(): it is held
    };
    static constexpr std::size_t kPageEntries = 512;
    static constexpr std::size_t kPageEntriesMin = 16;

    std::vector<Stretch> stretches;  // histories, and last what goes on live
    std::vector<Loss> losses;        // ahead of the last stretch; one a subject at most
    Waits waits = Waits::kForItsTurn;
    std::vector<ReceiverId>* list = nullptr;  // in which it waits, if in any
    std::size_t slot = 0;                     // in that
    Position stands_at;                       // kForPage
    std::uint64_t missed = 0;                 // pushed so far
    bool tells = false;                       // on_caught_up()
    std::size_t page_entries = kPageEntries;  // less when a page found too little room
    std::uint64_t sought_after = 0;           // pages whose reading began later have all of its

    Stretch& front() { return stretches.front(); }
    const Stretch& front() const { return stretches.front(); }
    const Stretch& in_order() const { return stretches.back(); }

    Position first_loss() const {
        Position first = kEndOfTime;
        for (const Loss& loss : losses) first = std::min(first, loss.at);
        return first;
    }
    // The end of its first stretch, as far as it may go.
    Position end() const { return front().is_history() ? front().until : first_loss() - 1; }
};

}  // namespace eventbus
