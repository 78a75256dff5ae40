#pragma once

#include <chrono>
#include <cstdint>

namespace eventbus {

// What the calling thread has used since it began: tells a long step with too much in it from one
// during which others had the processor, be they threads of this machine or other machines of the
// same host.

// Time on a processor, from the scheduler's clock, which leaves out what a hypervisor took (where
// it says so, as KVM and Xen do). A system call, 0.6 µs.
std::chrono::nanoseconds thread_cpu_time();

// How many times it waited in the kernel for something else than a processor. A system call, 0.4
// µs.
std::uint64_t thread_waits();

// A thread of a process that was stopped has waited, too, and not by its own doing. Blocks SIGCONT
// for the calling thread and those that it starts, so that process_stops() finds what has come.
void watch_process_stops();

// How many times the process went on after a stop (SIGSTOP, Ctrl-Z), as far as somebody has asked
// since: those between two calls count as one. A system call, 0.3 µs.
std::uint64_t process_stops();

}  // namespace eventbus
