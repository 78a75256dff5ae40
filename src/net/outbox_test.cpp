#include "net/outbox.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace eventbus {
namespace {

constexpr LatestKey kPhoto1{1};
constexpr LatestKey kPhoto2{2};

SharedFrame frame(std::string bytes, LatestKey latest_key = LatestKey::kNone) {
    return std::make_shared<const Frame>(Frame{std::move(bytes), 0, latest_key});
}

// Everything that is queued, as a transport sees it that takes at most `count` bytes a write.
std::string drain(Outbox& outbox, std::size_t count) {
    std::string wire;
    std::array<std::string_view, 2> pieces;
    while (outbox.gather(pieces) > 0) {
        const std::string_view taken = pieces[0].substr(0, count);
        wire += taken;
        outbox.sent(taken.size());
    }
    return wire;
}

TEST(Outbox, KeepsOrderAndConflates) {
    struct Case {
        const char* name;
        std::vector<SharedFrame> pushed;
        const char* wire;
    };
    const Case cases[] = {
        {"plain frames stay", {frame("aa"), frame("b"), frame("aa")}, "aabaa"},
        {"the newer goes last", {frame("10%", kPhoto1), frame("b"), frame("20%", kPhoto1)}, "b20%"},
        {"other keys stay", {frame("10%", kPhoto1), frame("20%", kPhoto2)}, "10%20%"},
    };
    for (const Case& c : cases) {
        for (std::size_t count = 1; count <= 4; ++count) {
            SCOPED_TRACE(testing::Message() << c.name << ", " << count << " bytes a write");
            Outbox outbox(64);
            for (const SharedFrame& f : c.pushed) ASSERT_TRUE(outbox.push(f));
            EXPECT_EQ(drain(outbox, count), c.wire);
            EXPECT_EQ(outbox.bytes(), 0u);
        }
    }
}

TEST(Outbox, ARefusedPushChangesNothing) {
    Outbox outbox(3);
    ASSERT_TRUE(outbox.push(frame("abc", kPhoto1)));

    const Result<> refused = outbox.push(frame("1234", kPhoto1));

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kSlowClient);
    EXPECT_EQ(drain(outbox, 64), "abc");
}

TEST(Outbox, WhatTheTransportHasSeenStaysInFront) {
    Outbox outbox(64);
    std::array<std::string_view, 1> pieces;
    ASSERT_TRUE(outbox.push(frame("old", kPhoto1)));
    ASSERT_TRUE(outbox.push(frame("mid", kPhoto2)));
    ASSERT_EQ(outbox.gather(pieces), 1u);
    ASSERT_TRUE(outbox.push(frame("new", kPhoto1)));  // a write of `old` is under way
    outbox.push_urgent(frame("!"));
    outbox.sent(1);
    ASSERT_TRUE(outbox.push(frame("end", kPhoto1)));  // `old` is half sent
    EXPECT_EQ(drain(outbox, 64), "ld!midend");
}

TEST(Outbox, UrgentFramesKeepTheirOwnOrder) {
    Outbox outbox(64);
    std::array<std::string_view, 4> pieces;
    ASSERT_TRUE(outbox.push(frame("old", kPhoto1)));
    ASSERT_TRUE(outbox.push(frame("mid")));
    ASSERT_EQ(outbox.gather(pieces), 2u);
    outbox.push_urgent(frame("1"));  // behind what a write has seen
    outbox.sent(0);
    outbox.push_urgent(frame("2"));
    ASSERT_TRUE(outbox.push(frame("new", kPhoto1)));  // takes `old` out, which stood before `1`
    outbox.push_urgent(frame("3"));
    EXPECT_EQ(outbox.urgent_frames(), 4u);  // `mid` counts: it stands before them

    EXPECT_EQ(drain(outbox, 2), "mid123new");
    EXPECT_EQ(outbox.urgent_frames(), 0u);
    outbox.push_urgent(frame("4"));
    EXPECT_EQ(drain(outbox, 2), "4");
}

TEST(Outbox, WhatIsPinnedIsNotOvertaken) {
    Outbox outbox(64);
    ASSERT_TRUE(outbox.push(frame("head")));
    outbox.pin();
    ASSERT_TRUE(outbox.push(frame("end")));
    outbox.push_urgent(frame("!"));
    EXPECT_EQ(drain(outbox, 64), "head!end");
}

TEST(Outbox, ALoneFrameOfAnySizeIsTakenSoThatItsClientCanGetPastIt) {
    Outbox outbox(3);
    ASSERT_TRUE(outbox.push(frame("much too long")));
    EXPECT_FALSE(outbox.push(frame("b")));
    EXPECT_EQ(outbox.next_bytes(), 13u);

    EXPECT_EQ(drain(outbox, 5), "much too long");
    EXPECT_TRUE(outbox.push(frame("b")));
}

TEST(Outbox, WhileItHasRoomItTakesOneFrameOfAnySize) {
    Outbox outbox(10);
    ASSERT_TRUE(outbox.push(frame("1234")));
    ASSERT_TRUE(outbox.has_room());
    EXPECT_TRUE(outbox.push(frame("much too long")));
    EXPECT_FALSE(outbox.has_room());
    EXPECT_FALSE(outbox.push(frame("b")));
    EXPECT_EQ(drain(outbox, 64), "1234much too long");
}

TEST(Outbox, ManySmallFramesAreRefusedBeforeTheyCostManyTimesTheBound) {
    Outbox outbox(64 * 10);
    ASSERT_EQ(outbox.frames_max(), 26u);
    for (std::size_t i = 0; i < outbox.frames_max(); ++i) {
        ASSERT_TRUE(outbox.push(frame("x", LatestKey{i + 1}))) << i;
        EXPECT_EQ(outbox.has_room(), i + 1 < 13);
    }
    EXPECT_FALSE(outbox.push(frame("y")));
    EXPECT_TRUE(outbox.push(frame("z", LatestKey{1})));  // it takes the place of another

    drain(outbox, 1);
    EXPECT_TRUE(outbox.push(frame("y")));
}

TEST(Outbox, EqualsTheSlowModelOverALongRun) {
    Outbox outbox(1 << 20);
    std::string expected;
    std::string wire;
    for (int i = 0; i < 10'000; ++i) {
        const std::string bytes(1 + static_cast<std::size_t>(i % 7),
                                static_cast<char>('a' + i % 26));
        ASSERT_TRUE(outbox.push(frame(bytes)));
        expected += bytes;
        std::array<std::string_view, 3> pieces;
        if (i % 3 != 0 || outbox.gather(pieces) == 0) continue;
        wire += pieces[0];
        outbox.sent(pieces[0].size());
    }
    EXPECT_EQ(wire + drain(outbox, 5), expected);
}

}  // namespace
}  // namespace eventbus
