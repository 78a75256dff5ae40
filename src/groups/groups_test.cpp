#include "groups/groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/group_node.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

using namespace std::chrono_literals;

constexpr MemberId kAnn{1};
constexpr MemberId kBob{2};

class GroupsTest : public GroupsFixture {};

TEST_F(GroupsTest, AGroupBeginsNow) {
    log_.publish("a.x");
    const Result<GroupJoined> joined = join(kAnn);
    ASSERT_TRUE(joined);
    EXPECT_EQ(joined->cursor, 1_pos);
    node_->show_and_run();
    EXPECT_EQ(inbox().take(), Got{});

    EXPECT_EQ(publish("a.x"), Got{"2.1→1"});
    EXPECT_EQ(publish("b.x"), Got{});
    EXPECT_EQ(publish("a.y"), Got{"4.1→1"});
}

TEST_F(GroupsTest, ADeliveryNamesItsGroupAndCarriesTheWholeEvent) {
    ASSERT_TRUE(join(kAnn, "thumbnails", "photo.**"));
    log_.publish("photo.uploaded");
    node_->show_and_run();
    ASSERT_EQ(inbox().got.size(), 1u);
    const GroupDelivery& delivery = inbox().got[0];
    EXPECT_EQ(delivery.member, kAnn);
    EXPECT_EQ(delivery.delivery, "thumbnails:photo.**:e1.1.1");
    EXPECT_EQ(delivery.group->name, "thumbnails");
    EXPECT_EQ(delivery.entry, log_.entries()[0]);
}

TEST_F(GroupsTest, EachGroupGetsEveryEventOfItsTopic) {
    ASSERT_TRUE(join(kAnn, "g", "a.*"));
    ASSERT_TRUE(join(kAnn, "g", "**"));
    ASSERT_TRUE(join(kBob, "h", "a.x"));
    Got got = publish("a.x");
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, (Got{"1.1→1", "1.1→1", "1.1→2"}));
    EXPECT_EQ(publish("c"), Got{"2.1→1"});
}

TEST_F(GroupsTest, WhatCameWhileNobodyWasThereComesWhenSomebodyIs) {
    settings_.page_max = 3;
    settings_.pending_max = 4;
    crash();
    ASSERT_TRUE(join(kAnn));
    node_->directory->post_member_gone(kAnn);
    node_->run();
    for (int i = 0; i < 20; ++i) log_.publish(i % 2 == 0 ? "a.x" : "b.x");
    node_->show_and_run();
    log_.publish("a.x");  // not shown yet

    ASSERT_TRUE(join(kBob, "g", "a.*", 100));
    EXPECT_EQ(inbox().take(), (Got{"1.1→2", "3.1→2", "5.1→2", "7.1→2", "9.1→2", "11.1→2", "13.1→2",
                                   "15.1→2", "17.1→2", "19.1→2", "21.1→2"}));
    EXPECT_EQ(publish("a.x"), Got{"22.1→2"});
}

TEST_F(GroupsTest, AGroupThatFellBehindTheTailCatchesUpFromTheLog) {
    settings_.pending_max = 2;
    crash();
    ASSERT_TRUE(join(kAnn, "g", "a.*", 1));
    for (int i = 0; i < 10; ++i) log_.publish("a.x");
    node_->show_and_run();
    for (int i = 1; i <= 10; ++i) {
        ASSERT_EQ(inbox().take(), Got{std::to_string(i) + ".1→1"});
        ASSERT_TRUE(ack(kAnn, "g:a.*:" + std::to_string(i) + ".1"));
    }
    EXPECT_EQ(node_->at().groups->statuses()[0].lag, 0u);
    EXPECT_EQ(node_->at().groups->statuses()[0].cursor, 10_pos);
    const std::size_t reads = log_.reads;
    EXPECT_EQ(publish("a.x"), Got{"11.1→1"});  // from the tail again
    EXPECT_EQ(log_.reads, reads);
}

