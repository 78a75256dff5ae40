#include "admission/arriving.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admission/memory_session_store.h"
#include "catalog/loader.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "support/list_log.h"
#include "support/position_literal.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

using Code = Admitted::Unknown::Code;
using Codes = std::vector<Code>;

Codes codes_of(const Admitted& admitted) {
    Codes codes;
    for (const auto& unknown : admitted.unknown) codes.push_back(unknown.code);
    return codes;
}

// Lets everybody watch everything, or nobody anything.
class OpenWatches final : public Watches {
 public:
    void ask(WatchQuestion, Executor&, Callback<Result<WatchAnswer>> done) override {
        if (!may) return done(Error{ErrorCode::kForbidden, "it may not"});
        done(WatchAnswer{kEndOfTime, right_since});
    }
    bool may = true;
    Position right_since;
};

// A log in its third life: positions 1 to 10 of its first, 11 to 20 of its second, 21 to 25 now.
class ArrivingTest : public testing::Test, public SessionOwner {
 protected:
    ArrivingTest() {
        log_.replace(Epochs("first").next("second", 10_pos).next("third", 20_pos), 0_pos);
        log_.start();
        for (int i = 0; i < 25; ++i) log_.publish("a");
    }
    Executor& executor() override { return executor_; }
    void on_taken_over(std::string_view, Claim) override {}

    // A session that a server has left.
    void keep(SessionRecord record) {
        record.pid = "p";
        record.sid = "s";
        record.principal = "user:ana";
        disk_.by_pid["p"] = {record, clock_.now() + std::chrono::hours(1)};
    }
    Admitted arrive(Arrival arrival) {
        MemorySessionStore sessions(disk_, clock_, {});
        arrival.principal = std::make_shared<const Principal>(Principal{.id = "ana"});
        std::optional<Admitted> admitted;
        const PostAt post_at = [&](Clock::Time at, Task task) {
            clock_.advance(at - clock_.now());
            executor_.post(std::move(task));
        };
        const Arriving::Context context{.reactor = executor_,
                                        .clock = clock_,
                                        .random = random_,
                                        .log = log_,
                                        .watches = watches_,
                                        .sessions = sessions,
                                        .owner = *this,
                                        .post_at = post_at};
        Arriving::begin(context, catalog_, std::move(arrival), log_.frontier(),
                        [&](Result<Admitted> result) {
                            ASSERT_TRUE(result) << result.error().detail;
                            admitted = std::move(*result);
                        });
        executor_.run_all();
        return std::move(*admitted);
    }

    const std::shared_ptr<const Catalog> catalog_ =
        parse_catalog("events: { a: { audience: [everyone] } }", "catalog.yaml").catalog;
    FakeClock clock_;
    SeededRandom random_{1};
    FakeExecutor executor_;
    ListLog log_;
    OpenWatches watches_;
    MemorySessions disk_;
};

