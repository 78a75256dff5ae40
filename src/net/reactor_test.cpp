#include "net/reactor.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/assert.h"
#include "base/thread_usage.h"
#include "support/fake_clock.h"
#include "support/undisturbed.h"

namespace eventbus {
namespace {

using std::chrono::milliseconds;

// A reactor on a thread of its own.
class Running {
 public:
    explicit Running(Reactor& reactor) : reactor_(reactor), thread_([this] { reactor_.run(); }) {}
    ~Running() {
        reactor_.stop();
        thread_.join();
    }

 private:
    Reactor& reactor_;
    std::thread thread_;
};

class Flusher final : public Flushable {
 public:
    explicit Flusher(std::string& order, char name) : order_(order), name_(name) {}
    void flush() override { order_ += name_; }

 private:
    std::string& order_;
    const char name_;
};

TEST(Reactor, ATurnPassesFromWhatWasPostedOverTheHooksToTheFlushes) {
    FakeClock clock;
    Reactor reactor(0, clock);
    std::string order;
    Flusher flusher(order, 'f');
    reactor.add_turn_hook([&] {
        order += 'h';
        return Reactor::Again::kNo;
    });
    reactor.post([&] {
        order += 'p';
        reactor.flush_later(flusher);
        reactor.flush_later(flusher);
        reactor.defer([&] { order += 'd'; });
    });

    reactor.run_once();

    EXPECT_EQ(order, "phfd");
}

TEST(Reactor, WhatATaskPostsHasTheNextTurn) {
    FakeClock clock;
    Reactor reactor(0, clock);
    int runs = 0;
    std::function<void()> again = [&] {
        ++runs;
        reactor.post(Task(again));
    };
    reactor.post(Task(again));

    reactor.run_once();
    EXPECT_EQ(runs, 1);
    reactor.run_once();
    EXPECT_EQ(runs, 2);
}

TEST(Reactor, TimedTasksRunInTheOrderOfTheirTimesThenOfTheirPosting) {
    FakeClock clock;
    Reactor reactor(0, clock);
    std::string order;
    const Clock::Time now = clock.now();
    for (const auto& [ms, name] :
         std::vector<std::pair<int, char>>{{30, 'c'}, {10, 'a'}, {30, 'd'}, {20, 'b'}, {40, 'e'}}) {
        reactor.post_at(now + milliseconds(ms), [&order, name = name] { order += name; });
    }

    clock.advance(milliseconds(30));
    reactor.run_once();

    EXPECT_EQ(order, "abcd");
}

TEST(Reactor, ATimedTaskThatAsksForNowDoesNotHoldUpTheTurn) {
    FakeClock clock;
    Reactor reactor(0, clock);
    int runs = 0;
    std::function<void()> again = [&] {
        ++runs;
        reactor.post_at(reactor.now(), Task(again));
    };
    reactor.post_at(clock.now(), Task(again));

    reactor.run_once();

    EXPECT_EQ(runs, 1);
}

TEST(Reactor, AFlushThatIsForgottenDoesNotRunAndMovesNoOther) {
    FakeClock clock;
    Reactor reactor(0, clock);
    std::string order;
    Flusher a(order, 'a'), b(order, 'b'), c(order, 'c');
    reactor.post([&] {
        for (Flusher* one : {&a, &b, &c}) reactor.flush_later(*one);
        reactor.forget(b);
        reactor.forget(b);
    });

    reactor.run_once();

    EXPECT_EQ(order, "ac");
}

TEST(Reactor, AFlushThatAsksForAnotherHasTheNextTurn) {
    class Again final : public Flushable {
     public:
        explicit Again(Reactor& reactor) : reactor_(reactor) {}
        void flush() override {
            ++times;
            reactor_.flush_later(*this);
        }
        int times = 0;

     private:
        Reactor& reactor_;
    };
    FakeClock clock;
    Reactor reactor(0, clock);
    Again again(reactor);
    reactor.post([&] { reactor.flush_later(again); });

    reactor.run_once();
    EXPECT_EQ(again.times, 1);
    reactor.run_once();
    EXPECT_EQ(again.times, 2);
    reactor.forget(again);
    reactor.run_once();
    EXPECT_EQ(again.times, 2);
}

// Each flush takes `took`; nothing else takes time.
class SlowFlusher final : public Flushable {
 public:
    SlowFlusher(FakeClock& clock, std::string& order, char name)
        : clock_(clock), order_(order), name_(name) {}
    void flush() override {
        clock_.advance(Reactor::kSlice);
        order_ += name_;
    }