TEST_F(GroupsTest, NothingLeavesBeforeItWasWritten) {
    ASSERT_TRUE(join(kAnn));
    log_.publish("a.x");
    Node::Reactor& r = node_->at();
    Node::turn(r);

    EXPECT_EQ(stored().in_flight, (std::vector<StoredFlight>{{1_pos, 1, std::nullopt}}));
    EXPECT_EQ(stored().state.cursor, 1_pos);
    EXPECT_EQ(r.inbox.take(), Got{});
    EXPECT_TRUE(r.executor.run_one());  // the store's answer
    EXPECT_TRUE(r.executor.run_one());
    EXPECT_EQ(r.inbox.take(), Got{"1.1→1"});

    bool answered = false;
    r.groups->ack(kAnn, {{"g", "a.*"}, "e1", 1_pos, 1}, r.executor, [&](Result<> result) {
        EXPECT_TRUE(result);
        answered = true;
    });
    EXPECT_TRUE(stored().in_flight.empty());
    EXPECT_FALSE(answered);
    node_->run();
    EXPECT_TRUE(answered);
}

TEST_F(GroupsTest, AfterACrashWhatWasNotAcknowledgedComesAgainAndNothingElse) {
    ASSERT_TRUE(join(kAnn));
    for (int i = 0; i < 5; ++i) log_.publish("a.x");
    node_->show_and_run();
    EXPECT_EQ(inbox().take().size(), 5u);
    for (const char* done : {"g:a.*:2.1", "g:a.*:3.1", "g:a.*:5.1"}) {
        ASSERT_TRUE(ack(kAnn, done));
    }
    ASSERT_TRUE(nack(kAnn, "g:a.*:4.1", 10min));

    crash();
    log_.publish("a.x");
    node_->show_and_run();
    node_->run_timers();
    EXPECT_EQ(inbox().take(), Got{});
    ASSERT_TRUE(join(kBob));
    node_->run_timers();
    Got got = inbox().take();
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, (Got{"1.2→2", "6.1→2"}));

    clock_.advance(10min - 1s);
    node_->run_timers();
    Got again = inbox().take();  // ack_wait has passed for the two
    EXPECT_EQ(std::count(again.begin(), again.end(), "4.2→2"), 0);
    clock_.advance(1s);
    node_->run_timers();
    again = inbox().take();
    EXPECT_EQ(std::count(again.begin(), again.end(), "4.2→2"), 1);
}

TEST_F(GroupsTest, AnAckIsForTheOneWhoHasTheDelivery) {
    ASSERT_TRUE(join(kAnn));
    publish("a.x");
    struct Case {
        MemberId member;
        const char* delivery;
        ErrorCode refused;
    };
    const Case cases[] = {
        {kBob, "g:a.*:1.1", ErrorCode::kNotFound},     {kAnn, "g:a.*:1.2", ErrorCode::kNotFound},
        {kAnn, "g:a.*:2.1", ErrorCode::kNotFound},     {kAnn, "h:a.*:1.1", ErrorCode::kNotFound},
        {kAnn, "g:a.x:1.1", ErrorCode::kNotFound},     {kAnn, "", ErrorCode::kNotFound},
        {kAnn, "anything else", ErrorCode::kNotFound},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.delivery);
        const Result<> acked = ack(c.member, c.delivery);
        ASSERT_FALSE(acked);
        EXPECT_EQ(acked.error().code, c.refused);
        EXPECT_FALSE(nack(c.member, c.delivery, std::nullopt));
    }
    EXPECT_TRUE(ack(kAnn, "g:a.*:1.1"));
    EXPECT_FALSE(ack(kAnn, "g:a.*:1.1"));
    EXPECT_EQ(probe().acked.get(), 1u);
}

TEST_F(GroupsTest, AnAckThatWantsNoAnswerCounts) {
    ASSERT_TRUE(join(kAnn));
    publish("a.x");
    node_->directory->post_ack(kAnn, "g:a.*:1.1", node_->at().executor, {});
    node_->directory->post_ack(kAnn, "g:a.*:1.1", node_->at().executor, {});
    node_->directory->post_ack(kAnn, "nonsense", node_->at().executor, {});
    node_->directory->post_ack(kAnn, "no:such:1.1", node_->at().executor, {});
    node_->run();
    EXPECT_TRUE(stored().in_flight.empty());
    EXPECT_EQ(probe().stale_answers.get(), 1u);
}

