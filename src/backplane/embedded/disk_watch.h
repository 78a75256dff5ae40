#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "base/counters.h"

namespace eventbus {

// Whether the disk of a store answers. A disk that stalls lets the writer wait in the middle of a
// write, for seconds or for good, and no error comes; so another thread looks whether the writer
// gets on, says when it does not, and when it does again.
//
// It counts looks, not time: of a process that was stopped meanwhile nobody can say what its disk
// did.
//
// Thread:  wait() the writer; the others any.
// Cost:    two increments for a wait; kLooks looks in `stalled_after`.
class DiskWatch {
 public:
    static constexpr int kLooks = 5;  // that find the same wait, and it is a stall

    // `store` as in "the log", for what is said.
    DiskWatch(std::string store, std::chrono::milliseconds stalled_after);
    ~DiskWatch();
    DiskWatch(const DiskWatch&) = delete;
    DiskWatch& operator=(const DiskWatch&) = delete;

    // The writer may wait for the disk while it holds one; not one in another.
    class Wait {
     public:
        explicit Wait(DiskWatch& watch) : watch_(watch) { ++watch_.turns_; }
        ~Wait() { ++watch_.turns_; }
        Wait(const Wait&) = delete;
        Wait& operator=(const Wait&) = delete;

     private:
        DiskWatch& watch_;
    };

    // How long the writer has waited, if that is a stall; else 0.
    std::chrono::milliseconds stalled_for() const { return stalled_for_.load(); }
    const Counter& stalls() const { return stalls_; }

 private:
    void run();
    void look();

    const std::string store_;
    const std::chrono::milliseconds look_every_;
    std::atomic<std::uint64_t> turns_{0};  // odd: the writer waits
    std::atomic<std::chrono::milliseconds> stalled_for_{std::chrono::milliseconds(0)};
    Counter stalls_;

    // The watch's own.
    std::uint64_t seen_ = 0;  // of turns_, at the last look
    int looks_ = 0;           // that have found that wait again

    std::mutex mutex_;
    std::condition_variable wake_;
    bool is_ending_ = false;
    std::thread thread_;  // last: it uses all the others
};

}  // namespace eventbus
