#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/executor.h"

namespace eventbus {

// A reactor that is the thread which runs it; others may post to it.
class Loop final : public Executor {
 public:
    void post(Task task) override {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
        wake_.notify_one();
    }
    bool is_here() const override { return std::this_thread::get_id() == owner_; }

    // Runs tasks until `is_done` says so, and waits for them; the test's time limit ends it.
    template <class IsDone>
    void run_until(IsDone&& is_done) {
        while (!is_done()) {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return !tasks_.empty(); });
            Task task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
        }
    }

    // Runs what was posted so far.
    void run_all() {
        run_until([this] { return waiting() == 0; });
    }

    std::size_t waiting() const {
        const std::lock_guard lock(mutex_);
        return tasks_.size();
    }

 private:
    const std::thread::id owner_ = std::this_thread::get_id();
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Task> tasks_;
};

}  // namespace eventbus
