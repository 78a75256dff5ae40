// The steps by which requests reach the sequencer's turn, as combining_turn.h numbers them, in
// every interleaving of two threads that bring two requests each, one that brings one, and a
// helper. A holder runs one request of others.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "support/explore.h"

namespace eventbus {
namespace {

using model::Exploration;
using model::Model;

// What may be built in to see that the walk finds it.
enum class Fault : std::uint8_t {
    kNone,
    kDoesNotLookBehindItsPush,
    kDoesNotLookBehindItsRelease,
    kLooksBeforeItReleases,
    kForgetsWhatItHasTaken,
    kSaysWhatItHasTakenBehindItsRelease,
    kRunsItsOwnBeforeWhatItLeft,
    kCallsNoHelper,
    kEntersWithoutAnExchange,
};

using Byte = std::uint8_t;
constexpr Byte kThreads = 4;  // the last is the helper
constexpr Byte kHelper = 3;
constexpr Byte kRequests = 2;               // of a thread, at most
using Brings = std::array<Byte, kThreads>;  // requests of each thread
constexpr Byte kNone = 0xff;
constexpr Byte kOthersMax = 1;

enum Place : Byte {
    kBring,
    kPush,
    kLookBehindPush,
    kEnter,
    kEnterBlindly,  // of a fault: between the look at held_ and the change
    kTake,
    kRun,
    kRunOwn,
    kSayQueue,
    kRelease,
    kLook,
    kLookTooEarly,
    kCallHelper,
};

struct Requests {
    std::array<Byte, kThreads * kRequests> at{};
    Byte size = 0;

    void push(Byte request) { at[size++] = request; }
    Byte pop() {
        const Byte first = at[0];
        for (Byte i = 1; i < size; ++i) at[i - 1] = at[i];
        at[--size] = 0;
        return first;
    }
};

struct Thread {
    Byte place = kBring;
    Byte brought = 0;
    Byte own = kNone;  // of the turn, not run yet
    Byte others = 0;   // that it may still run
    Byte saw_waiting = 0;
};

struct World {
    Byte held = 0;
    Byte has_queue = 0;
    Requests left;   // oldest first
    Requests queue;  // of the holder
    Byte helper_called = 0;
    std::array<Thread, kThreads> threads{};
    std::array<Byte, kThreads> ran{};  // requests of each
    Byte is_out_of_order = 0;

    bool has_waiting() const { return left.size > 0 || has_queue != 0; }
    void run(Byte request) {
        const Byte thread = request / kRequests;
        if (request % kRequests != ran[thread]) is_out_of_order = 1;
        ++ran[thread];
    }
};

bool holds(const Thread& thread) { return thread.place >= kTake && thread.place <= kRelease; }

class Combining {
 public:
    Combining(Fault fault, Brings brings) : fault_(fault), brings_(brings) {
        model_.may_rest = [brings](const World& world) {
            for (Byte i = 0; i < kHelper; ++i) {
                if (world.ran[i] != brings[i]) return false;
            }
            return !world.has_waiting() && world.helper_called == 0;
        };
        model_.wrong = [](const World& world) {
            int holders = 0;
            for (const Thread& thread : world.threads) holders += holds(thread) ? 1 : 0;
            if (holders > 1) return "two hold the turn";
            return world.is_out_of_order != 0 ? "requests of one thread ran out of order" : "";
        };
        for (Byte i = 0; i < kThreads; ++i) add_thread(i);
    }

    Exploration explore() const { return model::explore(model_); }

 private:
    using Act = std::function<void(World&, Thread&)>;

    bool has(Fault fault) const { return fault_ == fault; }

    void add(Byte thread, std::string name, Place place, Act act) {
        model_.steps.push_back({std::to_string(thread) + ": " + std::move(name),
                                [thread, place, act = std::move(act)](World& world) {
                                    if (world.threads[thread].place != place) return false;
                                    act(world, world.threads[thread]);
                                    return true;
                                }});
    }

    void add_thread(Byte index) {
        if (index == kHelper) {
            model_.steps.push_back({"helper: is called", [](World& world) {
                                        Thread& helper = world.threads[kHelper];
                                        if (helper.place != kBring) return false;
                                        if (std::exchange(world.helper_called, Byte{0}) == 0)
                                            return false;
                                        helper.place = kLookBehindPush;
                                        return true;
                                    }});
        } else {
            model_.steps.push_back(
                {std::to_string(index) + ": 1 brings a request", [this, index](World& world) {
                     Thread& thread = world.threads[index];
                     if (thread.place != kBring || thread.brought == brings_[index]) return false;
                     thread.own = static_cast<Byte>(index * kRequests + thread.brought++);
                     enter(world, thread, kPush);
                     return true;
                 }});
        }
        add(index, "2 leaves it", kPush, [this](World& world, Thread& thread) {
            world.left.push(std::exchange(thread.own, kNone));
            thread.place = has(Fault::kDoesNotLookBehindItsPush) ? kBring : kLookBehindPush;
        });
        add(index, "3 looks whether anything waits", kLookBehindPush,
            [this](World& world, Thread& thread) {
                if (!world.has_waiting()) {
                    thread.place = kBring;
                } else if (has(Fault::kEntersWithoutAnExchange)) {
                    thread.place = world.held == 0 ? kEnterBlindly : kBring;
                } else {
                    thread.place = kEnter;
                }
            });
        add(index, "3 exchanges held_", kEnter,
            [](World& world, Thread& thread) { enter(world, thread, kBring); });
        add(index, "3 sets held_", kEnterBlindly,
            [](World& world, Thread& thread) { enter(world, thread, kTake); });
        add_holder(index);
    }