TEST_F(GroupsTest, ASubscriptionThatCanNotBeIsRefused) {
    settings_.groups_max = 2;
    settings_.members_max = 1;
    crash();
    ASSERT_TRUE(join(kAnn, "g", "a"));
    struct Case {
        const char* name;
        const char* group;
        const char* topic;
        std::size_t max_in_flight;
        ErrorCode refused;
    };
    const Case cases[] = {
        {"no group's name", "G", "a", 1, ErrorCode::kBadRequest},
        {"no pattern", "g", "a..b", 1, ErrorCode::kBadTopic},
        {"a subject", "g", "photo:1", 1, ErrorCode::kBadTopic},
        {"takes nothing", "g", "a", 0, ErrorCode::kBadRequest},
        {"takes too much", "g", "a", 1001, ErrorCode::kBadRequest},
        {"one member too many", "g", "a", 1, ErrorCode::kTooMany},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const Result<GroupJoined> joined = join(kBob, c.group, c.topic, c.max_in_flight);
        ASSERT_FALSE(joined);
        EXPECT_EQ(joined.error().code, c.refused);
    }
    ASSERT_TRUE(join(kBob, "g2", "a"));
    const Result<GroupJoined> third = join(kBob, "g3", "a");
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, ErrorCode::kTooMany);
    EXPECT_EQ(node_->at().groups->probe().refused_groups.get(), 1u);
    EXPECT_EQ(node_->at().groups->probe().refused_members.get(), 1u);
}

TEST_F(GroupsTest, AMemberThatUnsubscribedGetsNothingNew) {
    ASSERT_TRUE(join(kAnn));
    publish("a.x");
    bool answered = false;
    node_->directory->post_unsubscribe(kAnn, {"g", "a.*"}, node_->at().executor,
                                       [&](Result<> result) { answered = !!result; });
    node_->directory->post_unsubscribe(kAnn, {"no", "such"}, node_->at().executor,
                                       [](Result<> result) { EXPECT_TRUE(result); });
    node_->run();
    EXPECT_TRUE(answered);
    EXPECT_EQ(publish("a.x"), Got{});
    EXPECT_TRUE(ack(kAnn, "g:a.*:1.1"));
    ASSERT_TRUE(join(kBob));
    EXPECT_EQ(inbox().take(), Got{"2.1→2"});
}

TEST_F(GroupsTest, NothingComesBehindTheAnswerToAnUnsubscribe) {
    ASSERT_TRUE(join(kAnn));
    Node::Reactor& r = node_->at();
    for (int i = 0; i < 2; ++i) {  // one is in a write, one waits for the next
        log_.publish("a.x");
        Node::turn(r);
    }
    std::optional<Got> before;
    r.groups->unsubscribe(kAnn, {"g", "a.*"}, r.executor, [&](Result<> left) {
        EXPECT_TRUE(left);
        before = r.inbox.take();
    });
    node_->run();

    EXPECT_EQ(before, (Got{"1.1→1", "2.1→1"}));
    EXPECT_EQ(publish("a.x"), Got{});
}

TEST_F(GroupsTest, AnEventThatIsNotAnsweredComesAgainByTheClock) {
    ASSERT_TRUE(join(kAnn));
    publish("a.x");
    clock_.advance(settings_.ack_wait);
    node_->run_timers();
    EXPECT_EQ(inbox().take(), Got{"1.2→1"});
    EXPECT_FALSE(ack(kAnn, "g:a.*:1.1"));
    EXPECT_TRUE(ack(kAnn, "g:a.*:1.2"));
    EXPECT_EQ(probe().timed_out.get(), 1u);
    EXPECT_EQ(probe().redelivered.get(), 1u);
}

