#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace eventbus {

// SIGTERM, SIGINT and SIGHUP of this process. They are taken by a thread of their own, so that a
// stop ends in any case: if the process is still there `stop_limit` after it was asked to stop,
// whatever the main thread waits for (a disk that does not answer holds it in a sync), a line says
// what hangs and the process ends with 1; half a second later if the line hangs, too, as in a file
// on that disk. Whatever was acknowledged is on disk by then.
//
// Thread: the main thread makes it before all other threads, which inherit that the signals are
//         blocked, calls it, and destroys it after all that can hang.
class Signals {
 public:
    enum class Asked { kReload, kStop };

    // `data` is what to look at when a stop hangs, unless the stage says else: the data directory.
    Signals(std::chrono::milliseconds stop_limit, const std::string& data);
    ~Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    // Waits for the next signal. Several SIGHUP that came during one reload are one.
    Asked wait();

    // What the main thread does from now on, for that line: "while the log is opened". `file`: what
    // it reads for that, which may be a pipe or lie on another disk; empty: the data directory.
    void enter(std::string stage, std::string file = {});

 private:
    void run();
    [[noreturn]] void give_up();

    const std::chrono::milliseconds stop_limit_;
    const std::string disk_;  // what to look at
    std::atomic<bool> is_over_{false};
    std::mutex mutex_;
    std::condition_variable asked_;
    bool reload_ = false;  // under mutex_, as what follows
    bool stop_ = false;
    std::string stage_ = "at the start";
    std::string file_;
    std::thread thread_;  // last: it uses the rest
};

}  // namespace eventbus
