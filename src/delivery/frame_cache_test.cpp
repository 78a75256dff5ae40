#include "delivery/frame_cache.h"
#include "support/position_literal.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace eventbus {
namespace {

class CountingEncoder final : public Encoder {
 public:
    SharedFrame encode(const Entry& entry, std::uint16_t variant, const As& as) override {
        ++made;
        std::string bytes(bytes_each, 'x');
        bytes += to_string(entry.position) + "/" + std::to_string(variant) +
                 (as.is_history() ? "h" : "") + std::string(as.topic());
        return std::make_shared<const Frame>(Frame{std::move(bytes)});
    }
    int made = 0;
    std::size_t bytes_each = 0;
};

Entry at(Position position) {
    Entry entry;
    entry.position = position;
    return entry;
}

TEST(FrameCache, MakesAFrameOncePerEntryVariantEncoderAndUse) {
    FrameCache cache(1 << 20);
    CountingEncoder one, other;
    const auto in_order = Encoder::As::in_order();
    const SharedFrame first = cache.get(at(5_pos), 0, one, in_order);
    EXPECT_EQ(cache.get(at(5_pos), 0, one, in_order), first);
    EXPECT_EQ(one.made, 1);

    EXPECT_EQ(cache.get(at(5_pos), 1, one, in_order)->bytes, "5/1");
    EXPECT_EQ(cache.get(at(5_pos), 0, one, Encoder::As::history())->bytes, "5/0h");
    EXPECT_NE(cache.get(at(5_pos), 0, other, in_order), first);
    EXPECT_EQ(other.made, 1);
    EXPECT_EQ(cache.made(), 4u);
}

TEST(FrameCache, HistoriesOfATopicShareAFrameThatNamesItAndThoseThatNameNoneTheOther) {
    FrameCache cache(1 << 20);
    CountingEncoder encoder;
    const std::string photo = "photo:1", pattern = "photo.*", same_photo = "photo:1";
    for (int i = 0; i < 100; ++i) {  // clients, by turns
        const auto bytes = [&](const Encoder::As& as) {
            return cache.get(at(5_pos), 0, encoder, as)->bytes;
        };
        ASSERT_EQ(bytes(Encoder::As::history(i % 2 == 0 ? photo : same_photo)), "5/0hphoto:1");
        ASSERT_EQ(bytes(Encoder::As::history(pattern)), "5/0hphoto.*");
    }
    EXPECT_EQ(encoder.made, 2);
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(cache.get(at(5_pos), 0, encoder, Encoder::As::history())->bytes, "5/0h");
    }
    EXPECT_EQ(encoder.made, 3);
}

TEST(FrameCache, NeverGivesTheFrameOfAnotherTopicOfTheSameSlot) {
    FrameCache cache(1 << 20);
    CountingEncoder encoder;
    for (std::size_t i = 0; i < 4 * FrameCache::kSlots; ++i) {
        const std::string topic = "photo:" + std::to_string(i);
        ASSERT_EQ(cache.get(at(5_pos), 0, encoder, Encoder::As::history(topic))->bytes,
                  "5/0h" + topic);
    }
}

TEST(FrameCache, NeverGivesTheFrameOfAnotherEntryOfTheSameSlot) {
    FrameCache cache(1 << 20);
    CountingEncoder encoder;
    for (Position p = 1_pos; p < Position(4 * FrameCache::kSlots); ++p) {
        ASSERT_EQ(cache.get(at(p), 0, encoder, Encoder::As::in_order())->bytes,
                  to_string(p) + "/0");
    }
}

TEST(FrameCache, HoldsNoMoreBytesThanItMay) {
    constexpr std::size_t kBytesMax = 1'000;
    FrameCache cache(kBytesMax);
    CountingEncoder encoder;
    encoder.bytes_each = 97;  // 100 with the rest
    std::vector<std::weak_ptr<const Frame>> frames;
    for (Position p = 1_pos; p < 10_pos; ++p) {
        frames.push_back(cache.get(at(p), 0, encoder, Encoder::As::in_order()));
    }
    for (Position p = 10_pos; p < 500_pos; ++p) {
        frames.push_back(cache.get(at(p), 0, encoder, Encoder::As::in_order()));
        std::size_t held = 0;
        for (const auto& frame : frames) {
            if (const SharedFrame alive = frame.lock()) held += alive->bytes.size();
        }
        ASSERT_LE(held, kBytesMax);
    }
    EXPECT_FALSE(frames.back().expired());
}

TEST(FrameCache, AFrameThatWouldPushOutAllOthersIsNotKept) {
    FrameCache cache(1'000);
    CountingEncoder encoder;
    const SharedFrame small = cache.get(at(1_pos), 0, encoder, Encoder::As::in_order());
    encoder.bytes_each = 251;
    cache.get(at(2_pos), 0, encoder, Encoder::As::in_order());
    cache.get(at(2_pos), 0, encoder, Encoder::As::in_order());
    EXPECT_EQ(encoder.made, 3);
    EXPECT_EQ(cache.get(at(1_pos), 0, encoder, Encoder::As::in_order()), small);
}

}  // namespace
}  // namespace eventbus
