#pragma once

#include <functional>

#include "app/config.h"

namespace eventbus {

// The whole of main(): reads the command line, runs one command, and returns its exit code.
// 0: done; 1: it could not be done; 2: the command line or the settings are wrong.
// `serve` is the server, which is given its settings and returns its exit code.
int run_command_line(int argc, const char* const* argv,
                     const std::function<int(const Config&)>& serve);

}  // namespace eventbus
