#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "backplane/embedded/embedded_log.h"
#include "backplane/embedded/group_store.h"
#include "backplane/embedded/session_store.h"
#include "bus/subject_watches.h"
#include "bus/subjects.h"
#include "sim/machine.h"
#include "sim/witness.h"
#include "support/faulty_disk.h"
#include "support/folder.h"

namespace eventbus::sim {
namespace {

using std::chrono::milliseconds;

template <class Store>
std::unique_ptr<Store> opened(Result<std::unique_ptr<Store>> store) {
    if (!store) fail("a store could not be opened: " + store.error().detail);
    return std::move(*store);
}

// Counts the questions without an answer: a reload asks, and no client waits for the answer.
class CountedWatches final : public Watches {
 public:
    explicit CountedWatches(Watches& watches) : watches_(watches) {}

    void ask(WatchQuestion question, Executor& reply_to,
             Callback<Result<WatchAnswer>> done) override {
        ++unanswered_;
        watches_.ask(std::move(question), reply_to,
                     [this, done = std::move(done)](Result<WatchAnswer> answer) mutable {
                         --unanswered_;
                         done(std::move(answer));
                     });
    }
    std::size_t unanswered() const { return unanswered_; }

 private:
    Watches& watches_;
    std::size_t unanswered_ = 0;  // all reactors of a simulation are on one thread
};

// The embedded stores, over a disk that fails. A kill leaves what their files hold at that moment.
class EmbeddedMachine final : public Machine {
 public:
    EmbeddedMachine(const SimClock& clock, Random& random) : clock_(clock), random_(random) {}

    void begin_life() override {
        disk_ = std::make_unique<FaultyDisk>();
        subjects_ = std::make_unique<Subjects>(Subjects::Settings{});
        log_ = opened(EmbeddedLog::open({.data_dir = folder_.path(),
                                         .tail_entries_max = kTailEntries,
                                         .tail_bytes_max = kTailBytes,
                                         .retry_after = milliseconds(1),
                                         .reserve = 64,
                                         .env = disk_->env()},
                                        *subjects_, clock_, random_));
        watches_ = std::make_unique<SubjectWatches>(*log_, *subjects_);
        counted_ = std::make_unique<CountedWatches>(*watches_);
        sessions_ = opened(EmbeddedSessionStore::open(
            {.data_dir = folder_.path(),
             .index = {.per_user_max = kSessionsOfAUser},
             .env = disk_->env(),
             .retry_after = milliseconds(1)},
            clock_, {.epochs = log_->epochs(), .last_open_in = log_->sessions_open_in()}));
        groups_ = opened(EmbeddedGroupStore::open({.data_dir = folder_.path(),
                                                   .look_every = milliseconds(1),
                                                   .retry_after = milliseconds(1),
                                                   .env = disk_->env()}));
    }
    void start() override {
        log_->start();
        set_slow(is_slow_);
        set_full(is_full_);
    }
    void kill() override { disk_->die(); }
    void stop() override {
        log_->stop();
        sessions_.reset();
        groups_.reset();
    }
    void end_life() override {
        counted_.reset();
        watches_.reset();
        log_.reset();
        disk_.reset();
    }

    Log& log() override { return *log_; }
    Watches& watches() override { return *counted_; }
    SessionStore& sessions() override { return *sessions_; }
    GroupStore& groups() override { return *groups_; }

    bool move(Chance&) override { return false; }
    bool is_asked() const override { return counted_->unanswered() > 0; }
    bool wait_a_moment() override {
        std::this_thread::sleep_for(std::chrono::microseconds(300));
        return true;
    }

    void set_slow(bool on) override { disk_->hold_syncs(is_slow_ = on); }
    void set_full(bool on) override { set_space(!(is_full_ = on)); }
    void set_broken(bool on) override { disk_->fails_syncs = on; }
    Position retain_after(Position) override { return {}; }  // its own tests have that

    // A copy that takes the place of the data needs a log that knows of it.
    bool has_copy() const override { return false; }
    void copy() override {}
    void restore() override {}

 private:
    void set_space(bool there_is) {
        disk_->has_no_space = !there_is;
        disk_->free_bytes = there_is ? 1ULL << 40U : 0;
    }

    const SimClock& clock_;
    Random& random_;
    Folder folder_;
    std::unique_ptr<FaultyDisk> disk_;  // of this life
    std::unique_ptr<Subjects> subjects_;
    std::unique_ptr<EmbeddedLog> log_;
    std::unique_ptr<SubjectWatches> watches_;
    std::unique_ptr<CountedWatches> counted_;
    std::unique_ptr<EmbeddedSessionStore> sessions_;
    std::unique_ptr<EmbeddedGroupStore> groups_;
    bool is_slow_ = false;
    bool is_full_ = false;
};

}  // namespace

std::unique_ptr<Machine> embedded_machine(const SimClock& clock, Random& random) {
    return std::make_unique<EmbeddedMachine>(clock, random);
}

}  // namespace eventbus::sim