TEST_F(ArrivingTest, ASessionIsKnownIfThisLogSharesAllThatItSawAndJoined) {
    struct Case {
        const char* what;
        SessionRecord record;
        bool is_known;
    };
    const Room room = Room::subject("photo:1");
    const Case cases[] = {
        {"of this life", {.epoch = "third", .place = {24_pos, 25_pos}}, true},
        {"of a life before, up to its end", {.epoch = "second", .place = {20_pos, 20_pos}}, true},
        {"above the end of its epoch: another branch went on there",
         {.epoch = "second", .place = {20_pos, 21_pos}},
         false},
        {"what it was given counts, too", {.epoch = "second", .place = {21_pos, 15_pos}}, false},
        {"of an epoch that this log has not", {.epoch = "lost", .place = {5_pos, 5_pos}}, false},
        {"joined a room above the end: nothing below would be shown",
         {.epoch = "second", .place = {15_pos, 15_pos}, .rooms = {{room, 21_pos}}},
         false},
        {"is owed a history from above the end",
         {.epoch = "second", .place = {15_pos, 15_pos}, .rooms = {{room, 15_pos, 21_pos}}},
         false},
        {"entered a room anew above the end",
         {.epoch = "second",
          .place = {15_pos, 15_pos},
          .rooms = {{.room = room, .at = 15_pos, .entered_at = 21_pos}}},
         false},
        {"joined a room before the end",
         {.epoch = "second", .place = {15_pos, 15_pos}, .rooms = {{room, 20_pos}}},
         true},
        {"is in rooms that give nothing",
         {.epoch = "second", .place = {15_pos, 15_pos}, .rooms = {{Room::user("ana"), kEndOfTime}}},
         true},
        {"of the release before, which knew of no epochs", {.place = {10_pos, 10_pos}}, true},
        {"of the release before, of another log", {.place = {11_pos, 11_pos}}, false},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.what);
        keep(c.record);
        const Admitted admitted = arrive({.pid = "p"});
        EXPECT_EQ(admitted.is_resumed, c.is_known);
        EXPECT_EQ(codes_of(admitted), c.is_known ? Codes{} : Codes{Code::kSession});
        EXPECT_EQ(disk_.by_pid.contains("p"), c.is_known);
    }
}

// The log was moved away, and the sessions were not.
TEST_F(ArrivingTest, InALogThatBeganAnewNoSessionIsKnown) {
    log_.replace(Epochs("anew"), 25_pos);
    for (const char* epoch : {"third", ""}) {
        SCOPED_TRACE(epoch);
        keep({.epoch = epoch, .place = {3_pos, 3_pos}});
        const Admitted admitted = arrive({.pid = "p"});
        EXPECT_FALSE(admitted.is_resumed);
        EXPECT_EQ(admitted.resume_after, 25_pos) << "what comes from now on is for it";
    }
}

TEST_F(ArrivingTest, APlaceOfAnotherBranchIsToldAndTheSessionGoesOnFromItsOwn) {
    struct Case {
        const char* what;
        const char* offset;
        Position resume_after;
        Codes unknown;
    };
    const Case cases[] = {
        {"of the lost branch", "lost.30", 18_pos, {Code::kOffset}},
        {"above the end of the epoch that both share", "second.21", 18_pos, {Code::kOffset}},
        {"of what both share", "second.19", 19_pos, {}},
        {"below what it was given: lost on the way", "first.9", 9_pos, {}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.what);
        keep({.epoch = "second", .place = {.given = 16_pos, .clear = 18_pos}});
        const Admitted admitted = arrive({.pid = "p", .offset = c.offset});
        EXPECT_TRUE(admitted.is_resumed);
        EXPECT_EQ(admitted.resume_after, c.resume_after);
        EXPECT_EQ(codes_of(admitted), c.unknown);
        // It has seen no event since, and what it was given meanwhile was lost on the way.
        disk_.by_pid["p"].record.place = {.given = 23_pos, .clear = 24_pos};
        disk_.by_pid["p"].record.unknown_behind.reset();  // it has heard
        const Admitted again = arrive({.pid = "p", .offset = c.offset});
        EXPECT_TRUE(again.is_resumed);
        EXPECT_EQ(again.resume_after, c.resume_after);
        EXPECT_EQ(again.unknown.size(), 0u);
    }
    const Admitted fresh = arrive({.since = "lost.30"});
    EXPECT_FALSE(fresh.had_since);
    EXPECT_EQ(codes_of(fresh), Codes{Code::kSince});
    EXPECT_EQ(fresh.resume_after, 25_pos);
}

