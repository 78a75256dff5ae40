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
#include "net/stream.h"

namespace eventbus {
namespace {

constexpr std::size_t kScratchBytes = 128 * 1024;
constexpr std::size_t kEventsMax = 512;  // of one turn; what is left comes in the next
constexpr int kLastRounds = 8;           // of what is posted while it stops
constexpr auto kStall = std::chrono::milliseconds(5);

}  // namespace

Reactor::Reactor(std::size_t index, const Clock& clock)
    : index_(index),
      clock_(clock),
      now_(clock.now()),
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
    ::close(bell_);
    ::close(epoll_);
}

void Reactor::run() {
    thread_ = std::this_thread::get_id();
    while (!stopping_.load(std::memory_order_relaxed)) wait_and_turn(true);
    // What was posted before stop() is still done, and what that posts, within reason.
    for (int round = 0; round < kLastRounds; ++round) {
        run_posted();
        run_flushes();
        run_deferred();
    }
    thread_ = std::thread::id();
}

void Reactor::run_once() {
    thread_ = std::this_thread::get_id();
    wait_and_turn(false);
}

void Reactor::wait_and_turn(bool may_sleep) {
    std::array<epoll_event, kEventsMax> events;  // not initialized: only the used part is touched
    State awake = State::kAwake;
    // Who wakes us sets kNotified after it has left its work: either we see that here, or it sees
    // kAsleep and rings the bell.
    const bool sleeps =
        may_sleep && !again_ && state_.compare_exchange_strong(awake, State::kAsleep);
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                   sleeps ? sleep_ms() : 0);
    // An exchange and not a store: it reads what the waker wrote, so that what the waker had left
    // before is seen in this turn, on every machine.
    state_.exchange(State::kAwake);
    BUS_ASSERT(ready >= 0 || errno == EINTR);
    turn(std::span(events).first(static_cast<std::size_t>(std::max(ready, 0))));
}

void Reactor::turn(std::span<const epoll_event> ready) {
    now_ = clock_.now();
    const Clock::Time began = now_;
    again_ = false;
    hooks_have_run_ = false;
    for (const epoll_event& event : ready) {
        if (event.data.ptr == nullptr) {
            std::uint64_t rings = 0;
            [[maybe_unused]] const ssize_t got = ::read(bell_, &rings, sizeof rings);
            continue;
        }
        static_cast<Watcher*>(event.data.ptr)->on_ready(event.events);
    }
    run_posted();
    for (DueList* list : due_lists_) list->run(now_);
    run_timed();
    hooks_have_run_ = true;
    for (auto& hook : hooks_) again_ = hook() || again_;
    run_flushes();
    run_deferred();
    note_turn(began);
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

void Reactor::watch(int descriptor, Watcher& watcher, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &watcher;
    BUS_ASSERT(::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0);
}

void Reactor::change(int descriptor, Watcher& watcher, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &watcher;
    BUS_ASSERT(::epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event) == 0);
}

void Reactor::unwatch(int descriptor) {
    BUS_ASSERT(::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr) == 0);
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
    const auto now = clock_.now();
    if (next <= now) return 0;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
    return static_cast<int>(std::min<std::chrono::milliseconds::rep>(wait, 60'000));
}

void Reactor::run_deferred() {
    for (Task& task : std::exchange(deferred_, {})) task();
    again_ = again_ || !deferred_.empty();
}

void Reactor::run_posted() {
    {
        const std::lock_guard lock(posted_mutex_);
        if (posted_.empty()) return;
        running_.swap(posted_);
    }
    for (Task& task : running_) task();
    running_.clear();
}

void Reactor::run_timed() {
    // What a task posts meanwhile has the next turn, even if it is due already.
    const std::uint64_t last = timed_sequence_;
    while (!timed_.empty() && timed_.top().at <= now_ && timed_.top().sequence <= last) {
        Task task = std::move(const_cast<Timed&>(timed_.top()).task);
        timed_.pop();
        task();
    }
}

void Reactor::run_flushes() {
    // A flush may ask for another (a drained socket goes on with its resume): those have the next
    // turn, so that one fast reader does not hold up the others.
    const std::size_t count = to_flush_.size();
    for (std::size_t i = 0; i < count; ++i) {
        Flushable* const flushable = to_flush_[i];
        if (flushable == nullptr) continue;
        flushable->flush_place_ = 0;
        flushable->flush();
    }
    to_flush_.erase(to_flush_.begin(), to_flush_.begin() + static_cast<std::ptrdiff_t>(count));
    for (std::size_t i = 0; i < to_flush_.size(); ++i) {
        if (to_flush_[i] != nullptr) to_flush_[i]->flush_place_ = i + 1;
    }
    again_ = again_ || !to_flush_.empty();
}

void Reactor::note_turn(Clock::Time began) {
    const auto took = clock_.now() - began;
    if (took < kStall) return;
    stalls_.add();
    const auto took_ns = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(took).count());
    if (took_ns > stall_max_ns_.get()) stall_max_ns_.set(took_ns);
}

}  // namespace eventbus
