// To whom groups belong, and when they end.

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
constexpr MemberId kCid{3};

class GroupsOwner : public GroupsFixture {
 protected:
    ErrorCode refusal(MemberId member, const std::string& service, GroupKey group,
                      bool is_admitted = false) {
        const Result<GroupJoined> joined = join({.id = member,
                                                 .group = std::move(group),
                                                 .service = service,
                                                 .is_admitted = is_admitted});
        return joined ? ErrorCode::kInternal : joined.error().code;
    }
    bool joins(MemberId member, const std::string& service, GroupKey group,
               bool is_admitted = false) {
        return refusal(member, service, std::move(group), is_admitted) == ErrorCode::kInternal;
    }
    Result<> remove(GroupKey group) {
        std::optional<Result<>> answer;
        node_->directory->post_remove(std::move(group), node_->at().executor,
                                      [&](Result<> result) { answer = std::move(result); });
        node_->run();
        return answer.value_or(Error{ErrorCode::kTimeout, "no answer"});
    }
};

TEST_F(GroupsOwner, ANameBelongsToTheServiceThatUsedItFirstAndOthersNeedTheCatalog) {
    ASSERT_TRUE(joins(kAnn, "api", {"thumbnails", "a.*"}));
    EXPECT_EQ(refusal(kBob, "worker", {"thumbnails", "a.*"}), ErrorCode::kForbidden);
    EXPECT_EQ(refusal(kBob, "worker", {"thumbnails", "b"}), ErrorCode::kForbidden);
    EXPECT_TRUE(joins(kBob, "worker", {"thumbnails", "a.*"}, true));
    EXPECT_TRUE(joins(kCid, "api", {"thumbnails", "b"}));
    crash();
    EXPECT_EQ(refusal(kBob, "worker", {"thumbnails", "b"}), ErrorCode::kForbidden);
    EXPECT_TRUE(joins(kAnn, "api", {"thumbnails", "a.*"}));
}

TEST_F(GroupsOwner, ANameBelongsToTheServiceOfThatNameOnceItComes) {
    ASSERT_TRUE(joins(kAnn, "api", {"worker", "a.*"}));
    ASSERT_TRUE(joins(kCid, "audit", {"worker", "a.*"}, true));
    ASSERT_TRUE(joins(kBob, "worker", {"worker", "a.*"}));
    EXPECT_EQ(inbox().ended, (std::vector<std::string>{"1 worker:a.* forbidden"}));
    for (int i = 0; i < 4; ++i) publish("a.x");
    EXPECT_EQ(probe().members.get(), 2u);
    EXPECT_EQ(refusal(kAnn, "api", {"worker", "a.*"}), ErrorCode::kForbidden);
    EXPECT_EQ(refusal(kAnn, "api", {"worker", "b"}), ErrorCode::kForbidden);
    EXPECT_EQ(stored().state.owner, "worker");
}

TEST_F(GroupsOwner, TheServiceOfANameTakesOverEachGroupOfIt) {
    node_settings_.reactors = 2;
    crash();
    const std::vector<std::string> topics{"a.*", "b.*", "c.*", "d.*"};  // on both reactors
    for (const std::string& topic : topics) {
        ASSERT_TRUE(joins(kAnn, "api", {"worker", topic}));
    }
    ASSERT_TRUE(joins(kCid, "audit", {"worker", "a.*"}, true));

    ASSERT_TRUE(joins(kBob, "worker", {"worker", "e"}));

    std::vector<std::string> ended = inbox().ended;
    std::ranges::sort(ended);
    EXPECT_EQ(ended,
              (std::vector<std::string>{"1 worker:a.* forbidden", "1 worker:b.* forbidden",
                                        "1 worker:c.* forbidden", "1 worker:d.* forbidden"}));
    EXPECT_EQ(publish("a.x"), Got{"1.1→3"}) << "to whom the catalog admits";
    EXPECT_EQ(publish("b.x"), Got{});
    ASSERT_TRUE(joins(kBob, "worker", {"worker", "b.*"}));
    EXPECT_EQ(inbox().take(), Got{"2.1→2"}) << "the group has kept what came";
}

