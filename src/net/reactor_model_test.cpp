// The steps by which a reactor falls asleep and is woken, as reactor.h lists them, in every
// interleaving with threads that post and that wake it.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "support/explore.h"

namespace eventbus {
namespace {

using model::Exploration;
using model::Model;

// What may be built in to see that the walk finds it. The names say what the code would do.
enum class Fault : std::uint8_t {
    kNone,
    kSleepsBehindLeftTasksWithoutALook,  // posts of that turn are lost
    kSleepsWithoutComparing,
    kTakesBackTheNoticeBehindTheLook,
    kClearsAgainBehindTheLook,
    kForgetsItsOwnPosts,
    kForgetsItsOwnWakes,
    kForgetsHooksThatWaitForWrites,
    kOthersNotifyBeforeTheyLeaveTheirWork,
    kOthersRingOnlyAnAwakeOne,
    kStopRingsNoBell,
};

using Byte = std::uint8_t;
enum State : Byte { kAwake, kAsleep, kNotified };
enum Place : Byte {  // of the reactor
    kFallAsleep,
    kWait,
    kExchange,
    kBegin,
    kLookAtPosted,
    kRunPosted,
    kEndPosted,
    kLookWithHooks,
    kFlush,
    kLateExchange,
    kLast,
    kGone
};
enum Work : Byte { kPosts, kPublishes, kStops };  // of another thread

enum Action : Byte { kLeaves, kNotifies, kRings };  // a, b, c

struct Other {
    Byte work;
    Byte left;  // times
    Byte step;  // of those that it makes, in their order
};

struct World {
    Byte state = kAwake;
    Byte rings = 0;
    Byte posted = 0;
    Byte published = 0;  // the number that a hook reads
    Byte stopping = 0;

    Byte place = kFallAsleep;
    Byte sleeps = 0;
    Byte bell_rang = 0;
    Byte again = 0;
    Byte takes = 0;
    Byte running = 0;
    Byte hooks_have_run = 0;
    Byte seen = 0;          // of what was published
    Byte writes_left = 0;   // of an earlier turn
    Byte sockets_left = 0;  // times that one becomes ready
    Byte own_posts_left = 0;
    Byte own_wakes_left = 0;
    Byte slices_left = 0;  // times that one is over before its work is done

    std::array<Other, 3> others{};
};

class Sleep {
 public:
    Sleep(Fault fault, const World& start) : fault_(fault) {
        model_.start = start;
        model_.may_rest = [](const World& world) {
            for (const Other& other : world.others) {
                if (other.left != 0) return false;
            }
            if (world.stopping != 0) return world.place == kGone && world.posted == 0;
            return world.posted == 0 && world.running == 0 && world.writes_left == 0 &&
                   world.seen == world.published;
        };
        model_.wrong = [](const World& world) {
            return world.place == kExchange && world.sleeps != 0 && world.running != 0
                       ? "it slept with tasks in hand"
                       : "";
        };
        add_sleep();
        add_turn();
        for (std::size_t i = 0; i < start.others.size(); ++i) add_other(i);
    }

    Exploration explore() const { return model::explore(model_); }

 private:
    void add(std::string name, Byte place, std::function<bool(World&)> act) {
        model_.steps.push_back(
            {"reactor: " + std::move(name), [place, act = std::move(act)](World& world) {
                 return world.place == place && act(world);
             }});
    }

    bool has(Fault fault) const { return fault_ == fault; }

    void add_sleep() {
        add("1 falls asleep or not", kFallAsleep, [this](World& world) {
            const bool may = world.again == 0;
            const bool was_awake = world.state == kAwake || has(Fault::kSleepsWithoutComparing);
            if (world.stopping != 0) return world.place = kLast, true;
            world.sleeps = may && was_awake;
            if (world.sleeps != 0) world.state = kAsleep;
            return world.place = kWait, true;
        });
        const auto wakes = [this](World& world, bool bell_rang) {
            world.bell_rang = bell_rang;
            world.place = has(Fault::kTakesBackTheNoticeBehindTheLook) ? kBegin : kExchange;
            return true;
        };
        add("2 epoll_wait returns the bell", kWait,
            [wakes](World& world) { return world.rings != 0 && wakes(world, true); });
        add("2 epoll_wait returns sockets, and no room for the bell", kWait, [wakes](World& world) {
            if (world.sockets_left == 0) return false;
            --world.sockets_left;
            return wakes(world, false);
        });
        add("2 epoll_wait returns nothing", kWait, [wakes](World& world) {
            return world.sleeps == 0 && world.rings == 0 && wakes(world, false);
        });
        add("3 is awake", kExchange, [](World& world) {
            world.state = kAwake;
            return world.place = kBegin, true;
        });
    }