TEST_F(GroupsTest, ALogThatDoesNotAnswerIsAskedAgainAfterAPause) {
    node_settings_.recent = 0;
    ASSERT_TRUE(join(kAnn));
    node_->directory->post_member_gone(kAnn);
    node_->run();
    publish("a.x");
    crash();
    log_.fail_reads = true;
    ASSERT_TRUE(join(kBob));
    const std::size_t reads = log_.reads;
    node_->show_and_run();
    EXPECT_EQ(log_.reads, reads);
    pass(100ms);
    EXPECT_EQ(log_.reads, reads + 1);
    log_.fail_reads = false;
    pass(100ms);
    EXPECT_EQ(inbox().take(), Got{"1.1→2"});
    EXPECT_EQ(node_->at().groups->probe().read_failures.get(), 2u);
}

TEST_F(GroupsTest, AGroupMadeLaterGetsTypesThatWereSeenBefore) {
    ASSERT_TRUE(join(kAnn, "g", "a.*"));
    EXPECT_EQ(publish("a.x"), Got{"1.1→1"});
    ASSERT_TRUE(join(kBob, "h", "a.*"));
    Got got = publish("a.x");
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, (Got{"2.1→1", "2.1→2"}));
}

TEST_F(GroupsTest, WhatComesDuringAWriteLeavesWithTheNext) {
    ASSERT_TRUE(join(kAnn));
    for (int i = 0; i < 3; ++i) publish("a.x");
    Node::Reactor& r = node_->at();
    int answers = 0;
    const auto count = [&](Result<> result) { answers += result ? 1 : 0; };
    for (Position p = 1_pos; p <= 3_pos; ++p) {
        r.groups->ack(kAnn, {{"g", "a.*"}, "e1", p, 1}, r.executor, count);
    }

    EXPECT_EQ(r.executor.waiting(), 1u);
    EXPECT_EQ(stored().in_flight.size(), 2u);
    EXPECT_TRUE(r.executor.run_one());
    EXPECT_TRUE(stored().in_flight.empty());
    node_->run();
    EXPECT_EQ(answers, 3);
}

TEST_F(GroupsTest, AMemberOfAnotherReactorGetsItsEventsThere) {
    node_settings_.reactors = 3;
    crash();
    const GroupKey key{"g", "a.*"};
    const std::size_t home = home_of(key, 3);
    const std::size_t away = (home + 1) % 3;
    ASSERT_TRUE(join({.id = kAnn, .group = key, .service = "g"}, away));

    log_.publish("a.x");
    node_->show_and_run();
    EXPECT_EQ(node_->at(away).inbox.take(), Got{"1.1→1"});
    EXPECT_TRUE(node_->at(home).inbox.got.empty());
    node_->directory->post_member_gone(kAnn);
    node_->run();

    node_settings_.reactors = 2;  // the group finds its home
    crash();
    ASSERT_TRUE(join({.id = kBob, .group = key, .service = "g"}));
    node_->show_and_run();
    node_->run_timers();
    EXPECT_EQ(inbox().take(), Got{"1.2→2"});
}

TEST_F(GroupsTest, WhatRetentionTookIsCountedAndStallsNothing) {
    node_settings_.tail_entries_max = 0;
    crash();
    ASSERT_TRUE(join(kAnn, "g", "a.*", 1));
    publish("a.x");
    node_->directory->post_member_gone(kAnn);
    node_->run();
    for (int i = 0; i < 5; ++i) publish("a.x");
    log_.retain_after(4_pos);  // 1 is in flight, 2 to 4 were never read
    node_settings_.recent = 0;
    pass(5s);
    crash();

    ASSERT_TRUE(join(kBob));
    node_->run_timers();
    Got got = inbox().take();
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, (Got{"5.1→2", "6.1→2"}));
    EXPECT_EQ(probe().expired.get(), 4u);
    EXPECT_EQ(probe().lost_transient.get(), 0u);
    ASSERT_EQ(stored().in_flight.size(), 2u);
    EXPECT_EQ(stored().in_flight[0].position, 5_pos);
}

TEST_F(GroupsTest, NoTimerRunsWhileNothingIsInFlight) {
    ASSERT_TRUE(join(kAnn));
    for (int i = 0; i < 3; ++i) {
        publish("a.x");
        ASSERT_TRUE(ack(kAnn, "g:a.*:" + std::to_string(i + 1) + ".1"));
    }
    pass(settings_.ack_wait);  // what was asked for while something was
    EXPECT_FALSE(node_->at().next.at);
}

