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
    SharedFrame encode(const Entry& entry, std::uint16_t variant, As as) override {
        ++made;
        std::string bytes(bytes_each, 'x');
        bytes += to_string(entry.position) + "/" + std::to_string(variant) +
                 (as == As::kHistory ? "h" : "");
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
    const auto in_order = Encoder::As::kInOrder;
    const SharedFrame first = cache.get(at(5_pos), 0, one, in_order);
    EXPECT_EQ(cache.get(at(5_pos), 0, one, in_order), first);
    EXPECT_EQ(one.made, 1);

    EXPECT_EQ(cache.get(at(5_pos), 1, one, in_order)->bytes, "5/1");
    EXPECT_EQ(cache.get(at(5_pos), 0, one, Encoder::As::kHistory)->bytes, "5/0h");
    EXPECT_NE(cache.get(at(5_pos), 0, other, in_order), first);
    EXPECT_EQ(other.made, 1);
    EXPECT_EQ(cache.made(), 4u);
}

TEST(FrameCache, NeverGivesTheFrameOfAnotherEntryOfTheSameSlot) {
    FrameCache cache(1 << 20);
    CountingEncoder encoder;
    for (Position p = 1_pos; p < Position(4 * FrameCache::kSlots); ++p) {
        ASSERT_EQ(cache.get(at(p), 0, encoder, Encoder::As::kInOrder)->bytes, to_string(p) + "/0");
    }
}

TEST(FrameCache, HoldsNoMoreBytesThanItMay) {
    constexpr std::size_t kBytesMax = 1'000;
    FrameCache cache(kBytesMax);
    CountingEncoder encoder;
    encoder.bytes_each = 97;  // 100 with the rest
    std::vector<std::weak_ptr<const Frame>> frames;
    for (Position p = 1_pos; p < 10_pos; ++p) {
        frames.push_back(cache.get(at(p), 0, encoder, Encoder::As::kInOrder));
    }
    for (Position p = 10_pos; p < 500_pos; ++p) {
        frames.push_back(cache.get(at(p), 0, encoder, Encoder::As::kInOrder));
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
    const SharedFrame small = cache.get(at(1_pos), 0, encoder, Encoder::As::kInOrder);
    encoder.bytes_each = 251;
    cache.get(at(2_pos), 0, encoder, Encoder::As::kInOrder);
    cache.get(at(2_pos), 0, encoder, Encoder::As::kInOrder);
    EXPECT_EQ(encoder.made, 3);
    EXPECT_EQ(cache.get(at(1_pos), 0, encoder, Encoder::As::kInOrder), small);
}

}  // namespace
}  // namespace eventbus
