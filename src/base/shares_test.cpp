#include "base/shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/hash.h"

namespace eventbus {
namespace {

using Table = Shares<std::string, StringHash>;

struct Thing : Table::Share {
    explicit Thing(int its_number) : number(its_number) {}
    int number;
};

int next_to_go(const Table& table) {
    const auto* const next = static_cast<const Thing*>(table.next_to_go());
    return next == nullptr ? 0 : next->number;
}

TEST(Shares, WhoHoldsMostGivesUpItsOldestFirst) {
    Table table;
    Thing one(1), two(2), three(3), four(4);
    EXPECT_EQ(next_to_go(table), 0);

    table.add(one, "honest");
    table.add(two, "greedy");
    EXPECT_EQ(next_to_go(table), 1) << "both hold one: the older goes";
    table.add(three, "greedy");
    table.add(four, "greedy");
    EXPECT_EQ(next_to_go(table), 2);
    EXPECT_EQ(table.count_of("greedy"), 3u);
    EXPECT_EQ(table.count_of("nobody"), 0u);

    table.remove(two);
    EXPECT_EQ(next_to_go(table), 3);
    table.remove(three);
    EXPECT_EQ(next_to_go(table), 1);
    table.remove(one);
    table.remove(four);
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(next_to_go(table), 0);
}

// The slow way: a list for each holder, and a look at all of them.
TEST(Shares, EqualTheSlowModelOverALongRun) {
    std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): it is to be repeated
    Table table;
    std::map<std::string, std::deque<Thing*>> model;
    std::vector<std::unique_ptr<Thing>> things;
    for (int step = 1; step <= 20'000; ++step) {
        SCOPED_TRACE(step);
        const std::string name(1, static_cast<char>('a' + random() % 7));
        auto& held = model[name];
        switch (random() % 4) {
            case 0:
            case 1:
                things.push_back(std::make_unique<Thing>(step));
                table.add(*things.back(), name);
                held.push_back(things.back().get());
                break;
            case 2:
                if (held.empty()) break;
                std::swap(held[random() % held.size()], held.front());
                std::sort(held.begin() + 1, held.end(),
                          [](const Thing* a, const Thing* b) { return a->number < b->number; });
                table.remove(*held.front());
                held.pop_front();
                break;
            default:
                if (auto* const next = static_cast<Thing*>(table.next_to_go())) {
                    std::size_t most = 0;
                    for (const auto& [who, has] : model) most = std::max(most, has.size());
                    const auto whose = std::ranges::find_if(model, [next](const auto& one) {
                        return !one.second.empty() && one.second.front() == next;
                    });
                    ASSERT_NE(whose, model.end()) << "it is nobody's oldest";
                    ASSERT_EQ(whose->second.size(), most);
                    table.remove(*next);
                    whose->second.pop_front();
                }
        }
        ASSERT_EQ(table.count_of(name), held.size());
        ASSERT_EQ(table.oldest_of(name), held.empty() ? nullptr : held.front());
    }
    for (const auto& [who, has] : model) {
        for (Thing* const thing : has) table.remove(*thing);
    }
    EXPECT_EQ(table.size(), 0u);
}

}  // namespace
}  // namespace eventbus
