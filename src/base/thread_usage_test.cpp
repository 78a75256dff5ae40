#include "base/thread_usage.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "support/undisturbed.h"

namespace eventbus {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(ThreadUsage, CountsWorkAsProcessorTimeAndNotAsWaiting) {
    EXPECT_TRUE(in_an_undisturbed_run([] {
        const auto began = steady_clock::now();
        const auto cpu_before = thread_cpu_time();
        const auto waits_before = thread_waits();
        while (thread_cpu_time() - cpu_before < milliseconds(5)) {
        }
        const bool took_as_long =  // the two clocks' speeds may differ
            steady_clock::now() - began >= milliseconds(4);
        return took_as_long && thread_waits() == waits_before;
    }));
}

TEST(ThreadUsage, CountsSleepAsWaitingAndNotAsProcessorTime) {
    EXPECT_TRUE(in_an_undisturbed_run([] {
        const auto cpu_before = thread_cpu_time();
        const auto waits_before = thread_waits();
        std::this_thread::sleep_for(milliseconds(10));
        return thread_cpu_time() - cpu_before < milliseconds(5) &&
               thread_waits() == waits_before + 1;
    }));
}

// Another thread's work is not this one's: it waits in the kernel for its end, once or more often.
TEST(ThreadUsage, IsOfTheCallingThreadAlone) {
    EXPECT_TRUE(in_an_undisturbed_run([] {
        const auto cpu_before = thread_cpu_time();
        std::thread other([] {
            const auto before = thread_cpu_time();
            while (thread_cpu_time() - before < milliseconds(10)) {
            }
        });
        other.join();
        return thread_cpu_time() - cpu_before < milliseconds(5);
    }));
}

TEST(ThreadUsage, AStopOfTheProcessIsCountedOnceItGoesOn) {
    EXPECT_TRUE(in_a_process_of_its_own([] {
        watch_process_stops();
        const bool none_yet = process_stops() == 0;
        ::raise(SIGSTOP);
        return none_yet && process_stops() == 1 && process_stops() == 1;
    }));
}

}  // namespace
}  // namespace eventbus
