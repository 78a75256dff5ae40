#include "net/reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/assert.h"
#include "base/thread_usage.h"
#include "net/stream.h"

namespace eventbus {
namespace {

constexpr std::size_t kScratchBytes = 128 * 1024;
constexpr std::size_t kReadyMin = 8;      // events of one turn; what is left comes in the next
constexpr std::size_t kReadyMax = 128;    // were each the end of a TLS connection: 3 ms
constexpr std::size_t kStepsPerLook = 8;  // at the clock
constexpr std::size_t kBatchMin = 8;      // for fewer, the batch costs more than their calls
constexpr std::size_t kFlushesAhead = 4;  // a connection is fetched before its turn comes
constexpr int kLastRounds = 8;            // of what is posted while it stops
constexpr auto kStall = std::chrono::milliseconds(5);
constexpr auto kUsageReads = std::chrono::milliseconds(2);

}  // namespace

Reactor::Reactor(std::size_t index, const Clock& clock, std::unique_ptr<BatchSender> sender)
    : index_(index),
      clock_(clock),
      ready_max_(kReadyMin),
      now_(clock.now()),
      sender_(std::move(sender)),
      scratch_(kScratchBytes),
      pieces_(Stream::kPiecesMax) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    bell_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    BUS_ASSERT(epoll_ >= 0 && bell_ >= 0);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;  // the bell
    BUS_ASSERT(::epoll_ctl(epoll_, EPOLL_CTL_ADD, bell_, &event) == 0);
}

Reactor::~Reactor() {
    for (DueList* const list : due_lists_) list->run_with_ = nullptr;
    ::close(bell_);
    ::close(epoll_);
}

void Reactor::add_due_list(DueList& list) {
    list.run_with_ = &due_lists_;
    due_lists_.push_back(&list);
}

void Reactor::run() {
    thread_ = std::this_thread::get_id();
    looked_at_ = clock_.now();
    while (!stopping_.load(std::memory_order_relaxed)) wait_and_turn(true);
    // What was posted before stop() is still done, and what that posts, within reason.
    for (int round = 0; round < kLastRounds; ++round) {
        run_posted(Slice::unlimited());
        run_flushes(Slice::unlimited());
        run_deferred();
    }
    thread_ = std::thread::id();
}

void Reactor::run_once() {
    thread_ = std::this_thread::get_id();
    looked_at_ = clock_.now();
    wait_and_turn(false);
}

void Reactor::wait_and_turn(bool may_sleep) {
    std::array<epoll_event, kReadyMax> events;  // not initialized: only the used part is touched
    State awake = State::kAwake;
    const bool sleeps =
        may_sleep && !again_ && state_.compare_exchange_strong(awake, State::kAsleep);
    const int wait_ms = sleeps ? sleep_ms() : 0;
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(ready_max_), wait_ms);
    // An exchange and not a store: it reads what the waker wrote, so that what the waker had left
    // before is seen behind it, on every machine.
    state_.exchange(State::kAwake);
    // A signal (as at the end of a pause): nothing was there when the kernel was asked, and that is
    // all that this turn knows.
    BUS_ASSERT(ready >= 0 || errno == EINTR);
    now_ = clock_.now();
    const Clock::Time expected =
        wait_ms < 0 ? now_ : looked_at_ + std::chrono::milliseconds(wait_ms);
    sweep_.begin_turn(looked_at_, expected, now_, watched_);
    turn(std::span(events).first(static_cast<std::size_t>(std::max(ready, 0))), sleeps);
}

void Reactor::turn(std::span<const epoll_event> ready, bool has_slept) {
    const Clock::Time began = now_;
    note_begin(has_slept);
    again_ = false;
    hooks_have_run_ = false;
    run_ready(ready);
    run_posted(Slice(clock_));
    sweep_.end_input();
    // By index: what comes due may end a list.
    for (std::size_t i = 0; i < due_lists_.size(); ++i) due_lists_[i]->run(seen_until());
    run_timed();
    hooks_have_run_ = true;
    if (run_hooks()) run_flushes(Slice(clock_));
    run_deferred();
    looked_at_ = clock_.now();
    note_turn(began);
}

