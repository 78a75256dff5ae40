#include "log/room_hints.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "event/room.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

std::size_t hash_of(const std::string& room) { return RoomHash{}(Room::subject(room)); }

TEST(RoomHints, ARoomIsHeldAsOftenAsItWasAdded) {
    RoomHints hints;
    std::ignore = hints.add(hash_of("photo:1"));
    std::ignore = hints.add(hash_of("photo:1"));
    hints.drop(hash_of("photo:1"));
    EXPECT_TRUE(hints.may_hold(hash_of("photo:1")));
    hints.drop(hash_of("photo:1"));
    EXPECT_FALSE(hints.may_hold(hash_of("photo:1")));
}

TEST(RoomHints, ItStaysExactWithManyRooms) {
    RoomHints hints;
    constexpr int kRooms = 200'000;
    for (int i = 0; i < kRooms; ++i) std::ignore = hints.add(hash_of(std::to_string(i)));
    int wrong = 0;
    for (int i = 0; i < kRooms; ++i) {
        ASSERT_TRUE(hints.may_hold(hash_of(std::to_string(i)))) << i;
        wrong += hints.may_hold(hash_of(std::to_string(kRooms + i))) ? 1 : 0;
    }
    EXPECT_LE(wrong, 60) << "200,000 rooms in 2^32 marks: 10 of so many questions";
}

// Rooms that come and go must not fill the table with dead cells, in which a search never ends.
TEST(RoomHints, ATableIsAsLargeAsTheRoomsThatThereAreNotAsThoseThatThereWere) {
    RoomHints hints;
    std::size_t tables = 0;
    for (int i = 0; i < 100'000; ++i) {
        if (hints.add(hash_of(std::to_string(i)))) ++tables;
        if (i >= 10) hints.drop(hash_of(std::to_string(i - 10)));
    }
    EXPECT_GT(tables, 1'000u) << "small tables, made anew often";
}

TEST(RoomHints, EqualsTheSlowModelOverALongRun) {
    for (unsigned seed = 1; seed <= 8; ++seed) {
        SCOPED_TRACE(seed);
        SeededRandom random(seed);
        RoomHints hints;
        std::unordered_map<std::string, int> model;
        std::vector<std::string> added;
        for (int step = 0; step < 50'000; ++step) {
            const std::string room = std::to_string(random.below(5'000));
            if (random.below(100) < 55) {
                std::ignore = hints.add(hash_of(room));
                ++model[room];
                added.push_back(room);
            } else if (!added.empty()) {
                std::swap(added[random.below(added.size())], added.back());
                hints.drop(hash_of(added.back()));
                --model[added.back()];
                added.pop_back();
            }
            ASSERT_EQ(hints.may_hold(hash_of(room)), model[room] > 0) << room << ' ' << step;
        }
    }
}

}  // namespace
}  // namespace eventbus
