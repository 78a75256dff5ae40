#include "app/signals.h"

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "base/write_line.h"

namespace eventbus {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLineLimit{500};

sigset_t taken_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
    return signals;
}

// The next signal of ours; 0: none came until then.
int next_signal(const sigset_t& signals, steady_clock::time_point until) {
    int signal = 0;
    if (until == steady_clock::time_point::max()) {
        sigwait(&signals, &signal);
        return signal;
    }
    const auto left = std::max(until - steady_clock::now(), steady_clock::duration(0));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    const timespec wait{.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
    return std::max(sigtimedwait(&signals, nullptr, &wait), 0);
}

}  // namespace

Signals::Signals(std::chrono::milliseconds stop_limit, const std::string& data)
    : stop_limit_(stop_limit), disk_("the disk of " + data) {
    const sigset_t signals = taken_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    thread_ = std::thread([this] { run(); });
}

Signals::~Signals() {
    is_over_ = true;
    pthread_kill(thread_.native_handle(), SIGHUP);
    thread_.join();
}

void Signals::run() {
    const sigset_t signals = taken_signals();
    auto until = steady_clock::time_point::max();
    for (;;) {
        const int signal = next_signal(signals, until);
        if (is_over_) return;
        if (steady_clock::now() >= until) give_up();
        if (signal == 0) continue;
        const std::lock_guard lock(mutex_);
        if (signal == SIGHUP) {
            reload_ = true;
        } else if (!stop_) {
            stop_ = true;
            until = steady_clock::now() + stop_limit_;
        }
        asked_.notify_one();
    }
}

void Signals::give_up() {
    // Its own end must not wait for the line: a file on that disk takes none.
    std::thread([] {
        std::this_thread::sleep_for(kLineLimit);
        ::_exit(EXIT_FAILURE);
    }).detach();
    const auto seconds = std::chrono::duration<double>(stop_limit_).count();
    const std::lock_guard lock(mutex_);
    write_line(STDERR_FILENO,
               fmt::format("eventbus: {} s after the signal to stop the process still hangs {}, so "
                           "it is ended; nothing that was acknowledged is lost; look at {}",
                           seconds, stage_, file_.empty() ? disk_ : file_));
    ::_exit(EXIT_FAILURE);
}

void Signals::enter(std::string stage, std::string file) {
    const std::lock_guard lock(mutex_);
    stage_ = std::move(stage);
    file_ = std::move(file);
}

Signals::Asked Signals::wait() {
    std::unique_lock lock(mutex_);
    asked_.wait(lock, [this] { return stop_ || reload_; });
    if (stop_) return Asked::kStop;
    reload_ = false;
    return Asked::kReload;
}

}  // namespace eventbus
