#pragma once

#include <cstddef>

#include "base/result.h"

namespace eventbus {

inline constexpr std::size_t kOperatorsConnectionsMax = 64;  // to the admin address

// Who gets how many of the files that a process may have open. A store without a descriptor cannot
// write, so what stores and reactors need is kept back from connections.
struct Descriptors {
    std::size_t limit = 0;
    std::size_t kept = 0;         // limit - connections
    std::size_t connections = 0;  // as many as may be open at once
    std::size_t table_files = 0;  // of what is kept: tables that all stores together hold open
};

// Of `limit`, where `open_now` are open already. Errors: kUnavailable: too few to run with; says
// how many it takes.
Result<Descriptors> share_descriptors(std::size_t limit, std::size_t open_now,
                                      std::size_t reactors);

// Raises the limit of this process as far as it may, and shares it out. Says so in one line, which
// warns if `connections_max` is more than there is room for.
Result<Descriptors> take_descriptors(std::size_t reactors, std::size_t connections_max);

// A descriptor below 3 that is closed would be the next file's: what is printed would go into it.
void guard_standard_descriptors();

}  // namespace eventbus