TEST_F(GroupsTest, AStandstillIsToldOnceAndSoIsItsEnd) {
    settings_.idle_ttl = 0ms;
    node_settings_.recent = 0;
    ASSERT_TRUE(join(kAnn));
    node_->directory->post_member_gone(kAnn);
    node_->run();
    publish("a.x");
    crash();
    log_.hold_reads = true;
    ASSERT_TRUE(join(kBob));
    pass(4999ms);
    EXPECT_EQ(probe().stalls.get(), 0u);
    for (int i = 0; i < 50; ++i) pass(1s);
    EXPECT_EQ(probe().stalls.get(), 1u);
    log_.hold_reads = false;
    log_.answer_read(0);
    node_->run();
    EXPECT_EQ(inbox().take(), Got{"1.1→2"});
    EXPECT_EQ(probe().stalls.get(), 1u);
}

TEST_F(GroupsTest, ALogThatStartsAfterItsGroupsTakesNothingFromThem) {
    ASSERT_TRUE(join(kAnn));
    for (int i = 0; i < 4; ++i) publish("a.x");
    for (const char* done : {"g:a.*:1.1", "g:a.*:3.1"}) ASSERT_TRUE(ack(kAnn, done));
    node_settings_.recent = 3;
    crash();

    node_->show_and_run();
    ASSERT_TRUE(join(kBob));
    node_->run_timers();

    EXPECT_EQ(inbox().take(), (Got{"2.2→2", "4.2→2"}));
    EXPECT_EQ(publish("a.x"), Got{"5.1→2"});
}

TEST_F(GroupsTest, TheCursorOfAnIdleGroupIsWrittenNowAndThen) {
    ASSERT_TRUE(join(kAnn));
    for (int i = 0; i < 9; ++i) publish("b.x");
    EXPECT_EQ(stored().state.cursor, 0_pos);
    pass(5s);
    EXPECT_EQ(stored().state.cursor, 9_pos);
    EXPECT_EQ(probe().lag.get(), 0u);
    EXPECT_EQ(node_->at().groups->probe().groups.get(), 1u);
    EXPECT_EQ(probe().members.get(), 1u);
}

// ---- transient events, and what is lost ---------------------------------------------------------

TEST_F(GroupsTest, TransientEventsComeAsLongAsTheTailHoldsThemRetriesIncluded) {
    settings_.pending_max = 2;
    crash();
    ASSERT_TRUE(join(kAnn, "g", "a.*", 1));
    for (int i = 0; i < 20; ++i)
        log_.publish(ListLog::Made{.type = "a.x", .is_transient = i % 2 == 0});
    node_->show_and_run();
    EXPECT_EQ(inbox().take(), Got{"1.1→1"});
    ASSERT_TRUE(nack(kAnn, "g:a.*:1.1", 1s));
    EXPECT_EQ(inbox().take(), Got{"2.1→1"});
    pass(1s);
    ASSERT_TRUE(ack(kAnn, "g:a.*:2.1"));
    EXPECT_EQ(inbox().take(), Got{"1.2→1"});
    ASSERT_TRUE(ack(kAnn, "g:a.*:1.2"));
    for (int i = 3; i <= 20; ++i) {
        ASSERT_EQ(inbox().take(), Got{std::to_string(i) + ".1→1"});
        ASSERT_TRUE(ack(kAnn, "g:a.*:" + std::to_string(i) + ".1"));
    }
    EXPECT_EQ(probe().lost_transient.get(), 0u);
    EXPECT_EQ(log_.reads, 0u);
}

