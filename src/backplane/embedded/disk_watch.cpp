#include "backplane/embedded/disk_watch.h"

#include <utility>

#include "base/diagnostics.h"

namespace eventbus {

using std::chrono::milliseconds;

DiskWatch::DiskWatch(std::string store, milliseconds stalled_after)
    : store_(std::move(store)), look_every_(stalled_after / kLooks), thread_([this] { run(); }) {}

DiskWatch::~DiskWatch() {
    {
        const std::lock_guard lock(mutex_);
        is_ending_ = true;
        wake_.notify_one();
    }
    thread_.join();
}

void DiskWatch::run() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, look_every_, [this] { return is_ending_; })) look();
}

void DiskWatch::look() {
    const std::uint64_t turns = turns_;
    const bool waits = turns % 2 != 0;
    looks_ = waits && turns == seen_ ? looks_ + 1 : 0;
    seen_ = turns;
    const milliseconds before = stalled_for_;
    const milliseconds now = looks_ >= kLooks ? looks_ * look_every_ : milliseconds(0);
    stalled_for_ = now;
    if (before.count() == 0 && now.count() > 0) {
        stalls_.add();
        diagnostics::warn(
            "a disk stalls: a write of this store does not come back, and whoever waits for it "
            "gets no answer until it does; look at the disk",
            {{"store", store_}, {"waits_for_ms", std::to_string(now.count())}});
    } else if (before.count() > 0 && now.count() == 0) {
        diagnostics::warn("a disk that stalled goes on",
                          {{"store", store_}, {"stalled_for_ms", std::to_string(before.count())}});
    }
}

}  // namespace eventbus
