#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admission/session_index.h"
#include "admission/session_store.h"
#include "support/fake_clock.h"
#include "support/loop.h"
#include "support/position_literal.h"

// What every SessionStore keeps. A backend's test includes this once, and says
//
//   INSTANTIATE_TEST_SUITE_P(Memory, SessionStoreContract, testing::Values(&make_memory_sessions));

namespace eventbus {

// A store, and the disk that outlives it.
class SessionsUnderTest {
 public:
    virtual ~SessionsUnderTest() = default;

    virtual void open(SessionIndex::Settings settings) = 0;
    virtual void crash() = 0;  // as kill -9 does
    virtual SessionStore& store() = 0;

    FakeClock clock;
    Loop loop;  // the thread of the test
};
using MakeSessions = std::unique_ptr<SessionsUnderTest> (*)();

class SessionStoreContract : public testing::TestWithParam<MakeSessions> {
 protected:
    // A reactor with its sockets.
    class Owner final : public SessionOwner {
     public:
        explicit Owner(Loop& loop) : loop_(loop) {}
        Executor& executor() override { return loop_; }
        void on_taken_over(std::string_view pid, Claim claim) override {
            taken_over.emplace_back(pid, claim);
        }
        std::vector<std::pair<std::string, Claim>> taken_over;

     private:
        Loop& loop_;
    };
    static constexpr auto kTtl = std::chrono::hours(1);

    void SetUp() override {
        under_test_ = GetParam()();
        open({.sessions_max = 6, .per_user_max = 2, .per_service_max = 4, .ttl = kTtl});
    }

    void open(SessionIndex::Settings settings) {
        settings_ = settings;
        under_test_->open(settings);
    }
    void restart() {
        under_test_->crash();
        under_test_->open(settings_);
    }
    SessionStore& store() { return under_test_->store(); }
    FakeClock& clock() { return under_test_->clock; }
    Owner& owner() { return owner_of(0); }
    Owner& owner_of(std::size_t reactor) {
        while (owners_.size() <= reactor) {
            owners_.push_back(std::make_unique<Owner>(under_test_->loop));
        }
        return *owners_[reactor];
    }

    static SessionRecord record(std::string pid, std::string principal = "user:ann") {
        return {.pid = std::move(pid),
                .principal = std::move(principal),
                .sid = "sid",
                .epoch = "e1",
                .started_at = 7_pos,
                .offset_before = "e0.3",
                .place = {7_pos, 8_pos},
                .received = 6_pos,
                .unknown_behind = 7_pos,
                .taken_over_at = 5_pos,
                .rooms = {{Room::user("ann"), 7_pos}, {Room::subject("photo:1"), 9_pos, 5_pos}}};
    }

    template <class Answer>
    Answer wait_for(const std::function<void(Callback<Answer>)>& ask) {
        std::optional<Answer> answer;
        ask([&](Answer given) { answer = std::move(given); });
        EXPECT_FALSE(answer.has_value()) << "an answer is posted";
        under_test_->loop.run_until([&] { return answer.has_value(); });
        return std::move(*answer);
    }
    Result<Claim> create(SessionRecord record) {
        return wait_for<Result<Claim>>(
            [&](auto done) { store().create(std::move(record), owner(), std::move(done)); });
    }
    // Until the store has done all that it was asked.
    void settle() { claim("nobody's"); }
    // A session of a socket that has gone again.
    void leave_behind(const std::string& pid, const std::string& principal = "user:ann") {
        const Result<Claim> made = create(record(pid, principal));
        ASSERT_TRUE(made.has_value()) << pid;
        store().release(pid, *made, {});
        settle();
        clock().advance(std::chrono::seconds(1));
    }
    std::optional<SessionStore::Claimed> claim(const std::string& pid,
                                               const std::string& principal = "user:ann",
                                               std::size_t reactor = 0) {
        auto found = wait_for<Result<std::optional<SessionStore::Claimed>>>(
            [&](auto done) { store().claim(pid, principal, owner_of(reactor), std::move(done)); });
        EXPECT_TRUE(found.has_value());
        return found ? *found : std::nullopt;
    }
    Written change(const std::string& pid, Claim claim, SessionChange change) {
        return wait_for<Written>([&](auto done) {
            store().change(pid, claim, std::move(change), owner(), std::move(done));
        });
    }
    // Claims it, and lets it go again.
    bool is_known(const std::string& pid, const std::string& principal = "user:ann") {
        const auto claimed = claim(pid, principal);
        if (claimed) store().release(pid, claimed->claim, {});
        return claimed.has_value();
    }

