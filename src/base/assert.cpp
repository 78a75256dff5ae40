#include "base/assert.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/write_line.h"

namespace eventbus {

void assertion_failed(const char* condition, const char* file, int line) {
    std::array<char, kLogLineBytesMax> said{};
    std::snprintf(said.data(), said.size(), "eventbus: this must hold and does not: %s (%s:%d)",
                  condition, file, line);
    write_line(STDERR_FILENO, said.data());
    std::abort();
}

}  // namespace eventbus
