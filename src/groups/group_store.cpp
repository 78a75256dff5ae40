#include "groups/group_store.h"

#include <algorithm>
#include <utility>

namespace eventbus {

std::optional<GroupChange> set_back(StoredGroup& group, Position shared) {
    StoredState& state = group.state;
    if (std::max(state.cursor, state.seen_through) <= shared) return {};
    if (state.cursor > shared) group.set_back_from = std::exchange(state.cursor, shared);
    state.seen_through = state.cursor;
    state.unread = {};  // it is counted again
    GroupChange change{.key = group.key, .state = state};
    std::erase_if(group.in_flight, [&](const StoredFlight& flight) {
        const bool is_gone = flight.position > shared;
        if (is_gone) change.erased.push_back(flight.position);
        return is_gone;
    });
    return change;
}

}  // namespace eventbus
