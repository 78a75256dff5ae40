#include "groups/group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "support/position_literal.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

using namespace std::chrono_literals;

constexpr MemberId kAnn{1};
constexpr MemberId kBob{2};
constexpr MemberId kCid{3};
constexpr Group::Time kStart{1h};

SharedEntry entry(Position position) {
    auto made = std::make_shared<Entry>();
    made->position = position;
    made->event.data = "{}";
    return made;
}

// A group on its own, at a time that the test moves.
class GroupTest : public testing::Test {
 protected:
    GroupSettings settings_;
    SeededRandom random_{7};
    Group group_{settings_, random_, Position()};
    Group::Time now_ = kStart;

    void take(Position first, Position last) {
        for (Position p = first; p <= last; ++p) group_.take(entry(p));
    }

    // "position.attempt→member" for each event given out now.
    std::vector<std::string> give() {
        std::vector<Group::GivenOut> out;
        group_.give_out(out);
        std::vector<std::string> given;
        for (const Group::GivenOut& g : out) {
            group_.sent(g.entry->position, g.attempt, now_);
            given.push_back(to_string(g.entry->position) + '.' + std::to_string(g.attempt) + "→" +
                            std::to_string(static_cast<std::uint64_t>(g.member)));
        }
        return given;
    }

    // Moves time, and reads from the log whatever is due, as the engine does.
    void advance(Group::Time::duration by) {
        now_ += by;
        group_.find_due(now_);
        group_.time_out(now_);
        load();
    }
    void load() {
        while (const auto span = group_.wanted(100)) {
            std::vector<SharedEntry> page;
            for (Position p = span->first; p < span->first + span->count; ++p) {
                if (!gone_.contains(p)) page.push_back(entry(p));
            }
            const std::size_t expired =
                group_.loaded(page, span->first, span->first + span->count - 1).total();
            if (expired < span->count) break;  // something is loaded
        }
    }

    std::set<Position> gone_;  // what retention took from the log
};

using Given = std::vector<std::string>;

TEST_F(GroupTest, EventsGoRoundTheMembersWithRoom) {
    ASSERT_TRUE(group_.join(kAnn, {2}));
    ASSERT_TRUE(group_.join(kBob, {4}));
    ASSERT_TRUE(group_.join(kCid, {1}));

    take(1_pos, 9_pos);

    EXPECT_EQ(give(), (Given{"1.1→1", "2.1→2", "3.1→3", "4.1→1", "5.1→2", "6.1→2", "7.1→2"}));
    EXPECT_EQ(give(), Given{});
    ASSERT_TRUE(group_.ack(kCid, 3_pos, 1));
    EXPECT_EQ(give(), Given{"8.1→3"});
}

TEST_F(GroupTest, TheCursorStandsBelowWhatWasNotGivenOut) {
    ASSERT_TRUE(group_.join(kAnn, {2}));
    EXPECT_EQ(group_.cursor(), 0_pos);
    take(3_pos, 6_pos);
    EXPECT_EQ(group_.cursor(), 2_pos);
    give();
    EXPECT_EQ(group_.cursor(), 4_pos);  // 3 and 4 are in flight: they are kept one by one
    ASSERT_NE(group_.flight(3_pos), nullptr);
    ASSERT_TRUE(group_.ack(kAnn, 4_pos, 1));
    give();
    ASSERT_TRUE(group_.ack(kAnn, 5_pos, 1));
    give();
    group_.skip_to(20_pos);
    EXPECT_EQ(group_.cursor(), 20_pos);
}

