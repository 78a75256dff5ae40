#include "backplane/embedded/embedded_log.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "backplane/embedded/combining_turn.h"
#include "backplane/embedded/log_store.h"
#include "base/assert.h"
#include "base/diagnostics.h"
#include "log/sequencer.h"

namespace eventbus {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBatchEntriesMax = 8'192;  // of one sync: a later one need not wait for all
constexpr milliseconds kSweepEvery{10'000};      // for what retention no longer keeps

// About what they hold, of what clients choose.
std::size_t memory_of(const std::vector<Plan>& plans) {
    std::size_t bytes = plans.size() * sizeof(Plan);
    for (const Plan& plan : plans) {
        bytes += plan.event.data.size();
        for (const std::string& variant : plan.variants) bytes += variant.size();
    }
    return bytes;
}

}  // namespace

// How the log thread gets what is to be written, and how it ends (log_thread_model_test.cpp goes
// through all interleavings):
//   1. At the end of each run of requests, in the turn, what is staged is put into work_.
//   2. The log thread takes work_, writes and syncs it, and
//   3. tells the sequencer in a turn, where it becomes visible and whoever waits is answered.
// stop():
//   4. closes the sequencer in a turn, and goes on only once that has run: nothing gets a position
//      from then on, and no later word of the disk's changes that;
//   5. then tells the log thread to end, and joins it.
// The log thread, when it was told so and has nothing to write:
//   6. asks in a turn, and waits for the answer, whether all that got a position is visible. That
//      turn comes after its own of (3). If not, it goes on at (2): what is missing was put into
//      work_ before that turn began.
//   7. Writes the last position as the end of those that are reserved, and ends.
class EmbeddedLog::Core {
 public:
    Core(EmbeddedLogSettings settings, Binder& binder, const Clock& clock,
         std::unique_ptr<LogStore> store);

    Result<> load(Binder& binder);
    void start(bool has_sessions);
    const std::string& sessions_open_in() const { return store_->sessions_open_in(); }
    bool is_epoch_stored() const { return store_->is_epoch_stored(); }
    void stop();

    void read(Position after, std::size_t limit, Executor& reply_to, ReadDone done,
              WantedRooms wanted);
    std::uint64_t room_key(const Room& room) const { return store_->room_key(room); }
    void look_now();
    void resume_retention(Executor& reply_to, Callback<Result<bool>> done);

    CombiningTurn& turn() { return turn_; }
    Tail& tail() { return tail_; }
    const Tail& tail() const { return tail_; }
    const Epochs& epochs() const { return store_->epochs(); }
    bool is_writable() const { return store_->database().is_writable(); }
    const Database& database() const { return store_->database(); }
    const LogProbe& probe() const { return probe_; }

 private:
    struct Read {
        Position after;
        std::size_t limit = 0;
        Executor* reply_to = nullptr;
        ReadDone done;
        WantedRooms wanted;
    };

    // ---- in the turn ----------------------------------------------------------------------------
    void take_staged();
    void call_helper();
    template <class Run>
    void run_in_turn(Run&& run);

    // ---- the log thread -------------------------------------------------------------------------
    struct Resume {
        Executor* reply_to = nullptr;
        Callback<Result<bool>> done;
    };
    struct Work {
        std::vector<Staged> staged;
        bool reserve = false;
        bool help = false;
        bool look = false;
        std::vector<Resume> resumes;
        bool end = false;
    };
    void run_log();
    Work next_work();
    void write_waiting();
    bool write(std::span<const Staged> staged);
    void tell_state();
    void resume(std::vector<Resume> resumes);
    void look();
    void show_hold();
    bool has_ended();

    // ---- the reading thread ---------------------------------------------------------------------
    void run_reads();

    const EmbeddedLogSettings settings_;
    const std::unique_ptr<LogStore> store_;
    LogProbe probe_;
    Tail tail_;
    Sequencer sequencer_;
    std::vector<SharedEntry> recent_;  // until start()

    // Of the log thread.
    std::vector<Staged> waiting_;  // to be written, in order
    bool wants_reserve_ = false;
    Position reserved_;                                  // as it is on disk
    Database::State told_ = Database::State::kWritable;  // to the sequencer
    std::chrono::steady_clock::time_point next_look_;

    std::mutex mutex_;  // of what is handed to the log thread
    std::condition_variable wake_;
    Work work_;
    bool is_ending_ = false;
    bool has_helper_ = true;  // the log thread, which is to come or there

    std::mutex reads_mutex_;
    std::condition_variable reads_wake_;
    std::deque<Read> reads_;
    bool reads_ending_ = false;

