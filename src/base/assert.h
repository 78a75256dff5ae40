#pragma once

namespace eventbus {

// Writes the condition and its place to standard error and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace eventbus

// What must hold: arguments, invariants, both sides of a border. Stays on in production. Never on
// what a client, a file or Redis can cause: that is an Error.
#define BUS_ASSERT(condition) \
    ((condition) ? void(0) : ::eventbus::assertion_failed(#condition, __FILE__, __LINE__))
