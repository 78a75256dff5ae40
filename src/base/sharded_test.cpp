#include "base/sharded.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/hash.h"

namespace eventbus {
namespace {

using Names = Sharded<StringMap<std::unique_ptr<int>>>;

TEST(Sharded, DoesWhatATableDoes) {
    Names names;
    EXPECT_EQ(names.find("a"), nullptr);
    const auto [added, is_new] = names.emplace("a", std::make_unique<int>(1));
    EXPECT_TRUE(is_new);
    EXPECT_EQ(added->first, "a");
    EXPECT_FALSE(names.emplace("a", std::make_unique<int>(2)).second);
    ASSERT_EQ(names.find("a"), added);
    EXPECT_EQ(*std::as_const(names).find("a")->second, 1);
    EXPECT_EQ(names.size(), 1U);
    EXPECT_FALSE(names.erase("b"));
    EXPECT_TRUE(names.erase(added->first));  // a key that goes with its element
    EXPECT_EQ(names.find("a"), nullptr);
    EXPECT_EQ(names.size(), 0U);
}

TEST(Sharded, AValueThatIsAskedForIsMadeOnce) {
    Sharded<StringMap<int>> numbers;
    const std::string name = "a";
    EXPECT_EQ(numbers[name], 0);
    numbers[name] = 5;
    EXPECT_EQ(numbers[name], 5);
    EXPECT_EQ(numbers.size(), 1U);
}

TEST(Sharded, AnElementStaysWhereItIsWhileOthersCome) {
    Names names;
    const auto* const first = names.emplace("first", nullptr).first;
    for (int i = 0; i < 10'000; ++i) names.emplace(std::to_string(i), nullptr);
    EXPECT_EQ(names.find("first"), first);
    EXPECT_EQ(names.size(), 10'001U);
}

TEST(Sharded, APartIsChangedByOneThreadAtATime) {
    constexpr int kThreads = 4;
    constexpr int kEach = 500;
    constexpr int kNames = 10;
    Sharded<StringMap<int>> numbers;
    std::array<std::atomic<int>, decltype(numbers)::kShards> inside{};
    std::atomic<int> disturbed = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&] {
            for (int i = 0; i < kEach; ++i) {
                const std::string name = std::to_string(i % kNames);
                const std::size_t index = numbers.part_of(name);
                numbers.change_part(index, [&](auto& part) {
                    if (++inside[index] > 1) ++disturbed;
                    std::this_thread::yield();
                    ++part[name];
                    --inside[index];
                });
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(disturbed, 0);
    EXPECT_EQ(numbers.size(), std::size_t{kNames});
    for (int i = 0; i < kNames; ++i) {
        EXPECT_EQ(numbers[std::to_string(i)], kThreads * kEach / kNames) << i;
    }
}

// Twice the even share, plus what chance does to small parts.
template <class Table>
void expect_even(const Table& table) {
    std::size_t all = 0;
    for (std::size_t i = 0; i < Table::kShards; ++i) {
        EXPECT_LT(table.part(i).size(), 2 * table.size() / Table::kShards);
        all += table.part(i).size();
    }
    EXPECT_EQ(all, table.size());
}

TEST(Sharded, PartsAreAboutEqualForNamesAndForNumbersThatAreTheirOwnHash) {
    Sharded<std::unordered_set<std::string>> names;
    Sharded<std::unordered_set<std::uint64_t>> numbers;
    Sharded<std::unordered_set<std::uint64_t>> high_numbers;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        names.emplace("user:" + std::to_string(i));
        numbers.emplace(i);
        high_numbers.emplace(i << 32U);
    }
    expect_even(names);
    expect_even(numbers);
    expect_even(high_numbers);
}

}  // namespace
}  // namespace eventbus
