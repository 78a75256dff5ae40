#include "groups/groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "event/pattern.h"
#include "groups/groups_directory.h"
#include "groups/memory_group_store.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "support/list_log.h"
#include "support/position_literal.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

using namespace std::chrono_literals;

constexpr MemberId kAnn{1};
constexpr MemberId kBob{2};

// What one reactor's members got.
class Inbox final : public GroupReceiver {
 public:
    void deliver(const GroupDelivery& delivery) override { got.push_back(delivery); }

    // "position.attempt→member" of what came since the last call.
    std::vector<std::string> take() {
        std::vector<std::string> taken;
        for (const GroupDelivery& d : std::exchange(got, {})) {
            taken.push_back(to_string(d.entry->position) + '.' + std::to_string(d.attempt) + "→" +
                            std::to_string(static_cast<std::uint64_t>(d.member)));
        }
        return taken;
    }

    std::vector<GroupDelivery> got;
};
using Got = std::vector<std::string>;

// One life of the process.
class Node {
 public:
    struct Reactor {
        FakeExecutor executor;
        Inbox inbox;
        std::unique_ptr<Groups> groups;
        Position shown;
        bool wants_all = false;
    };

    Node(ListLog& log, GroupStore& store, FakeClock& clock, Random& random,
         GroupSettings settings = {}, std::size_t count = 1)
        : log_(log) {
        auto stored = GroupsDirectory::split(*store.load(), count);
        std::vector<GroupsDirectory::Home> homes;
        for (std::size_t i = 0; i < count; ++i) {
            Reactor& r = *reactors.emplace_back(std::make_unique<Reactor>());
            r.groups =
                std::make_unique<Groups>(Groups::Context{log, store, clock, random, r.executor,
                                                         [&r](bool on) { r.wants_all = on; }},
                                         settings, std::move(stored[i]));
            r.shown = log.frontier();
            homes.push_back({&r.executor, r.groups.get()});
        }
        directory = std::make_unique<GroupsDirectory>(std::move(homes));
    }

    Reactor& at(std::size_t i = 0) { return *reactors[i]; }

    // Shows the tail to a reactor, at most `limit` entries.
    void show(Reactor& r, std::size_t limit = 1'000'000) {
        for (const SharedEntry& entry : log_.entries()) {
            if (entry->position <= r.shown || limit == 0) continue;
            r.shown = entry->position;
            r.groups->on_entry(entry);
            --limit;
        }
        r.groups->on_tail_read(r.shown);
    }
    void run() {
        for (bool any = true; any;) {
            any = false;
            for (auto& r : reactors) {
                while (r->executor.run_one()) any = true;
            }
        }
    }
    void show_and_run() {
        for (auto& r : reactors) show(*r);
        run();
    }
    void tick() {
        for (auto& r : reactors) r->groups->tick();
        run();
    }

    std::vector<std::unique_ptr<Reactor>> reactors;
    std::unique_ptr<GroupsDirectory> directory;

 private:
    ListLog& log_;
};

class GroupsTest : public testing::Test {
 protected:
    ListLog log_;
    MemoryGroupStore store_;
    FakeClock clock_;
    SeededRandom random_{1};
    GroupSettings settings_;
    std::unique_ptr<Node> node_ = start();

    std::unique_ptr<Node> start(std::size_t reactors = 1) {
        return std::make_unique<Node>(log_, store_, clock_, random_, settings_, reactors);
    }
    // kill -9 and start: what was not posted or written never was.
    void crash() {
        node_.reset();
        node_ = start();
    }
    Inbox& inbox() { return node_->at().inbox; }

