#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "base/executor.h"

namespace eventbus {

// Tasks that run when the test says so, on its thread. One thread.
class FakeExecutor final : public Executor {
 public:
    void post(Task task) override { tasks_.push_back(std::move(task)); }
    bool is_here() const override { return true; }

    // Runs the first task; false if there is none.
    bool run_one() {
        if (tasks_.empty()) return false;
        Task task = std::move(tasks_.front());
        tasks_.pop_front();
        task();
        return true;
    }

    // Runs tasks, those that they post included, until there is none.
    void run_all() {
        while (run_one()) {
        }
    }

    std::size_t waiting() const { return tasks_.size(); }

 private:
    std::deque<Task> tasks_;
};

}  // namespace eventbus
