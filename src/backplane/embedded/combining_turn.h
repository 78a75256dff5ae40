#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <functional>
#include <utility>

#include "base/executor.h"
#include "log/sequencer.h"
#include "log/turn.h"

namespace eventbus {

// The sequencer's turn by flat combining: who finds it free runs its request itself, who does not
// leaves the request for the holder and goes on. Nobody sleeps for the turn.
//
// Thread:  any.
// Bounded: a holder runs at most kOthersMax requests of others, then some thread helps. Of what is
//          left, kLeftBytesMax may wait: who comes then helps, by waiting for the turn.
// Cost:    about 20 ns when it is free.
// Invariants:
//   (1) Requests of one thread run in the order in which it brought them.
//   (2) A request that was left is run by the holder, or by the helper that it calls.
//   (3) Answers run outside of the turn.
//
// The steps (combining_turn_model_test.cpp goes through all interleavings). A thread that has a
// request:
//   1. exchanges held_ for true; if it was false, this thread holds the turn, see (4);
//   2. pushes the request onto left_;
//   3. if anything waits (left_ is not empty, or has_queue_), exchanges held_ as in (1). If it was
//      true, whoever holds the turn sees at (8) what waits.
// The holder:
//   4. takes all of left_ to the end of queue_;
//   5. runs requests from queue_, the oldest first, as long as it may for others;
//   6. runs its own request, once; if queue_ is not empty it puts the request at its end instead,
//      since it may have left something that stands there;
//   7. says in has_queue_ whether queue_ is empty, then sets held_ to false;
//   8. if anything waits, goes on as at (3), or calls a helper if it has done enough for others.
//   The
//      helper begins at (3).
// All of these are sequentially consistent: of what is pushed at (2) and what is seen at (8),
// either the holder sees it, or the one who pushed finds the turn free at (3).
class CombiningTurn final : public Turn {
 public:
    static constexpr std::size_t kOthersMax = 256;
    static constexpr std::size_t kLeftBytesMax = 64U << 20U;

    struct Context {
        Sequencer& sequencer;
        // In the turn, after each run of requests: takes what is staged.
        std::function<void()> after_requests;
        // A holder has done enough for others: some thread is to call help().
        std::function<void()> call_helper;
    };

    explicit CombiningTurn(Context context);
    ~CombiningTurn() override;

    void take_turn(Callback<Sequencer&> run) override;

    // The same for a request that holds `bytes` of memory. Only what is left for the holder becomes
    // a callback, and takes more.
    template <std::invocable<Sequencer&> Run>
    void run_or_leave(std::size_t bytes, Run&& run);

    // Runs what was left, if the turn is free.
    void help();

 private:
    struct Left {
        Callback<Sequencer&> run;
        std::size_t bytes = 0;
        Left* next = nullptr;
    };

    bool try_enter() { return !held_.exchange(true, std::memory_order_seq_cst); }
    bool has_waiting() const {
        return left_.load(std::memory_order_seq_cst) != nullptr ||
               has_queue_.load(std::memory_order_seq_cst);
    }
    void leave_request(Callback<Sequencer&> run, std::size_t bytes);
    Left* make_left(Callback<Sequencer&> run, std::size_t bytes);
    bool has_been_helped();
    void take_left();
    void run_left(std::size_t& others);
    void finish_turn(std::size_t others);

    const Context context_;
    std::atomic<bool> held_{false};
    std::atomic<Left*> left_{nullptr};  // newest first
    std::atomic<std::size_t> left_bytes_{0};
    std::atomic<bool> has_queue_{false};

    // Of the holder: what it has taken from left_, oldest first.
    Left* queue_ = nullptr;
    Left* queue_end_ = nullptr;
};

template <std::invocable<Sequencer&> Run>
void CombiningTurn::run_or_leave(std::size_t bytes, Run&& run) {
    if (!try_enter()) {
        leave_request(std::forward<Run>(run), bytes);
        return help();
    }
    std::size_t others = kOthersMax;
    run_left(others);
    if (queue_ == nullptr) {
        context_.sequencer.begin_request(true);
        run(context_.sequencer);
    } else {
        queue_end_ = queue_end_->next = make_left(std::forward<Run>(run), bytes);
    }
    finish_turn(others);
}

}  // namespace eventbus
