#pragma once

#include <string>

#include "auth/seal.h"
#include "base/random.h"

namespace eventbus {

// The key of tickets for streams: DATA/ticket-key, made at the first start and readable by this
// user only, so that a browser that got a ticket before a restart comes back after it. Where the
// file cannot be read or written, a key for this process, and a warning that says why.
SealKey ticket_key(const std::string& data_dir, Random& random);

}  // namespace eventbus
