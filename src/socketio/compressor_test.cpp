#include "socketio/compressor.h"

#include <gtest/gtest.h>

#include <string>

#include "socketio/frames.h"
#include "wire/websocket.h"

namespace eventbus {
namespace {

// What a client that agreed to permessage-deflate reads.
std::string read_back(const Frame& frame) {
    Inflater inflater;
    const std::string_view bytes = frame.bytes;
    const bool is_compressed = (static_cast<unsigned char>(bytes[0]) & 0x40U) != 0;
    const std::string_view payload = bytes.substr(frame.payload_at);
    if (!is_compressed) return std::string(payload);
    const auto text = inflater.inflate(payload, 1 << 20);
    return text ? std::string(*text) : "not a deflated message";
}

TEST(Compressor, AFrameIsCompressedOnceForAllWhoAgreed) {
    Compressor compressor(100);
    const std::string packet = "42[\"x\",\"" + std::string(1000, 'a') + "\"]";
    const SharedFrame frame = text_frame(packet, LatestKey{7});

    const SharedFrame first = compressor.compressed(frame);
    const SharedFrame second = compressor.compressed(frame);

    EXPECT_EQ(first, second);
    EXPECT_EQ(compressor.made().get(), 1u);
    EXPECT_LT(first->bytes.size(), 100u);
    EXPECT_EQ(first->latest_key, LatestKey{7});
    EXPECT_EQ(read_back(*first), packet);
}

TEST(Compressor, WhatIsSmallOrDoesNotShrinkStaysAsItIs) {
    Compressor compressor(100);
    const SharedFrame small = text_frame("42[\"x\"]");
    std::string noise;
    for (unsigned i = 0; i < 400; ++i) noise += static_cast<char>((i * 2654435761U) >> 24U);
    const SharedFrame random = binary_frame(noise);

    EXPECT_EQ(compressor.compressed(small), small);
    EXPECT_EQ(read_back(*compressor.compressed(random)), noise);
}

}  // namespace
}  // namespace eventbus
