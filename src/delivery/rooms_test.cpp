#include "delivery/rooms.h"
#include "support/position_literal.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>

namespace eventbus {
namespace {

constexpr ReceiverId member(unsigned id) { return static_cast<ReceiverId>(id); }
Room room(unsigned i) {
    const std::string name = std::to_string(i);
    return i % 3 == 0   ? Room::user(name)
           : i % 3 == 1 ? Room::subject("photo:" + name)
                        : Room::role(name);
}

TEST(Rooms, AMemberJoinsARoomOnceAndItsPlaceStays) {
    Rooms rooms;
    EXPECT_TRUE(rooms.join(member(1), room(1), 7_pos));
    EXPECT_FALSE(rooms.join(member(1), room(1), 9_pos));
    EXPECT_EQ(rooms.membership(member(1), rooms.find(room(1)))->joined_at, 7_pos);
    EXPECT_EQ(rooms.membership(member(2), rooms.find(room(1))), nullptr);
}

TEST(Rooms, PeopleAndSubjectsOfOneNameAreDifferentRooms) {
    Rooms rooms;
    rooms.join(member(1), Room::user("photo:1"), 0_pos);
    EXPECT_EQ(rooms.find(Room::subject("photo:1")), RoomId::kNone);
}

TEST(Rooms, EqualTheSlowModelOverRandomSteps) {
    for (unsigned seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        std::mt19937 random(seed);
        Rooms rooms;
        std::map<unsigned, std::map<unsigned, Position>> model;  // by room, then member
        for (unsigned step = 0; step < 4'000; ++step) {
            // Few rooms and members at first: they become large, and empty again.
            const auto r = static_cast<unsigned>(random() % 12);
            const auto m = static_cast<unsigned>(random() % (r == 0 ? 300 : 8));
            if (random() % 100 < (step / 1'000 % 2 == 0 ? 70U : 30U)) {
                ASSERT_EQ(rooms.join(member(m), room(r), Position(step)),
                          model[r].emplace(m, step).second);
            } else {
                const RoomId id = rooms.find(room(r));
                const bool left = id != RoomId::kNone && rooms.leave(member(m), id);
                ASSERT_EQ(left, model[r].erase(m) == 1);
            }
            if (step % 50 != 0) continue;
            std::size_t used = 0;
            std::set<std::pair<unsigned, unsigned>> pairs;
            for (const auto& [n, members] : model) {
                const RoomId id = rooms.find(room(n));
                ASSERT_EQ(id == RoomId::kNone, members.empty());
                if (members.empty()) continue;
                ++used;
                ASSERT_EQ(rooms.name(id), room(n));
                ASSERT_EQ(rooms.hash(id), RoomHash{}(room(n)));
                ASSERT_EQ(rooms.members(id).size(), members.size());
                for (const Rooms::Membership& one : rooms.members(id)) {
                    const auto who = static_cast<unsigned>(one.member);
                    ASSERT_EQ(members.at(who), one.joined_at);
                    ASSERT_EQ(rooms.membership(one.member, id), &one);
                    pairs.emplace(who, n);
                }
            }
            ASSERT_EQ(rooms.size(), used);
            for (unsigned who = 0; who < 300; ++who) {
                for (const Rooms::Joined& joined : rooms.rooms_of(member(who))) {
                    ASSERT_EQ(rooms.members(joined.room)[joined.place].member, member(who));
                    bool found = false;
                    for (const auto& [n, members] : model) {
                        found = found ||
                                (rooms.find(room(n)) == joined.room && pairs.erase({who, n}) == 1);
                    }
                    ASSERT_TRUE(found);
                }
            }
            ASSERT_TRUE(pairs.empty());
        }
    }
}

}  // namespace
}  // namespace eventbus
