#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "delivery/members.h"
#include "log/tail.h"

namespace eventbus {

// Who watches the eviction's subject and is who it is about. One that joined behind the eviction,
// too: its right may have been told as of before, and is only asked for again.
std::vector<ReceiverId> find_evicted(const Members& members, const Eviction& eviction);

// The first entry in (as_of, cursor] by which the member loses, or may lose, a right to watch
// `subject`: what is no longer in memory is not known.
std::optional<Position> eviction_after(const Members& members, const TailReader& reader,
                                       ReceiverId id, std::string_view subject, Position as_of);

}  // namespace eventbus