    Result<GroupJoined> join(MemberId member, std::string group = "g", std::string topic = "a.*",
                             std::size_t max_in_flight = 10) {
        std::optional<Result<GroupJoined>> answer;
        Node::Reactor& r = node_->at();
        node_->directory->post_subscribe(
            {member, {std::move(group), std::move(topic)}, max_in_flight, &r.executor, &r.inbox},
            r.executor, [&](Result<GroupJoined> result) { answer = std::move(result); });
        node_->run();
        return answer.value_or(Error{ErrorCode::kTimeout, "no answer"});
    }
    Result<> ack(MemberId member, std::string_view delivery) {
        std::optional<Result<>> answer;
        node_->directory->post_ack(member, delivery, node_->at().executor,
                                   [&](Result<> result) { answer = std::move(result); });
        node_->run();
        return answer.value_or(Error{ErrorCode::kTimeout, "no answer"});
    }
    Result<> nack(MemberId member, std::string_view delivery,
                  std::optional<std::chrono::milliseconds> delay) {
        std::optional<Result<>> answer;
        node_->directory->post_nack(member, delivery, delay, node_->at().executor,
                                    [&](Result<> result) { answer = std::move(result); });
        node_->run();
        return answer.value_or(Error{ErrorCode::kTimeout, "no answer"});
    }
    Got publish(std::string type) {
        log_.publish(std::move(type));
        node_->show_and_run();
        return inbox().take();
    }
};

TEST_F(GroupsTest, AGroupBeginsNow) {
    log_.publish("a.x");
    const Result<GroupJoined> joined = join(kAnn);
    ASSERT_TRUE(joined);
    EXPECT_EQ(joined->cursor, 1_pos);
    EXPECT_TRUE(node_->at().wants_all);
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
    EXPECT_EQ(delivery.delivery, "thumbnails:photo.**:1.1");
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
    EXPECT_FALSE(node_->at().wants_all);
    for (int i = 0; i < 20; ++i) log_.publish(i % 2 == 0 ? "a.x" : "b.x");
    node_->show_and_run();
    log_.publish("a.x");  // not shown yet

    ASSERT_TRUE(join(kBob, "g", "a.*", 100));
    EXPECT_EQ(inbox().take(), (Got{"1.1→2", "3.1→2", "5.1→2", "7.1→2", "9.1→2", "11.1→2", "13.1→2",
                                   "15.1→2", "17.1→2", "19.1→2", "21.1→2"}));
    node_->show_and_run();
    EXPECT_EQ(inbox().take(), Got{});
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
    node_->show(r);

    EXPECT_EQ((*store_.load())[0].in_flight, (std::vector<StoredFlight>{{1_pos, 1, std::nullopt}}));
    EXPECT_EQ((*store_.load())[0].cursor, 1_pos);
    EXPECT_EQ(r.inbox.take(), Got{});
    EXPECT_TRUE(r.executor.run_one());  // the store's answer
    EXPECT_TRUE(r.executor.run_one());
    EXPECT_EQ(r.inbox.take(), Got{"1.1→1"});

    bool answered = false;
    r.groups->ack(kAnn, {{"g", "a.*"}, 1_pos, 1}, r.executor, [&](Result<> result) {
        EXPECT_TRUE(result);
        answered = true;
    });
    EXPECT_TRUE((*store_.load())[0].in_flight.empty());
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
    node_->tick();
    EXPECT_EQ(inbox().take(), Got{});
    ASSERT_TRUE(join(kBob));
    node_->tick();
    Got got = inbox().take();
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, (Got{"1.2→2", "6.1→2"}));

    clock_.advance(10min - 1s);
    node_->tick();
    Got again = inbox().take();  // ack_wait has passed for the two
    EXPECT_EQ(std::count(again.begin(), again.end(), "4.2→2"), 0);
    clock_.advance(1s);
    node_->tick();
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
    EXPECT_EQ(node_->at().groups->probe().acked.get(), 1u);
}

