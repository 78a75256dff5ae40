#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace eventbus {

void assertion_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "eventbus: this must hold and does not: %s (%s:%d)\n", condition, file,
                 line);
    std::abort();
}

}  // namespace eventbus
