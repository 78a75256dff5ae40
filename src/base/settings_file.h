#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace eventbus {

// Reads a file that a setting names: settings, a catalog, a secret, a certificate. A pipe (as
// `<(…)` of a shell makes) or a device is read to its end, too, but it gets 3 s in all: nobody may
// ever write into it, and the start, a reload and the stop would wait with it.
//
// Any thread; takes memory for `bytes_max` at most.
// Errors: kTooLarge, it has more than `bytes_max` bytes; kBadRequest, it cannot be read, or did not
// end in time.
// The detail goes on a sentence that names the file: "cannot be read: Permission denied".
Result<std::string> read_settings_file(const std::string& path, std::size_t bytes_max);

}  // namespace eventbus
