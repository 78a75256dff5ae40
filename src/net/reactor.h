#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "base/executor.h"
#include "net/batch_sender.h"
#include "net/due_list.h"
#include "net/input_sweep.h"
#include "net/stream.h"

namespace eventbus {

// Something with a descriptor that a reactor watches.
class Watcher {
 public:
    // `events` as of epoll: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR. May delete itself.
    virtual void on_ready(std::uint32_t events) = 0;

 protected:
    ~Watcher() = default;
};

// Something that has bytes to write at the end of the turn.
class Flushable {
 public:
    // Writes what it has.
    virtual void flush() = 0;

    // Offers what it has for a send in company: sets the first of `pieces`, which live until
    // sent(), and returns how many; closes nothing meanwhile. 0: it is to be flushed by itself.
    virtual std::size_t offer(std::span<std::string_view> /*pieces*/, int& /*descriptor*/) {
        return 0;
    }

    // What became of what it offered.
    virtual void sent(Stream::Outcome /*outcome*/) {}

    // Fetches its first lines into the cache.
    void prefetch() const {
        const auto* const line = reinterpret_cast<const char*>(this);
        for (std::size_t at = 0; at < kPrefetchBytes; at += 64) __builtin_prefetch(line + at, 1);
    }

 protected:
    ~Flushable() = default;

 private:
    friend class Reactor;
    static constexpr std::size_t kPrefetchBytes = 192;
    std::size_t flush_place_ = 0;  // into the reactor's list, counted from 1
};

// One thread's event loop on epoll. A turn is: what is ready, what was posted, what is due, the
// turn's hooks (delivery), and at the end one write for each connection that has something to say.
//
// Thread:  run() makes the calling thread the reactor's; post(), wake_if_asleep() and stop() from
//          any thread; all else from the reactor's, or before run().
// Bounded: what is ready, what was posted and the writes have kSlice each in a turn, and what is
//          left goes on in the next; so a turn takes some slices and the longest single step.
// Timers:  wait until what had come before they were due has been seen (InputSweep): nobody's time
//          runs out on an answer that lies in a socket.
// Cost:    a post to a reactor that is awake is a lock and a push; to one that sleeps, an eventfd
//          write more (20 µs of CPU on an idle virtual machine: avoid it).
class Reactor final : public Executor {
 public:
    static constexpr auto kSlice = std::chrono::microseconds(500);

    // The time that one part of a turn has. Begins when it is first asked, so that a short part
    // does not look at the clock.
    class Slice {
     public:
        explicit Slice(const Clock& clock) : clock_(&clock) {}
        static Slice unlimited() { return Slice(); }
        bool is_over() {
            if (clock_ == nullptr) return false;
            const Clock::Time now = clock_->now();
            if (end_ == Clock::Time{}) end_ = now + kSlice;
            return now >= end_;
        }

     private:
        Slice() = default;
        const Clock* clock_ = nullptr;
        Clock::Time end_{};
    };

    // Whether a hook is to be called again without a sleep.
    enum class Again : std::uint8_t {
        kNo,
        kAfterFlush,   // once what it has caused is written
        kBeforeFlush,  // there is more for the same sockets: one write will take it all
    };

    // `index`: which of the reactors it is. With a `sender`, many writes share a system call.
    Reactor(std::size_t index, const Clock& clock, std::unique_ptr<BatchSender> sender = nullptr);
    ~Reactor() override;
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;

    // Turns until stop().
    void run();

    // One turn, which does not sleep: for a test whose thread is the reactor's.
    void run_once();
    void stop();

    // A slice for a part of a turn that is somebody else's.
    Slice slice() const { return Slice(clock_); }

    // Executor
    void post(Task task) override;
    void post_all(std::vector<Task> tasks) override;
    bool is_here() const override;

    // Makes the hooks run (again) soon; cheap if a turn is under way. Any thread.
    void wake_if_asleep();

    // False: the kernel has no room for one more (fs.epoll.max_user_watches, or no memory).
    [[nodiscard]] bool watch(int descriptor, Watcher& watcher, std::uint32_t events);
    void change(int descriptor, Watcher& watcher, std::uint32_t events);
    void unwatch(int descriptor);

    // Calls flush() at the end of this turn, once however often it was asked.
    void flush_later(Flushable& flushable);
    void forget(Flushable& flushable);

    // Runs `list` when it has something due, until it ends.
    void add_due_list(DueList& list);

    // Runs `task` at `at` or soon after. There is no way to take it back: let it find out.
    void post_at(Clock::Time at, Task task);

    // Called before the flush, once in each turn but those that still write what an earlier one
    // has caused.
    void add_turn_hook(std::function<Again()> hook) { hooks_.push_back(std::move(hook)); }

    // Work that waits until this turn is over: what was closed is deleted here, since events of
    // this turn may still name it.
    void defer(Task task) { deferred_.push_back(std::move(task)); }

    Clock::Time now() const { return now_; }  // of this turn

    // All that had come by then has been seen: the time for whoever judges a time-out without a
    // timer of the reactor.
    Clock::Time seen_until() const { return sweep_.seen_until(); }