    std::unique_ptr<SessionsUnderTest> under_test_;
    SessionIndex::Settings settings_;
    std::vector<std::unique_ptr<Owner>> owners_;
};

TEST_P(SessionStoreContract, WhatWasWrittenIsFoundAlsoAfterACrash) {
    const Result<Claim> made = create(record("p"));
    ASSERT_TRUE(made.has_value());
    ASSERT_EQ(change("p", *made,
                     {.put = {{Room::subject("photo:2"), 12_pos, 6_pos, 11_pos},
                              {Room::subject("photo:1"), 9_pos}}}),
              Written::kYes);
    ASSERT_EQ(change("p", *made,
                     {.at = SessionChange::At{"e2", {20_pos, 21_pos}, 19_pos, 0_pos, 15_pos},
                      .gone = {Room::user("ann")}}),
              Written::kYes);
    restart();

    const auto found = claim("p");

    ASSERT_TRUE(found.has_value());
    const SessionRecord& back = found->record;
    EXPECT_EQ(back.pid, "p");
    EXPECT_EQ(back.principal, "user:ann");
    EXPECT_EQ(back.sid, "sid");
    EXPECT_EQ(back.epoch, "e2");
    EXPECT_EQ(back.started_at, 7_pos);
    EXPECT_EQ(back.offset_before, "e0.3");
    EXPECT_EQ(back.place, (Place{20_pos, 21_pos}));
    EXPECT_EQ(back.received, 19_pos);
    EXPECT_EQ(back.unknown_behind, 0_pos);
    EXPECT_EQ(back.taken_over_at, 15_pos);
    std::vector<JoinedRoom> rooms = back.rooms;
    std::sort(rooms.begin(), rooms.end(),
              [](const JoinedRoom& a, const JoinedRoom& b) { return a.room < b.room; });
    EXPECT_EQ(rooms, (std::vector<JoinedRoom>{{Room::subject("photo:1"), 9_pos},
                                              {Room::subject("photo:2"), 12_pos, 6_pos, 11_pos}}));
}

// An owner asks for the next before the last was answered, so one batch may hold all of them.
TEST_P(SessionStoreContract, ChangesThatFollowAtOnceAllCount) {
    const Result<Claim> made = create(record("p"));
    store().change("p", *made, {.offset_before = "e1.5"}, owner(), {});
    store().change("p", *made, {.put = {{Room::role("editor"), 12_pos}}}, owner(), {});
    store().change("p", *made,
                   {.at = SessionChange::At{"e2", {20_pos, 21_pos}}, .gone = {Room::user("ann")}},
                   owner(), {});
    store().change("p", *made, {.gone = {Room::subject("photo:1")}}, owner(), {});
    settle();
    restart();

    const auto found = claim("p");

    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->record.offset_before, "e1.5");
    EXPECT_EQ(found->record.place, (Place{20_pos, 21_pos}));
    EXPECT_EQ(found->record.rooms, (std::vector<JoinedRoom>{{Room::role("editor"), 12_pos}}));
}

