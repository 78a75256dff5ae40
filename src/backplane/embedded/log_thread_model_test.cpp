// How the log thread gets its work and how the log ends, as embedded_log.cpp numbers the steps, in
// every interleaving of two appenders, the log thread and stop(). Of the turn it is known what
// combining_turn.h promises: whoever holds it runs all that was brought before it began, requests
// of one thread in their order.

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
    kStopDoesNotWaitForItsTurn,
    kAWordOfTheDiskOpensItAgain,
    kTheEndIsTakenOutsideOfATurn,
    kTheEndIsTakenThoughSomethingWaits,
    kTheLastHandOverIsForgotten,
};

using Byte = std::uint8_t;

enum Request : Byte { kNothing, kLeft, kTaken };  // brought; of the batch that a holder runs

struct Appender {
    Byte to_bring = 2;
    Byte request = kNothing;
};

enum Stop : Byte { kClose, kAwaitClose, kTellEnd, kJoin, kStopped };
enum LogThread : Byte { kTakeWork, kWrite, kAwaitEnd, kWriteEnd, kEnded };

struct World {
    // Of the sequencer. Counts stand for positions: they are given, and written, in order.
    Byte closed = 0;
    Byte head = 0;
    Byte visible = 0;
    Byte staged = 0;
    Byte refused = 0;

    Byte in_turn = 0;
    Byte handed_over = 0;
    Byte end_told = 0;

    std::array<Appender, 2> appenders{};

    Byte stop = kClose;
    Byte close_request = kNothing;

    Byte log_thread = kTakeWork;
    Byte in_hand = 0;
    Byte written = 0;
    Byte synced_request = kNothing;
    Byte synced_through = 0;
    Byte end_request = kNothing;
    Byte end_is_good = 0;
    Byte end = 0;
    Byte end_written = 0;

    bool has_left() const {
        return appenders[0].request == kLeft || appenders[1].request == kLeft ||
               close_request == kLeft || synced_request == kLeft || end_request == kLeft;
    }
    bool has_taken() const {
        return appenders[0].request == kTaken || appenders[1].request == kTaken ||
               close_request == kTaken || synced_request == kTaken || end_request == kTaken;
    }
};

class Ending {
 public:
    explicit Ending(Fault fault) : fault_(fault) {
        model_.may_rest = [](const World& world) {
            for (const Appender& appender : world.appenders) {
                if (appender.to_bring != 0 || appender.request != kNothing) return false;
            }
            return world.stop == kStopped && world.visible == world.head;
        };
        model_.wrong = [](const World& world) {
            return world.end_written != 0 && world.end != world.head
                       ? "a position is given that lies above the end on disk"
                       : "";
        };
        add_turn();
        for (std::size_t i = 0; i < 2; ++i) add_appender(i);
        add_stop();
        add_log_thread();
    }

    Exploration explore() const { return model::explore(model_); }

 private:
    bool has(Fault fault) const { return fault_ == fault; }

    void add(std::string name, std::function<bool(World&)> act) {
        model_.steps.push_back({std::move(name), std::move(act)});
    }

    void add_turn() {
        add("holder: takes the turn and what was brought", [](World& world) {
            if (world.in_turn != 0 || !world.has_left()) return false;
            world.in_turn = 1;
            for (Byte* const request :
                 {&world.appenders[0].request, &world.appenders[1].request, &world.close_request,
                  &world.synced_request, &world.end_request}) {
                if (*request == kLeft) *request = kTaken;
            }
            return true;
        });
        add("holder: 1 hands over what is staged, and leaves", [](World& world) {
            if (world.in_turn == 0 || world.has_taken()) return false;
            world.handed_over += std::exchange(world.staged, Byte{0});
            world.in_turn = 0;
            return true;
        });
    }

    void add_appender(std::size_t i) {
        const std::string name = "appender " + std::to_string(i) + ": ";
        add(name + "brings an append", [i](World& world) {
            Appender& appender = world.appenders[i];
            if (appender.to_bring == 0 || appender.request != kNothing) return false;
            --appender.to_bring;
            appender.request = kLeft;
            return true;
        });
        add(name + "its append runs", [i](World& world) {
            if (!take(world.appenders[i].request)) return false;
            if (world.closed != 0) {
                ++world.refused;
            } else {
                ++world.head;
                ++world.staged;
            }
            return true;
        });
    }

