#include "base/thread_usage.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include <atomic>

#include "base/assert.h"

namespace eventbus {
namespace {

// Of the process, as the signal is.
std::atomic<std::uint64_t> stops_seen{0};

sigset_t only_sigcont() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCONT);
    return set;
}

}  // namespace

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

void watch_process_stops() {
    const sigset_t set = only_sigcont();
    BUS_ASSERT(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
}

// A blocked SIGCONT still lets the process go on, and is pending before the first thread runs
// again: a handler could come too late for the thread that asks.
std::uint64_t process_stops() {
    const sigset_t set = only_sigcont();
    const timespec at_once{};
    if (::sigtimedwait(&set, nullptr, &at_once) == SIGCONT) ++stops_seen;
    return stops_seen;
}

}  // namespace eventbus
