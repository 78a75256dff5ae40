#pragma once

#include <cstdio>
#include <string>

namespace eventbus::sim {

inline bool is_traced = false;

// One line of what happens in a run, for who looks for the cause of a failure (--trace 1).
inline void trace(const std::string& line) {
    if (is_traced) std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace eventbus::sim
