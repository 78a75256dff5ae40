// The main() of all unit tests: each test has a time limit.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>

#include "support/time_limit.h"

namespace eventbus {
namespace {

// The slowest takes some seconds, and ten times as many under TSan on a busy machine.
constexpr std::chrono::seconds kLimit{150};

class LimitsEachTest final : public testing::EmptyTestEventListener {
 public:
    LimitsEachTest() {
        if (const char* const limit = std::getenv("EVENTBUS_TEST_LIMIT_S")) {
            limit_ = std::chrono::seconds(std::atoi(limit));
        }
    }
    void OnTestStart(const testing::TestInfo& test) override {
        running_ = std::make_unique<TimeLimit>(
            std::string(test.test_suite_name()) + "." + test.name(), limit_);
    }
    void OnTestEnd(const testing::TestInfo&) override { running_.reset(); }

 private:
    std::chrono::seconds limit_ = kLimit;
    std::unique_ptr<TimeLimit> running_;
};

}  // namespace
}  // namespace eventbus

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    testing::UnitTest::GetInstance()->listeners().Append(new eventbus::LimitsEachTest);
    return RUN_ALL_TESTS();
}
