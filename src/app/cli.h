#pragma once

namespace eventbus {

// The whole of main(): reads the command line, runs one command, and returns its exit code.
// 0: done; 1: it could not be done; 2: the command line or the settings are wrong.
int run_command_line(int argc, const char* const* argv);

}  // namespace eventbus
