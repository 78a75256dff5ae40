#include "base/thread_usage.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace eventbus {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(ThreadUsage, CountsWorkAsProcessorTimeAndNotAsWaiting) {
    const auto began = steady_clock::now();
    const auto cpu_before = thread_cpu_time();
    const auto waits_before = thread_waits();
    while (thread_cpu_time() - cpu_before < milliseconds(5)) {
    }
    EXPECT_GE(steady_clock::now() - began, milliseconds(4));  // the two clocks' speeds may differ
    EXPECT_EQ(thread_waits(), waits_before);
}

TEST(ThreadUsage, CountsSleepAsWaitingAndNotAsProcessorTime) {
    const auto cpu_before = thread_cpu_time();
    const auto waits_before = thread_waits();
    std::this_thread::sleep_for(milliseconds(50));
    EXPECT_LT(thread_cpu_time() - cpu_before, milliseconds(25));
    EXPECT_EQ(thread_waits(), waits_before + 1);
}

// Another thread's work is not this one's: it waits in the kernel for its end, once or more often.
TEST(ThreadUsage, IsOfTheCallingThreadAlone) {
    const auto cpu_before = thread_cpu_time();
    std::thread other([] {
        const auto before = thread_cpu_time();
        while (thread_cpu_time() - before < milliseconds(50)) {
        }
    });
    other.join();
    EXPECT_LT(thread_cpu_time() - cpu_before, milliseconds(25));
}

}  // namespace
}  // namespace eventbus
