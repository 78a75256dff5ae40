#include "base/thread_usage.h"

#include <sys/resource.h>
#include <time.h>

#include "base/assert.h"

namespace eventbus {

std::chrono::nanoseconds thread_cpu_time() {
    timespec used{};
    BUS_ASSERT(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

std::uint64_t thread_waits() {
    rusage used{};
    BUS_ASSERT(::getrusage(RUSAGE_THREAD, &used) == 0);
    return static_cast<std::uint64_t>(used.ru_nvcsw);  // voluntary context switches
}

}  // namespace eventbus
