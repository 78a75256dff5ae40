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
// Bounded: kLeftMax requests are left at most: who comes then helps, by waiting for the turn.
// Cost:    about 20 ns when it is free.
// Invariants:
//   (1) Requests of one thread run in the order in which it brought them.
//   (2) A request that was left is run by the holder, or by the helper that it calls.
//   (3) Answers run outside of the turn.
class CombiningTurn final : public Turn {
 public:
    struct Context {
        Sequencer& sequencer;
        // In the turn, after each request or run of requests: takes what is staged.
        std::function<void()> after_requests;
        // A holder has done enough for others: some thread is to call help().
        std::function<void()> call_helper;
    };

    explicit CombiningTurn(Context context);
    ~CombiningTurn() override;

    void take_turn(Callback<Sequencer&> run) override;

    // The same, of which only what is left for the holder becomes a callback, and takes memory.
    template <std::invocable<Sequencer&> Run>
    void run_or_leave(Run&& run);

    // Runs what was left, if the turn is free.
    void help();

 private:
    static constexpr std::size_t kLeftMax = 65'536;
    static constexpr int kRoundsMax = 16;  // then a holder lets a helper go on

    struct Left {
        Callback<Sequencer&> run;
        Left* next = nullptr;
    };

    bool try_enter() { return !held_.exchange(true, std::memory_order_seq_cst); }
    bool has_left() const { return left_.load(std::memory_order_seq_cst) != nullptr; }
    void begin_turn();
    void leave_request(Callback<Sequencer&> run);
    bool has_been_helped();
    void run_left();
    void finish_turn();

    const Context context_;
    std::atomic<bool> held_{false};
    std::atomic<Left*> left_{nullptr};  // newest first
    std::atomic<std::size_t> left_count_{0};
};

template <std::invocable<Sequencer&> Run>
void CombiningTurn::run_or_leave(Run&& run) {
    if (!try_enter()) {
        leave_request(std::forward<Run>(run));
        return help();
    }
    begin_turn();
    run(context_.sequencer);
    finish_turn();
}

}  // namespace eventbus