TEST_F(GroupsOwner, ANameThatWasTakenOverStaysTakenWhateverBecomesOfTheGroupThatTookIt) {
    ASSERT_TRUE(joins(kAnn, "api", {"worker", "a.*"}));
    ASSERT_TRUE(joins(kBob, "worker", {"worker", "b"}));
    ASSERT_TRUE(remove({"worker", "b"}));
    for (int life = 0; life < 2; ++life) {
        SCOPED_TRACE(life);
        EXPECT_EQ(refusal(kAnn, "api", {"worker", "a.*"}), ErrorCode::kForbidden);
        EXPECT_EQ(refusal(kAnn, "api", {"worker", "c"}), ErrorCode::kForbidden);
        EXPECT_EQ(stored().state.owner, "api") << "for whom the group counts";
        crash();
    }
    ASSERT_TRUE(remove({"worker", "a.*"}));
    EXPECT_TRUE(joins(kAnn, "api", {"worker", "a.*"})) << "it is free with its last group";
}

// The owner of a name is stored with each of its groups, and each on a reactor of its own.
TEST_F(GroupsOwner, ANameOfWhichACrashLeftTwoOwnersIsOfItsService) {
    ASSERT_TRUE(joins(kAnn, "api", {"worker", "a.*"}));
    ASSERT_TRUE(joins(kAnn, "api", {"worker", "z.*"}));
    const StoredGroup first = stored();
    ASSERT_TRUE(joins(kBob, "worker", {"worker", "b"}));
    ASSERT_TRUE(remove({"worker", "b"}));
    store_.write(std::make_shared<const std::vector<GroupChange>>(
                     1, GroupChange{.key = first.key, .state = first.state}),
                 node_->at().executor, [](Result<> written) { ASSERT_TRUE(written); });
    crash();
    EXPECT_EQ(refusal(kAnn, "api", {"worker", "a.*"}), ErrorCode::kForbidden);
}

TEST_F(GroupsOwner, ATakeOverGoesByWhomTheCatalogAdmitsByThen) {
    const GroupKey key{"worker", "a.*"};
    ASSERT_TRUE(joins(kAnn, "api", key));
    ASSERT_TRUE(joins(kCid, "audit", key, true));
    node_->directory->post_admitted(kAnn, key, true);
    node_->directory->post_admitted(kBob, key, true);  // no member
    node_->run();
    node_->directory->post_admitted(kCid, {"worker", "none"}, false);
    ASSERT_TRUE(joins(kBob, "worker", {"worker", "b"}));
    EXPECT_EQ(inbox().ended, std::vector<std::string>{});

    for (const MemberId member : {kAnn, kBob, kCid}) {
        node_->directory->post_admitted(member, key, false);
    }
    node_->directory->post_admitted(kBob, {"worker", "b"}, false);
    node_->run();

    EXPECT_EQ(inbox().ended,
              (std::vector<std::string>{"1 worker:a.* forbidden", "3 worker:a.* forbidden"}));
    EXPECT_EQ(publish("a.x"), Got{});
    EXPECT_EQ(publish("b"), Got{"2.1→2"}) << "its own name needs no catalog";
}

TEST_F(GroupsOwner, WhoIsNoLongerAdmittedIsPutOutOfATakeOver) {
    ASSERT_TRUE(joins(kAnn, "api", {"worker", "a.*"}, true));
    node_->directory->post_admitted(kAnn, {"worker", "a.*"}, false);
    node_->run();
    EXPECT_EQ(inbox().ended, std::vector<std::string>{}) << "the name is its own";

    ASSERT_TRUE(joins(kBob, "worker", {"worker", "b"}));

    EXPECT_EQ(inbox().ended, (std::vector<std::string>{"1 worker:a.* forbidden"}));
}