TEST_P(SessionStoreContract, ANewSessionIsFoundAsItWasMadeAlsoAfterACrash) {
    ASSERT_TRUE(create(record("p")).has_value());
    restart();

    const auto found = claim("p");

    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->record.place, (Place{7_pos, 8_pos}));
    EXPECT_EQ(found->record.received, 6_pos);
    EXPECT_EQ(found->record.unknown_behind, 7_pos);
    EXPECT_EQ(found->record.taken_over_at, 5_pos);
    EXPECT_EQ(found->record.rooms.size(), 2u);
}

TEST_P(SessionStoreContract, AnOffsetThatProvesNothingMayBeAnotherOneLater) {
    const Result<Claim> made = create(record("p"));
    ASSERT_TRUE(made.has_value());
    ASSERT_EQ(change("p", *made, {.offset_before = "e9.4"}), Written::kYes);
    restart();

    const auto found = claim("p");

    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->record.offset_before, "e9.4");
    EXPECT_EQ(found->record.principal, "user:ann");
    EXPECT_EQ(found->record.started_at, 7_pos);
    EXPECT_EQ(found->record.place, (Place{7_pos, 8_pos}));
}

TEST_P(SessionStoreContract, AnotherPrincipalsSessionIsAsUnknownAsNone) {
    ASSERT_TRUE(create(record("p")).has_value());
    EXPECT_FALSE(claim("p", "user:eve").has_value());
    EXPECT_FALSE(claim("q").has_value());
    EXPECT_FALSE(claim(std::string(kPidBytesMax + 1, 'p')).has_value());
    EXPECT_TRUE(owner().taken_over.empty()) << "nor does it take anything over";
    EXPECT_TRUE(claim("p").has_value());
}

TEST_P(SessionStoreContract, OfManyThatClaimAPidTheNewestHasItAndTheOthersChangeNothing) {
    const Result<Claim> first = create(record("p"));
    const auto second = claim("p", "user:ann", 1);
    const auto third = claim("p", "user:ann", 2);
    ASSERT_TRUE(second && third);
    EXPECT_TRUE(second->is_taken_over);

    EXPECT_EQ(owner_of(0).taken_over, (std::vector<std::pair<std::string, Claim>>{{"p", *first}}));
    EXPECT_EQ(owner_of(1).taken_over,
              (std::vector<std::pair<std::string, Claim>>{{"p", second->claim}}));
    EXPECT_TRUE(owner_of(2).taken_over.empty());
    for (const Claim old : {*first, second->claim}) {
        EXPECT_EQ(change("p", old, {.gone = {Room::subject("photo:1")}}), Written::kTakenOver);
        store().release("p", old, SessionChange::At{"e9", {99_pos, 99_pos}});
        store().end("p", old);
    }
    EXPECT_EQ(change("p", third->claim, {.put = {{Room::subject("photo:3"), 1_pos}}}),
              Written::kYes);
    const auto fourth = claim("p");
    ASSERT_TRUE(fourth.has_value());
    EXPECT_EQ(fourth->record.rooms.size(), 3u);
    EXPECT_EQ(fourth->record.place.clear, 8_pos);

    store().release("p", fourth->claim, {});
    const auto fifth = claim("p");
    ASSERT_TRUE(fifth.has_value());
    EXPECT_FALSE(fifth->is_taken_over);
    EXPECT_EQ(fifth->record.taken_over_at, 99_pos) << "what one of the others was given at its end";
}

TEST_P(SessionStoreContract, AnOwnerIsToldOfATakeOverAfterTheAnswersToWhatItAskedBefore) {
    const Result<Claim> first = create(record("p"));
    std::optional<bool> was_told_before;
    store().change("p", *first, {.put = {{Room::subject("photo:2"), 12_pos}}}, owner(),
                   [&](Written how) {
                       EXPECT_EQ(how, Written::kYes);
                       was_told_before = !owner().taken_over.empty();
                   });
    ASSERT_TRUE(claim("p", "user:ann", 1).has_value());
    EXPECT_EQ(was_told_before, std::optional<bool>(false));
    EXPECT_EQ(owner().taken_over.size(), 1u);
}