    void add_turn() {
        add("4 begins", kBegin, [this](World& world) {
            if (!has(Fault::kClearsAgainBehindTheLook)) world.again = 0;
            world.hooks_have_run = 0;
            if (world.bell_rang != 0) world.rings = 0;
            return world.place = kLookAtPosted, true;
        });
        add("5 takes what was posted, if it has none", kLookAtPosted, [](World& world) {
            world.takes = world.running == 0;
            if (world.takes != 0) world.running = std::exchange(world.posted, Byte{0});
            return world.place = kRunPosted, true;
        });
        add_tasks();
        add("5 its hooks look, unless writes are left", kLookWithHooks, [this](World& world) {
            if (world.writes_left != 0) {
                if (!has(Fault::kForgetsHooksThatWaitForWrites)) world.again = 1;
            } else {
                world.seen = world.published;
            }
            world.hooks_have_run = 1;
            return world.place = kFlush, true;
        });
        add("6 writes all", kFlush, [this](World& world) {
            world.writes_left = 0;
            return end_turn(world);
        });
        add("6 writes some", kFlush, [this](World& world) {
            if (world.slices_left == 0) return false;
            --world.slices_left;
            world.writes_left = 1;
            world.again = 1;
            return end_turn(world);
        });
        add("6 a write makes it wake itself", kFlush,
            [this](World& world) { return wakes_itself(world); });
        add("3 is awake (late)", kLateExchange, [](World& world) {
            world.state = kAwake;
            return world.place = kFallAsleep, true;
        });
        add("runs the last that was posted", kLast, [](World& world) {
            world.posted = world.running = 0;
            return world.place = kGone, true;
        });
    }

    void add_tasks() {
        const auto runs = [](World& world) {
            if (world.running == 0) return false;
            --world.running;
            return true;
        };
        add("5 runs a task", kRunPosted, runs);
        add("5 runs a task that posts", kRunPosted, [this, runs](World& world) {
            if (world.own_posts_left == 0 || !runs(world)) return false;
            --world.own_posts_left;
            ++world.posted;
            if (!has(Fault::kForgetsItsOwnPosts)) world.again = 1;
            return true;
        });
        add("5 runs a task that wakes it", kRunPosted,
            [this, runs](World& world) { return runs(world) && wakes_itself(world); });
        add("5 the slice is over", kRunPosted, [](World& world) {
            if (world.running == 0 || world.slices_left == 0) return false;
            --world.slices_left;
            return world.place = kEndPosted, true;
        });
        add("5 there is none left", kRunPosted, [](World& world) {
            if (world.running != 0) return false;
            return world.place = kEndPosted, true;
        });
        add("6 goes on soon if it left tasks or did not look", kEndPosted, [this](World& world) {
            const bool looked = world.takes != 0 || has(Fault::kSleepsBehindLeftTasksWithoutALook);
            if (has(Fault::kClearsAgainBehindTheLook)) world.again = 0;
            if (!looked || world.running != 0) world.again = 1;
            return world.place = kLookWithHooks, true;
        });
    }

    bool wakes_itself(World& world) const {
        if (world.own_wakes_left == 0) return false;
        --world.own_wakes_left;
        ++world.published;
        if (world.hooks_have_run != 0 && !has(Fault::kForgetsItsOwnWakes)) world.again = 1;
        return true;
    }

    bool end_turn(World& world) const {
        world.place = has(Fault::kTakesBackTheNoticeBehindTheLook) ? kLateExchange : kFallAsleep;
        return true;
    }

