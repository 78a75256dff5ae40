#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backplane/embedded/combining_turn.h"
#include "backplane/embedded/embedded_log.h"
#include "bus/subjects.h"
#include "support/folder.h"
#include "support/loop.h"
#include "support/plans.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

struct Life {
    explicit Life(const std::filesystem::path& folder) {
        auto opened = EmbeddedLog::open(
            {.data_dir = folder, .free_bytes_min = 0, .reserve = 100'000}, subjects, clock, random);
        BUS_ASSERT(opened.has_value());
        log = std::move(*opened);
        log->start();
    }

    SystemClock clock;
    SystemRandom random;
    Subjects subjects{{}};
    std::unique_ptr<EmbeddedLog> log;
};

// A reactor that publishes until it is refused, durable events and others in turn.
class Publisher {
 public:
    Publisher(EmbeddedLog& log, int index)
        : thread_([this, &log, prefix = std::to_string(index) + "-"] { run(log, prefix); }) {}
    void join() { thread_.join(); }

    std::atomic<std::uint64_t> taken{0};
    Position shown;  // the highest that it was told

 private:
    static constexpr std::uint64_t kUnderWayMax = 1'000;

    void run(EmbeddedLog& log, const std::string& prefix) {
        Loop loop;
        std::uint64_t asked = 0;
        std::uint64_t answered = 0;
        bool is_refused = false;
        const auto on_answer = [&](const Result<std::vector<Receipt>>& receipts) {
            ++answered;
            is_refused = is_refused || !receipts;
            if (!receipts) return;
            ++taken;
            shown = std::max(shown, receipts->front().position);
        };
        while (!is_refused) {
            const std::string id = prefix + std::to_string(++asked);
            std::vector<Plan> plans;
            plans.push_back(asked % 2 == 0 ? make_plan(id) : make_transient_plan(id));
            log.append(std::move(plans), loop, on_answer);
            while (loop.waiting() > 0) loop.run_all();
            // On a busy machine the disk is slower than this: what is reserved must not run out.
            loop.run_until([&] { return asked - answered < kUnderWayMax; });
        }
        loop.run_until([&] { return answered == asked; });
    }

    std::thread thread_;
};

TEST(EmbeddedLogStop, WhatWouldBeLeftForTheLogThreadIsAnsweredWhenThatHasEnded) {
    const Folder folder;
    Life life(folder.path());
    life.log->stop();
    std::latch holds(1);
    std::latch may_go(1);
    std::thread holder([&] {
        life.log->take_turn([&](Sequencer&) {
            holds.count_down();
            may_go.wait();
        });
    });
    holds.wait();
    Loop loop;
    std::size_t refused = 0;
    constexpr std::size_t kAsked = 3 * CombiningTurn::kOthersMax;
    for (std::size_t i = 0; i < kAsked; ++i) {
        std::vector<Plan> plans;
        plans.push_back(make_plan(std::to_string(i)));
        life.log->append(std::move(plans), loop,
                         [&](const auto& receipts) { refused += receipts ? 0 : 1; });
    }
    may_go.count_down();
    holder.join();
    loop.run_until([&] { return refused == kAsked; });
}

// Threads hold the turn, stand before it and leave requests at the moment at which the log is
// stopped.
TEST(EmbeddedLogStop, UnderLoadEveryAppendIsAnsweredAndNoPositionThatWasShownIsGivenAgain) {
    for (int round = 0; round < 20; ++round) {
        SCOPED_TRACE(round);
        const Folder folder;
        Position shown;
        std::string offset;
        {
            Life life(folder.path());
            Publisher first(*life.log, 1);
            Publisher second(*life.log, 2);
            Publisher third(*life.log, 3);
            while (first.taken < 20 || second.taken < 20 || third.taken < 20) {
                std::this_thread::yield();
            }
            life.log->stop();
            for (Publisher* const publisher : {&first, &second, &third}) {
                publisher->join();
                shown = std::max(shown, publisher->shown);
            }
            EXPECT_EQ(life.log->frontier(), shown) << "what got a position was shown";
        }
        Life next(folder.path());
        Loop loop;
        Position given;
        std::vector<Plan> plans;
        plans.push_back(make_plan("next"));
        next.log->append(std::move(plans), loop, [&](const Result<std::vector<Receipt>>& receipts) {
            given = receipts ? receipts->front().position : kEndOfTime;
        });
        loop.run_until([&] { return given > Position(); });
        EXPECT_EQ(given, shown + 1) << "above: a hole; below: one position for two events";
    }
}

TEST(EmbeddedLogStop, AStoppedLogRefusesAndAnswers) {
    const Folder folder;
    Life life(folder.path());
    life.log->stop();
    Loop loop;
    ErrorCode code = ErrorCode::kInternal;
    std::vector<Plan> plans;
    plans.push_back(make_plan("late"));
    life.log->append(std::move(plans), loop, [&](const Result<std::vector<Receipt>>& receipts) {
        code = receipts ? ErrorCode::kInternal : receipts.error().code;
    });
    while (loop.waiting() > 0) loop.run_all();
    EXPECT_EQ(code, ErrorCode::kUnavailable);
    life.log->stop();
}

}  // namespace
}  // namespace eventbus