TEST_P(SessionStoreContract, ASessionExpiresAfterItsSocketHasGoneAndNotBefore) {
    const Result<Claim> made = create(record("p"));
    clock().advance(10 * kTtl);
    leave_behind("other", "user:bob");  // whatever is looked at then
    ASSERT_EQ(change("p", *made, {}), Written::kYes);
    store().release("p", *made, SessionChange::At{"e1", {30_pos, 31_pos}});
    settle();
    clock().advance(kTtl - std::chrono::seconds(1));
    const auto back = claim("p");
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->record.place, (Place{30_pos, 31_pos}));
    store().release("p", back->claim, {});
    settle();
    clock().advance(kTtl);
    EXPECT_FALSE(is_known("p"));
}

TEST_P(SessionStoreContract, AStepOfTheWallClockEndsNoSession) {
    ASSERT_TRUE(create(record("p")).has_value());
    leave_behind("q");
    clock().set_wall(clock().wall_now() + 100 * kTtl);
    leave_behind("other", "user:bob");
    EXPECT_TRUE(is_known("q"));
    EXPECT_TRUE(is_known("p"));
}

TEST_P(SessionStoreContract, OneThatWasConnectedAtACrashHasTheWholeTimeToComeBack) {
    ASSERT_TRUE(create(record("p")).has_value());
    clock().advance(10 * kTtl);
    restart();
    clock().advance(kTtl - std::chrono::seconds(1));
    EXPECT_TRUE(is_known("p"));
}

TEST_P(SessionStoreContract, OneThatLeftInOrderHasEnded) {
    const Result<Claim> made = create(record("p"));
    store().end("p", *made);
    EXPECT_FALSE(is_known("p"));
    restart();
    EXPECT_FALSE(is_known("p"));
}

TEST_P(SessionStoreContract, ANewSessionPushesOutTheOldestOfItsPrincipalThatIsNotConnected) {
    const Result<Claim> connected = create(record("a1"));
    leave_behind("a2");
    leave_behind("a3");
    leave_behind("b1", "user:bob");
    leave_behind("a4");
    EXPECT_FALSE(is_known("a2")) << "the oldest";
    EXPECT_TRUE(is_known("a3"));
    EXPECT_TRUE(is_known("a4"));
    EXPECT_TRUE(is_known("b1", "user:bob")) << "another's";
    EXPECT_EQ(change("a1", *connected, {}), Written::kYes) << "a connected one";
}

TEST_P(SessionStoreContract, AtTheBoundOfAllTheOldestThatIsNotConnectedGoes) {
    for (const char* pid : {"s1", "s2", "s3"}) leave_behind(pid, "service:api");
    for (const char* pid : {"c1", "c2", "c3"}) ASSERT_TRUE(create(record(pid, pid)).has_value());
    ASSERT_TRUE(create(record("c4", "user:c4")).has_value());
    EXPECT_FALSE(is_known("s1", "service:api"));
    ASSERT_TRUE(create(record("c5", "user:c5")).has_value());
    ASSERT_TRUE(create(record("c6", "user:c6")).has_value());
    const Result<Claim> none = create(record("c7", "user:c7"));
    ASSERT_FALSE(none.has_value()) << "all that is left is connected";
    EXPECT_EQ(none.error().code, ErrorCode::kUnavailable);
}

TEST_P(SessionStoreContract, AtAStartNothingIsPushedOut) {
    for (const char* pid : {"s1", "s2", "s3", "s4"}) leave_behind(pid, "service:api");
    under_test_->crash();
    open({.sessions_max = 2, .per_user_max = 1, .per_service_max = 1, .ttl = kTtl});
    for (const char* pid : {"s1", "s2", "s3", "s4"}) EXPECT_TRUE(is_known(pid, "service:api"));
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SessionStoreContract);

}  // namespace eventbus
