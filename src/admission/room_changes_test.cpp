#include "admission/room_changes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/position_literal.h"

namespace eventbus {
namespace {

const Error kForbidden{ErrorCode::kForbidden, "no"};
const Error kLater{ErrorCode::kUnavailable, "not now"};

// A world whose answers come when the test says so.
class World final : public RoomChanges::Port {
 public:
    explicit World(std::size_t rooms_max = 4)
        : changes(std::make_shared<RoomChanges>(*this, rooms_max, 0)) {}

    void wait_for(const Room& room, Position, std::uint64_t wait) override {
        waits.emplace_back(room, wait);
        if (!holds_waits) come();
    }
    void come(bool is_visible = true) {
        for (const auto& [room, wait] : std::exchange(waits, {})) {
            changes->came(room, wait, is_visible);
        }
    }
    void ask(const Room& room) override { asked.push_back(room); }
    void write(const Room& room, SessionChange change) override {
        for (const JoinedRoom& put : change.put) {
            pending[room].emplace_back(put.room.key(), !put.ended_behind);
        }
        for (const Room& gone : change.gone) pending[room].emplace_back(gone.key(), false);
        writes.push_back(room);
    }
    void pause(const Room& room) override { pauses.push_back(room); }
    std::optional<Position> joined_at(const Room& room) const override {
        const auto found = in.find(room);
        return found == in.end() ? std::nullopt : std::optional(found->second);
    }
    JoinedRoom joined(const Room& room) const override { return {.room = room, .at = in.at(room)}; }
    Position now() const override { return delivered; }
    Position reached() const override { return has_reached; }
    void join(const Room& room, Position at, Position) override { in[room] = at; }
    void send_history(const Room& room, Position after) override {
        said.push_back("history of " + std::string(room.name()) + " after " + to_string(after));
    }
    void leave(const Room& room) override { in.erase(room); }
    void keep(const Room& room, Position since, Position) override {
        in[room] = std::max(in.at(room), since);
    }
    void release() override { ++releases; }
    Position tell_ended(const Room& room, const Error& error) override {
        said.push_back(std::string(room.name()) + " ended: " + std::string(error.name()));
        return {};
    }
    void on_taken_over() override {
        said.push_back("taken over");
        changes->close();
    }

    void enter(const Room& room, std::optional<Position> since = {}) {
        changes->enter(room, since, [this, room](Result<RoomChanges::Entered> entered) {
            said.push_back(std::string(room.name()) +
                           (entered ? " in from " + to_string(entered->from)
                                    : " refused: " + std::string(entered.error().name())));
        });
    }
    void leave_on_request(const Room& room) {
        changes->leave(room, [this, room](Result<> left) {
            said.push_back(std::string(room.name()) +
                           (left ? " out" : " stays: " + std::string(left.error().name())));
        });
    }
    void answer(const Room& room, const Result<WatchAnswer>& right) {
        const auto found = std::find(asked.begin(), asked.end(), room);
        ASSERT_NE(found, asked.end());
        asked.erase(found);
        changes->answered(room, right);
    }
    void written(const Room& room, Written how = Written::kYes) {
        const auto found = std::find(writes.begin(), writes.end(), room);
        ASSERT_NE(found, writes.end());
        writes.erase(found);
        for (const auto& [key, is_there] : std::exchange(pending[room], {})) {
            if (how != Written::kYes) continue;
            if (is_there) {
                session.insert(key);
            } else {
                session.erase(key);
            }
        }
        changes->written(room, how);
    }
    std::vector<std::string> take_said() { return std::exchange(said, {}); }