TEST_F(GroupTest, OnlyTheMemberThatHasAnEventAnswersForIt) {
    struct Case {
        const char* name;
        MemberId member;
        Position position;
        std::uint32_t attempt;
        bool accepted;
    };
    const Case cases[] = {
        {"another member", kBob, 1_pos, 1, false},
        {"an attempt that was not yet", kAnn, 1_pos, 2, false},
        {"attempt 0", kAnn, 1_pos, 0, false},
        {"an event that was not given out", kAnn, 3_pos, 1, false},
        {"an event of another member", kAnn, 2_pos, 1, false},
        {"nobody's", kCid, 1_pos, 1, false},
        {"the one that has it", kAnn, 1_pos, 1, true},
        {"the same again", kAnn, 1_pos, 1, false},
    };
    ASSERT_TRUE(group_.join(kAnn, {1}));
    ASSERT_TRUE(group_.join(kBob, {1}));
    take(1_pos, 3_pos);
    give();
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        if (!c.accepted) {
            const Result<> nacked = group_.nack(c.member, c.position, c.attempt, 0ms, now_);
            ASSERT_FALSE(nacked);
            EXPECT_EQ(nacked.error().code, ErrorCode::kNotFound);
        }
        const Result<> acked = group_.ack(c.member, c.position, c.attempt);
        EXPECT_EQ(acked.has_value(), c.accepted);
        if (!acked) {
            EXPECT_EQ(acked.error().code, ErrorCode::kNotFound);
        }
    }
}

TEST_F(GroupTest, AnEventThatIsNotAnsweredInTimeGoesToAnother) {
    ASSERT_TRUE(group_.join(kAnn, {1}));
    take(1_pos, 1_pos);
    give();
    ASSERT_TRUE(group_.join(kBob, {1}));

    advance(settings_.ack_wait - 1ms);
    EXPECT_EQ(give(), Given{});
    advance(1ms);

    EXPECT_EQ(group_.totals().timed_out, 1u);
    EXPECT_EQ(give(), Given{"1.2→2"});
    EXPECT_FALSE(group_.ack(kAnn, 1_pos, 1));
    EXPECT_TRUE(group_.ack(kBob, 1_pos, 2));
    EXPECT_EQ(group_.in_flight(), 0u);
}

TEST_F(GroupTest, TheBackOffDoublesToItsBoundWithJitter) {
    ASSERT_TRUE(group_.join(kAnn, {1}));
    take(1_pos, 1_pos);
    give();
    auto whole = settings_.retry_first;
    for (std::uint32_t attempt = 1; attempt <= 12; ++attempt) {
        SCOPED_TRACE(attempt);
        ASSERT_TRUE(group_.nack(kAnn, 1_pos, attempt, std::nullopt, now_));
        const auto wait = group_.flight(1_pos)->until - now_;
        EXPECT_GE(wait, whole / 2);
        EXPECT_LE(wait, whole);
        advance(wait);
        ASSERT_EQ(give(), Given{"1." + std::to_string(attempt + 1) + "→1"});
        whole = std::min(whole * 2, settings_.retry_max);
    }
    EXPECT_EQ(whole, settings_.retry_max);
}

TEST_F(GroupTest, ANackSaysWhenTheEventComesAgain) {
    struct Case {
        std::chrono::milliseconds asked;
        std::chrono::milliseconds waits;
    };
    const Case cases[] = {
        {-5ms, 0ms}, {0ms, 0ms}, {1ms, 1ms}, {10min, 10min}, {24h * 400, settings_.nack_delay_max}};
    ASSERT_TRUE(group_.join(kAnn, {1}));
    take(1_pos, 1_pos);
    give();
    std::uint32_t attempt = 1;
    for (const Case& c : cases) {
        SCOPED_TRACE(c.asked.count());
        ASSERT_TRUE(group_.nack(kAnn, 1_pos, attempt, c.asked, now_));
        if (c.waits > 0ms) {
            advance(c.waits - 1ms);
            EXPECT_EQ(give(), Given{});
            advance(1ms);
        }
        load();
        EXPECT_EQ(give(), Given{"1." + std::to_string(++attempt) + "→1"});
    }
}

TEST_F(GroupTest, WhatAMemberHadGoesToOthersAtOnceTheFirstTimeAndLaterAfterABackOff) {
    ASSERT_TRUE(group_.join(kAnn, {1}));
    take(1_pos, 1_pos);
    give();

    EXPECT_TRUE(group_.member_gone(kAnn, now_));
    ASSERT_TRUE(group_.join(kBob, {1}));
    load();
    EXPECT_EQ(give(), Given{"1.2→2"});

    EXPECT_TRUE(group_.member_gone(kBob, now_));
    ASSERT_TRUE(group_.join(kCid, {1}));
    load();
    EXPECT_EQ(give(), Given{});
    advance(settings_.retry_first);
    EXPECT_EQ(give(), Given{"1.3→3"});
    EXPECT_EQ(group_.totals().member_lost, 2u);
    EXPECT_FALSE(group_.member_gone(kBob, now_));
}