TEST_F(GroupsOwner, WhatAStrangerMadeOfANameTakesNoPlaceOfItsService) {
    node_settings_.groups_per_service_max = 2;
    crash();
    for (const char* topic : {"a", "b"}) ASSERT_TRUE(joins(kAnn, "api", {"worker", topic}));
    for (const char* topic : {"c", "d"}) ASSERT_TRUE(joins(kBob, "worker", {"worker", topic}));
    for (int life = 0; life < 2; ++life) {
        EXPECT_EQ(refusal(kBob, "worker", {"worker", "e"}), ErrorCode::kTooMany);
        EXPECT_EQ(refusal(kBob, "worker", {"worker", "a"}), ErrorCode::kTooMany) << "its third";
        EXPECT_EQ(refusal(kAnn, "api", {"worker", "a"}), ErrorCode::kForbidden);
        EXPECT_EQ(refusal(kAnn, "api", {"api", "a"}), ErrorCode::kTooMany) << "it made two";
        crash();
    }
    ASSERT_TRUE(remove({"worker", "d"}));
    EXPECT_TRUE(joins(kBob, "worker", {"worker", "a"}));
    EXPECT_TRUE(joins(kAnn, "api", {"api", "a"})) << "one of the two is another's now";
}

TEST_F(GroupsOwner, AServiceHasNoMoreGroupsThanItMayAndLocksOutNobody) {
    node_settings_.groups_per_service_max = 3;
    node_settings_.reactors = 2;
    crash();
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(joins(kAnn, "pod", {"pod-" + std::to_string(i), "a"}));
    }
    const Result<GroupJoined> fourth =
        join({.id = kAnn, .group = {"pod-3", "a"}, .service = "pod"});
    ASSERT_FALSE(fourth);
    EXPECT_EQ(fourth.error().code, ErrorCode::kTooMany);
    EXPECT_FALSE(fourth.error().passes());
    EXPECT_TRUE(joins(kBob, "api", {"api", "a"}));
    EXPECT_TRUE(joins(kBob, "pod", {"pod-2", "a"}));  // one that there is

    crash();
    EXPECT_EQ(refusal(kAnn, "pod", {"pod-3", "a"}), ErrorCode::kTooMany);
    ASSERT_TRUE(remove({"pod-0", "a"}));
    EXPECT_TRUE(joins(kAnn, "pod", {"pod-3", "a"}));
    EXPECT_EQ(refusal(kAnn, "pod", {"pod-0", "a"}), ErrorCode::kTooMany);
}

TEST_F(GroupsOwner, ARefusedGroupTakesNoPlaceOfItsService) {
    node_settings_.groups_per_service_max = 2;
    settings_.groups_max = 1;
    crash();
    ASSERT_TRUE(joins(kAnn, "pod", {"pod-0", "a"}));
    for (int i = 0; i < 5; ++i) {
        const Result<GroupJoined> refused =
            join({.id = kAnn, .group = {"pod-1", "a"}, .service = "pod"});
        ASSERT_FALSE(refused);
        EXPECT_FALSE(refused.error().passes());
        EXPECT_NE(refused.error().detail.find("groups_max"), std::string::npos);
    }
    ASSERT_TRUE(remove({"pod-0", "a"}));
    EXPECT_TRUE(joins(kAnn, "api", {"pod-1", "a"}));  // the name is free
}

TEST_F(GroupsOwner, AGroupWithoutAMemberForItsTimeEndsAndItsNameIsFree) {
    settings_.idle_ttl = 1h;
    crash();
    ASSERT_TRUE(joins(kAnn, "pod", {"pod-0", "a.*"}));
    node_->directory->post_member_gone(kAnn);
    node_->run();
    publish("a.x");
    pass(1h - 1s);
    EXPECT_EQ(store_.load(log_.epochs())->size(), 1u);
    pass(1s);
    EXPECT_TRUE(store_.load(log_.epochs())->empty());
    EXPECT_TRUE(node_->at().listed.empty());
    EXPECT_EQ(node_->at().groups->probe().ended.get(), 1u);
    EXPECT_TRUE(joins(kBob, "api", {"pod-0", "a.*"}));
    EXPECT_EQ(publish("a.x"), Got{"2.1→2"});
}

