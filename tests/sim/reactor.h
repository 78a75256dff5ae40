#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/executor.h"
#include "log/tail.h"
#include "log/view.h"
#include "sim/clock.h"

namespace eventbus::sim {

// One thread of the server, of which the simulation runs a step at a time. Like the real one it
// sleeps when it has nothing to do, and then only a task, a timer or the tail wakes it.
//
// Thread: the simulation's; the threads of the embedded stores post to it and wake it.
class Reactor final : public Executor, public Tail::Waker {
 public:
    explicit Reactor(const SimClock& clock) : clock_(clock) {}

    // What ends each turn.
    void set_views(std::function<View::Next()> views) { views_ = std::move(views); }

    void post(Task task) override {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    bool is_here() const override { return std::this_thread::get_id() == home_ && is_here_; }
    void wake_if_asleep() override { is_awake_ = true; }
    void post_at(Clock::Time at, Task task) { timers_.emplace(at, std::move(task)); }

    // Whether a turn would do something now.
    bool has_work() {
        const std::lock_guard lock(mutex_);
        return !tasks_.empty() || is_awake_ || is_due();
    }
    // When it has something to do again even if nothing happens until then.
    std::optional<Clock::Time> next_time() const {
        std::optional<Clock::Time> next = views_at_;
        if (!timers_.empty() && (!next || timers_.begin()->first < *next)) {
            next = timers_.begin()->first;
        }
        return next;
    }

    // At most `tasks` tasks, the timers that are due, and a look at the log.
    void turn(std::size_t tasks) {
        is_here_ = true;
        for (; tasks > 0; --tasks) {
            Task task = take_task();
            if (!task) break;
            task();
        }
        while (!timers_.empty() && timers_.begin()->first <= clock_.peek()) {
            Task task = std::move(timers_.begin()->second);
            timers_.erase(timers_.begin());
            task();
        }
        is_awake_ = false;  // what wakes it from here on is seen by the next turn
        const View::Next next = views_();
        if (next.more != View::More::kNo) is_awake_ = true;
        views_at_ = next.at;
        is_here_ = false;
    }

    // The thread is gone, and what it was to do is never done.
    void forget() {
        const std::lock_guard lock(mutex_);
        tasks_.clear();
        timers_.clear();
    }

 private:
    Task take_task() {
        const std::lock_guard lock(mutex_);
        if (tasks_.empty()) return {};
        Task task = std::move(tasks_.front());
        tasks_.pop_front();
        return task;
    }
    bool is_due() const {
        const std::optional<Clock::Time> next = next_time();
        return next && *next <= clock_.peek();
    }

    const SimClock& clock_;
    const std::thread::id home_ = std::this_thread::get_id();
    std::function<View::Next()> views_;
    std::mutex mutex_;
    std::deque<Task> tasks_;  // under mutex_
    std::multimap<Clock::Time, Task> timers_;
    std::optional<Clock::Time> views_at_;
    std::atomic<bool> is_awake_{true};
    bool is_here_ = false;
};

}  // namespace eventbus::sim
