#pragma once

#include "app/config.h"

namespace eventbus {

// `eventbus serve`: runs the server until SIGTERM or SIGINT; returns the process' exit code.
int serve(const Config& config);

}  // namespace eventbus
