#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace eventbus {
namespace {

using Word = std::array<std::byte, 16>;

std::vector<Word> words(Random& random, std::size_t count) {
    std::vector<Word> drawn(count);
    for (Word& word : drawn) random.fill(word);
    return drawn;
}

TEST(SystemRandom, NothingIsGivenOutTwiceOverManyBlocks) {
    SystemRandom random;

    const std::vector<Word> drawn = words(random, 10'000);

    EXPECT_EQ(std::set<Word>(drawn.begin(), drawn.end()).size(), drawn.size());
}

TEST(SystemRandom, NothingIsGivenToTwoThreads) {
    SystemRandom random;
    std::array<std::vector<Word>, 4> drawn;
    std::vector<std::thread> threads;
    threads.reserve(drawn.size());
    for (auto& mine : drawn) threads.emplace_back([&] { mine = words(random, 5'000); });
    for (std::thread& thread : threads) thread.join();

    std::set<Word> all;
    for (const auto& one : drawn) all.insert(one.begin(), one.end());

    EXPECT_EQ(all.size(), 20'000u);
}

// A byte that was never written would stay what it was in every one of 64 draws.
TEST(SystemRandom, EveryByteOfEverySizeIsDrawn) {
    SystemRandom random;
    for (const std::size_t size : {1U, 3U, 16U, 63U, 64U, 65U, 4096U, 5000U}) {
        SCOPED_TRACE(size);
        std::vector<bool> has_changed(size);
        for (int draw = 0; draw < 64; ++draw) {
            std::vector<std::byte> bytes(size, std::byte{0x5a});
            random.fill(bytes);
            for (std::size_t i = 0; i < size; ++i) {
                if (bytes[i] != std::byte{0x5a}) has_changed[i] = true;
            }
        }
        EXPECT_EQ(std::count(has_changed.begin(), has_changed.end(), false), 0);
    }
}

TEST(SystemRandom, EveryValueOfAByteComesAboutEqually) {
    SystemRandom random;
    std::array<int, 256> seen{};
    for (const Word& word : words(random, 16'000)) {
        for (const std::byte byte : word) ++seen[std::to_integer<std::size_t>(byte)];
    }
    // 1000 of each are expected, with a deviation of 32: ten of those never come by chance.
    for (const int count : seen) EXPECT_NEAR(count, 1000, 320);
}

TEST(RandomToken, HasItsLengthAndAlphabet) {
    SystemRandom random;
    for (const std::size_t length : {1U, 20U, 24U, 200U}) {
        const std::string token = random_token(random, length);
        EXPECT_EQ(token.size(), length);
        EXPECT_EQ(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789_-"),
                  std::string::npos);
    }
}

}  // namespace
}  // namespace eventbus
