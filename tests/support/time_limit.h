#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace eventbus {

// Ends the process if it is not destroyed in time, with a failure and the stacks of all threads:
// what hangs says where.
class TimeLimit {
 public:
    TimeLimit(std::string what, std::chrono::seconds limit);
    ~TimeLimit();
    TimeLimit(const TimeLimit&) = delete;
    TimeLimit& operator=(const TimeLimit&) = delete;

 private:
    std::mutex mutex_;
    std::condition_variable ends_;
    bool has_ended_ = false;
    std::thread thread_;
};

}  // namespace eventbus