TEST_F(GroupTest, AMemberThatLeavesAnswersForWhatItHas) {
    ASSERT_TRUE(group_.join(kAnn, {2}));
    take(1_pos, 3_pos);
    EXPECT_EQ(give(), (Given{"1.1→1", "2.1→1"}));

    EXPECT_TRUE(group_.leave(kAnn));

    EXPECT_FALSE(group_.has_room());
    EXPECT_TRUE(group_.ack(kAnn, 1_pos, 1));
    EXPECT_EQ(give(), Given{});
    EXPECT_EQ(group_.members(), 1u);
    EXPECT_TRUE(group_.ack(kAnn, 2_pos, 1));
    EXPECT_EQ(group_.members(), 0u);
    EXPECT_FALSE(group_.leave(kAnn));
}

TEST_F(GroupTest, AMemberThatLeavesAndComesBackGoesOn) {
    ASSERT_TRUE(group_.join(kAnn, {1}));
    take(1_pos, 2_pos);
    give();
    EXPECT_TRUE(group_.leave(kAnn));
    ASSERT_TRUE(group_.join(kAnn, {2}));
    EXPECT_EQ(give(), Given{"2.1→1"});
    EXPECT_TRUE(group_.member_gone(kAnn, now_));
    EXPECT_EQ(group_.members(), 0u);
    EXPECT_FALSE(group_.has_room());
}

TEST_F(GroupTest, ASecondJoinChangesHowMuchAMemberTakes) {
    ASSERT_TRUE(group_.join(kAnn, {1}));
    take(1_pos, 4_pos);
    EXPECT_EQ(give().size(), 1u);
    ASSERT_TRUE(group_.join(kAnn, {3}));
    EXPECT_EQ(give().size(), 2u);
    ASSERT_TRUE(group_.join(kAnn, {1}));
    ASSERT_TRUE(group_.ack(kAnn, 1_pos, 1));
    ASSERT_TRUE(group_.ack(kAnn, 2_pos, 1));
    EXPECT_EQ(give(), Given{});
    EXPECT_EQ(group_.members(), 1u);
}

TEST_F(GroupTest, RetriesStandBeforeNewEvents) {
    ASSERT_TRUE(group_.join(kAnn, {1}));
    take(1_pos, 3_pos);
    give();
    ASSERT_TRUE(group_.nack(kAnn, 1_pos, 1, 0ms, now_));
    load();
    EXPECT_EQ(give(), Given{"1.2→1"});
}

TEST_F(GroupTest, AnEventThatIsRefusedForEverHoldsUpNoOther) {
    ASSERT_TRUE(group_.join(kAnn, {1}));
    take(1_pos, 1_pos);
    give();
    for (Position p = 2_pos; p < 2000_pos; ++p) {
        ASSERT_TRUE(group_.nack(kAnn, 1_pos, static_cast<std::uint32_t>(p.number() - 1), 1h, now_));
        take(p, p);
        ASSERT_EQ(give(), Given{to_string(p) + ".1→1"});
        ASSERT_TRUE(group_.ack(kAnn, p, 1));
        advance(1h);
        ASSERT_EQ(give().size(), 1u);
    }
    EXPECT_EQ(group_.cursor(), 1999_pos);
    EXPECT_EQ(group_.in_flight(), 1u);
}

TEST_F(GroupTest, WhatRetentionTookIsCountedAndStallsNothing) {
    ASSERT_TRUE(group_.join(kAnn, {10}));
    take(1_pos, 5_pos);
    give();
    gone_ = {1_pos, 2_pos, 4_pos};
    EXPECT_TRUE(group_.member_gone(kAnn, now_));
    ASSERT_TRUE(group_.join(kBob, {10}));
    group_.take_changed();

    load();

    EXPECT_EQ(give(), (Given{"3.2→2", "5.2→2"}));
    EXPECT_EQ(group_.totals().expired, 3u);
    EXPECT_EQ(group_.in_flight(), 2u);
    EXPECT_EQ(group_.take_changed(), (std::vector<Position>{1_pos, 2_pos, 3_pos, 4_pos, 5_pos}));
    EXPECT_EQ(group_.flight(4_pos), nullptr);
}

