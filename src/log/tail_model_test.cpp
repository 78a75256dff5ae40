// The steps by which a push finds whom to wake and a join makes itself found, as tail.h lists them,
// in every interleaving.

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
    kLooksBeforeTheFrontierMoves,
    kSaysItsHintAfterItReadTheFrontier,
    kLetsATableGoAtOnce,
    kLetsATableGoByTheFrontierOfBefore,
    kSaysThatItLookedBeforeItHas,
};

using Byte = std::uint8_t;
constexpr Byte kTables = 3;
constexpr Byte kEntries = 2;  // all for the room that is joined

enum Push : Byte { kMove, kTakeTable, kLook, kSay, kWake, kPushed };
enum Join : Byte { kBegin, kReplace, kSet, kRetire, kReadFrontier, kAsleep };

struct World {
    // What both see.
    Byte frontier = 0;
    Byte looked_at = 0;
    Byte table = 0;
    std::array<Byte, kTables> has_room{};
    std::array<Byte, kTables> is_gone{};
    Byte is_woken = 0;

    // The holder of the turn.
    Byte push = kMove;
    Byte pushes = 0;
    Byte looks_into = 0;
    Byte is_noted = 0;

    // The reactor. Its joins replace a table each; the room is that of the first.
    Byte join = kBegin;
    Byte joins = 0;
    Byte seen = 0;  // of the frontier
    Byte frontier_before = 0;
    std::array<Byte, kTables> retired_at{};  // 0xff: not retired
};

class PushAndJoin {
 public:
    explicit PushAndJoin(Fault fault) : fault_(fault) {
        model_.start.retired_at.fill(0xff);
        model_.may_rest = [](const World& world) {
            return world.push == kPushed && world.join == kAsleep && world.seen == world.frontier;
        };
        model_.wrong = [](const World& world) {
            return world.push == kLook && world.is_gone[world.looks_into] != 0
                       ? "a table is looked into that was let go"
                       : "";
        };
        add_push();
        add_join();
    }

    Exploration explore() const { return model::explore(model_); }

 private:
    bool has(Fault fault) const { return fault_ == fault; }

    void add(std::string name, std::function<bool(World&)> act) {
        model_.steps.push_back({std::move(name), std::move(act)});
    }

    void add_push() {
        const bool looks_first = has(Fault::kLooksBeforeTheFrontierMoves);
        const auto move = [](World& world) { world.frontier = world.pushes = world.pushes + 1; };
        add("push: 2 moves the frontier", [=](World& world) {
            if (world.push != kMove) return false;
            if (!looks_first) move(world);
            world.push = kTakeTable;
            return true;
        });
        add("push: 3 takes the table", [this](World& world) {
            if (world.push != kTakeTable) return false;
            world.looks_into = world.table;
            if (has(Fault::kSaysThatItLookedBeforeItHas)) world.looked_at = world.frontier;
            world.push = kLook;
            return true;
        });
        add("push: 3 looks into it", [=](World& world) {
            if (world.push != kLook) return false;
            world.is_noted = world.is_noted | world.has_room[world.looks_into];
            if (looks_first) move(world);
            world.push = kSay;
            return true;
        });
        add("push: 4 says that it has looked", [](World& world) {
            if (world.push != kSay) return false;
            world.looked_at = world.frontier;
            world.push = world.pushes < kEntries ? kMove : kWake;
            return true;
        });
        add("push: 4 wakes", [](World& world) {
            if (world.push != kWake) return false;
            if (std::exchange(world.is_noted, Byte{0}) != 0) world.is_woken = 1;
            world.push = kPushed;
            return true;
        });
    }

    void add_join() {
        const bool reads_first = has(Fault::kSaysItsHintAfterItReadTheFrontier);
        add("join: begins", [=](World& world) {
            if (world.join != kBegin) return false;
            world.frontier_before = world.frontier;
            if (reads_first && world.joins == 0) world.seen = world.frontier;
            world.join = kReplace;
            return true;
        });
        add("join: a puts a new table in the place of the old one", [](World& world) {
            if (world.join != kReplace) return false;
            world.has_room[world.table + 1] = world.has_room[world.table];
            ++world.table;
            world.join = kSet;
            return true;
        });
        add("join: a sets the hint", [](World& world) {
            if (world.join != kSet) return false;
            world.has_room[world.table] = 1;
            world.join = kRetire;
            return true;
        });
        add("join: c keeps the old table, and lets go of older ones", [this](World& world) {
            if (world.join != kRetire) return false;
            for (Byte table = 0; table < world.table; ++table) {
                if (world.retired_at[table] <= world.looked_at) world.is_gone[table] = 1;
            }
            const Byte old = world.table - 1;
            world.retired_at[old] = has(Fault::kLetsATableGoByTheFrontierOfBefore)
                                        ? world.frontier_before
                                        : world.frontier;
            if (has(Fault::kLetsATableGoAtOnce)) world.is_gone[old] = 1;
            world.join = kReadFrontier;
            return true;
        });
        add("join: b reads the frontier", [=](World& world) {
            if (world.join != kReadFrontier) return false;
            if (!reads_first) world.seen = world.frontier;
            world.join = ++world.joins < kTables - 1 ? kBegin : kAsleep;
            return true;
        });
        add("reactor: is woken, and reads on", [](World& world) {
            if (world.join != kAsleep || world.is_woken == 0) return false;
            world.is_woken = 0;
            world.seen = world.frontier;
            return true;
        });
    }

    const Fault fault_;
    Model<World> model_;
};

TEST(TailModel, AReactorThatJoinsIsWokenForWhatItHasNotSeenInEveryInterleaving) {
    const Exploration explored = PushAndJoin(Fault::kNone).explore();
    EXPECT_EQ(explored.fault, "") << explored;
    EXPECT_GT(explored.states, 200u) << "so few states are no walk";
}

TEST(TailModel, TheWalkFindsEachFaultThatIsBuiltIn) {
    for (const Fault fault :
         {Fault::kLooksBeforeTheFrontierMoves, Fault::kSaysItsHintAfterItReadTheFrontier,
          Fault::kLetsATableGoAtOnce, Fault::kLetsATableGoByTheFrontierOfBefore,
          Fault::kSaysThatItLookedBeforeItHas}) {
        const Exploration explored = PushAndJoin(fault).explore();
        EXPECT_NE(explored.fault, "") << "fault " << static_cast<int>(fault);
    }
}

}  // namespace
}  // namespace eventbus
