#pragma once

#include <chrono>

#include <sys/types.h>

namespace bench {

// The CPU time that all living threads of a process have used, as the scheduler counts it (ns).
// Zero if there is no such process.
std::chrono::nanoseconds cpu_time(pid_t process);

}  // namespace bench