TEST_F(GroupTest, NothingIsReadAgainWhileNobodyCanTakeIt) {
    ASSERT_TRUE(group_.join(kAnn, {1}));
    take(1_pos, 1_pos);
    give();
    EXPECT_TRUE(group_.member_gone(kAnn, now_));
    EXPECT_FALSE(group_.wanted(10));
    ASSERT_TRUE(group_.join(kBob, {1}));
    ASSERT_TRUE(group_.wanted(10));
    EXPECT_EQ(group_.wanted(10)->first, 1_pos);
    EXPECT_EQ(group_.wanted(10)->count, 1u);
}

TEST_F(GroupTest, AReadOfRetriesSpansWhatIsDueAndNoMore) {
    Group restored(settings_, random_, 100_pos);
    for (const Position p : {3_pos, 5_pos, 9_pos, 40_pos}) restored.restore({p, 1}, now_);
    restored.find_due(now_);
    ASSERT_TRUE(restored.join(kAnn, {1}));
    struct Case {
        std::size_t limit;
        std::size_t count;
    };
    for (const Case& c : {Case{1, 1}, {2, 1}, {3, 3}, {6, 3}, {7, 7}, {37, 7}, {38, 38}}) {
        SCOPED_TRACE(c.limit);
        EXPECT_EQ(restored.wanted(c.limit)->first, 3_pos);
        EXPECT_EQ(restored.wanted(c.limit)->count, c.count);
    }
}

TEST_F(GroupTest, BoundsAreKept) {
    settings_.pending_max = 3;
    settings_.pending_bytes_max = 1U << 20U;
    settings_.in_flight_max = 2;
    settings_.members_max = 2;
    EXPECT_FALSE(group_.has_room());  // nobody is there
    ASSERT_TRUE(group_.join(kAnn, {100}));
    ASSERT_TRUE(group_.join(kBob, {100}));

    const Result<> refused = group_.join(kCid, {1});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kTooMany);
    EXPECT_TRUE(group_.join(kBob, {50}));

    take(1_pos, 3_pos);
    EXPECT_FALSE(group_.has_room());
    EXPECT_EQ(give().size(), 2u);
    EXPECT_TRUE(group_.has_room());
    EXPECT_EQ(give(), Given{});
    ASSERT_TRUE(group_.ack(kAnn, 1_pos, 1));
    EXPECT_EQ(give(), Given{"3.1→1"});

    auto large = std::make_shared<Entry>();
    large->position = 4_pos;
    large->event.data.assign(settings_.pending_bytes_max, ' ');
    group_.take(large);
    EXPECT_FALSE(group_.has_room());
    ASSERT_TRUE(group_.ack(kBob, 2_pos, 1));
    EXPECT_EQ(give().size(), 1u);
    EXPECT_TRUE(group_.has_room());
}

TEST_F(GroupTest, ARestoredEventGoesOnWithItsAttempts) {
    Group restored(settings_, random_, 10_pos);
    restored.restore({4_pos, 3, 5s}, now_);
    ASSERT_TRUE(restored.join(kAnn, {1}));
    restored.find_due(now_);
    EXPECT_FALSE(restored.wanted(10));
    restored.find_due(now_ + 5s);
    ASSERT_TRUE(restored.wanted(10));
    restored.loaded({entry(4_pos)}, 4_pos, 4_pos);
    std::vector<Group::GivenOut> out;
    restored.give_out(out);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].attempt, 4u);
    EXPECT_EQ(restored.cursor(), 10_pos);
}

TEST_F(GroupTest, TheTimeForAnAnswerBeginsWhenTheEventIsSent) {
    ASSERT_TRUE(group_.join(kAnn, {2}));
    take(1_pos, 2_pos);
    std::vector<Group::GivenOut> out;
    group_.give_out(out);
    ASSERT_EQ(out.size(), 2u);
    EXPECT_FALSE(group_.next_deadline());
    advance(settings_.ack_wait * 2);
    EXPECT_EQ(group_.totals().timed_out, 0u);
    group_.sent(1_pos, 1, now_);
    EXPECT_EQ(group_.next_deadline(), now_ + settings_.ack_wait);
    group_.sent(2_pos, 7, now_);  // not what it has now
    EXPECT_TRUE(group_.ack(kAnn, 2_pos, 1));
    advance(settings_.ack_wait);
    EXPECT_EQ(group_.totals().timed_out, 1u);
    EXPECT_FALSE(group_.next_deadline());
}

