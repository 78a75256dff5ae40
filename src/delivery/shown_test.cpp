#include "delivery/shown.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "support/position_literal.h"

namespace eventbus {
namespace {

const Room kPhoto = Room::subject("photo:1");
const Room kOther = Room::subject("photo:2");
const Room kAlice = Room::user("alice");
const Room kAdmins = Room::role("admin");
const Room kUploads = Room::pattern("photo.*");

using Joins = std::vector<std::pair<Room, Position>>;

// An entry at 10 of photo:1.
Entry entry_to(const std::vector<Delivery>& deliveries) {
    Entry entry;
    entry.position = 10_pos;
    entry.event.type = "photo.uploaded";
    entry.event.subject = "photo:1";
    entry.deliveries = deliveries;
    return entry;
}

TEST(Shown, AnEntryGoesToPatternsFirstAndThenAsItsDeliveriesSayToRoomsThatHaveMembers) {
    Rooms rooms;
    rooms.join(ReceiverId{1}, kAlice, 0_pos);
    rooms.join(ReceiverId{1}, kUploads, 0_pos);
    rooms.join(ReceiverId{1}, Room::pattern("batch.*"), 0_pos);
    const std::vector<RoomId> patterns = {rooms.find(Room::pattern("batch.*")),
                                          rooms.find(kUploads)};
    std::vector<LocalTarget> targets = {{RoomId{77}, 5}};
    find_targets(entry_to({{kPhoto, 1}, {kAlice, 2}}), rooms, patterns, targets);
    const std::vector<LocalTarget> expected = {{rooms.find(kUploads), LocalTarget::kPattern},
                                               {rooms.find(kAlice), 1}};
    EXPECT_EQ(targets, expected);
}

TEST(Shown, AMemberGetsAnEntryAsTheFirstOfItsRoomsThatItJoinedBefore) {
    const std::vector<Delivery> to_both = {{kAlice, 1}, {kPhoto, 2}};
    struct Case {
        const char* name;
        std::vector<Delivery> deliveries;
        Joins joins;
        const Room* only;
        int shown;  // -1: not at all
    };
    const Case cases[] = {
        {"in none", to_both, {{kOther, 0_pos}}, nullptr, -1},
        {"in the first", to_both, {{kAlice, 9_pos}}, nullptr, 1},
        {"in the second", to_both, {{kPhoto, 9_pos}}, nullptr, 2},
        {"in both", to_both, {{kPhoto, 0_pos}, {kAlice, 0_pos}}, nullptr, 1},
        {"joined at it", to_both, {{kAlice, 10_pos}}, nullptr, -1},
        {"the first joined later", to_both, {{kAlice, 10_pos}, {kPhoto, 0_pos}}, nullptr, 2},
        {"by a pattern, whole", to_both, {{kAlice, 0_pos}, {kUploads, 0_pos}}, nullptr, 0},
        {"the pattern joined later", to_both, {{kAlice, 0_pos}, {kUploads, 10_pos}}, nullptr, 1},

        {"history of the room", to_both, {{kPhoto, 0_pos}}, &kPhoto, 2},
        {"history of another", to_both, {{kPhoto, 0_pos}, {kOther, 0_pos}}, &kOther, -1},
        {"of the room, joined later", to_both, {{kPhoto, 10_pos}}, &kPhoto, -1},
        {"an owner sees it as an owner", to_both, {{kAlice, 0_pos}, {kPhoto, 0_pos}}, &kPhoto, 1},
        {"even from before it signed in", to_both, {{kAlice, 99_pos}, {kPhoto, 0_pos}}, &kPhoto, 1},
        {"of the subject, by another room", {{kAlice, 1}}, {{kAlice, 99_pos}}, &kPhoto, 1},
        {"which it is not in", {{kAdmins, 1}}, {{kAlice, 0_pos}, {kPhoto, 0_pos}}, &kPhoto, -1},
        {"of a person's room", to_both, {{kAlice, 99_pos}}, &kAlice, 1},
        {"of a pattern", to_both, {{kAlice, 0_pos}, {kUploads, 0_pos}}, &kUploads, 0},
        {"of a pattern, joined later", to_both, {{kUploads, 10_pos}}, &kUploads, -1},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        Rooms rooms;
        rooms.join(ReceiverId{2}, kAlice, 0_pos);  // somebody else
        rooms.join(ReceiverId{2}, kPhoto, 0_pos);
        for (const auto& [room, at] : c.joins) rooms.join(ReceiverId{1}, room, at);
        std::vector<RoomId> patterns;
        if (const RoomId uploads = rooms.find(kUploads); uploads != RoomId::kNone) {
            patterns.push_back(uploads);
        }
        const Entry entry = entry_to(c.deliveries);
        std::vector<LocalTarget> targets;
        find_targets(entry, rooms, patterns, targets);
        const auto shown = shown_variant(entry, targets, rooms, ReceiverId{1}, c.only);
        EXPECT_EQ(shown ? static_cast<int>(*shown) : -1, c.shown);
    }
}

}  // namespace
}  // namespace eventbus