    std::shared_ptr<RoomChanges> changes;
    Position delivered;
    Position has_reached = kEndOfTime - 1;
    std::map<Room, Position> in;
    std::set<std::string> session;  // rooms, by key
    std::map<Room, std::vector<std::pair<std::string, bool>>> pending;
    std::vector<std::pair<Room, std::uint64_t>> waits;  // for places
    bool holds_waits = false;
    std::vector<Room> asked;
    std::vector<Room> writes;
    std::vector<Room> pauses;
    std::vector<std::string> said;
    int releases = 0;
};

using Said = std::vector<std::string>;
const Room kOne = Room::subject("photo:1");
const Room kTwo = Room::subject("photo:2");
const WatchAnswer kRight{.at = 10_pos, .right_since = 3_pos};

TEST(RoomChanges, IsToldAfterTheSessionWasWrittenAndBeforeTheHistory) {
    World world;
    world.enter(kOne, 5_pos);
    EXPECT_EQ(world.take_said(), Said{});
    world.answer(kOne, kRight);
    EXPECT_EQ(world.take_said(), Said{}) << "before the session holds it";
    world.written(kOne);
    EXPECT_EQ(world.take_said(), (Said{"photo:1 in from 5", "history of photo:1 after 5"}));
    EXPECT_EQ(world.in.at(kOne), 5_pos);
    EXPECT_TRUE(world.changes->is_idle());
}

TEST(RoomChanges, ARoomIsEnteredFromWhereTheRightWasTold) {
    struct Case {
        const char* name;
        std::optional<Position> since;
        Position delivered;  // when it joins
        Position from;
    };
    for (const Case& c : {Case{"from now on", {}, 9_pos, 10_pos},
                          Case{"not from before the join", {}, 12_pos, 12_pos},
                          Case{"since a place", 7_pos, 12_pos, 7_pos},
                          Case{"not from before the right", 1_pos, 12_pos, 3_pos}}) {
        SCOPED_TRACE(c.name);
        World world;
        world.enter(kOne, c.since);
        world.answer(kOne, kRight);
        world.delivered = c.delivered;
        world.written(kOne);
        EXPECT_EQ(world.in.at(kOne), c.from);
        EXPECT_EQ(world.said.front(), "photo:1 in from " + to_string(c.from));
    }
}

TEST(RoomChanges, AnswersOfDifferentRoomsMayComeInAnyOrderAndNoneIsForgotten) {
    World world;
    const Room three = Room::subject("photo:3");
    for (const Room& room : {kOne, kTwo, three}) world.enter(room);
    world.answer(three, kRight);
    world.answer(kOne, kRight);
    world.written(kOne);
    world.answer(kTwo, kRight);
    world.written(kTwo);
    world.written(three);
    EXPECT_EQ(world.session, (std::set<std::string>{kOne.key(), kTwo.key(), three.key()}));
    EXPECT_EQ(world.in.size(), 3u);
}

TEST(RoomChanges, WhatIsAskedOfOneRoomHappensInItsOrder) {
    World world;
    world.enter(kOne);
    world.leave_on_request(kOne);
    world.enter(kOne);
    world.leave_on_request(kOne);
    for (int i = 0; i < 2; ++i) {
        world.answer(kOne, kRight);
        world.written(kOne);
        world.written(kOne);
    }
    EXPECT_EQ(world.take_said(),
              (Said{"photo:1 in from 10", "photo:1 out", "photo:1 in from 10", "photo:1 out"}));
    EXPECT_TRUE(world.in.empty());
    EXPECT_TRUE(world.session.empty());
    EXPECT_EQ(world.changes->intended(), 0u);
}

TEST(RoomChanges, TheBoundCountsRoomsOnTheirWayIn) {
    World world(2);
    world.enter(kOne);
    world.enter(kTwo);
    world.enter(Room::subject("photo:3"));
    EXPECT_EQ(world.take_said(), Said{"photo:3 refused: too_many_rooms"});
    world.enter(kTwo);  // it is intended already
    world.answer(kOne, kForbidden);
    EXPECT_EQ(world.take_said(), Said{"photo:1 refused: forbidden"});
    world.enter(Room::subject("photo:3"));
    EXPECT_EQ(world.take_said(), Said{}) << "the refused one left a place";
    world.leave_on_request(kTwo);
    world.enter(Room::subject("photo:4"));
    EXPECT_EQ(world.take_said(), Said{}) << "the one that is to be left counts no longer";
}

TEST(RoomChanges, ASessionThatCannotBeWrittenRefusesTheChangeAndNothingHasChanged) {
    World world;
    world.enter(kOne);
    world.answer(kOne, kRight);
    world.written(kOne, Written::kNotNow);
    EXPECT_EQ(world.take_said(), Said{"photo:1 refused: unavailable"});
    EXPECT_TRUE(world.in.empty());
    EXPECT_EQ(world.changes->intended(), 0u);

    world.in[kTwo] = 1_pos;
    world.leave_on_request(kTwo);
    world.written(kTwo, Written::kNotNow);
    EXPECT_EQ(world.take_said(), Said{"photo:2 stays: unavailable"});
    EXPECT_TRUE(world.in.contains(kTwo));
}

// Each waits for seconds, and a client may have a thousand of them.
TEST(RoomChanges, ARecheckWaitsForNoPlaceThatTheClientNames) {
    World world;
    world.enter(kOne);
    world.answer(kOne, kRight);
    world.written(kOne);
    world.take_said();
    world.holds_waits = true;
    for (int i = 0; i < 3; ++i) world.enter(kOne, 99_pos);
    world.changes->recheck(kOne, std::nullopt);
    world.answer(kOne, kForbidden);
    EXPECT_EQ(world.take_said(), Said{"photo:1 ended: forbidden"});
    EXPECT_FALSE(world.in.contains(kOne));
    world.written(kOne);

    ASSERT_EQ(world.waits.size(), 2u) << "the first has begun to wait anew";
    world.changes->came(kOne, world.waits[0].second, true);
    EXPECT_TRUE(world.asked.empty()) << "of the wait before nothing is wanted";
    world.waits.erase(world.waits.begin());
    world.come(false);
    EXPECT_EQ(world.take_said(), Said{"photo:1 refused: bad_offset"});
    world.come();
    world.changes->recheck(kOne, std::nullopt);
    world.answer(kOne, kRight);
    world.written(kOne);
    EXPECT_EQ(world.take_said().front(), "photo:1 in from 99");
    world.answer(kOne, kRight);
    world.come();
    world.answer(kOne, kForbidden);
    EXPECT_EQ(world.take_said(), Said{"photo:1 refused: forbidden"});
    EXPECT_TRUE(world.changes->is_idle());
}

TEST(RoomChanges, ARecheckKeepsTheRoomFromWhereTheOtherRightBegan) {
    World world;
    world.in[kOne] = 1_pos;
    world.changes->recheck(kOne, 9_pos);
    EXPECT_EQ(world.releases, 0);
    world.answer(kOne, kRight);
    EXPECT_EQ(world.in.at(kOne), 3_pos);
    EXPECT_EQ(world.releases, 1);
    EXPECT_EQ(world.take_said(), Said{});
}

TEST(RoomChanges, AnotherRightThatBeganBehindTheEvictionDoesNotKeepTheRoom) {
    struct Case {
        const char* name;
        Position joined_at;
        Position right_since;
        std::optional<Position> in_from;
    };
    for (const Case& c :
         {Case{"began with it", 1_pos, 9_pos, 9_pos}, Case{"began behind it", 1_pos, 10_pos, {}},
          Case{"began behind it, and the room was joined by it", 12_pos, 10_pos, 12_pos}}) {
        SCOPED_TRACE(c.name);
        World world;
        world.in[kOne] = c.joined_at;
        world.changes->recheck(kOne, 9_pos);
        world.answer(kOne, WatchAnswer{.at = 20_pos, .right_since = c.right_since});
        EXPECT_EQ(world.changes->is_idle(), c.in_from.has_value());
        if (!c.in_from) world.written(kOne);
        EXPECT_EQ(world.joined_at(kOne), c.in_from);
        EXPECT_EQ(world.take_said(), c.in_from ? Said{} : Said{"photo:1 ended: forbidden"});
        EXPECT_EQ(world.releases, 1);
        EXPECT_TRUE(world.changes->is_idle());
    }
}

// It would miss, without a word, what came by the right before.
TEST(RoomChanges, AReloadEndsARoomWhoseRightOfNowBeganBehindWhatTheReceiverHasComeTo) {
    for (const bool is_behind : {false, true}) {
        SCOPED_TRACE(is_behind ? "it is behind" : "it has come to the new right");
        World world;
        world.enter(kOne);
        world.answer(kOne, kRight);
        world.written(kOne);
        world.take_said();
        world.has_reached = is_behind ? 12_pos : 14_pos;
        world.changes->recheck(kOne, std::nullopt);
        world.answer(kOne, WatchAnswer{.at = 20_pos, .right_since = 15_pos});
        EXPECT_EQ(world.take_said(), is_behind ? Said{"photo:1 ended: forbidden"} : Said{});
        EXPECT_EQ(world.in.contains(kOne), !is_behind);
    }
}

TEST(RoomChanges, ARecheckWithoutARightEndsTheRoomAndTheSessionForgetsIt) {
    World world;
    world.enter(kOne);
    world.answer(kOne, kRight);
    world.written(kOne);
    world.take_said();
    world.changes->recheck(kOne, 9_pos);
    world.answer(kOne, kForbidden);
    EXPECT_EQ(world.take_said(), Said{"photo:1 ended: forbidden"});
    EXPECT_EQ(world.releases, 1);
    EXPECT_TRUE(world.in.empty());
    world.written(kOne);
    EXPECT_TRUE(world.session.empty());
    EXPECT_TRUE(world.changes->is_idle());
}

// What a recheck took could not be written then: whoever is told "you have left" has left for good.
TEST(RoomChanges, ALeaveIsWrittenThoughTheRoomHasEnded) {
    World world;
    world.enter(kOne);
    world.answer(kOne, kRight);
    world.written(kOne);
    world.changes->recheck(kOne, std::nullopt);
    world.answer(kOne, kForbidden);
    world.written(kOne, Written::kNotNow);
    ASSERT_FALSE(world.session.empty());
    world.take_said();
    world.leave_on_request(kOne);
    EXPECT_EQ(world.take_said(), Said{});
    world.written(kOne);
    EXPECT_EQ(world.take_said(), Said{"photo:1 out"});
    EXPECT_TRUE(world.session.empty());
}

TEST(RoomChanges, APassingFailureEndsNoRoom) {
    World world;
    world.in[kOne] = 1_pos;
    world.changes->recheck(kOne, 9_pos);
    world.answer(kOne, kLater);
    EXPECT_EQ(world.pauses, std::vector<Room>{kOne});
    EXPECT_EQ(world.releases, 0) << "what it may no longer see is held back";
    world.changes->paused(kOne);
    world.answer(kOne, kRight);
    EXPECT_EQ(world.releases, 1);
    EXPECT_TRUE(world.in.contains(kOne));
}

TEST(RoomChanges, ARecheckOfARoomThatWasLeftMeanwhileLetsTheReceiverGoOn) {
    World world;
    world.in[kOne] = 1_pos;
    world.leave_on_request(kOne);
    world.changes->recheck(kOne, 9_pos);
    world.written(kOne);
    EXPECT_EQ(world.take_said(), Said{"photo:1 out"});
    EXPECT_EQ(world.releases, 1);
    EXPECT_TRUE(world.asked.empty());
}

TEST(RoomChanges, TheOneThatWasTakenOverAnswersNothingMore) {
    World world;
    world.enter(kOne);
    world.enter(kTwo);
    world.answer(kOne, kRight);
    world.answer(kTwo, kRight);
    world.written(kOne, Written::kTakenOver);
    world.written(kTwo);
    EXPECT_EQ(world.take_said(), Said{"taken over"});
    EXPECT_TRUE(world.in.empty());
}

TEST(RoomChanges, OnePastTheChangesUnderWayIsRefused) {
    World world(RoomChanges::kChangesMax + 1);
    for (std::size_t i = 0; i < RoomChanges::kChangesMax; ++i) world.enter(kOne);
    world.take_said();
    world.enter(kTwo);
    world.leave_on_request(kOne);
    EXPECT_EQ(world.take_said(), (Said{"photo:2 refused: too_many", "photo:1 stays: too_many"}));
}

// Random requests, with answers late and in any order: in the end it is in exactly those rooms
// whose last answer said so, the session holds exactly these, and the bound held all the time.
TEST(RoomChanges, InTheEndTheSessionIsWhatWasAnswered) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937_64 dice(seed);
        const auto below = [&](std::uint64_t n) { return dice() % n; };
        constexpr std::size_t kRoomsMax = 3;
        World world(kRoomsMax);
        std::map<Room, bool> told;
        const auto ask_for = [&](const Room& room) {
            if (below(2) == 0) {
                world.changes->enter(room, {}, [&told, room](Result<RoomChanges::Entered> entered) {
                    if (entered) told[room] = true;
                });
            } else {
                world.changes->leave(room, [&told, room](Result<> left) {
                    if (left) told[room] = false;
                });
            }
        };
        for (int step = 0; step < 300 || !world.changes->is_idle(); ++step) {
            ASSERT_LT(step, 10'000);
            ASSERT_LE(world.changes->intended(), kRoomsMax);
            const std::uint64_t what = below(5);
            if (what < 2 && step < 300) {
                ask_for(Room::subject("photo:" + std::to_string(below(5))));
            } else if (what == 2 && !world.asked.empty()) {
                const Room room = world.asked[below(world.asked.size())];
                world.answer(room, below(4) == 0 ? Result<WatchAnswer>(kForbidden)
                                                 : Result<WatchAnswer>(kRight));
            } else if (what == 3 && !world.writes.empty()) {
                const Room room = world.writes[below(world.writes.size())];
                // One that cannot be left stays, and may then be one too many.
                const bool is_entered = world.pending[room].back().second;
                const bool fails = is_entered && below(8) == 0;
                world.written(room, fails ? Written::kNotNow : Written::kYes);
            }
        }
        std::set<std::string> expected;
        for (const auto& [room, is_in] : told) {
            if (is_in) expected.insert(room.key());
        }
        std::set<std::string> in;
        for (const auto& [room, at] : world.in) in.insert(room.key());
        EXPECT_EQ(in, expected);
        EXPECT_EQ(world.session, expected);
        EXPECT_EQ(world.changes->intended(), expected.size());
    }
}

}  // namespace
}  // namespace eventbus
