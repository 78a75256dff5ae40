// Groups while their store takes no writes.

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/group_node.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

using namespace std::chrono_literals;

constexpr MemberId kAnn{1};
constexpr MemberId kBob{2};

class GroupsOutage : public GroupsFixture {
 protected:
    GroupsProbe const& all() { return node_->at().groups->probe(); }
    Result<> leave(MemberId member, const std::string& group) {
        std::optional<Result<>> answer;
        node_->directory->post_unsubscribe(member, {group, "a.*"}, node_->at().executor,
                                           [&](Result<> result) { answer = std::move(result); });
        node_->run();
        return answer.value_or(Error{ErrorCode::kTimeout, "no answer"});
    }
    Result<> remove(const std::string& group) {
        std::optional<Result<>> answer;
        node_->directory->post_remove({group, "a.*"}, node_->at().executor,
                                      [&](Result<> result) { answer = std::move(result); });
        node_->run();
        return answer.value_or(Error{ErrorCode::kTimeout, "no answer"});
    }
};

TEST_F(GroupsOutage, AfterAFailureForGoodNothingMoreIsGivenOut) {
    ASSERT_TRUE(join(kAnn));
    EXPECT_EQ(publish("a.x").size(), 1u);
    store_.fail(ErrorCode::kReadOnly);

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
    store_.recover();
    pass(1h);
    EXPECT_EQ(inbox().take(), Got{});
    EXPECT_EQ(all().write_failures.get(), 1u);
}

TEST_F(GroupsOutage, AfterOneFailedWriteAllGroupsGoOnWithNothingLostAndNothingTwice) {
    ASSERT_TRUE(join(kAnn));
    ASSERT_TRUE(join(kBob, "h"));
    EXPECT_EQ(publish("a.x").size(), 2u);
    store_.fail(ErrorCode::kUnavailable);
    EXPECT_EQ(publish("a.x"), Got{});  // given out, and not written
    EXPECT_FALSE(node_->at().groups->is_writable());
    EXPECT_EQ(publish("a.x"), Got{});

    store_.recover();
    pass(100ms);
    Got got = inbox().take();
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, (Got{"2.1→1", "2.1→2", "3.1→1", "3.1→2"}));
    EXPECT_TRUE(node_->at().groups->is_writable());
    EXPECT_TRUE(ack(kAnn, "g:a.*:1.1"));
    EXPECT_TRUE(ack(kAnn, "g:a.*:2.1"));
    EXPECT_EQ(all().write_failures.get(), 1u);
}

TEST_F(GroupsOutage, WhatIsAskedMeanwhileIsRefusedForNow) {
    ASSERT_TRUE(join(kAnn));
    publish("a.x");
    store_.fail(ErrorCode::kUnavailable);
    publish("a.x");

    for (const Result<>& refused : {ack(kAnn, "g:a.*:1.1"), nack(kAnn, "g:a.*:1.1", 1s)}) {
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    }
    const Result<GroupJoined> joined = join(kBob);
    ASSERT_FALSE(joined);
    EXPECT_EQ(joined.error().code, ErrorCode::kUnavailable);

    store_.recover();
    pass(100ms);
    EXPECT_TRUE(ack(kAnn, "g:a.*:1.1"));
    EXPECT_TRUE(join(kBob));
}

// The store may stay away for hours.
TEST_F(GroupsOutage, WhoWaitsForAWriteThatFailsIsRefusedAtOnce) {
    store_.fail(ErrorCode::kUnavailable);
    const Result<GroupJoined> joined = join(kAnn);
    ASSERT_FALSE(joined);
    EXPECT_EQ(joined.error().code, ErrorCode::kUnavailable);
    store_.recover();
    pass(100ms);
    EXPECT_EQ(publish("a.x"), Got{});  // it is not a member

    ASSERT_TRUE(join(kAnn));
    EXPECT_EQ(inbox().take(), Got{"1.1→1"});  // the group is there, and has its place
    store_.fail(ErrorCode::kUnavailable);
    const Result<> acked = ack(kAnn, "g:a.*:1.1");
    ASSERT_FALSE(acked);
    EXPECT_EQ(acked.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(stored().in_flight.size(), 1u);
    store_.recover();
    pass(100ms);
    EXPECT_TRUE(stored().in_flight.empty());  // the ack was taken all the same

    store_.fail(ErrorCode::kUnavailable);
    const Result<> removed = remove("g");
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().code, ErrorCode::kUnavailable);
}