TEST_F(GroupsOwner, OnlyTheTimeThatAServerRanCountsWhateverTheWallClockSays) {
    settings_.idle_ttl = 1h;
    crash();
    ASSERT_TRUE(joins(kAnn, "pod", {"pod-0", "a.*"}));
    crash();
    clock_.set_wall(clock_.wall_now() + 24h * 365);
    for (int life = 0; life < 3; ++life) {
        crash();
        for (int i = 0; i < 2; ++i) pass(10min);
        EXPECT_EQ(store_.load(log_.epochs())->size(), life < 2 ? 1u : 0u) << life;
    }
}

TEST_F(GroupsOwner, AGroupWithAMemberDoesNotEnd) {
    settings_.idle_ttl = 1h;
    crash();
    ASSERT_TRUE(joins(kAnn, "g", {"g", "a.*"}));
    for (int i = 0; i < 50; ++i) pass(10min);
    EXPECT_EQ(store_.load(log_.epochs())->size(), 1u);
    settings_.idle_ttl = 0ms;
    crash();
    for (int i = 0; i < 50; ++i) pass(24h);
    EXPECT_EQ(store_.load(log_.epochs())->size(), 1u);
}

TEST_F(GroupsOwner, ADeletedGroupTellsItsMembersAndLeavesNothing) {
    ASSERT_TRUE(joins(kAnn, "g", {"g", "a.*"}));
    publish("a.x");
    inbox().take();
    log_.hold_reads = true;
    EXPECT_FALSE(remove({"g", "b"}));

    ASSERT_TRUE(remove({"g", "a.*"}));

    EXPECT_EQ(inbox().ended, (std::vector<std::string>{"1 g:a.* not_found"}));
    EXPECT_TRUE(store_.load(log_.epochs())->empty());
    EXPECT_FALSE(ack(kAnn, "g:a.*:1.1"));
    EXPECT_EQ(publish("a.x"), Got{});
    EXPECT_EQ(remove({"g", "a.*"}).error().code, ErrorCode::kNotFound);
    ASSERT_TRUE(joins(kAnn, "g", {"g", "a.*"}));
    EXPECT_EQ(publish("a.x"), Got{"3.1→1"});
    pass(1h);
}

TEST_F(GroupsOwner, AMemberHearsOfTheEndAfterTheAnswerToItsJoinAndBeforeTheNext) {
    const GroupKey key{"g", "a.*"};
    Node::Reactor& r = node_->at();
    std::vector<std::string>& told = r.inbox.ended;
    const auto subscribe = [&](const std::string& name) {
        node_->directory->post_subscribe(
            {.id = kAnn, .group = key, .service = "g", .way = {&r.executor, &r.inbox}}, r.executor,
            [&told, name](const Result<GroupJoined>& joined) {
                told.push_back(name + (joined ? " ok" : " refused"));
            });
    };
    subscribe("first");
    while (r.groups->statuses().empty()) ASSERT_TRUE(r.executor.run_one());  // its write is on
    r.groups->remove(key, r.executor, [](Result<> done) { EXPECT_TRUE(done); });
    subscribe("second");
    node_->run();

    EXPECT_EQ(told, (std::vector<std::string>{"first ok", "1 g:a.* not_found", "second ok"}));
    EXPECT_EQ(publish("a.x"), Got{"1.1→1"});
}

TEST_F(GroupsOwner, ADeletedGroupBearsTheAnswersOfReadsThatCameForIt) {
    node_settings_.recent = 0;
    ASSERT_TRUE(joins(kAnn, "g", {"g", "a.*"}));
    for (int i = 0; i < 3; ++i) publish("a.x");
    node_->directory->post_member_gone(kAnn);
    node_->run();
    publish("a.x");
    crash();
    log_.hold_reads = true;
    ASSERT_TRUE(joins(kBob, "g", {"g", "a.*"}));
    node_->run_timers();
    ASSERT_GE(log_.held_reads(), 1u);
    ASSERT_TRUE(remove({"g", "a.*"}));
    while (log_.held_reads() > 0) log_.answer_read(0);
    node_->run();
    EXPECT_EQ(inbox().take(), Got{});
}

}  // namespace
}  // namespace eventbus