    void add_other(std::size_t i) {
        using Steps = std::array<Byte, 3>;
        const auto order = has(Fault::kOthersNotifyBeforeTheyLeaveTheirWork)
                               ? Steps{kNotifies, kRings, kLeaves}
                               : Steps{kLeaves, kNotifies, kRings};
        static constexpr std::array kNames{"leaves its work", "notifies", "rings"};
        for (const Byte step : order) {
            const auto act = [this, i, step, order](World& world) {
                Other& other = world.others[i];
                if (other.left == 0 || order[other.step] != step) return false;
                ++other.step;
                if (step == kLeaves) leave(world, other.work);
                if (step == kRings) ++world.rings;
                if (step == kNotifies && !notifies_to_ring(world, other)) ++other.step;
                if (other.step < order.size()) return true;
                --other.left;
                other.step = 0;
                return true;
            };
            model_.steps.push_back({"thread " + std::to_string(i) + ": " + kNames[step], act});
        }
    }

    static void leave(World& world, Byte work) {
        if (work == kPosts) ++world.posted;
        if (work == kPublishes) ++world.published;
        if (work == kStops) world.stopping = 1;
    }

    bool notifies_to_ring(World& world, const Other& other) const {
        const Byte rung_at = has(Fault::kOthersRingOnlyAnAwakeOne) ? kAwake : kAsleep;
        const bool may_ring = !has(Fault::kStopRingsNoBell) || other.work != kStops;
        return std::exchange(world.state, kNotified) == rung_at && may_ring;
    }

    const Fault fault_;
    Model<World> model_;
};

// Two threads post, while tasks post, too, sockets become ready and slices end early.
World posts() {
    World world;
    world.sockets_left = 1;
    world.own_posts_left = 1;
    world.slices_left = 2;
    world.others = {{{kPosts, 2, 0}, {kPosts, 2, 0}, {}}};
    return world;
}

// A thread publishes numbers and another posts, while tasks and writes wake the reactor themselves.
World wakes() {
    World world;
    world.own_wakes_left = 2;
    world.slices_left = 2;
    world.others = {{{kPublishes, 2, 0}, {kPosts, 2, 0}, {}}};
    return world;
}

// A thread stops it, while another wakes it.
World stop() {
    World world;
    world.slices_left = 1;
    world.posted = 2;
    world.others = {{{kStops, 1, 0}, {kPublishes, 2, 0}, {}}};
    return world;
}

Exploration explore(const World& start, Fault fault = Fault::kNone) {
    return Sleep(fault, start).explore();
}

TEST(ReactorModel, NoInterleavingLetsItSleepWhileAnythingIsPosted) {
    const Exploration found = explore(posts());

    EXPECT_EQ(found.fault, "") << found;
    EXPECT_GT(found.states, 50'000U);
}

TEST(ReactorModel, NoInterleavingLetsItSleepWhileItsHooksHaveNotSeenTheLastNumber) {
    const Exploration found = explore(wakes());

    EXPECT_EQ(found.fault, "") << found;
    EXPECT_GT(found.states, 10'000U);
}

TEST(ReactorModel, NoInterleavingLetsItSleepThroughAStopOrLosesWhatWasPostedBefore) {
    const Exploration found = explore(stop());

    EXPECT_EQ(found.fault, "") << found;
}

TEST(ReactorModel, EachFaultThatIsBuiltInIsFound) {
    struct Case {
        const char* name;
        Fault fault;
        World start;
    };
    const Case cases[]{
        {"sleeps behind left tasks", Fault::kSleepsBehindLeftTasksWithoutALook, posts()},
        {"sleeps without comparing", Fault::kSleepsWithoutComparing, posts()},
        {"takes the notice back late", Fault::kTakesBackTheNoticeBehindTheLook, posts()},
        {"clears again_ late", Fault::kClearsAgainBehindTheLook, posts()},
        {"forgets its own posts", Fault::kForgetsItsOwnPosts, posts()},
        {"forgets its own wakes", Fault::kForgetsItsOwnWakes, wakes()},
        {"forgets hooks that wait", Fault::kForgetsHooksThatWaitForWrites, wakes()},
        {"others notify first", Fault::kOthersNotifyBeforeTheyLeaveTheirWork, posts()},
        {"others ring an awake one", Fault::kOthersRingOnlyAnAwakeOne, posts()},
        {"stop rings no bell", Fault::kStopRingsNoBell, stop()},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const Exploration found = explore(c.start, c.fault);
        EXPECT_EQ(found.fault, "nothing can go on") << found;
        EXPECT_FALSE(found.trace.empty());
    }
}

}  // namespace
}  // namespace eventbus