TEST_F(GroupsOutage, AMemberWhoseNewTermsWaitForAWriteThatFailsStaysOne) {
    LateGroupStore late(store_);
    node_.reset();
    node_ = std::make_unique<Node>(log_, late, clock_, random_, node_settings_);
    Node::Reactor& reactor = node_->at();
    std::vector<bool> answers;
    const auto ask = [&] {
        node_->directory->post_subscribe(
            {.id = kAnn,
             .group = {"g", "a.*"},
             .service = "worker",
             .terms = {.max_in_flight = 10},
             .way = {&reactor.executor, &reactor.inbox}},
            reactor.executor, [&](const auto& joined) { answers.push_back(joined.has_value()); });
        node_->run();
    };
    ask();
    late.write_one(0, false);
    EXPECT_EQ(publish("a.x"), Got{});
    ask();
    late.write_one(0, true);
    node_->run();
    EXPECT_EQ(answers, (std::vector{true, false}));

    pass(100ms);
    late.write_one(0, false);
    node_->run();
    EXPECT_EQ(publish("a.x"), Got{"1.1→1"});
    late.write_one(0, false);
    node_->run();
    EXPECT_EQ(inbox().take(), Got{"2.1→1"});
    node_.reset();
}

TEST_F(GroupsOutage, WhoLeavesIsAnsweredAtOnce) {
    ASSERT_TRUE(join(kAnn));
    ASSERT_TRUE(join(kAnn, "h"));
    store_.fail(ErrorCode::kUnavailable);
    publish("a.x");
    EXPECT_TRUE(leave(kAnn, "g"));
    store_.recover();
    pass(100ms);
    inbox().take();
    EXPECT_EQ(publish("a.x"), Got{"2.1→1"});  // of the other group
}

TEST_F(GroupsOutage, NobodysTimeRunsOutMeanwhile) {
    ASSERT_TRUE(join(kAnn));
    publish("a.x");
    inbox().take();
    pass(settings_.ack_wait - 1s);
    store_.fail(ErrorCode::kUnavailable);
    publish("a.x");
    for (int i = 0; i < 20; ++i) pass(5s);
    EXPECT_EQ(inbox().take(), Got{});
    EXPECT_EQ(all().write_failures.get(), store_.writes() - 2);  // the group, and event 1 before
    store_.recover();
    pass(5s);
    EXPECT_EQ(inbox().take(), Got{"2.1→1"});
    EXPECT_TRUE(ack(kAnn, "g:a.*:1.1"));
    EXPECT_EQ(probe().timed_out.get(), 0u);
    pass(settings_.ack_wait);
    EXPECT_EQ(inbox().take(), Got{"2.2→1"});
}

// What is given out leaves once it is written, which may take longer than a member has to answer.
TEST_F(GroupsOutage, ASlowWriteTakesNobodysTime) {
    LateGroupStore slow(store_);
    node_.reset();
    node_ = std::make_unique<Node>(log_, slow, clock_, random_, node_settings_);
    const auto write = [&] {
        for (node_->run(); slow.waiting() > 0; node_->run()) slow.write_one(0, false);
    };
    Node::Reactor& reactor = node_->at();
    node_->directory->post_subscribe({.id = kAnn,
                                      .group = {"g", "a.*"},
                                      .service = "worker",
                                      .terms = {.max_in_flight = 10},
                                      .way = {&reactor.executor, &reactor.inbox}},
                                     reactor.executor, [](const auto&) {});
    write();
    EXPECT_EQ(publish("a.x"), Got{});
    pass(settings_.ack_wait * 2);
    write();
    EXPECT_EQ(inbox().take(), Got{"1.1→1"});
    EXPECT_EQ(probe().timed_out.get(), 0u);
    pass(settings_.ack_wait);
    write();
    pass(settings_.retry_max);
    write();
    EXPECT_EQ(inbox().take(), Got{"1.2→1"});
    node_.reset();
}

TEST_F(GroupsOutage, AMemberThatGoesMeanwhileLosesNothing) {
    ASSERT_TRUE(join(kAnn));
    store_.fail(ErrorCode::kUnavailable);
    publish("a.x");
    node_->directory->post_member_gone(kAnn);
    node_->run();
    store_.recover();
    pass(100ms);
    inbox().take();  // on its way to a socket that is gone
    ASSERT_TRUE(join(kBob));
    EXPECT_EQ(inbox().take(), Got{"1.2→2"});
}

}  // namespace
}  // namespace eventbus