    // Whoever reads takes only a part of what there is, or opens what more can come from: timers
    // wait for the rest.
    void expect_more() { sweep_.left_some(); }

    std::size_t index() const { return index_; }

    // What was just read from a stream; one for all, since nobody keeps it over a turn.
    std::span<char> scratch() { return scratch_; }

    // Room for the pieces of one gather write.
    std::span<std::string_view> pieces() { return pieces_; }

    bool sends_in_batches() const { return sender_ != nullptr && !sender_->is_broken(); }

    // The longest turn so far, ns, and turns of over 5 ms; without the time in which others had the
    // processor or the process was stopped, which alone makes long the turns that are counted
    // apart. Any thread reads.
    const Counter& stall_max_ns() const { return stall_max_ns_; }
    const Counter& stalls() const { return stalls_; }
    const Counter& preempted_turns() const { return preempted_turns_; }

 private:
    struct Timed {
        Clock::Time at;
        std::uint64_t sequence;
        Task task;
        bool operator<(const Timed& other) const {  // the earliest is the greatest
            return at != other.at ? at > other.at : sequence > other.sequence;
        }
    };

    // How the reactor falls asleep and is woken. `state_` is the whole protocol:
    //
    //   kAwake     a turn is under way; it has not been told of anything since its exchange
    //   kAsleep    in epoll_wait(), or about to be: whoever leaves work rings the bell
    //   kNotified  work was left since: the next turn begins without a sleep
    //
    //   reactor, again and again (wait_and_turn):          another thread (post, wake_if_asleep):
    //   1. again_ is false, and kAwake -> kAsleep: it      a. leaves its work: a task in posted_,
    //      will sleep; else it will not                       or a number that a hook reads
    //   2. epoll_wait()                                    b. exchange to kNotified
    //   3. exchange to kAwake                              c. if that was kAsleep: rings the bell
    //   4. again_ = false; reads the bell if it rang
    //   5. looks for work: posted_, hooks
    //   6. again_ = true if it left any kind of work
    //      without a look, or unfinished
    //
    // No sleep while there is work: b before 1 makes 1 fail; b between 1 and 3 rings the bell, so 2
    // returns; b behind 3 is b before the next 1. What a left before b is seen in the 5 that comes
    // behind the exchange that took back its kNotified, if that 5 looks there; if it does not, 6
    // keeps the reactor awake for one that does. The bell may ring late (c is behind 3): a turn in
    // vain. What the reactor's own thread leaves needs neither state nor bell, only again_.
    // reactor_model_test.cpp walks through every interleaving of these steps.
    enum class State : std::uint8_t { kAwake, kAsleep, kNotified };

    void wait_and_turn(bool may_sleep);
    void turn(std::span<const epoll_event> ready, bool has_slept);
    int sleep_ms() const;
    void run_ready(std::span<const epoll_event> ready);
    void run_posted(Slice slice);
    void run_timed();
    bool run_hooks();
    void run_flushes(Slice slice);
    void flush_one();
    void flush_batch();
    void run_deferred();
    void look_at_posted();
    void note_begin(bool has_slept);
    void note_turn(Clock::Time began);

    const std::size_t index_;
    const Clock& clock_;
    int epoll_ = -1;
    int bell_ = -1;  // eventfd
    std::atomic<std::thread::id> thread_{};
    std::atomic<bool> stopping_{false};
    std::atomic<State> state_{State::kAwake};
    std::size_t ready_max_;        // events that the next turn takes
    bool hooks_have_run_ = false;  // in this turn
    bool again_ = false;           // there is more to do: no sleep before the next turn
    Clock::Time now_;
    Clock::Time looked_at_;    // the clock, last before the kernel is asked
    std::size_t watched_ = 0;  // descriptors
    InputSweep sweep_;

    std::mutex posted_mutex_;
    std::vector<Task> posted_;
    std::vector<Task> running_;
    std::size_t next_running_ = 0;
    std::vector<Task> deferred_;

    std::priority_queue<Timed> timed_;
    std::uint64_t timed_sequence_ = 0;
    std::vector<DueList*> due_lists_;
    std::vector<std::function<Again()>> hooks_;
    std::vector<Flushable*> to_flush_;
    std::size_t flush_next_ = 0;  // of to_flush_
    std::size_t flush_end_ = 0;   // who came later has to wait until these have been written
    const std::unique_ptr<BatchSender> sender_;  // or null
    std::vector<std::size_t> sending_;           // places in to_flush_, of one batch
    std::vector<char> scratch_;
    std::vector<std::string_view> pieces_;

    std::chrono::nanoseconds cpu_before_{};  // that its thread had used at usage_read_at_
    Clock::Time usage_read_at_{};
    std::uint64_t waits_before_ = 0;  // that it had made since or before it last slept
    std::uint64_t stops_before_ = 0;  // of the process, at usage_read_at_
    Counter stall_max_ns_;
    Counter stalls_;
    Counter preempted_turns_;
};

}  // namespace eventbus