TEST_F(ArrivingTest, ASessionThatGoesOnNeedsSinceOnlyForTopicsThatItDoesNotHold) {
    const Topic known{Topic::Kind::kSubject, "photo:1"};
    const Topic ended{Topic::Kind::kSubject, "photo:2"};
    const Topic other{Topic::Kind::kSubject, "photo:3"};
    const Topic heard{Topic::Kind::kSubject, "photo:4"};
    struct Case {
        const char* what;
        Arrival arrival;
        Codes unknown;
    };
    const Case cases[] = {
        {"of another log", {.since = "lost.30"}, {}},
        {"no offset", {.since = "nonsense"}, {}},
        {"empty", {.since = ""}, {}},
        {"ahead of the log", {.since = "third.99"}, {}},
        {"not a text", {.since_unread = "it must be a string"}, {}},
        {"with topics that it holds, or knows to have ended",
         {.since = "lost.30", .topics = {known, ended}},
         {}},
        {"with one that it was told has ended, and has heard of",
         {.since = "lost.30", .topics = {known, heard}},
         {Code::kSince}},
        {"with one that it does not",
         {.since = "lost.30", .topics = {known, other}},
         {Code::kSince}},
        {"the same, not a text",
         {.since_unread = "it must be a string", .topics = {other}},
         {Code::kSince}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.what);
        keep({.epoch = "third",
              .place = {24_pos, 24_pos},
              .rooms = {{known.room(), 21_pos},
                        {.room = heard.room(), .at = 21_pos, .ended_behind = 22_pos},
                        {.room = ended.room(), .at = 21_pos, .ended_behind = 24_pos}}});
        Arrival arrival = c.arrival;
        arrival.pid = "p";
        arrival.offset = "third.24";
        const Admitted admitted = arrive(std::move(arrival));
        EXPECT_TRUE(admitted.is_resumed);
        EXPECT_EQ(codes_of(admitted), c.unknown);
        EXPECT_EQ(admitted.resume_after, 24_pos);
    }
    const Admitted fresh = arrive({.since_unread = "it must be a string"});
    ASSERT_EQ(codes_of(fresh), Codes{Code::kSince});
    EXPECT_EQ(fresh.unknown[0].reason, "it must be a string");
}

// socket.io-client keeps the offset of its last event, whatever session that was of.
TEST_F(ArrivingTest, AnOffsetFromBeforeTheSessionProvesNothingInIt) {
    struct Case {
        const char* what;
        const char* shown_first;
        const char* shown_later;
        Position resume_after;
        std::size_t unknown;
    };
    const Case cases[] = {
        {"no event yet, and all but the offset were lost on the way", "third.24", "third.24",
         21_pos, 0},
        {"no event yet, of another branch", "lost.30", "lost.30", 21_pos, 0},
        {"one of this session", "third.24", "third.23", 23_pos, 0},
        {"no offset was shown", "", "third.23", 23_pos, 0},
        {"what is no offset is not kept", "nonsense", "nonsense", 25_pos, 1},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.what);
        const Admitted first =
            arrive({.pid = "unknown", .offset = c.shown_first, .since = "third.21"});
        ASSERT_FALSE(first.is_resumed);
        const std::string pid = first.record.pid;
        disk_.by_pid[pid].record.place = {.given = 24_pos, .clear = 25_pos};
        const Admitted later = arrive({.pid = pid, .offset = c.shown_later});
        ASSERT_TRUE(later.is_resumed);
        EXPECT_EQ(later.resume_after, c.resume_after);
        EXPECT_EQ(later.unknown.size(), c.unknown);
    }
}

// A CONNECT that was given up, and comes before the client does: how far the client had come when
// the process was killed is not known.
TEST_F(ArrivingTest, WhatWasGivenBeforeAKillDoesNotProveWhatALateConnectWasTold) {
    keep({.epoch = "second",
          .place = {.given = 16_pos, .clear = 16_pos},
          .rooms = {{Room::subject("photo:1"), 11_pos}}});
    watches_.may = false;
    ASSERT_EQ(arrive({.pid = "p", .offset = "second.16"}).ended.size(), 1u);
    EXPECT_EQ(arrive({.pid = "p", .offset = "second.19"}).ended.size(), 1u);
    log_.publish("a");
    EXPECT_EQ(arrive({.pid = "p", .offset = "third.26"}).ended.size(), 0u);
}