void Reactor::run_ready(std::span<const epoll_event> ready) {
    sweep_.saw_ready(ready.size(), ready.size() == ready_max_);
    for (const epoll_event& event : ready) {
        if (event.data.ptr == nullptr) {
            std::uint64_t rings = 0;
            [[maybe_unused]] const ssize_t got = ::read(bell_, &rings, sizeof rings);
            continue;
        }
        static_cast<Watcher*>(event.data.ptr)->on_ready(event.events);
    }
    // Not by stopping at the slice's end: epoll has put those that it named behind all others.
    if (ready.size() < ready_max_) return;
    const auto took = clock_.now() - now_;
    if (took > kSlice) ready_max_ = std::max(ready_max_ / 2, kReadyMin);
    if (took < kSlice / 2) ready_max_ = std::min(ready_max_ * 2, kReadyMax);
}

void Reactor::stop() {
    stopping_ = true;
    wake_if_asleep();
}

void Reactor::post(Task task) {
    {
        const std::lock_guard lock(posted_mutex_);
        posted_.push_back(std::move(task));
    }
    look_at_posted();
}

void Reactor::post_all(std::vector<Task> tasks) {
    {
        const std::lock_guard lock(posted_mutex_);
        std::move(tasks.begin(), tasks.end(), std::back_inserter(posted_));
    }
    look_at_posted();
}

void Reactor::look_at_posted() {
    if (is_here()) {
        again_ = true;
    } else {
        wake_if_asleep();
    }
}

bool Reactor::is_here() const {
    return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void Reactor::wake_if_asleep() {
    if (is_here()) {
        again_ = again_ || hooks_have_run_;  // else they will run in this turn
        return;
    }
    if (state_.exchange(State::kNotified) != State::kAsleep) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t rung =
        ::write(bell_, &one, sizeof one);  // full: it rings anyway
}

bool Reactor::watch(int descriptor, Watcher& watcher, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &watcher;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0) {
        ++watched_;
        sweep_.left_some();  // something may lie in it already
        return true;
    }
    BUS_ASSERT(errno == ENOSPC || errno == ENOMEM);
    return false;
}

void Reactor::change(int descriptor, Watcher& watcher, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &watcher;
    BUS_ASSERT(::epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event) == 0);
}

void Reactor::unwatch(int descriptor) {
    BUS_ASSERT(::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr) == 0);
    --watched_;
}

void Reactor::flush_later(Flushable& flushable) {
    if (flushable.flush_place_ != 0) return;
    to_flush_.push_back(&flushable);
    flushable.flush_place_ = to_flush_.size();
}

void Reactor::forget(Flushable& flushable) {
    if (flushable.flush_place_ == 0) return;
    to_flush_[flushable.flush_place_ - 1] = nullptr;
    flushable.flush_place_ = 0;
}

void Reactor::post_at(Clock::Time at, Task task) {
    timed_.push({at, ++timed_sequence_, std::move(task)});
}

int Reactor::sleep_ms() const {
    Clock::Time next = timed_.empty() ? Clock::Time::max() : timed_.top().at;
    for (const DueList* list : due_lists_) next = std::min(next, list->next());
    if (next == Clock::Time::max()) return -1;
    next = std::max(next, sweep_.held_until());
    const auto now = clock_.now();
    if (next <= now) return 0;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - now);
    return static_cast<int>(std::min(wait, InputSweep::kPause).count());
}

void Reactor::run_deferred() {
    for (Task& task : std::exchange(deferred_, {})) task();
    again_ = again_ || !deferred_.empty();
}

void Reactor::run_posted(Slice slice) {
    const bool takes = next_running_ == running_.size();
    if (takes) {
        running_.clear();
        next_running_ = 0;
        again_ = false;  // of this turn's own posts, which are taken here
        const std::lock_guard lock(posted_mutex_);
        running_.swap(posted_);
    }
    while (next_running_ < running_.size()) {
        running_[next_running_++]();
        if (next_running_ % kStepsPerLook == 0 && slice.is_over()) break;
    }
    // A turn that did not look into posted_ has no right to sleep: wait_and_turn() has taken back
    // what a poster said meanwhile.
    const bool all = next_running_ == running_.size();
    sweep_.ran_posted(takes, all);
    again_ = again_ || !takes || !all;
}

void Reactor::run_timed() {
    // What a task posts meanwhile has the next turn, even if it is due already.
    const std::uint64_t last = timed_sequence_;
    while (!timed_.empty() && timed_.top().at <= seen_until() && timed_.top().sequence <= last) {
        Task task = std::move(const_cast<Timed&>(timed_.top()).task);
        timed_.pop();
        task();
    }
}