TEST_F(GroupsTest, AnAckThatWantsNoAnswerCounts) {
    ASSERT_TRUE(join(kAnn));
    publish("a.x");
    node_->directory->post_ack(kAnn, "g:a.*:1.1", node_->at().executor, {});
    node_->directory->post_ack(kAnn, "g:a.*:1.1", node_->at().executor, {});
    node_->directory->post_ack(kAnn, "nonsense", node_->at().executor, {});
    node_->directory->post_ack(kAnn, "no:such:1.1", node_->at().executor, {});
    node_->run();
    EXPECT_TRUE((*store_.load())[0].in_flight.empty());
    EXPECT_EQ(node_->at().groups->probe().stale_answers.get(), 1u);
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

TEST_F(GroupsTest, WhenTheStoreFailsNothingMoreIsGivenOut) {
    ASSERT_TRUE(join(kAnn));
    EXPECT_EQ(publish("a.x").size(), 1u);
    store_.fail();

    const Result<> acked = ack(kAnn, "g:a.*:1.1");
    ASSERT_FALSE(acked);
    EXPECT_EQ(acked.error().code, ErrorCode::kReadOnly);
    EXPECT_EQ(publish("a.x"), Got{});
    EXPECT_FALSE(node_->at().groups->is_writable());
    const Result<GroupJoined> joined = join(kBob);
    ASSERT_FALSE(joined);
    EXPECT_EQ(joined.error().code, ErrorCode::kReadOnly);
    EXPECT_FALSE(nack(kAnn, "g:a.*:1.1", std::nullopt));
    node_->directory->post_member_gone(kAnn);
    clock_.advance(1h);
    node_->tick();
    EXPECT_EQ(inbox().take(), Got{});
    EXPECT_EQ(node_->at().groups->probe().write_failures.get(), 1u);
}

TEST_F(GroupsTest, AMemberOfAnotherReactorGetsItsEventsThere) {
    node_ = start(3);
    const GroupKey key{"g", "a.*"};
    const std::size_t home = home_of(key, 3);
    Node::Reactor& away = node_->at((home + 1) % 3);
    bool joined = false;
    node_->directory->post_subscribe({kAnn, key, 5, &away.executor, &away.inbox}, away.executor,
                                     [&](Result<GroupJoined> result) { joined = !!result; });
    EXPECT_FALSE(joined);
    node_->run();
    EXPECT_TRUE(joined);
    EXPECT_TRUE(node_->at(home).wants_all);
    EXPECT_FALSE(away.wants_all);

    log_.publish("a.x");
    node_->show_and_run();
    EXPECT_EQ(away.inbox.take(), Got{"1.1→1"});
    EXPECT_TRUE(node_->at(home).inbox.got.empty());
    node_->directory->post_member_gone(kAnn);
    node_->run();
    EXPECT_FALSE(node_->at(home).wants_all);

    node_ = start(2);  // another number of reactors: the group finds its home
    Node::Reactor& other = node_->at();
    node_->directory->post_subscribe({kBob, key, 5, &other.executor, &other.inbox}, other.executor,
                                     [&](Result<GroupJoined>) {});
    node_->run();
    node_->tick();
    EXPECT_EQ(other.inbox.take(), Got{"1.2→2"});
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

TEST_F(GroupsTest, AnEventThatIsNotAnsweredComesAgainByTheClock) {
    ASSERT_TRUE(join(kAnn));
    publish("a.x");
    clock_.advance(settings_.ack_wait);
    node_->tick();
    EXPECT_EQ(inbox().take(), Got{"1.2→1"});
    EXPECT_FALSE(ack(kAnn, "g:a.*:1.1"));
    EXPECT_TRUE(ack(kAnn, "g:a.*:1.2"));
    EXPECT_EQ(node_->at().groups->probe().timed_out.get(), 1u);
    EXPECT_EQ(node_->at().groups->probe().redelivered.get(), 1u);
}

TEST_F(GroupsTest, WhatRetentionTookIsCountedAndStallsNothing) {
    ASSERT_TRUE(join(kAnn, "g", "a.*", 1));
    publish("a.x");
    node_->directory->post_member_gone(kAnn);
    node_->run();
    for (int i = 0; i < 5; ++i) log_.publish("a.x");
    node_->show_and_run();
    log_.retain_after(4_pos);  // 1 is in flight, 2 to 4 were never read

    ASSERT_TRUE(join(kBob));
    EXPECT_EQ(inbox().take(), (Got{"5.1→2", "6.1→2"}));
    EXPECT_EQ(node_->at().groups->probe().expired.get(), 1u);
    EXPECT_EQ(node_->at().groups->probe().expired_spans.get(), 1u);
    const std::vector<StoredFlight> in_flight = (*store_.load())[0].in_flight;
    ASSERT_EQ(in_flight.size(), 2u);
    EXPECT_EQ(in_flight[0].position, 5_pos);
}

TEST_F(GroupsTest, ALogThatDoesNotAnswerIsAskedAgainAtTheNextTick) {
    ASSERT_TRUE(join(kAnn));
    node_->directory->post_member_gone(kAnn);
    node_->run();
    publish("a.x");
    log_.fail_reads = true;
    ASSERT_TRUE(join(kBob));
    const std::size_t reads = log_.reads;
    node_->show_and_run();
    EXPECT_EQ(log_.reads, reads);
    node_->tick();
    EXPECT_EQ(log_.reads, reads + 1);
    log_.fail_reads = false;
    node_->tick();
    EXPECT_EQ(inbox().take(), Got{"1.1→2"});
    EXPECT_EQ(node_->at().groups->probe().read_failures.get(), 2u);
}

TEST_F(GroupsTest, AReactorThatIsNotWokenStallsNoGroup) {
    ASSERT_TRUE(join(kAnn));
    log_.publish("a.x");
    node_->tick();
    node_->tick();
    EXPECT_EQ(inbox().take(), Got{"1.1→1"});
    EXPECT_EQ(node_->at().groups->probe().found_by_timer.get(), 1u);
    node_->show_and_run();
    EXPECT_EQ(inbox().take(), Got{});
    EXPECT_EQ(publish("a.x"), Got{"2.1→1"});
}

TEST_F(GroupsTest, AStandstillRaisesTheAlarm) {
    ASSERT_TRUE(join(kAnn));
    node_->directory->post_member_gone(kAnn);
    node_->run();
    publish("a.x");
    log_.hold_reads = true;
    ASSERT_TRUE(join(kBob));
    for (int i = 0; i < 49; ++i) node_->tick();
    EXPECT_EQ(node_->at().groups->probe().stalled.get(), 0u);
    node_->tick();
    EXPECT_EQ(node_->at().groups->probe().stalled.get(), 1u);
}

TEST_F(GroupsTest, AGroupOfAnotherLogBeginsAtTheStartOfThisOne) {
    ASSERT_TRUE(join(kAnn));
    for (int i = 0; i < 9; ++i) publish("a.x");
    ListLog other("e2");
    other.publish("a.x");
    Node fresh(other, store_, clock_, random_);
    Node::Reactor& r = fresh.at();
    fresh.directory->post_subscribe({kBob, {"g", "a.*"}, 5, &r.executor, &r.inbox}, r.executor,
                                    [](Result<GroupJoined> result) { EXPECT_TRUE(result); });
    fresh.run();
    EXPECT_EQ(r.inbox.take(), Got{"1.1→2"});
    EXPECT_EQ((*store_.load())[0],
              (StoredGroup{{"g", "a.*"}, "e2", 1_pos, {{1_pos, 1, std::nullopt}}}));
}

TEST_F(GroupsTest, TransientEventsThatACrashTookAreExpired) {
    ASSERT_TRUE(join(kAnn));
    for (int i = 0; i < 4; ++i) publish("a.x");
    ASSERT_TRUE(ack(kAnn, "g:a.*:1.1"));
    log_.lose_after(2_pos);
    crash();

    ASSERT_TRUE(join(kBob));
    node_->tick();

    EXPECT_EQ(inbox().take(), Got{"2.2→2"});
    EXPECT_EQ(node_->at().groups->probe().expired.get(), 2u);
    EXPECT_EQ((*store_.load())[0].in_flight.size(), 1u);
    EXPECT_EQ(publish("a.x"), Got{"5.1→2"});
}

TEST_F(GroupsTest, ALogThatStartsAfterItsGroupsTakesNothingFromThem) {
    ASSERT_TRUE(join(kAnn));
    for (int i = 0; i < 4; ++i) publish("a.x");
    for (const char* done : {"g:a.*:1.1", "g:a.*:3.1"}) ASSERT_TRUE(ack(kAnn, done));
    log_.frontier_max = 1_pos;
    crash();
    log_.frontier_max = kEndOfTime;

    node_->show_and_run();
    ASSERT_TRUE(join(kBob));
    node_->tick();

    EXPECT_EQ(inbox().take(), (Got{"2.2→2", "4.2→2"}));
    EXPECT_EQ(publish("a.x"), Got{"5.1→2"});
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
        r.groups->ack(kAnn, {{"g", "a.*"}, p, 1}, r.executor, count);
    }

    EXPECT_EQ(r.executor.waiting(), 1u);
    EXPECT_EQ((*store_.load())[0].in_flight.size(), 2u);
    EXPECT_TRUE(r.executor.run_one());
    EXPECT_TRUE((*store_.load())[0].in_flight.empty());
    node_->run();
    EXPECT_EQ(answers, 3);
}

TEST_F(GroupsTest, TheCursorOfAnIdleGroupIsWrittenNowAndThen) {
    ASSERT_TRUE(join(kAnn));
    for (int i = 0; i < 9; ++i) publish("b.x");
    EXPECT_EQ((*store_.load())[0].cursor, 0_pos);
    for (int i = 0; i < 50; ++i) node_->tick();
    EXPECT_EQ((*store_.load())[0].cursor, 9_pos);
    EXPECT_EQ(node_->at().groups->probe().lag.get(), 0u);
    EXPECT_EQ(node_->at().groups->probe().groups.get(), 1u);
    EXPECT_EQ(node_->at().groups->probe().members.get(), 1u);
}

// Random members, events, answers, retention of nothing, crashes: in the end each group has
// acknowledged each event of its topic once, and nothing after its ack was answered.
class GroupsRun : public testing::TestWithParam<std::uint64_t> {
 protected:
    std::mt19937_64 dice_{GetParam()};
    std::uint64_t below(std::uint64_t n) { return dice_() % n; }

    struct Seen {
        std::set<std::uint32_t> attempts;
        std::uint32_t acked = 0;  // the attempt whose ack was answered
    };
    ListLog log_;
    MemoryGroupStore store_;
    FakeClock clock_;
    SeededRandom random_{GetParam()};
    GroupSettings settings_;
    std::unique_ptr<Node> node_;
    const std::vector<GroupKey> keys_{{"g", "a.*"}, {"h", "a.x"}, {"g", "**"}};
    std::map<std::pair<GroupKey, Position>, Seen> seen_;
    std::map<GroupKey, Position> began_;
    std::uint64_t next_member_ = 1;
    struct Client {
        MemberId id{};
        std::size_t reactor = 0;
        std::vector<std::string> has;
    };
    std::vector<Client> clients_;

    void start() {
        clients_.clear();
        node_.reset();
        settings_.pending_max = 1 + below(10);
        settings_.page_max = 1 + below(6);
        settings_.in_flight_max = 5 + below(40);
        node_ = std::make_unique<Node>(log_, store_, clock_, random_, settings_, 1 + below(3));
    }
    void join(const GroupKey& key) {
        const std::size_t reactor = below(node_->reactors.size());
        const MemberId id{next_member_++};
        clients_.push_back({id, reactor, {}});
        Node::Reactor& r = node_->at(reactor);
        node_->directory->post_subscribe({id, key, 1 + below(5), &r.executor, &r.inbox}, r.executor,
                                         [this, key](Result<GroupJoined> result) {
                                             ASSERT_TRUE(result);
                                             began_.emplace(key, result->cursor);
                                         });
    }
    void receive() {
        for (auto& r : node_->reactors) {
            for (GroupDelivery& d : std::exchange(r->inbox.got, {})) {
                Seen& seen = seen_[{*d.group, d.entry->position}];
                // One that was on its way to a slower reactor may come behind a later one.
                EXPECT_TRUE(seen.acked == 0 || d.attempt < seen.acked)
                    << d.delivery << " came after its ack was answered";
                EXPECT_TRUE(seen.attempts.insert(d.attempt).second) << d.delivery;
                EXPECT_TRUE(began_.contains(*d.group)) << "a delivery before the answer";
                for (Client& client : clients_) {
                    if (client.id == d.member) client.has.push_back(d.delivery);
                }
            }
        }
    }
    void settle(Client& client, bool ack) {
        if (client.has.empty()) return;
        const std::size_t which = below(client.has.size());
        const std::string delivery = client.has[which];
        client.has.erase(client.has.begin() + static_cast<std::ptrdiff_t>(which));
        Executor& here = node_->at(client.reactor).executor;
        if (!ack) {
            node_->directory->post_nack(client.id, delivery, std::nullopt, here, {});
            return;
        }
        node_->directory->post_ack(client.id, delivery, here, [this, delivery](Result<> result) {
            if (!result) return;
            const DeliveryId id = *parse_delivery_id(delivery);
            seen_[{id.group, id.position}].acked = id.attempt;
        });
    }
    void run_some() {
        for (std::uint64_t n = below(30); n > 0; --n) {
            node_->at(below(node_->reactors.size())).executor.run_one();
        }
        receive();
    }
};

TEST_P(GroupsRun, NothingIsLostAndNothingComesAfterItsAck) {
    SCOPED_TRACE(testing::Message() << "seed " << GetParam());
    const char* const types[] = {"a.x", "a.y", "b"};
    start();
    for (const GroupKey& key : keys_) join(key);
    node_->run();
    ASSERT_EQ(began_.size(), keys_.size());

    for (int step = 0; step < 3000; ++step) {
        Client* client = clients_.empty() ? nullptr : &clients_[below(clients_.size())];
        switch (below(20)) {
            case 0:
                if (clients_.size() < 8) join(keys_[below(keys_.size())]);
                break;
            case 1:
                if (client == nullptr || below(3) > 0) break;
                node_->directory->post_member_gone(client->id);
                clients_.erase(clients_.begin() + (client - clients_.data()));
                break;
            case 2:
                if (below(20) == 0) start();  // kill -9
                break;
            case 3:
                clock_.advance(std::chrono::milliseconds(below(below(8) == 0 ? 35'000 : 300)));
                for (auto& r : node_->reactors) r->groups->tick();
                break;
            case 4:
                log_.fail_reads = below(4) == 0;
                break;
            case 5:
            case 6:
            case 7:
                for (std::uint64_t n = below(6); n > 0; --n) log_.publish(types[below(3)]);
                break;
            case 8:
            case 9:
            case 10: {
                Node::Reactor& r = node_->at(below(node_->reactors.size()));
                node_->show(r, below(8));
                break;
            }
            case 11:
            case 12:
            case 13:
            case 14:
                if (client != nullptr) settle(*client, below(5) > 0);
                break;
            default:
                run_some();
        }
    }

    log_.fail_reads = false;
    start();
    for (const GroupKey& key : keys_) join(key);
    for (int i = 0; i < 4000; ++i) {
        clock_.advance(500ms);
        node_->show_and_run();
        node_->tick();
        receive();
        for (Client& client : clients_) {
            while (!client.has.empty()) settle(client, true);
        }
        node_->run();
    }
    for (const SharedEntry& entry : log_.entries()) {
        for (const GroupKey& key : keys_) {
            if (!matches(key.topic, entry->event.type) || entry->position <= began_[key]) continue;
            const Seen& seen = seen_[{key, entry->position}];
            // An ack may have been written by a process that died before it answered.
            const auto stored = *store_.load();
            const auto group = std::find_if(stored.begin(), stored.end(),
                                            [&](const StoredGroup& g) { return g.key == key; });
            ASSERT_TRUE(group->in_flight.empty());
            ASSERT_GE(group->cursor, entry->position);
            EXPECT_FALSE(seen.attempts.empty())
                << to_string(key) << " never saw " << to_string(entry->position);
        }
    }
    for (auto& r : node_->reactors) {
        for (const Groups::Status& status : r->groups->statuses()) EXPECT_EQ(status.lag, 0u);
        EXPECT_EQ(r->groups->probe().stalled.get(), 0u);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, GroupsRun, testing::Range<std::uint64_t>(1, 31));

}  // namespace
}  // namespace eventbus