// Its notice was lost in the drop, and the right was given again meanwhile.
TEST_F(ArrivingTest, ARoomThatHasEndedAndIsAskedForByWhoDoesNotKnowGoesOnWhereItWas) {
    struct Case {
        const char* what;
        const char* offset;
        JoinedRoom joined;
    };
    const Room room = Room::subject("photo:1");
    const Case cases[] = {
        {"it has seen nothing since it was told", "third.22", {room, 21_pos, 19_pos}},
        {"it has seen what came behind the notice, and asks anew", "third.24", {room, 25_pos}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.what);
        keep({.epoch = "third",
              .place = {.given = 24_pos, .clear = 24_pos},
              .rooms = {
                  {.room = room, .at = 21_pos, .owed_after = 19_pos, .ended_behind = 22_pos}}});
        const Admitted admitted =
            arrive({.pid = "p", .offset = c.offset, .topics = {*parse_topic("photo:1")}});
        EXPECT_TRUE(admitted.ended.empty());
        const auto joined = std::ranges::find(admitted.record.rooms, room, &JoinedRoom::room);
        ASSERT_NE(joined, admitted.record.rooms.end());
        EXPECT_EQ(*joined, c.joined);
    }
    // The right began while it was on its way in: it has been promised what came before.
    watches_.right_since = 27_pos;
    keep({.epoch = "third",
          .place = {.given = 25_pos, .clear = 25_pos},
          .rooms = {{.room = room, .at = 25_pos, .ended_behind = 25_pos}}});
    const Admitted admitted =
        arrive({.pid = "p", .offset = "third.25", .topics = {*parse_topic("photo:1")}});
    ASSERT_TRUE(admitted.hidden.has_value());
    EXPECT_EQ(admitted.hidden->after, 25_pos);
    EXPECT_EQ(admitted.hidden->through, 27_pos);
}

TEST_F(ArrivingTest, ARoomEndsIfTheRightOfNowBeganBehindWhereTheSessionStands) {
    struct Case {
        const char* what;
        JoinedRoom joined;
        const char* offset;
        Position right_since;
        std::optional<Position> in_from;
        std::optional<Position> hidden_after = {};
    };
    const Room room = Room::subject("photo:1");
    const Case cases[] = {
        {"the right by which it joined", {room, 12_pos}, "third.22", 12_pos, 12_pos},
        {"another that is older", {room, 12_pos}, "third.22", 3_pos, 12_pos},
        {"one of the token", {room, 12_pos}, "third.22", 0_pos, 12_pos},
        {"one that began in its absence", {room, 12_pos}, "third.22", 24_pos, {}},
        {"with the first event that it missed", {room, 12_pos}, "third.22", 23_pos, 23_pos},
        {"while it was there: it has seen all", {room, 12_pos}, "third.22", 21_pos, 21_pos},
        {"it joined later than it stands", {room, 24_pos}, "third.22", 24_pos, 24_pos},
        {"it has seen all but a history",
         {room, 12_pos, 15_pos},
         "third.22",
         21_pos,
         21_pos,
         15_pos},
        {"and that is of the right of now", {room, 12_pos, 20_pos}, "third.22", 21_pos, 21_pos},
        {"nor of what is in order", {room, 12_pos, 15_pos}, "third.22", 24_pos, {}},
        {"what was hidden is in a history that it asked for since",
         {.room = room, .at = 12_pos, .owed_after = 12_pos, .hidden_after = 12_pos},
         "third.22",
         3_pos,
         12_pos},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.what);
        watches_.right_since = c.right_since;
        keep({.epoch = "third", .place = {22_pos, 22_pos}, .rooms = {c.joined}});

        const Admitted admitted = arrive({.pid = "p", .offset = c.offset});

        ASSERT_TRUE(admitted.is_resumed);
        ASSERT_EQ(admitted.hidden.has_value(), c.hidden_after.has_value());
        if (c.hidden_after) {
            EXPECT_EQ(admitted.hidden->after, *c.hidden_after);
            EXPECT_EQ(admitted.hidden->through, c.right_since);
        }
        EXPECT_EQ(admitted.ended.size(), c.in_from ? 0u : 1u);
        const JoinedRoom& now = admitted.record.rooms.back();
        EXPECT_EQ(now.room, room);
        EXPECT_EQ(now.ended_behind.has_value(), !c.in_from);
        EXPECT_EQ(now.at, c.in_from.value_or(c.joined.at));

        // It is told again until it has seen something behind that. Whoever asks for it by itself,
        // and may not know, is in again from the right on, and told of what is missing.
        const Admitted again = arrive({.pid = "p", .offset = c.offset});
        EXPECT_EQ(again.ended.size(), admitted.ended.size());
        const Topic topic = *parse_topic("photo:1");
        const Admitted asked = arrive({.pid = "p", .offset = c.offset, .topics = {topic}});
        EXPECT_TRUE(asked.ended.empty());
        EXPECT_EQ(asked.hidden.has_value(), !c.in_from || c.hidden_after);
    }
}