// Random steps against a model that is slow and plain: a list of events, each with its state.
class GroupModel {
 public:
    struct Held {
        MemberId member{};
        std::uint32_t attempt = 0;
        bool with_member = false;
        Group::Time until{};
    };
    std::map<Position, Held> held;
    std::set<Position> acked;
    std::map<MemberId, std::size_t> members;  // and their max_in_flight
    std::set<MemberId> leaving;

    std::size_t has(MemberId member) const {
        return static_cast<std::size_t>(std::count_if(held.begin(), held.end(), [&](auto& h) {
            return h.second.with_member && h.second.member == member;
        }));
    }
    void forget_those_that_left() {
        std::erase_if(leaving, [&](MemberId m) {
            if (has(m) > 0) return false;
            members.erase(m);
            return true;
        });
    }
};

class GroupRun : public testing::TestWithParam<std::uint64_t> {};

TEST_P(GroupRun, EqualsTheSlowModelAndEveryEventIsAcknowledgedAtLast) {
    SCOPED_TRACE(testing::Message() << "seed " << GetParam());
    std::mt19937_64 dice(GetParam());
    const auto below = [&](std::uint64_t n) { return dice() % n; };
    GroupSettings settings;
    settings.pending_max = 1 + below(20);
    settings.in_flight_max = 1 + below(40);
    settings.members_max = 1 + below(5);
    SeededRandom random(GetParam());
    Group group(settings, random, Position());
    GroupModel model;
    Group::Time now = kStart;
    Position written;  // the log's frontier; every event matches
    std::vector<std::pair<MemberId, std::pair<Position, std::uint32_t>>> seen;

    const auto check = [&] {
        ASSERT_EQ(group.in_flight(), model.held.size());
        ASSERT_EQ(group.members(), model.members.size());
        std::size_t with_members = 0;
        for (const auto& [position, held] : model.held) {
            const Group::Flight* flight = group.flight(position);
            ASSERT_NE(flight, nullptr);
            ASSERT_EQ(flight->attempt, held.attempt);
            const bool with = flight->state == Group::Flight::State::kWithMember;
            ASSERT_EQ(with, held.with_member);
            if (with) {
                ASSERT_EQ(flight->member, held.member);
            }
            ASSERT_LE(position, group.cursor());
            with_members += with ? 1 : 0;
        }
        ASSERT_EQ(group.with_members(), with_members);
        for (Position p = 1_pos; p <= group.cursor(); ++p) {  // (1)
            ASSERT_TRUE(model.acked.contains(p) || model.held.contains(p)) << to_string(p);
        }
        for (const auto& [member, max] : model.members) {
            if (!model.leaving.contains(member)) {
                ASSERT_LE(model.has(member), std::max<std::size_t>(max, 4));
            }
        }
    };
    const auto load = [&] {
        const auto span = group.wanted(1 + below(8));
        if (!span) return;
        std::vector<SharedEntry> page;
        for (Position p = span->first; p < span->first + span->count; ++p) {
            page.push_back(entry(p));
        }
        ASSERT_EQ(group.loaded(page, span->first, span->first + span->count - 1).total(), 0u);
    };
    const auto give = [&] {
        std::vector<Group::GivenOut> out;
        group.give_out(out);
        for (const Group::GivenOut& given : out) {
            const Position position = given.entry->position;
            group.sent(position, given.attempt, now);
            ASSERT_FALSE(model.acked.contains(position))
                << "given after its ack: " << to_string(position);
            GroupModel::Held& held = model.held[position];
            ASSERT_FALSE(held.with_member) << "with two members: " << to_string(position);
            ASSERT_TRUE(model.members.contains(given.member));
            ASSERT_FALSE(model.leaving.contains(given.member));
            ASSERT_LT(model.has(given.member), model.members[given.member]);
            held = {given.member, held.attempt + 1, true, now + settings.ack_wait};
            ASSERT_EQ(given.attempt, held.attempt);
            seen.push_back({given.member, {position, given.attempt}});
        }
        ASSERT_LE(group.with_members(), settings.in_flight_max);
    };
    const auto settle = [&](bool ack) {
        if (seen.empty()) return;
        // Late ones mostly: what was given out long ago is stale.
        const std::size_t back = below(std::min<std::size_t>(seen.size(), 1 + below(40)));
        const auto [member, delivery] = seen[seen.size() - 1 - back];
        const auto [position, attempt] = delivery;
        const auto held = model.held.find(position);
        const bool valid = held != model.held.end() && held->second.with_member &&
                           held->second.member == member && held->second.attempt == attempt;
        if (ack) {
            ASSERT_EQ(group.ack(member, position, attempt).has_value(), valid);
            if (valid) {
                model.held.erase(held);
                model.acked.insert(position);
            }
        } else {
            std::optional<std::chrono::milliseconds> delay;
            if (below(2) == 0) delay = std::chrono::milliseconds(below(5000));
            ASSERT_EQ(group.nack(member, position, attempt, delay, now).has_value(), valid);
            if (valid) held->second.with_member = false;
        }
        model.forget_those_that_left();
    };

    for (int step = 0; step < 4000; ++step) {
        const MemberId member{1 + below(6)};
        switch (below(12)) {
            case 0: {
                const std::size_t max = 1 + below(4);
                const bool room =
                    model.members.contains(member) || model.members.size() < settings.members_max;
                ASSERT_EQ(group.join(member, {max}).has_value(), room);
                if (room) {
                    model.members[member] = max;
                    model.leaving.erase(member);
                }
                break;
            }
            case 1:
                if (below(4) > 0) break;
                ASSERT_EQ(group.member_gone(member, now), model.members.erase(member) > 0);
                model.leaving.erase(member);
                for (auto& [position, held] : model.held) {
                    if (held.member == member) held.with_member = false;
                }
                break;
            case 2:
                if (below(4) > 0) break;
                ASSERT_EQ(group.leave(member), model.members.contains(member));
                if (model.members.contains(member)) model.leaving.insert(member);
                model.forget_those_that_left();
                break;
            case 3: {
                now += std::chrono::milliseconds(below(below(10) == 0 ? 40'000 : 500));
                group.find_due(now);
                group.time_out(now);
                for (auto& [position, held] : model.held) {
                    if (held.with_member && held.until <= now) held.with_member = false;
                }
                model.forget_those_that_left();
                break;
            }
            case 4:
            case 5:
                load();
                break;
            case 6:
            case 7:
                give();
                break;
            case 8:
                settle(false);
                break;
            case 9:
            case 10:
                settle(true);
                break;
            default:
                while (group.has_room() && below(4) > 0) group.take(entry(++written));
        }
        check();
        if (HasFatalFailure()) return;
    }

    // And in the end one good member gets it all done.
    for (std::uint64_t m = 1; m <= 6; ++m) group.member_gone(MemberId{m}, now);
    model.members.clear();
    model.leaving.clear();
    for (auto& [position, held] : model.held) held.with_member = false;
    ASSERT_TRUE(group.join(kAnn, {3}));
    model.members[kAnn] = 3;
    for (int i = 0; i < 100'000 && group.in_flight() + group.pending() > 0; ++i) {
        seen.clear();
        now += 1s;
        group.find_due(now);
        group.time_out(now);
        load();
        give();
        if (HasFatalFailure()) return;
        for (const auto& [member, delivery] : seen) {
            ASSERT_TRUE(group.ack(member, delivery.first, delivery.second));
            model.held.erase(delivery.first);
            model.acked.insert(delivery.first);
        }
    }
    EXPECT_GT(written, 10_pos);
    EXPECT_EQ(model.acked.size(), written.number());
    EXPECT_EQ(group.cursor(), written);
}

INSTANTIATE_TEST_SUITE_P(Seeds, GroupRun, testing::Range<std::uint64_t>(1, 41));

}  // namespace
}  // namespace eventbus
