#pragma once

#include <functional>
#include <span>
#include <string>

#include "backplane/embedded/database.h"
#include "base/result.h"
#include "log/binder.h"

namespace eventbus {

// Reads all keys in [from, to), at a start: on several threads if there are so many that it pays,
// which meet at the files that hold them.
//
// `take` gets them in parts, by any of those threads, several at once too; what it is given lives
// until it returns.
//
// Bounded: kThreadsMax threads, and a part of kPartBytes for each.
// Errors: what `take` returns, then the rest is not read; as Database::unreadable().
Result<> scan_wide(const Database& database, std::string from, std::string to,
                   const std::function<Result<>(std::span<StoredView>)>& take);

}  // namespace eventbus
