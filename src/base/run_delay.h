#pragma once

#include <chrono>

namespace eventbus {

// How long one thread could have run and was not let to, since others had the processor: what makes
// a long turn of a busy machine differ from a turn with too much in it. From Linux's
// /proc/thread-self/schedstat; without it (rare kernels) always 0.
//
// Thread: the one that constructs it.
// Cost:   read() is a system call, about a microsecond.
class RunDelay {
 public:
    RunDelay();
    ~RunDelay();
    RunDelay(const RunDelay&) = delete;
    RunDelay& operator=(const RunDelay&) = delete;

    // Since the thread began.
    std::chrono::nanoseconds read() const;

 private:
    int descriptor_;
};

}  // namespace eventbus
