#include "base/run_delay.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace eventbus {
namespace {

TEST(RunDelay, TwoThreadsOfOneProcessorWaitForEachOther) {
    const int cpu = ::sched_getcpu();
    std::atomic<bool> done{false};
    const auto stay_here = [cpu] {
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(static_cast<unsigned>(cpu), &only);
        return ::sched_setaffinity(0, sizeof only, &only) == 0;
    };
    std::chrono::nanoseconds waited{};
    std::thread other([&] {
        stay_here();
        while (!done.load(std::memory_order_relaxed)) {
        }
    });
    std::thread measured([&] {
        stay_here();
        const RunDelay delay;
        const auto before = delay.read();
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (waited < std::chrono::milliseconds(5) &&
               std::chrono::steady_clock::now() < give_up) {
            waited = delay.read() - before;
        }
    });
    measured.join();
    done = true;
    other.join();
    EXPECT_GE(waited, std::chrono::milliseconds(5));
}

}  // namespace
}  // namespace eventbus
