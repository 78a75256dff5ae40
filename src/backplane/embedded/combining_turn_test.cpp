#include "backplane/embedded/combining_turn.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <latch>
#include <numeric>
#include <thread>
#include <vector>

#include "bus/subjects.h"
#include "log/probe.h"
#include "log/tail.h"
#include "support/fake_clock.h"

namespace eventbus {
namespace {

class CombiningTurnTest : public testing::Test {
 protected:
    FakeClock clock_;
    Subjects subjects_{{}};
    Tail tail_;
    LogProbe probe_;
    Sequencer sequencer_{{subjects_, tail_, clock_, probe_}, {}};
    int helpers_called_ = 0;
    CombiningTurn turn_{{.sequencer = sequencer_,
                         .after_requests = [] {},
                         .call_helper = [this] { ++helpers_called_; }}};
};

TEST_F(CombiningTurnTest, AHolderRunsSoManyOfOthersThenCallsAHelperAndTheOrderStays) {
    constexpr std::size_t kLeft = 2 * CombiningTurn::kOthersMax + 10;
    std::vector<std::size_t> ran;
    std::latch in_turn(1), all_left(1);
    std::size_t ran_by_holder = 0;
    std::thread holder([&] {
        turn_.take_turn([&](Sequencer&) {
            in_turn.count_down();
            all_left.wait();
        });
        ran_by_holder = ran.size();
    });
    in_turn.wait();
    for (std::size_t i = 0; i < kLeft; ++i) {
        turn_.take_turn([&ran, i](Sequencer&) { ran.push_back(i); });
    }
    all_left.count_down();
    holder.join();

    EXPECT_EQ(ran_by_holder, CombiningTurn::kOthersMax);
    EXPECT_EQ(helpers_called_, 1);
    // One that comes now stands behind what this thread left before.
    turn_.take_turn([&](Sequencer&) { ran.push_back(kLeft); });
    EXPECT_EQ(ran.size(), 2 * CombiningTurn::kOthersMax);
    EXPECT_EQ(helpers_called_, 2);
    turn_.help();
    std::vector<std::size_t> in_order(kLeft + 1);
    std::iota(in_order.begin(), in_order.end(), std::size_t{0});
    EXPECT_EQ(ran, in_order);
    EXPECT_EQ(helpers_called_, 2);
}

}  // namespace
}  // namespace eventbus
