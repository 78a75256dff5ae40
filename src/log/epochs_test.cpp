#include "log/epochs.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/position_literal.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

// One that was started twice after its first life: positions 1 to 10, 11 to 20, and from 21 on.
const Epochs kThird = Epochs("first").next("second", 10_pos).next("third", 20_pos);

TEST(Epochs, APositionIsOfTheEpochInWhichItWasGiven) {
    struct Case {
        Position position;
        const char* epoch;
    };
    for (const Case& c :
         {Case{0_pos, "first"}, Case{1_pos, "first"}, Case{10_pos, "first"}, Case{11_pos, "second"},
          Case{20_pos, "second"}, Case{21_pos, "third"}, Case{kEndOfTime, "third"}}) {
        EXPECT_EQ(kThird.of(c.position), c.epoch) << to_string(c.position);
    }
}

TEST(Epochs, AnOffsetIsHeldUpToTheEndOfItsEpoch) {
    struct Case {
        const char* what;
        Offset offset;
        bool is_held;
    };
    const Case cases[] = {
        {"the current epoch has no end", {"third", 21_pos}, true},
        {"ahead of what is visible", {"third", 1'000'000_pos}, true},
        {"the last of an epoch that ended", {"second", 20_pos}, true},
        {"above its end: another branch went on there", {"second", 21_pos}, false},
        {"the first", {"first", 0_pos}, true},
        {"above the end of the first", {"first", 11_pos}, false},
        {"an epoch that is not in the list", {"fourth", 5_pos}, false},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.what);
        EXPECT_EQ(kThird.holds(c.offset), c.is_held);
    }
}

// A backup of the second life, restored while the first log went on.
TEST(Epochs, TwoBranchesHoldEachOthersOffsetsOnlyUpToWhereTheyParted) {
    const Epochs backup = Epochs("first").next("second", 10_pos);
    const Epochs went_on = backup.next("third", 20_pos);
    const Epochs restored = backup.next("other", 15_pos);
    for (std::uint64_t p = 0; p <= 30; ++p) {
        SCOPED_TRACE(p);
        EXPECT_EQ(restored.holds(went_on.offset_of(Position(p))), p <= 15);
        EXPECT_EQ(went_on.holds(restored.offset_of(Position(p))), p <= 15);
    }
}

TEST(Epochs, TwoBranchesShareWhatIsUpToWhereTheyParted) {
    const Epochs backup = Epochs("first").next("second", 10_pos);
    const Epochs went_on = backup.next("third", 20_pos).next("fourth", 30_pos);
    const Epochs restored = backup.next("other", 15_pos).next("another", 40_pos);
    EXPECT_EQ(went_on.shared_with(restored), 15_pos);
    EXPECT_EQ(restored.shared_with(went_on), 15_pos);
    EXPECT_EQ(backup.shared_with(went_on), 20_pos) << "the backup itself, as it was made";
    EXPECT_EQ(went_on.shared_with(backup), 20_pos);
    EXPECT_EQ(went_on.shared_with(went_on), kEndOfTime);
    EXPECT_EQ(went_on.shared_with(Epochs("new")), 0_pos);
}

TEST(Epochs, AnEpochWithoutAPositionIsInTheListAndOfNone) {
    const Epochs epochs = kThird.next("fourth", 20_pos);
    EXPECT_EQ(epochs.of(20_pos), "second");
    EXPECT_EQ(epochs.of(21_pos), "fourth");
    EXPECT_TRUE(epochs.holds({"third", 20_pos}));
    EXPECT_FALSE(epochs.holds({"third", 21_pos}));
}

TEST(Epochs, TheOldestIsForgottenBeyondTheBound) {
    Epochs epochs("e0");
    for (std::uint64_t i = 1; i <= Epochs::kPastMax + 1; ++i) {
        epochs = epochs.next("e" + std::to_string(i), Position(i * 10));
    }
    EXPECT_EQ(epochs.past().size(), Epochs::kPastMax);
    EXPECT_FALSE(epochs.holds({"e0", 1_pos}));
    EXPECT_TRUE(epochs.holds({"e1", 1_pos}));
}

TEST(Epochs, WhatIsStoredIsReadBackAndWhatIsDamagedIsRefused) {
    const std::string bytes = encode_epochs(kThird);
    const auto read = decode_epochs(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, kThird);
    EXPECT_EQ(*decode_epochs(encode_epochs(Epochs("new"))), Epochs("new"));
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        const auto damaged = decode_epochs(bytes.substr(0, cut));
        EXPECT_TRUE(!damaged || damaged->past().size() < kThird.past().size()) << cut;
    }
    // "c", then "a" that ended at 2, then "b" that ended at 1.
    const std::string falling = encode_epochs(Epochs("c", {{"a", 2_pos}})) +
                                encode_epochs(Epochs("", {{"b", 1_pos}})).substr(1);
    EXPECT_FALSE(decode_epochs(falling));
}

TEST(Epochs, ANewNameHasTheFormOfAnOffset) {
    SeededRandom random(1);
    const std::string name = make_epoch(random);
    EXPECT_EQ(parse_offset(name + ".7")->epoch, name);
    EXPECT_NE(make_epoch(random), name);
}

}  // namespace
}  // namespace eventbus