 private:
    FakeClock& clock_;
    std::string& order_;
    const char name_;
};

TEST(Reactor, WritesThatTakeLongGoOnInTheNextTurnsBeforeTheHooksRunAgain) {
    FakeClock clock;
    Reactor reactor(0, clock);
    std::string order;
    std::vector<std::unique_ptr<SlowFlusher>> all;
    for (char name = 'a'; name <= 'z'; ++name) {
        all.push_back(std::make_unique<SlowFlusher>(clock, order, name));
    }
    reactor.add_turn_hook([&] {
        order += 'H';
        return Reactor::Again::kNo;
    });
    reactor.post([&] {
        for (const auto& one : all) reactor.flush_later(*one);
    });

    reactor.run_once();
    ASSERT_LT(order.size(), 20u);
    reactor.post([&] {
        order += 'P';
        reactor.flush_later(*all[0]);   // has to wait until all others have had their turn
        reactor.flush_later(*all[25]);  // has its turn yet
    });
    for (int turn = 0; turn < 3; ++turn) reactor.run_once();

    EXPECT_EQ(order.find('P'), order.rfind('P'));
    std::erase(order, 'P');
    EXPECT_TRUE(order.starts_with("HabcdefghijklmnopqrstuvwxyzHa")) << order;
}

TEST(Reactor, AHookThatHasMoreForTheSameSocketsHoldsTheWritesBack) {
    FakeClock clock;
    Reactor reactor(0, clock);
    std::string order;
    Flusher flusher(order, 'f');
    std::vector<Reactor::Again> answers{Reactor::Again::kNo, Reactor::Again::kAfterFlush,
                                        Reactor::Again::kBeforeFlush};
    reactor.add_turn_hook([&] {
        order += 'h';
        reactor.flush_later(flusher);
        const Reactor::Again answer = answers.back();
        answers.pop_back();
        return answer;
    });

    for (int turn = 0; turn < 3; ++turn) reactor.run_once();

    EXPECT_EQ(order, "hhfhf");
}

TEST(Reactor, TasksThatTakeLongLeaveTheRestToTheNextTurnInTheirOrder) {
    FakeClock clock;
    Reactor reactor(0, clock);
    std::vector<int> order, expected;
    for (int i = 0; i < 40; ++i) {
        expected.push_back(i);
        reactor.post([&, i] {
            clock.advance(Reactor::kSlice);
            order.push_back(i);
        });
    }

    reactor.run_once();
    EXPECT_LT(order.size(), 40u);
    reactor.post([&] { order.push_back(40); });
    expected.push_back(40);
    for (int turn = 0; turn < 5; ++turn) reactor.run_once();

    EXPECT_EQ(order, expected);
}

// Offers a piece on a socket, and acts when it has been sent.
class Offerer final : public Flushable {
 public:
    Offerer(std::string& order, char name, std::string piece)
        : order_(order), name_(name), piece_(std::move(piece)) {
        BUS_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()) == 0);
    }
    ~Offerer() {
        for (const int end : ends_) ::close(end);
    }
    void flush() override { order_ += name_; }
    std::size_t offer(std::span<std::string_view> pieces, int& descriptor) override {
        if (piece_.empty()) return 0;
        pieces[0] = piece_;
        descriptor = ends_[0];
        return 1;
    }
    void sent(Stream::Outcome outcome) override {
        EXPECT_EQ(outcome.bytes, piece_.size());
        order_ += name_;
        if (on_sent) on_sent();
    }
    std::string received() const {
        std::string bytes(100, ' ');
        bytes.resize(static_cast<std::size_t>(
            std::max<ssize_t>(::recv(ends_[1], bytes.data(), bytes.size(), MSG_DONTWAIT), 0)));
        return bytes;
    }

