#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/result.h"
#include "log/binder.h"
#include "log/dedupe.h"
#include "log/log.h"
#include "log/probe.h"
#include "log/tail.h"

namespace eventbus {

// What must be on disk before its entry, and all after it, may be seen.
struct Staged {
    SharedEntry entry;
    bool is_stored = false;  // else only its changes are written
    std::vector<StoredChange> changes;
    std::string dedupe_key;  // empty: none
    // Entries whose keys were forgotten before their time, and are not to be known after a restart.
    std::vector<Position> forgotten_keys;
};

// Gives positions, in one order: the part of a log that knows no thread and no disk.
//
// An entry goes from append() to `pending`, and there waits for the sync of every entry up to it
// that needs one; then it is pushed into the tail, and whoever waited for it is answered. What is
// to be written is taken by take_staged(), and synced() says that it was.
//
// Thread:  the sequencer's turn.
// Bounded: entries that are not visible yet, by pending_bytes_max: at the bound appends are
// refused. Invariants:
//   (1) Positions rise by one with each entry, and none is above what was reserved.
//   (2) A refused append has changed nothing.
//   (3) After fail() nothing becomes visible before a sync that covers it, and everything is
//   refused
//       until refuse("").
class Sequencer {
 public:
    struct Settings {
        std::size_t pending_bytes_max = 64U << 20U;
        Dedupe::Settings dedupe;
    };
    struct Context {
        Binder& binder;
        Tail& tail;
        const Clock& clock;
        LogProbe& probe;
    };
    // A call that is due on `reply_to` after the turn: who appended gets its receipts, or `run`.
    struct Answer {
        Executor* reply_to = nullptr;
        bool at_once = false;  // may be made where it is asked for, if that is `reply_to`
        Task run;
        AppendDone appended;  // if there is no `run`
        std::vector<Receipt> receipts;

        void operator()() { run ? run() : appended(std::move(receipts)); }
    };
    using Answers = std::vector<Answer>;

    // Makes the calls, in their order; not in a turn, as they may ask for one.
    static void give(Answers answers);

    Sequencer(Context context, Settings settings);

    // ---- before the first append ------------------------------------------------------------

    void start_at(Position head) { head_ = synced_ = head; }
    Dedupe& dedupe() { return dedupe_; }

    // ---- what is asked in a turn --------------------------------------------------------------

    // As Log::append().
    void append(std::vector<Plan>&& plans, Executor& reply_to, AppendDone done);

    // Calls `then` on `reply_to` once all up to `position` is visible. Errors: kReadOnly, it never
    // will be.
    void when_visible(Position position, Executor& reply_to, Callback<Result<>> then);

    // Has `run` run on `reply_to` after this turn.
    void answer(Executor& reply_to, Task run);

    // The last position that was given; what a turn sees of the binder is as of here.
    Position head() const { return head_; }

    // ---- what the log does ----------------------------------------------------------------------

    // Positions up to here may be given; it never goes back.
    void reserve(Position through);
    Position reserved() const { return reserved_; }

    std::vector<Staged> take_staged() { return std::exchange(staged_, {}); }
    bool has_staged() const { return !staged_.empty(); }

    void synced(Position through);

    // While the disk is full, with what is said to publishers; empty: it no longer is.
    void refuse(std::string why);

    // The same while nothing can be written: whoever waits is answered kReadOnly. What is pending
    // stays, as bind() has run for it.
    void fail(std::string why);

    // Refuses everything from now on, for good: the log ends. What was taken before goes its way.
    void close(std::string why) { closed_ = std::move(why); }
    // Whether nothing waits for a sync.
    bool is_all_visible() const { return pending_.empty(); }

    // Whether answers of the request that runs now may be run at once.
    void begin_request(bool at_once) { at_once_ = at_once; }
    // Wakes readers, and hands out what is to be run now that the turn is over.
    Answers end_turn();

 private:
    struct Pending {
        SharedEntry entry;
        std::size_t bytes = 0;
        bool needs_sync = false;
    };
    struct Waiter {
        Position until;
        Executor* reply_to = nullptr;
        Callback<Result<>> then;
    };
    struct Batch {  // one append that is being accepted
        std::vector<Receipt> receipts;
        std::vector<Pending> entries;
        std::vector<Staged> staged;
        Position visible_at;  // when all of it is
        Clock::Time now;
    };

    Result<> check_accepts(std::size_t events) const;
    Result<> accept(std::vector<Plan>& plans);
    Result<> place(Plan&& plan);
    void forget_keys();
    void take_in();
    void show_what_may_be_seen();

    const Context context_;
    const Settings settings_;
    Dedupe dedupe_;
    Batch batch_;  // a member, for its memory
    Position head_;
    Position reserved_;
    Position synced_;
    std::deque<Pending> pending_;
    std::size_t pending_bytes_ = 0;
    std::deque<Waiter> waiters_;  // by `until`
    std::vector<Staged> staged_;
    std::vector<Position> forgotten_keys_;  // until something is staged
    Answers answers_;
    std::string refusal_;
    std::string closed_;
    bool failed_ = false;
    bool at_once_ = false;
    bool has_pushed_ = false;
};

}  // namespace eventbus
