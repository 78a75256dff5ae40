#include "backplane/embedded/combining_turn.h"

#include <iterator>
#include <memory>
#include <thread>
#include <utility>

namespace eventbus {

CombiningTurn::CombiningTurn(Context context) : context_(std::move(context)) {}

CombiningTurn::~CombiningTurn() {
    take_left();
    while (queue_ != nullptr) delete std::exchange(queue_, queue_->next);
}

void CombiningTurn::take_turn(Callback<Sequencer&> run) {
    run_or_leave(sizeof(Left), std::move(run));
}

void CombiningTurn::help() {
    if (!has_waiting() || !try_enter()) return;
    std::size_t others = kOthersMax;
    run_left(others);
    finish_turn(others);
}

void CombiningTurn::leave_request(Callback<Sequencer&> run, std::size_t bytes) {
    Left* const left = make_left(std::move(run), bytes);
    left->next = left_.load(std::memory_order_relaxed);
    while (!left_.compare_exchange_weak(left->next, left, std::memory_order_seq_cst)) {
    }
    while (left_bytes_.load(std::memory_order_relaxed) > kLeftBytesMax && !has_been_helped()) {
        std::this_thread::yield();
    }
}

// Owned by the list that it is put into, until it has run.
CombiningTurn::Left* CombiningTurn::make_left(Callback<Sequencer&> run, std::size_t bytes) {
    left_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    return new Left{std::move(run), bytes};
}

bool CombiningTurn::has_been_helped() {
    if (!try_enter()) return false;
    std::size_t others = kOthersMax;
    run_left(others);
    finish_turn(others);
    return true;
}

void CombiningTurn::take_left() {
    Left* newest = left_.exchange(nullptr, std::memory_order_seq_cst);
    if (newest == nullptr) return;
    Left* const last = newest;
    Left* oldest = nullptr;
    while (newest != nullptr) {
        Left* const next = std::exchange(newest->next, oldest);
        oldest = std::exchange(newest, next);
    }
    (queue_ == nullptr ? queue_ : queue_end_->next) = oldest;
    queue_end_ = last;
}

// At most so many as may be run for others.
void CombiningTurn::run_left(std::size_t& others) {
    take_left();
    context_.sequencer.begin_request(false);
    for (; queue_ != nullptr && others > 0; --others) {
        const std::unique_ptr<Left> left(std::exchange(queue_, queue_->next));
        left_bytes_.fetch_sub(left->bytes, std::memory_order_relaxed);
        left->run(context_.sequencer);
    }
}

void CombiningTurn::finish_turn(std::size_t others) {
    Sequencer::Answers answers;
    for (;;) {
        context_.after_requests();
        Sequencer::Answers due = context_.sequencer.end_turn();
        if (answers.empty()) {
            answers = std::move(due);
        } else {
            std::move(due.begin(), due.end(), std::back_inserter(answers));
        }
        has_queue_.store(queue_ != nullptr, std::memory_order_seq_cst);
        held_.store(false, std::memory_order_seq_cst);
        if (!has_waiting()) break;
        if (others == 0) {
            context_.call_helper();
            break;
        }
        if (!try_enter()) break;
        run_left(others);
    }
    Sequencer::give(std::move(answers));
}

}  // namespace eventbus