    static void enter(World& world, Thread& thread, Place otherwise) {
        const bool is_free = std::exchange(world.held, Byte{1}) == 0;
        if (is_free && thread.saw_waiting == 0) thread.others = kOthersMax;
        thread.saw_waiting = 0;
        if (!is_free) thread.others = 0;
        thread.place = is_free ? kTake : otherwise;
    }

    void add_holder(Byte index) {
        add(index, "4 takes what was left", kTake, [](World& world, Thread& thread) {
            while (world.left.size > 0) world.queue.push(world.left.pop());
            thread.place = kRun;
        });
        add(index, "5 runs one for another, or has done enough", kRun,
            [](World& world, Thread& thread) {
                if (world.queue.size == 0 || thread.others == 0) {
                    thread.place = kRunOwn;
                } else {
                    --thread.others;
                    world.run(world.queue.pop());
                }
            });
        add(index, "6 runs its own, or puts it behind what it has taken", kRunOwn,
            [this](World& world, Thread& thread) {
                if (const Byte own = std::exchange(thread.own, kNone); own != kNone) {
                    if (world.queue.size == 0 || has(Fault::kRunsItsOwnBeforeWhatItLeft)) {
                        world.run(own);
                    } else {
                        world.queue.push(own);
                    }
                }
                thread.place = has(Fault::kSaysWhatItHasTakenBehindItsRelease) ? kRelease
                               : has(Fault::kLooksBeforeItReleases)            ? kLookTooEarly
                                                                               : kSayQueue;
            });
        add(index, "8 looks, too early", kLookTooEarly, [](World& world, Thread& thread) {
            world.has_queue = world.queue.size > 0;
            thread.saw_waiting = world.has_waiting();
            thread.place = kRelease;
        });
        add(index, "7 says whether it has taken more", kSayQueue,
            [this](World& world, Thread& thread) {
                if (!has(Fault::kForgetsWhatItHasTaken)) {
                    world.has_queue = world.queue.size > 0;
                }
                thread.place = has(Fault::kSaysWhatItHasTakenBehindItsRelease) ? kLook : kRelease;
            });
        add(index, "7 releases", kRelease, [this](World& world, Thread& thread) {
            world.held = 0;
            if (has(Fault::kDoesNotLookBehindItsRelease)) {
                thread.place = kBring;
            } else if (has(Fault::kSaysWhatItHasTakenBehindItsRelease)) {
                thread.place = kSayQueue;
            } else if (has(Fault::kLooksBeforeItReleases)) {
                go_on(thread, std::exchange(thread.saw_waiting, Byte{0}) != 0);
            } else {
                thread.place = kLook;
            }
        });
        add(index, "8 looks whether anything waits", kLook,
            [this](World& world, Thread& thread) { go_on(thread, world.has_waiting()); });
        add(index, "8 calls a helper", kCallHelper, [this](World& world, Thread& thread) {
            if (!has(Fault::kCallsNoHelper)) world.helper_called = 1;
            thread.place = kBring;
        });
    }

    static void go_on(Thread& thread, bool has_waiting) {
        thread.place = !has_waiting ? kBring : thread.others == 0 ? kCallHelper : kEnter;
        thread.saw_waiting = thread.place == kEnter;  // it goes on with what it may still do
        if (thread.place == kBring) thread.others = 0;
    }

    const Fault fault_;
    const Brings brings_;
    Model<World> model_;
};

constexpr Brings kTwoThreads{2, 2};
constexpr Brings kThreeThreads{2, 1, 1};  // so that one stands behind another's in the queue

TEST(CombiningTurnModel, EachRequestRunsOnceAndInOrderInEveryInterleaving) {
    for (const Brings& brings : {kTwoThreads, kThreeThreads}) {
        const Exploration explored = Combining(Fault::kNone, brings).explore();
        EXPECT_EQ(explored.fault, "") << explored;
        EXPECT_GT(explored.states, 1'000u) << "so few states are no walk";
    }
}

TEST(CombiningTurnModel, TheWalkFindsEachFaultThatIsBuiltIn) {
    for (const Fault fault :
         {Fault::kDoesNotLookBehindItsPush, Fault::kDoesNotLookBehindItsRelease,
          Fault::kLooksBeforeItReleases, Fault::kForgetsWhatItHasTaken,
          Fault::kSaysWhatItHasTakenBehindItsRelease, Fault::kRunsItsOwnBeforeWhatItLeft,
          Fault::kCallsNoHelper, Fault::kEntersWithoutAnExchange}) {
        const Exploration explored = Combining(fault, kThreeThreads).explore();
        EXPECT_NE(explored.fault, "") << "fault " << static_cast<int>(fault);
    }
}

}  // namespace
}  // namespace eventbus