TEST_F(GroupsTest, TransientEventsThatFellOutOfTheTailAreCountedAndNoOthers) {
    node_settings_.tail_entries_max = 0;  // only the segment that is being read: 256 entries
    settings_.pending_max = 4;
    crash();
    ASSERT_TRUE(join(kAnn, "g", "a.*", 1));
    for (int i = 1; i <= 600; ++i) {
        log_.publish(ListLog::Made{.type = i % 3 == 0 ? "b" : "a.x", .is_transient = i % 2 == 0});
    }
    node_->show_and_run();
    EXPECT_EQ(probe().lag.get(), 399u);
    std::size_t got = 0;
    for (;;) {
        const std::vector<GroupDelivery> given = std::exchange(inbox().got, {});
        if (given.empty()) break;
        ++got;
        ASSERT_TRUE(ack(kAnn, given.at(0).delivery));
    }
    // 200 transient ones match; those of the last segment, and the four that were read ahead, came.
    EXPECT_EQ(got + probe().lost_transient.get(), 400u);
    EXPECT_GT(probe().lost_transient.get(), 150u);
    EXPECT_LT(probe().lost_transient.get(), 200u);
    EXPECT_EQ(probe().expired.get(), 0u);
    EXPECT_EQ(probe().lag.get(), 0u);
    EXPECT_EQ(node_->at().groups->statuses()[0].cursor, 600_pos);
}

TEST_F(GroupsTest, TransientEventsThatACrashTookAreCounted) {
    ASSERT_TRUE(join(kAnn, "g", "a.*", 2));
    for (int i = 0; i < 4; ++i) log_.publish(ListLog::Made{.type = "a.x", .is_transient = i >= 1});
    node_->show_and_run();
    ASSERT_TRUE(ack(kAnn, "g:a.*:1.1"));  // 2 and 3 are in flight, 4 waits
    crash();

    ASSERT_TRUE(join(kBob));
    node_->show_and_run();

    EXPECT_EQ(inbox().take(), Got{});
    EXPECT_EQ(probe().lost_transient.get(), 3u);
    EXPECT_EQ(probe().expired.get(), 0u);
    EXPECT_EQ(probe().lag.get(), 0u);
    EXPECT_TRUE(stored().in_flight.empty());
    EXPECT_EQ(publish("a.x"), Got{"5.1→2"});
}

TEST_F(GroupsTest, TheLagIsInEventsOfTheGroupAndSurvivesAKill) {
    ASSERT_TRUE(join(kAnn, "g", "a.*", 1));
    node_->directory->post_member_gone(kAnn);
    node_->run();
    for (int i = 0; i < 50; ++i) publish(i % 10 == 0 ? "a.x" : "b");
    EXPECT_EQ(probe().lag.get(), 5u);

    crash();
    node_->show_and_run();
    EXPECT_EQ(probe().lag.get(), 5u);

    publish("a.x");
    pass(5s);
    node_settings_.recent = 0;  // the tail begins after all of it
    crash();
    node_->show_and_run();
    EXPECT_EQ(node_->at().groups->statuses()[0].lag, 6u);
}

// ---- another branch of the log ------------------------------------------------------------------

TEST_F(GroupsTest, InAnotherBranchOfTheLogAGroupGoesOnBehindWhatBothShare) {
    ASSERT_TRUE(join(kAnn));
    for (int i = 0; i < 9; ++i) publish("a.x");
    for (const char* done : {"1.1", "2.1", "4.1", "5.1", "6.1", "9.1"}) {
        ASSERT_TRUE(ack(kAnn, std::string("g:a.*:") + done));
    }
    // A backup is restored that ends at 5, and goes on with events of its own.
    log_.replace(Epochs("e1").next("restored", 5_pos), 5_pos);
    for (int i = 0; i < 3; ++i) log_.publish("a.x");
    crash();
    EXPECT_EQ(probe().set_back.get(), 4u);

    ASSERT_TRUE(join(kBob));
    node_->show_and_run();

    Got got = inbox().take();
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, (Got{"3.2→2", "6.1→2", "7.1→2", "8.1→2"}));
    EXPECT_EQ(stored().state.epoch, "restored");
}

