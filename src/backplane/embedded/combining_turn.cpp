#include "backplane/embedded/combining_turn.h"

#include <iterator>
#include <memory>
#include <thread>
#include <utility>

namespace eventbus {

CombiningTurn::CombiningTurn(Context context) : context_(std::move(context)) {}

CombiningTurn::~CombiningTurn() {
    for (Left* left = left_.load(); left != nullptr;) delete std::exchange(left, left->next);
}

void CombiningTurn::take_turn(Callback<Sequencer&> run) { run_or_leave(std::move(run)); }

void CombiningTurn::begin_turn() {
    run_left();  // this thread may have left something before: (1)
    context_.sequencer.begin_request(true);
}

void CombiningTurn::help() {
    // Of a holder that leaves meanwhile one of two things is true: it sees what was left, or the
    // turn is free here. Both orders are sequentially consistent for this.
    if (!has_left() || !try_enter()) return;
    run_left();
    finish_turn();
}

void CombiningTurn::leave_request(Callback<Sequencer&> run) {
    auto* const left = new Left{std::move(run)};  // owned by the list until run_left()
    left_count_.fetch_add(1, std::memory_order_relaxed);
    left->next = left_.load(std::memory_order_relaxed);
    while (!left_.compare_exchange_weak(left->next, left, std::memory_order_seq_cst)) {
    }
    while (left_count_.load(std::memory_order_relaxed) > kLeftMax && !has_been_helped()) {
        std::this_thread::yield();
    }
}

bool CombiningTurn::has_been_helped() {
    if (!try_enter()) return false;
    run_left();
    finish_turn();
    return true;
}

void CombiningTurn::run_left() {
    Left* newest = left_.exchange(nullptr, std::memory_order_seq_cst);
    Left* oldest = nullptr;
    while (newest != nullptr) {
        Left* const next = std::exchange(newest->next, oldest);
        oldest = std::exchange(newest, next);
    }
    context_.sequencer.begin_request(false);
    while (oldest != nullptr) {
        const std::unique_ptr<Left> left(std::exchange(oldest, oldest->next));
        left_count_.fetch_sub(1, std::memory_order_relaxed);
        left->run(context_.sequencer);
    }
}

void CombiningTurn::finish_turn() {
    Sequencer::Answers answers;
    for (int round = 0;; ++round) {
        context_.after_requests();
        Sequencer::Answers due = context_.sequencer.end_turn();
        if (answers.empty()) {
            answers = std::move(due);
        } else {
            std::move(due.begin(), due.end(), std::back_inserter(answers));
        }
        held_.store(false, std::memory_order_seq_cst);
        if (!has_left()) break;
        if (round == kRoundsMax) {
            context_.call_helper();
            break;
        }
        if (!try_enter()) break;
        run_left();
    }
    Sequencer::give(std::move(answers));
}

}  // namespace eventbus
