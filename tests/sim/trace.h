#pragma once

#include <concepts>
#include <cstdio>
#include <string>

namespace eventbus::sim {

inline bool is_traced = false;

// One line of what happens in a run, for who looks for the cause of a failure (--trace 1).
inline void trace(const char* line) {
    if (is_traced) std::fprintf(stderr, "%s\n", line);
}
// The same, of a line that is put together: only if somebody reads it.
template <std::invocable Line>
void trace(Line line) {
    if (is_traced) trace(std::string(line()).c_str());
}

}  // namespace eventbus::sim