TEST_F(ArrivingTest, ATopicWhoseRightIsYoungerThanItsSinceIsShownFromThereAndTheRestIsTold) {
    const Topic topic = *parse_topic("photo:1");
    watches_.right_since = 24_pos;
    const Admitted admitted = arrive({.since = "third.22", .topics = {topic}});
    EXPECT_TRUE(admitted.ended.empty());
    EXPECT_EQ(admitted.record.rooms.back().at, 24_pos);
    ASSERT_TRUE(admitted.hidden.has_value());
    EXPECT_EQ(admitted.hidden->after, 22_pos);
    EXPECT_EQ(admitted.hidden->through, 24_pos);

    EXPECT_FALSE(arrive({.topics = {topic}}).hidden) << "from now on: nothing was asked for";
    watches_.right_since = 23_pos;
    EXPECT_FALSE(arrive({.since = "third.22", .topics = {topic}}).hidden) << "nothing in between";
    watches_.right_since = 27_pos;
    EXPECT_TRUE(arrive({.since = "third.25", .topics = {topic}}).hidden) << "it began on the way";
    EXPECT_FALSE(arrive({.topics = {topic}}).hidden) << "from now on, whenever that is";
}

// The session stands behind the place, so what lies between does not come in order.
TEST_F(ArrivingTest, ATopicThatIsNewToASessionIsGivenFromItsSinceOn) {
    const Room room = Room::subject("photo:1");
    keep({.epoch = "third", .place = {.given = 24_pos, .clear = 24_pos}});
    const Admitted admitted = arrive({.pid = "p",
                                      .offset = "third.24",
                                      .since = "third.21",
                                      .topics = {*parse_topic("photo:1")}});
    ASSERT_TRUE(admitted.is_resumed);
    EXPECT_EQ(admitted.resume_after, 24_pos);
    const auto joined = std::ranges::find(admitted.record.rooms, room, &JoinedRoom::room);
    ASSERT_NE(joined, admitted.record.rooms.end());
    EXPECT_EQ(*joined, (JoinedRoom{.room = room, .at = 21_pos, .owed_after = 21_pos}));
}

TEST_F(ArrivingTest, ASessionIsWrittenInTheEpochOfNow) {
    const Admitted admitted = arrive({});
    EXPECT_EQ(disk_.by_pid.at(admitted.record.pid).record.epoch, "third");
    keep({.epoch = "second", .place = {20_pos, 20_pos}});
    arrive({.pid = "p"});
    EXPECT_EQ(disk_.by_pid.at("p").record.epoch, "third");
}

}  // namespace
}  // namespace eventbus
