// The limit that every test has.

#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>

namespace eventbus {
namespace {

// On a condition variable, since TSan delivers signals only within the calls that it knows.
[[gnu::noinline]] void hang_forever() {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    for (;;) never.wait(lock);
}

// Runs only where the next test asks for it.
TEST(TimeLimit, DISABLED_ATestThatHangs) {
    std::thread other(hang_forever);
    other.join();
}

TEST(TimeLimit, ATestThatHangsFailsWithTheStacksOfItsThreads) {
    FILE* const run = ::popen(
        "EVENTBUS_TEST_LIMIT_S=1 /proc/$PPID/exe --gtest_also_run_disabled_tests "
        "--gtest_filter=TimeLimit.DISABLED_ATestThatHangs 2>&1",
        "r");
    ASSERT_NE(run, nullptr);
    std::string said;
    std::array<char, 1'000> some{};
    while (std::fgets(some.data(), some.size(), run) != nullptr) said += some.data();

    EXPECT_NE(::pclose(run), 0);
    EXPECT_NE(said.find("TimeLimit.DISABLED_ATestThatHangs has not ended within 1 s"),
              std::string::npos)
        << said;
    EXPECT_NE(said.find("hang_forever"), std::string::npos) << said;
}

}  // namespace
}  // namespace eventbus