    std::function<void()> on_sent;

 private:
    std::string& order_;
    const char name_;
    const std::string piece_;
    std::array<int, 2> ends_{};
};

TEST(Reactor, WritesInBatchesReachEachSocketAndWhoHasNoneToOfferIsFlushedByItself) {
    Result<std::unique_ptr<BatchSender>> sender = BatchSender::open();
    if (!sender) GTEST_SKIP() << sender.error().detail;
    FakeClock clock;
    Reactor reactor(0, clock, std::move(*sender));
    std::string order;
    std::vector<std::unique_ptr<Offerer>> all;
    for (int i = 0; i < 20; ++i) {
        const char name = static_cast<char>('a' + i);
        all.push_back(std::make_unique<Offerer>(
            order, name, i == 5 ? "" : std::string(static_cast<std::size_t>(i) + 1, name)));
    }
    // The third is done with when the second, of the same batch, ends it: it must not be told.
    all[1]->on_sent = [&] { reactor.forget(*all[2]); };
    all[3]->on_sent = [&] { reactor.flush_later(*all[0]); };
    reactor.post([&] {
        for (const auto& one : all) reactor.flush_later(*one);
    });

    reactor.run_once();

    EXPECT_EQ(order, "abdefghijklmnopqrst");
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(all[i]->received(), i == 5 ? "" : std::string(i + 1, static_cast<char>('a' + i)));
    }
    reactor.run_once();
    EXPECT_EQ(order, "abdefghijklmnopqrsta");
}

TEST(Reactor, AWatcherThatEndsAnotherKeepsItFromBeingCalledIfItsOwnerWaitsForTheTurnsEnd) {
    // Two descriptors are ready in one turn; whoever comes first closes the other.
    struct Pair;
    struct One final : Watcher {
        int descriptor = ::eventfd(1, EFD_NONBLOCK);
        bool is_closed = false;
        std::function<void()> act;
        void on_ready(std::uint32_t) override {
            if (!is_closed) act();
        }
    };
    FakeClock clock;
    Reactor reactor(0, clock);
    auto a = std::make_shared<One>();
    auto b = std::make_shared<One>();
    int calls = 0;
    const auto close = [&](std::shared_ptr<One>& victim) {
        ++calls;
        if (!victim) return;
        victim->is_closed = true;
        reactor.unwatch(victim->descriptor);
        ::close(victim->descriptor);
        reactor.defer([gone = std::move(victim)] {});
    };
    a->act = [&] { close(b); };
    b->act = [&] { close(a); };
    ASSERT_TRUE(reactor.watch(a->descriptor, *a, EPOLLIN));
    ASSERT_TRUE(reactor.watch(b->descriptor, *b, EPOLLIN));

    reactor.run_once();

    EXPECT_EQ(calls, 1);
    auto& survivor = a ? a : b;
    reactor.unwatch(survivor->descriptor);
    ::close(survivor->descriptor);
}