    void add_stop() {
        add("stop: 4 brings the close", [this](World& world) {
            if (world.stop != kClose) return false;
            world.close_request = kLeft;
            world.stop = has(Fault::kStopDoesNotWaitForItsTurn) ? kTellEnd : kAwaitClose;
            return true;
        });
        add("stop: 4 the close runs", [](World& world) {
            if (!take(world.close_request)) return false;
            world.closed = 1;
            if (world.stop == kAwaitClose) world.stop = kTellEnd;
            return true;
        });
        add("stop: 5 tells the log thread to end", [](World& world) {
            if (world.stop != kTellEnd) return false;
            world.end_told = 1;
            world.stop = kJoin;
            return true;
        });
        add("stop: 5 joins it", [](World& world) {
            if (world.stop != kJoin || world.log_thread != kEnded) return false;
            world.stop = kStopped;
            return true;
        });
    }

    void add_log_thread() {
        add("log thread: 2 takes its work", [this](World& world) {
            if (world.log_thread != kTakeWork) return false;
            if (world.handed_over == 0 && world.end_told == 0) return false;
            const bool forgets = has(Fault::kTheLastHandOverIsForgotten) && world.end_told != 0;
            world.in_hand = forgets ? Byte{0} : world.handed_over;
            world.handed_over = 0;
            if (world.in_hand > 0) return world.log_thread = kWrite, true;
            if (has(Fault::kTheEndIsTakenOutsideOfATurn)) {
                world.end = world.visible;
                return world.log_thread = kWriteEnd, true;
            }
            world.end_request = kLeft;
            world.log_thread = kAwaitEnd;
            return true;
        });
        add("log thread: 2 writes and syncs, 3 brings the word of it", [](World& world) {
            // Where the last word has not run yet, this one takes its place: it says more.
            if (world.log_thread != kWrite || world.synced_request == kTaken) return false;
            world.written += std::exchange(world.in_hand, Byte{0});
            world.synced_through = world.written;
            world.synced_request = kLeft;
            world.log_thread = kTakeWork;
            return true;
        });
        add("log thread: 3 its word runs", [this](World& world) {
            if (!take(world.synced_request)) return false;
            world.visible = world.synced_through;
            if (has(Fault::kAWordOfTheDiskOpensItAgain)) world.closed = 0;
            return true;
        });
        add("log thread: 6 its question runs", [this](World& world) {
            if (world.synced_request != kNothing || !take(world.end_request)) return false;
            world.end_is_good = world.visible == world.head ||
                                has(Fault::kTheEndIsTakenThoughSomethingWaits) ||
                                has(Fault::kTheLastHandOverIsForgotten);
            world.end = world.head;
            world.log_thread = world.end_is_good != 0 ? kWriteEnd : kTakeWork;
            return true;
        });
        add("log thread: 7 writes the end", [](World& world) {
            if (world.log_thread != kWriteEnd) return false;
            world.end_written = 1;
            world.log_thread = kEnded;
            return true;
        });
    }

    static bool take(Byte& request) {
        if (request != kTaken) return false;
        request = kNothing;
        return true;
    }

    const Fault fault_;
    Model<World> model_;
};

TEST(LogThreadModel, EachAppendIsAnsweredAndTheEndIsAboveEachPositionInEveryInterleaving) {
    const Exploration explored = Ending(Fault::kNone).explore();
    EXPECT_EQ(explored.fault, "") << explored;
    EXPECT_GT(explored.states, 1'000u) << "so few states are no walk";
}

TEST(LogThreadModel, TheWalkFindsEachFaultThatIsBuiltIn) {
    for (const Fault fault :
         {Fault::kStopDoesNotWaitForItsTurn, Fault::kAWordOfTheDiskOpensItAgain,
          Fault::kTheEndIsTakenOutsideOfATurn, Fault::kTheEndIsTakenThoughSomethingWaits,
          Fault::kTheLastHandOverIsForgotten}) {
        const Exploration explored = Ending(fault).explore();
        EXPECT_NE(explored.fault, "") << "fault " << static_cast<int>(fault);
    }
}

}  // namespace
}  // namespace eventbus