    CombiningTurn turn_;
    std::thread log_thread_;  // last: they use all the others
    std::thread read_thread_;
};

EmbeddedLog::Core::Core(EmbeddedLogSettings settings, Binder& binder, const Clock& clock,
                        std::unique_ptr<LogStore> store)
    : settings_(std::move(settings)),
      store_(std::move(store)),
      tail_(settings_.tail_bytes_max),
      sequencer_({binder, tail_, clock, probe_},
                 {.pending_bytes_max = settings_.pending_bytes_max, .dedupe = settings_.dedupe}),
      turn_({.sequencer = sequencer_,
             .after_requests = [this] { take_staged(); },
             .call_helper = [this] { call_helper(); }}) {}

Result<> EmbeddedLog::Core::load(Binder& binder) {
    if (const Result<> loaded = store_->load(binder, sequencer_.dedupe()); !loaded) {
        return loaded.error();
    }
    Result<LogStore::Recent> recent =
        store_->recent(settings_.tail_entries_max, settings_.tail_bytes_max / 2);
    if (!recent) return recent.error();
    recent_ = std::move(recent->entries);
    tail_.start_at(recent->after);

    sequencer_.start_at(store_->head());
    return {};
}

void EmbeddedLog::Core::start(bool has_sessions) {
    if (has_sessions) store_->note_sessions();
    reserved_ = store_->head() + settings_.reserve;
    if (!store_->write({}, reserved_)) {
        reserved_ = store_->head();
        wants_reserve_ = true;
    }
    sequencer_.reserve(reserved_);
    for (SharedEntry& entry : std::exchange(recent_, {})) tail_.push(std::move(entry));
    tail_.advance_to(sequencer_.head());
    tail_.wake_readers();
    tell_state();
    show_hold();
    log_thread_ = std::thread([this] { run_log(); });
    read_thread_ = std::thread([this] { run_reads(); });
}

void EmbeddedLog::Core::stop() {
    if (!log_thread_.joinable()) return;
    run_in_turn([](Sequencer& sequencer) { sequencer.close("the server is stopping"); });
    {
        const std::lock_guard lock(mutex_);
        work_.end = true;
        is_ending_ = true;
        wake_.notify_one();
    }
    log_thread_.join();
    {
        const std::lock_guard lock(mutex_);
        has_helper_ = false;
    }
    turn_.help();  // what was left for the log thread when it had done its last
    {
        const std::lock_guard lock(reads_mutex_);
        reads_ending_ = true;
        reads_wake_.notify_one();
    }
    read_thread_.join();
}

// ---- in the turn --------------------------------------------------------------------------------

// Once the log thread has ended, the holder goes on itself: all that is left then is refused.
void EmbeddedLog::Core::call_helper() {
    {
        const std::lock_guard lock(mutex_);
        work_.help = true;
        wake_.notify_one();
        if (has_helper_) return;
    }
    turn_.help();
}

// Returns once `run` has run: a request that was left for another thread may not have. Helps
// meanwhile, since a holder that has done enough may have called this very thread to go on.
template <class Run>
void EmbeddedLog::Core::run_in_turn(Run&& run) {
    const auto has_run = std::make_shared<std::latch>(1);
    turn_.take_turn([&run, has_run](Sequencer& sequencer) {
        run(sequencer);
        has_run->count_down();
    });
    while (!has_run->try_wait()) {
        turn_.help();
        std::this_thread::yield();
    }
}

void EmbeddedLog::Core::take_staged() {
    const bool is_low = sequencer_.reserved() - sequencer_.head() < settings_.reserve / 2;
    if (!sequencer_.has_staged() && !is_low) return;
    std::vector<Staged> staged = sequencer_.take_staged();
    const std::lock_guard lock(mutex_);
    if (staged.empty() && work_.reserve) return;
    work_.reserve = work_.reserve || is_low;
    std::move(staged.begin(), staged.end(), std::back_inserter(work_.staged));
    wake_.notify_one();
}

// ---- the log thread -----------------------------------------------------------------------------

void EmbeddedLog::Core::run_log() {
    for (;;) {
        Work work = next_work();
        if (work.help) turn_.help();
        const bool is_last = work.end && work.staged.empty();
        std::move(work.staged.begin(), work.staged.end(), std::back_inserter(waiting_));
        wants_reserve_ = wants_reserve_ || work.reserve;
        store_->look();
        tell_state();
        write_waiting();
        resume(std::move(work.resumes));
        if (work.look) look();
        if (is_last && has_ended()) return;
    }
}

EmbeddedLog::Core::Work EmbeddedLog::Core::next_work() {
    std::unique_lock lock(mutex_);
    wake_.wait_until(
        lock, std::min(next_look_, std::chrono::steady_clock::now() + Database::kLookEvery),
        [this] {
            return !work_.staged.empty() || work_.reserve || work_.help || work_.look || work_.end;
        });
    Work work = std::exchange(work_, {});
    work_.end = work.end;
    work.look = work.look || std::chrono::steady_clock::now() >= next_look_;
    return work;
}

void EmbeddedLog::Core::write_waiting() {
    while (store_->state() != Database::State::kClosed && (!waiting_.empty() || wants_reserve_)) {
        const auto count = std::min(kBatchEntriesMax, waiting_.size());
        if (!write(std::span(waiting_).first(count))) return tell_state();
        waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
    }
}

bool EmbeddedLog::Core::write(std::span<const Staged> staged) {
    std::optional<Position> reserved;
    if (wants_reserve_) reserved = reserved_ + settings_.reserve;

    const auto began = std::chrono::steady_clock::now();
    if (!store_->write(staged, reserved)) return false;
    probe_.sync_time.add(std::chrono::steady_clock::now() - began);
    probe_.syncs.add();
    probe_.synced_entries.add(staged.size());

    wants_reserve_ = false;
    reserved_ = reserved.value_or(reserved_);
    const Position through = staged.empty() ? Position() : staged.back().entry->position;
    turn_.take_turn([through, reserved](Sequencer& sequencer) {
        if (reserved) sequencer.reserve(*reserved);
        if (!through.is_before_first()) sequencer.synced(through);
    });
    return true;
}

// Tells the sequencer whether the disk takes what is appended.
void EmbeddedLog::Core::tell_state() {
    using State = Database::State;
    const State now = store_->state();
    if (std::exchange(told_, now) == now) return;
    if (now != State::kWritable) {
        next_look_ = std::min(next_look_, std::chrono::steady_clock::now() + Database::kLookEvery);
    }
    turn_.take_turn([now](Sequencer& sequencer) {
        if (now == State::kWritable) return sequencer.refuse("");
        if (now == State::kNoRoom) {
            return sequencer.refuse(
                "the disk of the log is nearly full; publish again when there is room");
        }
        sequencer.fail(
            "the disk of the log takes no writes now, and the server's log says why; publish again "
            "later, with the same ids");
    });
}

void EmbeddedLog::Core::look() {
    next_look_ =
        std::chrono::steady_clock::now() + (is_writable() ? kSweepEvery : Database::kLookEvery);
    if (store_->state() == Database::State::kClosed) return;
    const Result<LogRetention::Swept> swept = store_->sweep(tail_.frontier());
    show_hold();
    tell_state();
    if (!swept) {
        return diagnostics::warn("retention could not be applied; it is tried again",
                                 {{"reason", swept.error().detail}});
    }
    probe_.swept_entries.add(swept->entries);
    if (swept->has_more) next_look_ = {};
}

void EmbeddedLog::Core::resume(std::vector<Resume> resumes) {
    for (Resume& one : resumes) {
        const bool was_held = store_->resume_retention();
        show_hold();
        one.reply_to->post([was_held, done = std::move(one.done)]() mutable { done(was_held); });
    }
}

void EmbeddedLog::Core::show_hold() {
    using std::chrono::duration_cast;
    using std::chrono::seconds;
    const auto since_1970 = [](Clock::WallTime time) {
        return static_cast<std::uint64_t>(duration_cast<seconds>(time.time_since_epoch()).count());
    };
    const RetentionHold& hold = store_->hold();
    const auto left = std::chrono::ceil<seconds>(hold.left());
    probe_.hold_expected_s.set(hold.is_on() ? since_1970(hold.expected()) : 0);
    probe_.hold_clock_s.set(hold.is_on() ? since_1970(hold.clock()) : 0);
    probe_.hold_left_s.set(static_cast<std::uint64_t>(left.count()));
}

// Whether all that was given is visible. Then the next life goes on right behind it. False: some of
// it is handed over to this thread, or will be.
bool EmbeddedLog::Core::has_ended() {
    std::optional<Position> end;
    run_in_turn([&end](Sequencer& sequencer) {
        if (sequencer.is_all_visible()) end = sequencer.head();
    });
    if (store_->state() == Database::State::kClosed) return true;
    if (!end) return false;
    const Result<> written = store_->write({}, *end);
    if (!written) {
        diagnostics::warn("the log's end could not be written; offsets will have a hole",
                          {{"reason", written.error().detail}});
    }
    return true;
}

void EmbeddedLog::Core::look_now() {
    const std::lock_guard lock(mutex_);
    work_.look = true;
    wake_.notify_one();
}

void EmbeddedLog::Core::resume_retention(Executor& reply_to, Callback<Result<bool>> done) {
    const std::lock_guard lock(mutex_);
    if (is_ending_) {
        return reply_to.post([done = std::move(done)]() mutable {
            done(Error{ErrorCode::kUnavailable, "the server is stopping"});
        });
    }
    work_.resumes.push_back({&reply_to, std::move(done)});
    work_.look = true;
    wake_.notify_one();
}

// ---- the reading thread -------------------------------------------------------------------------

void EmbeddedLog::Core::read(Position after, std::size_t limit, Executor& reply_to, ReadDone done,
                             WantedRooms wanted) {
    BUS_ASSERT(limit > 0);
    const std::lock_guard lock(reads_mutex_);
    if (reads_.size() >= settings_.reads_max || reads_ending_) {
        return reply_to.post([done = std::move(done)]() mutable {
            done(Error{ErrorCode::kUnavailable,
                       "too many clients read back in the log at once; try again"});
        });
    }
    reads_.push_back({after, limit, &reply_to, std::move(done), std::move(wanted)});
    reads_wake_.notify_one();
}

void EmbeddedLog::Core::run_reads() {
    std::unique_lock lock(reads_mutex_);
    for (;;) {
        reads_wake_.wait(lock, [this] { return reads_ending_ || !reads_.empty(); });
        if (reads_.empty()) return;
        Read read = std::move(reads_.front());
        reads_.pop_front();
        lock.unlock();
        Result<Page> page = store_->read(read.after, read.limit, tail_.frontier(), read.wanted);
        probe_.pages_read.add();
        read.reply_to->post([page = std::move(page), done = std::move(read.done)]() mutable {
            done(std::move(page));
        });
        lock.lock();
    }
}

// ---- EmbeddedLog --------------------------------------------------------------------------------

Result<std::unique_ptr<EmbeddedLog>> EmbeddedLog::open(EmbeddedLogSettings settings, Binder& binder,
                                                       const Clock& clock, Random& random) {
    Result<std::unique_ptr<LogStore>> store = LogStore::open(settings, clock, random);
    if (!store) return store.error();
    auto core = std::make_unique<Core>(std::move(settings), binder, clock, std::move(*store));
    if (const Result<> loaded = core->load(binder); !loaded) return loaded.error();
    return std::unique_ptr<EmbeddedLog>(new EmbeddedLog(std::move(core)));
}

Result<Position> EmbeddedLog::end_copy(const EmbeddedLogSettings& settings, const Clock& clock,
                                       Random& random) {
    const auto store = LogStore::open(settings, clock, random, LogStore::Origin::kCopy);
    if (!store && store.error().code == ErrorCode::kNotFound) {
        return Error{ErrorCode::kNotFound,
                     store.error().detail +
                         ": put the whole backup there, and give the data directory that holds it"};
    }
    if (!store) return store.error();
    if (const Result<> written = (**store).write({}, (**store).head()); !written) {
        return written.error();
    }
    const auto& past = (**store).epochs().past();
    return past.empty() ? Position() : past.back().end;
}

EmbeddedLog::EmbeddedLog(std::unique_ptr<Core> core) : core_(std::move(core)) {}
EmbeddedLog::~EmbeddedLog() { stop(); }

void EmbeddedLog::start(bool has_sessions) { core_->start(has_sessions); }

const std::string& EmbeddedLog::sessions_open_in() const { return core_->sessions_open_in(); }

bool EmbeddedLog::is_epoch_stored() const { return core_->is_epoch_stored(); }

void EmbeddedLog::stop() { core_->stop(); }

void EmbeddedLog::append(std::vector<Plan> plans, Executor& reply_to, AppendDone done) {
    BUS_ASSERT(!plans.empty());
    const std::size_t bytes = memory_of(plans);
    core_->turn().run_or_leave(bytes, [plans = std::move(plans), &reply_to,
                                       done = std::move(done)](Sequencer& sequencer) mutable {
        sequencer.append(std::move(plans), reply_to, std::move(done));
    });
}

void EmbeddedLog::read(Position after, std::size_t limit, Executor& reply_to, ReadDone done,
                       WantedRooms wanted) {
    core_->read(after, limit, reply_to, std::move(done), std::move(wanted));
}
std::uint64_t EmbeddedLog::room_key(const Room& room) const { return core_->room_key(room); }

void EmbeddedLog::take_turn(Callback<Sequencer&> run) { core_->turn().take_turn(std::move(run)); }

Position EmbeddedLog::frontier() const { return core_->tail().frontier(); }
const Epochs& EmbeddedLog::epochs() const { return core_->epochs(); }
Tail& EmbeddedLog::tail() { return core_->tail(); }
bool EmbeddedLog::is_writable() const { return core_->is_writable(); }
void EmbeddedLog::look_now() { core_->look_now(); }
void EmbeddedLog::resume_retention(Executor& reply_to, Callback<Result<bool>> done) {
    core_->resume_retention(reply_to, std::move(done));
}
const LogProbe& EmbeddedLog::probe() const { return core_->probe(); }
const Database& EmbeddedLog::database() const { return core_->database(); }

}  // namespace eventbus