// A worker may answer what the server gave it before the backup was restored.
TEST_F(GroupsTest, AnAnswerToADeliveryOfAnotherBranchSettlesNothing) {
    ASSERT_TRUE(join(kAnn));
    publish("a.x");
    log_.replace(Epochs("e1").next("restored", 0_pos), 0_pos);
    log_.publish("a.x");
    crash();
    ASSERT_TRUE(join(kAnn));
    node_->show_and_run();
    EXPECT_EQ(inbox().take(), Got{"1.1→1"});

    EXPECT_EQ(ack(kAnn, "g:a.*:e1.1.1").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(nack(kAnn, "g:a.*:e1.1.1", {}).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(probe().in_flight.get(), 1u);
    EXPECT_TRUE(ack(kAnn, "g:a.*:restored.1.1"));
}

TEST_F(GroupsTest, OverARestartNoGroupIsSetBackWhereverItStands) {
    ASSERT_TRUE(join(kAnn));
    publish("a.x");
    ASSERT_TRUE(ack(kAnn, "g:a.*:1.1"));
    for (const char* epoch : {"e2", "e3", "e4"}) {
        SCOPED_TRACE(epoch);
        const Position end = log_.frontier();
        log_.replace(log_.epochs().next(epoch, end), end);
        crash();
        EXPECT_EQ(probe().set_back.get(), 0u);
        ASSERT_TRUE(join(kAnn));
        EXPECT_EQ(publish("a.x").size(), 1u);
        ASSERT_TRUE(ack(kAnn, "g:a.*:" + to_string(end + 1) + ".1"));
    }
}

TEST_F(GroupsTest, InALogThatBeganAnewAGroupBeginsAtItsStart) {
    ASSERT_TRUE(join(kAnn));
    for (int i = 0; i < 3; ++i) publish("a.x");
    log_.replace(Epochs("anew"), 0_pos);
    log_.publish("a.x");
    crash();
    ASSERT_TRUE(join(kBob));
    node_->show_and_run();
    EXPECT_EQ(inbox().take(), Got{"1.1→2"});
    EXPECT_EQ(probe().set_back.get(), 3u);
    EXPECT_EQ(stored().in_flight.size(), 1u);
}

// ---- time ---------------------------------------------------------------------------------------

TEST_F(GroupsTest, ARetryNeverWaitsLongerThanItWasToldWhateverTheWallClockSays) {
    struct Case {
        const char* name;
        std::chrono::hours step;
        std::chrono::milliseconds waits;
    };
    const Case cases[] = {{"set back", -5h, 2s},
                          {"as it was", 0h, 2s},
                          {"a year back", -24h * 365, 2s},
                          {"ahead", 5h, 0s}};
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        ASSERT_TRUE(join(kAnn));
        log_.publish("a.x");
        node_->show_and_run();
        const std::string delivery = inbox().got.at(0).delivery;
        inbox().take();
        ASSERT_TRUE(nack(kAnn, delivery, 2s));
        clock_.set_wall(clock_.wall_now() + c.step);
        crash();
        ASSERT_TRUE(join(kBob));
        if (c.waits > 0s) {
            pass(c.waits - 1ms);
            EXPECT_TRUE(inbox().got.empty());
            pass(1ms);
        } else {
            node_->run_timers();
        }
        ASSERT_EQ(inbox().got.size(), 1u);
        EXPECT_EQ(inbox().got[0].attempt, 2u);
        ASSERT_TRUE(ack(kBob, inbox().got[0].delivery));
        inbox().take();
        node_->directory->post_member_gone(kBob);
        node_->run();
    }
}

TEST_F(GroupsTest, AnswersThatLieInASocketWhenTheirTimeRunsOutCount) {
    ASSERT_TRUE(join(kAnn));
    ASSERT_TRUE(join(kBob, "h"));
    publish("a.x");
    inbox().hold_sight = true;  // the process was stopped: the sockets are still to be read
    pass(settings_.ack_wait * 10);
    EXPECT_EQ(inbox().take(), Got{});
    ASSERT_TRUE(ack(kAnn, "g:a.*:1.1"));
    inbox().see();
    node_->run();
    EXPECT_EQ(inbox().take(), Got{"1.2→2"});  // this one did not answer
    EXPECT_TRUE(inbox().held.empty());
}

// ---- events that fail ---------------------------------------------------------------------------

TEST_F(GroupsTest, EventsThatFailForeverTakeNoPlaceOfGoodOnes) {
    settings_.in_flight_max = 10;
    settings_.retry_first = 1h;
    settings_.retry_max = 1h;
    crash();
    ASSERT_TRUE(join(kAnn, "g", "a.*", 10));
    for (int i = 0; i < 100; ++i) publish("a.bad");
    for (int i = 1; i <= 100; ++i) {
        ASSERT_TRUE(nack(kAnn, "g:a.*:" + std::to_string(i) + ".1", std::nullopt));
    }
    inbox().take();
    EXPECT_EQ(publish("a.good"), Got{"101.1→1"});
    EXPECT_EQ(probe().waiting.get(), 100u);
    EXPECT_EQ(probe().stalls.get(), 0u);
}

TEST_F(GroupsTest, AsManyFailedEventsAsMayWaitStopTheGroupAndThatIsToldOnce) {
    settings_.waiting_max = 20;
    settings_.retry_first = 1h;
    settings_.retry_max = 1h;
    crash();
    ASSERT_TRUE(join(kAnn, "g", "a.*", 1));
    for (int i = 0; i < 30; ++i) publish("a.bad");
    ASSERT_TRUE(nack(kAnn, "g:a.*:1.1", 0ms));
    ASSERT_TRUE(nack(kAnn, "g:a.*:1.2", std::nullopt));
    for (int i = 2; i <= 20; ++i) {
        ASSERT_TRUE(nack(kAnn, "g:a.*:" + std::to_string(i) + ".1", std::nullopt));
    }
    inbox().take();
    for (int i = 0; i < 10; ++i) pass(1s);
    EXPECT_EQ(inbox().take(), Got{});
    EXPECT_EQ(probe().stalls.get(), 1u);

    pass(1h);  // they are tried again, and this time they succeed
    for (int i = 0; i < 30; ++i) {
        const std::vector<GroupDelivery> given = std::exchange(inbox().got, {});
        ASSERT_EQ(given.size(), 1u) << i;
        ASSERT_TRUE(ack(kAnn, given[0].delivery));
    }
    EXPECT_EQ(probe().in_flight.get(), 0u);
    EXPECT_EQ(probe().stalls.get(), 1u);
}

// ---- members ------------------------------------------------------------------------------------

TEST_F(GroupsTest, AMemberThatLostItsRightIsOneNoMoreAndItsEventsGoToOthersAtOnce) {
    ASSERT_TRUE(join(kAnn));
    publish("a.x");
    ASSERT_TRUE(join(kBob));
    node_->directory->post_end_membership(kAnn, {"g", "a.*"});
    node_->run();
    EXPECT_EQ(inbox().take(), Got{"1.2→2"});
    EXPECT_FALSE(ack(kAnn, "g:a.*:1.1"));
    EXPECT_EQ(publish("a.x"), Got{"2.1→2"});
    EXPECT_EQ(probe().members.get(), 1u);
}

TEST_F(GroupsTest, AMemberHasNoMoreBytesThanItTakesButAlwaysOneEvent) {
    ASSERT_TRUE(join({.id = kAnn,
                      .group = {"g", "a.*"},
                      .service = "g",
                      .terms = {.max_in_flight = 64, .bytes_max = 100'000}}));
    for (int i = 0; i < 20; ++i) log_.publish(ListLog::Made{.type = "a.x", .bytes = 30'000});
    log_.publish(ListLog::Made{.type = "a.x", .bytes = 900'000});
    log_.publish(ListLog::Made{.type = "a.x", .bytes = 10});
    node_->show_and_run();
    std::size_t given = 0;
    while (!inbox().got.empty()) {
        const std::vector<GroupDelivery> all = std::exchange(inbox().got, {});
        given += all.size();
        std::size_t bytes = 0;
        for (std::size_t i = 0; i + 1 < all.size(); ++i) bytes += size_of(*all[i].entry);
        EXPECT_LT(bytes, 100'000u);
        for (const GroupDelivery& d : all) ASSERT_TRUE(ack(kAnn, d.delivery));
    }
    EXPECT_EQ(given, 22u);
}

}  // namespace
}  // namespace eventbus
