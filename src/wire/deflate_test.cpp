#include "wire/deflate.h"

#include <gtest/gtest.h>

#include <string>

namespace eventbus {
namespace {

TEST(Deflate, WhatWasDeflatedInflatesToItself) {
    Deflater deflater;
    Inflater inflater;
    std::string noise;
    unsigned state = 1;
    for (int i = 0; i < 200'000; ++i)
        noise += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    for (const std::string& message :
         {std::string(), std::string("a"), std::string(100'000, 'a'), noise}) {
        const std::string compressed = deflater.deflate(message);
        const auto inflated = inflater.inflate(compressed, message.size());
        ASSERT_TRUE(inflated) << inflated.error().detail;
        EXPECT_EQ(*inflated, message);
    }
}

TEST(Deflate, MessagesStandAlone) {
    Deflater deflater;
    EXPECT_EQ(deflater.deflate("Hello"), deflater.deflate("Hello"));
}

TEST(Deflate, ABombStopsAtTheBound) {
    Deflater deflater;
    Inflater inflater;
    const std::string bomb = deflater.deflate(std::string(50'000'000, 'a'));
    ASSERT_LT(bomb.size(), 300'000u);

    const auto refused = inflater.inflate(bomb, 1'000'000);

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
    EXPECT_EQ(*inflater.inflate(deflater.deflate("fine"), 4), "fine");
    EXPECT_FALSE(inflater.inflate(deflater.deflate("fine"), 3));
    EXPECT_FALSE(inflater.inflate(deflater.deflate("fine"), 0));
    EXPECT_TRUE(inflater.inflate(deflater.deflate(""), 0));
}

TEST(Deflate, EveryMessageThatIsCutOffIsRefusedOrShorter) {
    Deflater deflater(9);
    Inflater inflater;
    const std::string message = "one message, and one message, and two messages";
    const std::string compressed = deflater.deflate(message);
    for (std::size_t size = 0; size + 1 < compressed.size(); ++size) {
        const auto inflated = inflater.inflate(compressed.substr(0, size), 1000);
        EXPECT_TRUE(!inflated || inflated->size() < message.size()) << size;
    }
}

}  // namespace
}  // namespace eventbus