// False: what they cause is not to be written yet.
bool Reactor::run_hooks() {
    if (flush_next_ < flush_end_) {
        again_ = true;  // they have their turn when this is written
        return true;
    }
    bool more_follows = false;
    for (auto& hook : hooks_) {
        const Again again = hook();
        again_ = again_ || again != Again::kNo;
        more_follows = more_follows || again == Again::kBeforeFlush;
    }
    return !more_follows;
}

void Reactor::run_flushes(Slice slice) {
    // A flush may ask for another (a drained socket goes on with its resume): those wait until all
    // others have had theirs, so that one fast reader does not hold up the rest.
    if (flush_next_ == flush_end_) flush_end_ = to_flush_.size();
    const bool in_batches = sends_in_batches() && flush_end_ - flush_next_ >= kBatchMin;
    while (flush_next_ < flush_end_) {
        in_batches ? flush_batch() : flush_one();
        if ((in_batches || flush_next_ % kStepsPerLook == 0) && slice.is_over()) break;
    }
    again_ = again_ || flush_next_ < to_flush_.size();
    if (flush_next_ < flush_end_) return;
    to_flush_.erase(to_flush_.begin(), to_flush_.begin() + static_cast<std::ptrdiff_t>(flush_end_));
    flush_next_ = flush_end_ = 0;
    for (std::size_t i = 0; i < to_flush_.size(); ++i) {
        if (to_flush_[i] != nullptr) to_flush_[i]->flush_place_ = i + 1;
    }
}

void Reactor::flush_one() {
    Flushable* const flushable = to_flush_[flush_next_++];
    if (flushable == nullptr) return;
    flushable->flush_place_ = 0;
    flushable->flush();
}

// Nothing runs between the offers and the kernel's answers that could close a connection; who is
// closed by what follows has been sent to already, and is forgotten.
void Reactor::flush_batch() {
    sending_.clear();
    for (; flush_next_ < flush_end_ && !sender_->is_full(); ++flush_next_) {
        if (flush_next_ + kFlushesAhead < flush_end_) {
            const Flushable* const ahead = to_flush_[flush_next_ + kFlushesAhead];
            if (ahead != nullptr) ahead->prefetch();
        }
        if (to_flush_[flush_next_] == nullptr) continue;
        int descriptor = -1;
        const std::size_t count = to_flush_[flush_next_]->offer(pieces_, descriptor);
        if (count == 0) break;
        sender_->add(descriptor, std::span(pieces_).first(count));
        sending_.push_back(flush_next_);
    }
    if (sending_.empty()) {
        if (flush_next_ < flush_end_) flush_one();
        return;
    }
    const std::span<const Stream::Outcome> outcomes = sender_->send();
    for (std::size_t i = 0; i < sending_.size(); ++i) {
        Flushable* const flushable = to_flush_[sending_[i]];
        if (flushable == nullptr) continue;
        flushable->flush_place_ = 0;
        flushable->sent(outcomes[i]);
    }
}

// So often that what a long turn reads at its end is nearly its own, and so seldom that a lone
// event does not pay for it. A sleep is a wait, too.
void Reactor::note_begin(bool has_slept) {
    const bool is_due = now_ - usage_read_at_ >= kUsageReads;
    if (is_due) {
        usage_read_at_ = now_;
        cpu_before_ = thread_cpu_time();
        stops_before_ = process_stops();
    }
    if (is_due || has_slept) waits_before_ = thread_waits();
}

void Reactor::note_turn(Clock::Time began) {
    sweep_.end_turn(began, looked_at_);
    std::chrono::nanoseconds took = looked_at_ - began;
    if (took < kStall) return;
    // One that has waited in the kernel cannot say for how long, unless it was for the process to
    // go on.
    if (thread_waits() == waits_before_ || process_stops() != stops_before_) {
        took = std::min(took, thread_cpu_time() - cpu_before_);
    }
    if (took < kStall) return preempted_turns_.add();
    stalls_.add();
    const auto took_ns = static_cast<std::uint64_t>(took.count());
    if (took_ns > stall_max_ns_.get()) stall_max_ns_.set(took_ns);
}

}  // namespace eventbus