TEST(Reactor, ASleepingReactorWakesForATimerAndForItsDueLists) {
    SystemClock clock;
    Reactor reactor(0, clock);
    struct Item final : Due {
        std::promise<void> done;
        void on_due() override { done.set_value(); }
    };
    Item item;
    DueList list{milliseconds(5)};
    reactor.add_due_list(list);
    list.arm(item, clock.now());
    std::promise<void> timed;
    reactor.post_at(clock.now() + milliseconds(10), [&] { timed.set_value(); });

    const Running running(reactor);

    EXPECT_EQ(item.done.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
    EXPECT_EQ(timed.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

void turn_with(Reactor& reactor, Task task) {
    reactor.post(std::move(task));
    reactor.run_once();
}

void work_for(milliseconds time) {
    const auto until = thread_cpu_time() + time;
    while (thread_cpu_time() < until) {
    }
}

TEST(Reactor, ATurnThatWorksOrWaitsForLongIsAStall) {
    const SystemClock clock;
    EXPECT_TRUE(in_an_undisturbed_run([&] {
        Reactor reactor(0, clock);
        turn_with(reactor, [] {});
        turn_with(reactor, [] { work_for(milliseconds(7)); });
        const bool has_worked =
            reactor.stalls().get() == 1 && reactor.stall_max_ns().get() >= 6'000'000;

        turn_with(reactor, [] {});
        turn_with(reactor, [] { std::this_thread::sleep_for(milliseconds(20)); });
        return has_worked && reactor.stalls().get() == 2 &&
               reactor.stall_max_ns().get() >= 19'000'000;
    }));
}

// Whether turns were seen that others made long, and none of them counted as a stall.
bool tells_others_apart() {
    const SystemClock clock;
    Reactor reactor(0, clock);
    const auto cpu = static_cast<unsigned>(::sched_getcpu());
    std::atomic<bool> done{false};
    const auto stay = [cpu] {
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(cpu, &only);
        return ::sched_setaffinity(0, sizeof only, &only) == 0;
    };
    std::thread other([&] {
        stay();
        while (!done) {
        }
    });
    std::thread reactors([&] {
        stay();
        const auto give_up = clock.now() + std::chrono::seconds(20);
        while (reactor.preempted_turns().get() == 0 && clock.now() < give_up) {
            turn_with(reactor, [] { work_for(milliseconds(1)); });
        }
    });
    reactors.join();
    done = true;
    other.join();
    return reactor.preempted_turns().get() > 0 && reactor.stalls().get() == 0;
}

TEST(Reactor, ATurnDuringWhichOthersHadTheProcessorIsNoStall) {
    EXPECT_TRUE(in_an_undisturbed_run(tells_others_apart));
}

TEST(Reactor, ATurnDuringWhichTheProcessWasStoppedIsNoStall) {
    const auto tells_a_stop_apart = [] {
        watch_process_stops();
        const SystemClock clock;
        Reactor reactor(0, clock);
        turn_with(reactor, [] {});
        turn_with(reactor, [] { ::raise(SIGSTOP); });
        const bool is_no_stall =
            reactor.preempted_turns().get() == 1 && reactor.stalls().get() == 0;
        ::raise(SIGSTOP);  // before a turn that waits by its own doing
        turn_with(reactor, [] { std::this_thread::sleep_for(milliseconds(7)); });
        return is_no_stall && reactor.preempted_turns().get() == 1 && reactor.stalls().get() == 1;
    };
    EXPECT_TRUE(
        in_an_undisturbed_run([&] { return in_a_process_of_its_own(tells_a_stop_apart, 10'000); }));
}

TEST(Reactor, WhatWasPostedBeforeStopIsDone) {
    SystemClock clock;
    Reactor reactor(0, clock);
    int done = 0;
    reactor.post([&] {
        ++done;
        reactor.post([&] { ++done; });
    });
    reactor.stop();

    reactor.run();

    EXPECT_EQ(done, 2);
}

TEST(Reactor, APostDuringATurnThatLeavesTasksToTheNextIsRunWithoutATimer) {
    FakeClock clock;
    Reactor reactor(0, clock);
    std::promise<void> in_turn, posted, ran;
    const Running running(reactor);
    std::thread other([&] {
        in_turn.get_future().wait();
        reactor.post([&] { ran.set_value(); });
        posted.set_value();
    });
    reactor.post([&] {
        for (int i = 0; i < 40; ++i) {
            reactor.post([&, i] {
                clock.advance(Reactor::kSlice);
                if (i != 3) return;
                in_turn.set_value();
                posted.get_future().wait();
            });
        }
    });

    EXPECT_EQ(ran.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);

    reactor.post([] {});  // wakes a reactor that has lost it, so that the test ends
    other.join();
}

// A lost wake-up shows as a test that runs into its time limit.
TEST(Reactor, NoPostFromAnotherThreadIsLostOrReordered) {
    constexpr int kThreads = 3;
    constexpr int kPosts = 3'000;
    SystemClock clock;
    Reactor reactor(0, clock);
    std::vector<int> last(kThreads, -1);  // of the reactor's thread
    std::atomic<int> wrong{0};
    const Running running(reactor);

    std::vector<std::thread> posters;
    posters.reserve(kThreads);
    for (int t = 0; t < kThreads; ++t) {
        posters.emplace_back([&, t] {
            for (int i = 0; i < kPosts; ++i) {
                std::promise<void> ran;
                const bool waits = i % 7 == 0;  // then the reactor falls asleep in between
                reactor.post([&, t, i, waits] {
                    if (last[static_cast<std::size_t>(t)] != i - 1) ++wrong;
                    last[static_cast<std::size_t>(t)] = i;
                    if (waits) ran.set_value();
                });
                if (waits) ran.get_future().wait();
            }
        });
    }
    for (std::thread& poster : posters) poster.join();
    std::promise<void> all;
    reactor.post([&] { all.set_value(); });
    all.get_future().wait();

    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(last, std::vector<int>(kThreads, kPosts - 1));
}

// With no timer and no socket that would wake it: whoever is forgotten waits, and so do all.
TEST(Reactor, BurstsThatOutlastATurnAreRunToTheirEndThoughNothingElseWakesIt) {
    constexpr int kThreads = 3;
    constexpr int kRounds = 60;
    constexpr int kTasks = 20;  // three times that is six slices
    SystemClock clock;
    Reactor reactor(0, clock);
    const Running running(reactor);
    std::barrier round(kThreads);
    const auto work = [&clock] {
        const Clock::Time until = clock.now() + std::chrono::microseconds(50);
        while (clock.now() < until) {
        }
    };

    std::vector<std::thread> posters;
    posters.reserve(kThreads);
    std::atomic<int> ran{0};
    for (int t = 0; t < kThreads; ++t) {
        posters.emplace_back([&] {
            for (int i = 0; i < kRounds; ++i) {
                round.arrive_and_wait();
                std::promise<void> last;
                for (int task = 0; task < kTasks; ++task) {
                    reactor.post([&, task] {
                        work();
                        ++ran;
                        if (task == kTasks - 1) last.set_value();
                    });
                }
                last.get_future().wait();
            }
        });
    }
    for (std::thread& poster : posters) poster.join();

    EXPECT_EQ(ran, kThreads * kRounds * kTasks);
}

// As the tail does it: a number is published, then the reactor is woken; its hook must see the
// last.
TEST(Reactor, NoWakeUpIsLostBetweenAPublishedNumberAndTheHook) {
    constexpr std::uint64_t kRounds = 20'000;
    SystemClock clock;
    Reactor reactor(0, clock);
    std::atomic<std::uint64_t> published{0};
    std::atomic<std::uint64_t> seen{0};
    reactor.add_turn_hook([&] {
        seen.store(published.load(std::memory_order_acquire), std::memory_order_release);
        return Reactor::Again::kNo;
    });
    const Running running(reactor);

    for (std::uint64_t i = 1; i <= kRounds; ++i) {
        published.store(i, std::memory_order_seq_cst);
        reactor.wake_if_asleep();
        if (i % 16 != 0) continue;
        while (seen.load(std::memory_order_acquire) < i) std::this_thread::yield();
    }
    while (seen.load(std::memory_order_acquire) < kRounds) std::this_thread::yield();

    EXPECT_EQ(seen.load(), kRounds);
}

}  // namespace
}  // namespace eventbus
