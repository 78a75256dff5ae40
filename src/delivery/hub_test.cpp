#include "delivery/hub.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "log/memory_log.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "support/plain_binder.h"
#include "support/plans.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

using Strings = std::vector<std::string>;

// Shows the event's id, the variant and whether it is of a history.
class IdEncoder final : public Encoder {
 public:
    SharedFrame encode(const Entry& entry, std::uint16_t variant, const As& as) override {
        std::string text = entry.event.id;
        if (variant > 0) text += "/" + std::to_string(variant);
        if (as.is_history()) text += "h";
        return std::make_shared<const Frame>(Frame{std::move(text)});
    }
};

class FakeReceiver final : public Receiver {
 public:
    bool push(const SharedFrame& frame) override {
        if (on_push) on_push();
        if (gone) return false;
        got.push_back(frame->bytes);
        ++queued;
        return true;
    }
    bool has_room() override { return !gone && queued < room; }
    void on_caught_up(std::uint64_t missed) override { caught_up.push_back(missed); }
    void on_gap(Position from, Position to) override {
        gaps.emplace_back(from, to);
        if (on_gap_do) on_gap_do();
    }
    void on_history_given(const Room& of) override { histories.push_back(of.key()); }
    void on_evicted(std::string_view subject, Position at) override {
        evicted.emplace_back(subject);
        evicted_at.push_back(at);
        if (on_evicted_do) on_evicted_do();
    }

    Strings got;
    Strings evicted;
    std::vector<Position> evicted_at;
    Strings histories;
    std::vector<std::uint64_t> caught_up;
    std::vector<std::pair<Position, Position>> gaps;
    std::size_t queued = 0;
    std::size_t room = ~std::size_t{0};
    bool gone = false;
    std::function<void()> on_push, on_gap_do, on_evicted_do;
};

class NoWaker final : public Tail::Waker {
 public:
    void wake_if_asleep() override { ++wakes; }
    int wakes = 0;
};

class HubTest : public testing::Test {
 protected:
    HubTest() { log_.start(); }

    Position publish(Plan plan) {
        Position at;
        std::vector<Plan> plans;
        plans.push_back(std::move(plan));
        log_.append(std::move(plans), reactor_, [&](Result<std::vector<Receipt>> receipts) {
            if (receipts) at = receipts->front().position;
        });
        reactor_.run_all();
        EXPECT_GT(at, 0_pos);
        return at;
    }
    Position publish_to(std::string id, const Room& room) {
        Plan plan = make_plan(std::move(id));
        plan.audience = {{.room = room}};
        return publish(std::move(plan));
    }
    // Takes a right to watch `subject` from bob.
    Position revoke(std::string id, std::string subject = "photo:1") {
        Plan plan = make_plan(std::move(id), std::move(subject));
        plan.grants = {{.who = bob_, .revoke = true}};
        return publish(std::move(plan));
    }
    // More than the tail keeps, to nobody.
    void fill_the_tail(int entries = 1'100) {
        for (int i = 0; i < entries; ++i) {
            publish_to("fill" + std::to_string(++filled_), Room::user("nobody"));
        }
    }
    void deliver() {
        for (bool again = true; again;) {
            again = hub_.deliver().more != Hub::More::kNo;
            again = reactor_.waiting() > 0 || again;
            reactor_.run_all();
        }
    }
    ReceiverId add(FakeReceiver& receiver, const std::vector<Room>& rooms, Position at) {
        const ReceiverId id = hub_.add(receiver, encoder_);
        for (const Room& room : rooms) EXPECT_TRUE(hub_.join(id, room, at));
        return id;
    }

    FakeClock clock_;
    FakeExecutor reactor_;
    PlainBinder binder_;
    MemoryDisk disk_;
    NoWaker waker_;
    MemoryLog log_{disk_, binder_, clock_, {}};
    LogReader reader_{{log_, reactor_, clock_, waker_}, 256};
    IdEncoder encoder_;
    Hub hub_{reactor_, clock_, log_, reader_};
    int filled_ = 0;

    const Room photo1_ = Room::subject("photo:1");
    const Room photo2_ = Room::subject("photo:2");
    const Room alice_ = Room::user("alice");
    const Room bob_ = Room::user("bob");
};

TEST_F(HubTest, AnEntryGoesToTheMembersOfItsRoomAndToNobodyElse) {
    FakeReceiver in, out;
    add(in, {photo1_}, 0_pos);
    add(out, {photo2_, Room::user("photo:1")}, 0_pos);
    publish(make_plan("a"));
    deliver();
    EXPECT_EQ(in.got, Strings({"a"}));
    EXPECT_EQ(out.got, Strings());
}

TEST_F(HubTest, AMemberOfSeveralRoomsGetsAnEntryOnceAsTheFirstThatNamesIt) {
    FakeReceiver owner, watcher;
    add(owner, {photo1_, alice_}, 0_pos);
    add(watcher, {photo1_}, 0_pos);
    Plan plan = make_plan("a");
    plan.variants = {R"({"less":1})"};
    plan.audience = {{.room = alice_}, {.room = photo1_, .variant = 1}};
    publish(std::move(plan));
    deliver();
    EXPECT_EQ(owner.got, Strings({"a"}));
    EXPECT_EQ(watcher.got, Strings({"a/1"}));
}

TEST_F(HubTest, ARoomIsHeardFromThePlaceAtWhichItWasJoined) {
    const Position first = publish(make_plan("a"));
    publish(make_plan("b"));
    FakeReceiver from_a, from_now;
    add(from_a, {photo1_}, first);
    add(from_now, {photo1_}, log_.frontier());
    publish(make_plan("c"));
    deliver();
    EXPECT_EQ(from_a.got, Strings({"b", "c"}));
    EXPECT_EQ(from_now.got, Strings({"c"}));
}

// The room of a member that it joins in the middle of what it gets by another room.
TEST_F(HubTest, WhoJoinsARoomAmidARunThatItGetsByAnotherGetsAllOfItOnceAndInOrder) {
    constexpr std::size_t kEvents = 8;
    int runs = 0;
    for (const bool joined_is_first : {true, false}) {
        for (std::size_t joined_after = 0; joined_after <= kEvents; ++joined_after) {
            SCOPED_TRACE(testing::Message() << (joined_is_first ? "named first" : "named last")
                                            << ", joined after " << joined_after);
            FakeReceiver owner;
            const ReceiverId id = add(owner, {alice_}, log_.frontier());
            const Position before = log_.frontier();
            Strings expected;
            for (std::size_t i = 0; i < kEvents; ++i) {
                std::string name = std::to_string(runs) + "." + std::to_string(i);
                Plan plan = make_plan(name);
                plan.variants = {R"({"of":"owners"})", R"({"of":"watchers"})"};
                plan.audience = {{.room = alice_, .variant = 1}, {.room = photo1_, .variant = 2}};
                if (joined_is_first) std::swap(plan.audience[0], plan.audience[1]);
                publish(std::move(plan));
                const bool as_watcher = joined_is_first && i >= joined_after;
                expected.push_back(name + (as_watcher ? "/2" : "/1"));
            }
            ++runs;
            ASSERT_TRUE(hub_.join(id, photo1_, before + joined_after));
            deliver();
            EXPECT_EQ(owner.got, expected);
            hub_.remove(id);
        }
    }
}

TEST_F(HubTest, APatternHearsItsTypesWholeWhateverTheRoom) {
    FakeReceiver service;
    const ReceiverId id = add(service, {Room::pattern("photo.*")}, 0_pos);
    publish(make_plan("a"));
    publish(make_plan("b", "batch:1", "batch.done"));
    publish(make_transient_plan("c"));  // photo.processing.progress: two segments
    deliver();
    EXPECT_EQ(service.got, Strings({"a"}));
    EXPECT_TRUE(hub_.leave(id, Room::pattern("photo.*")));
    publish(make_plan("d"));
    deliver();
    EXPECT_EQ(service.got, Strings({"a"}));
}

TEST_F(HubTest, ManyPatternsMakeNoTurnLong) {
    FakeReceiver auditor, far;
    const ReceiverId id = hub_.add(auditor, encoder_);
    for (int i = 0; i < 20'000; ++i) {
        hub_.join(id, Room::pattern("audit.**.x" + std::to_string(i) + ".**"), log_.frontier());
    }
    const ReceiverId behind = add(far, {alice_}, log_.frontier());
    const Position begin = log_.frontier();
    for (int i = 0; i < 100; ++i) {
        Plan plan = make_plan(std::to_string(i), "photo:1", "type-" + std::to_string(i));
        plan.audience = {{.room = alice_}};
        publish(std::move(plan));
    }
    hub_.deliver();
    EXPECT_LE(hub_.cursor(), begin + 2) << "live";
    deliver();
    EXPECT_EQ(far.got.size(), 100u);

    hub_.send_history(behind, alice_, begin);
    for (std::size_t before = far.got.size(); far.got.size() < 200; before = far.got.size()) {
        hub_.deliver();
        reactor_.run_all();
        ASSERT_LE(far.got.size(), before + 8) << "from the log";
    }
}

TEST_F(HubTest, WhatIsNotVisibleYetIsNotDelivered) {
    FakeReceiver in;
    add(in, {photo1_}, 0_pos);
    log_.hold_syncs(true);
    std::vector<Plan> plans;
    plans.push_back(make_plan("a"));
    log_.append(std::move(plans), reactor_, [](const auto&) {});
    deliver();
    EXPECT_EQ(in.got, Strings());
    log_.sync();
    deliver();
    EXPECT_EQ(in.got, Strings({"a"}));
}

TEST_F(HubTest, AReceiverMayGoInTheMiddleOfADeliveryAndNobodyElseMissesAnything) {
    std::vector<FakeReceiver> receivers(5);
    std::vector<ReceiverId> ids;
    ids.reserve(receivers.size());
    for (FakeReceiver& one : receivers) ids.push_back(add(one, {photo1_}, 0_pos));
    for (const std::size_t i : {std::size_t{0}, std::size_t{2}, std::size_t{4}}) {
        receivers[i].on_push = [&, i] {
            if (std::exchange(receivers[i].gone, true)) return;
            hub_.remove(ids[i]);
        };
    }
    publish(make_plan("a"));
    publish(make_plan("b"));
    deliver();
    for (const std::size_t i : {std::size_t{1}, std::size_t{3}}) {
        EXPECT_EQ(receivers[i].got, Strings({"a", "b"}));
    }
    EXPECT_EQ(hub_.probe().members.get(), 2u);
    FakeReceiver newcomer;  // takes the place of one that has gone, and none of its rooms
    add(newcomer, {photo2_}, 0_pos);
    publish(make_plan("c"));
    deliver();
    EXPECT_EQ(newcomer.got, Strings());
}

TEST_F(HubTest, AnEvictionHoldsBeforeItsEntryIsDeliveredAndForWhomItNamesOnly) {
    FakeReceiver bob, other;
    const ReceiverId bobs = add(bob, {bob_, photo1_}, 0_pos);
    add(other, {alice_, photo1_}, 0_pos);
    const Position first = publish(make_plan("a"));
    const Position revoked = revoke("b");
    publish(make_plan("c", "photo:2"));
    publish_to("d", bob_);
    deliver();
    EXPECT_EQ(bob.got, Strings({"a"}));
    EXPECT_EQ(bob.evicted, Strings({"photo:1"}));
    EXPECT_EQ(bob.evicted_at, std::vector<Position>({revoked}));
    EXPECT_EQ(hub_.place(bobs).given, first);
    EXPECT_EQ(hub_.place(bobs).clear, revoked - 1);
    EXPECT_EQ(other.got, Strings({"a", "b"}));
    EXPECT_EQ(other.evicted, Strings());

    EXPECT_TRUE(hub_.leave(bobs, photo1_));
    hub_.release(bobs);
    deliver();
    EXPECT_EQ(bob.got, Strings({"a", "d"}));
    EXPECT_EQ(bob.caught_up.size(), 0u);  // only a resume is told
    EXPECT_EQ(hub_.place(bobs).clear, log_.frontier());
}

TEST_F(HubTest, WhoKeepsAnotherRightGetsEachEventOnceAndInOrderFromWhereThatBegan) {
    const struct {
        const char* name;
        std::uint64_t right_since;  // the second of four entries takes the other
        std::vector<int> got;
    } cases[] = {
        {"before", 0, {1, 2, 3, 4}},
        {"by that entry", 2, {1, 3, 4}},
        {"after it", 3, {1, 4}},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(c.name);
        FakeReceiver bob;
        const ReceiverId bobs = add(bob, {bob_, photo1_}, log_.frontier());
        const auto id = [&](int i) { return std::string(c.name) + std::to_string(i); };
        const Position before = publish(make_plan(id(1))) - 1;
        revoke(id(2));
        deliver();
        publish(make_plan(id(3)));
        publish(make_plan(id(4)));
        deliver();
        ASSERT_EQ(bob.got, Strings({id(1)}));
        EXPECT_TRUE(hub_.keep(bobs, photo1_, before + c.right_since));
        hub_.release(bobs);
        deliver();
        Strings expected;
        for (const int i : c.got) expected.push_back(id(i));
        EXPECT_EQ(bob.got, expected);
        hub_.remove(bobs);
    }
}

// One of two rights is lost while all before that is still owed, from pages or the tail's memory.
TEST_F(HubTest, WhoLosesOneOfTwoRightsWhileCatchingUpSkipsNothingAndSeesNothingTwice) {
    for (const bool from_pages : {false, true}) {
        const std::string source = from_pages ? "from pages" : "from the tail";
        SCOPED_TRACE(source);
        const Position before = log_.frontier();
        Strings expected;
        for (int i = 0; i < 150; ++i) {
            publish(make_plan(expected.emplace_back(source + std::to_string(i))));
        }
        if (from_pages) fill_the_tail();
        deliver();
        FakeReceiver bob;
        bob.room = 20;
        const ReceiverId bobs = add(bob, {bob_, photo1_}, before);
        hub_.resume(bobs, before);
        hub_.deliver();
        revoke(expected.emplace_back(source + " revoked"));
        publish(make_plan(expected.emplace_back(source + " after")));
        for (int turn = 0; turn < 15; ++turn) {
            deliver();
            bob.queued = 0;
            if (bob.evicted.empty()) hub_.drained(bobs);
        }
        ASSERT_EQ(bob.got, Strings(expected.begin(), expected.end() - 2));
        ASSERT_EQ(bob.evicted, Strings({"photo:1"}));
        EXPECT_TRUE(hub_.keep(bobs, photo1_, 0_pos));
        hub_.release(bobs);
        deliver();
        EXPECT_EQ(bob.got, expected);
        EXPECT_EQ(bob.caught_up, std::vector<std::uint64_t>({152}));
        hub_.remove(bobs);
    }
}

TEST_F(HubTest, AnEvictionThatComesWhileTheAnswerToAnotherIsOnItsWayIsAskedAboutToo) {
    FakeReceiver bob;
    const ReceiverId bobs = add(bob, {bob_, photo1_, photo2_}, 0_pos);
    revoke("a");
    revoke("b", "photo:2");
    deliver();
    revoke("c");
    deliver();
    ASSERT_EQ(bob.evicted, Strings({"photo:1"}));
    hub_.keep(bobs, photo1_, 0_pos);
    hub_.release(bobs);
    deliver();
    EXPECT_EQ(bob.got, Strings({"a"}));
    ASSERT_EQ(bob.evicted, Strings({"photo:1", "photo:2"}));
    hub_.leave(bobs, photo2_);
    hub_.release(bobs);
    deliver();
    EXPECT_EQ(bob.got, Strings({"a"}));
    ASSERT_EQ(bob.evicted, Strings({"photo:1", "photo:2", "photo:1"}));
    hub_.keep(bobs, photo1_, 0_pos);
    hub_.release(bobs);
    deliver();
    EXPECT_EQ(bob.got, Strings({"a", "c"}));
}

TEST_F(HubTest, WhoLeavesTheRoomInTimeIsNotHeldByAnEvictionFromIt) {
    publish_to("a", bob_);
    deliver();
    FakeReceiver bob;
    bob.room = 1;
    const ReceiverId bobs = add(bob, {bob_, photo1_}, 0_pos);
    publish_to("b", bob_);
    hub_.resume(bobs, 0_pos);
    deliver();
    revoke("c");
    publish_to("d", bob_);
    deliver();
    hub_.leave(bobs, photo1_);
    bob.room = 10;
    hub_.drained(bobs);
    deliver();
    EXPECT_EQ(bob.got, Strings({"a", "b", "d"}));
    EXPECT_EQ(bob.evicted, Strings());
}

TEST_F(HubTest, APlaceIsWhatWasGivenInOrderAndUpToWhereNothingElseWasForTheMember) {
    const Position first = publish(make_plan("a"));
    publish(make_plan("other", "photo:2"));
    deliver();
    FakeReceiver in, back;
    const ReceiverId id = add(in, {photo1_}, 0_pos);
    EXPECT_EQ(hub_.place(id).given, 0_pos);
    EXPECT_EQ(hub_.place(id).clear, log_.frontier());
    hub_.send_history(id, photo1_, 0_pos);
    deliver();
    ASSERT_EQ(in.got, Strings({"ah"}));
    EXPECT_EQ(hub_.place(id).given, 0_pos) << "a history is given out of order";

    back.room = 1;
    const ReceiverId backs = add(back, {photo1_, photo2_}, 0_pos);
    hub_.resume(backs, 0_pos);
    EXPECT_EQ(hub_.place(backs).clear, 0_pos);
    deliver();
    EXPECT_EQ(hub_.place(backs).given, first);
    EXPECT_EQ(hub_.place(backs).clear, first) << "what is owed holds it back";
    const Position last = publish(make_plan("b"));
    deliver();
    EXPECT_EQ(hub_.place(id).given, last);
    EXPECT_EQ(hub_.place(backs).clear, first);
    back.room = 10;
    hub_.drained(backs);
    deliver();
    EXPECT_EQ(hub_.place(backs).given, last);
    EXPECT_EQ(hub_.place(backs).clear, last);
}

TEST_F(HubTest, AnEvictionThatCameBetweenTheAnswerAndTheJoinIsObeyed) {
    const Position asked = publish(make_plan("a"));
    Plan unshared = make_plan("b");
    unshared.grants = {{.who = bob_, .revoke = true}};
    const Position revoked = publish(std::move(unshared));
    deliver();
    const struct {
        const char* name;
        Room who;
        Room subject;
        Position as_of;
        bool is_evicted;
    } cases[] = {
        {"whom it names", bob_, photo1_, asked, true},
        {"another", alice_, photo1_, asked, false},
        {"of another subject", bob_, Room::subject("photo:2"), asked, false},
        {"who asked after it", bob_, photo1_, revoked, false},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(c.name);
        FakeReceiver receiver;
        const ReceiverId id = add(receiver, {c.who, c.subject}, revoked);
        hub_.evict_if_late(id, c.subject.name(), c.as_of);
        EXPECT_EQ(receiver.evicted.size(), 0u) << "receivers are called in turns only";
        deliver();
        EXPECT_EQ(receiver.evicted.size(), c.is_evicted ? 1u : 0u);
        hub_.remove(id);
    }
}

// A join is one at the log's visible end, which the reactor may not have read yet.
TEST_F(HubTest, AnEvictionThatIsReadAfterAJoinBehindItIsObeyed) {
    deliver();
    const Position revoked = revoke("a");
    publish(make_plan("b"));
    FakeReceiver receiver;
    const ReceiverId id = add(receiver, {bob_, photo1_}, log_.frontier());
    hub_.evict_if_late(id, "photo:1", hub_.cursor());
    receiver.on_evicted_do = [&] {
        hub_.leave(id, photo1_);
        hub_.release(id);
    };
    publish(make_plan("c"));
    deliver();
    EXPECT_EQ(receiver.evicted_at, std::vector<Position>{revoked});
    EXPECT_EQ(receiver.got, Strings());
}

TEST_F(HubTest, AHistoryShowsNothingBehindAnEvictionThatCameBeforeTheJoin) {
    const Position asked = publish(make_plan("a"));
    const Position revoked = revoke("b");
    publish(make_plan("c"));
    deliver();
    for (const bool stays : {false, true}) {
        SCOPED_TRACE(stays ? "it has another right" : "it has none");
        FakeReceiver receiver;
        const ReceiverId id = add(receiver, {bob_, photo1_}, 0_pos);
        receiver.on_evicted_do = [&] {
            stays ? hub_.keep(id, photo1_, 0_pos) : hub_.leave(id, photo1_);
            hub_.release(id);
        };
        hub_.evict_if_late(id, "photo:1", asked);
        hub_.send_history(id, photo1_, 0_pos);
        deliver();
        EXPECT_EQ(receiver.evicted_at, std::vector<Position>{revoked});
        EXPECT_EQ(receiver.got, stays ? Strings({"ah", "bh", "ch"}) : Strings());
        hub_.remove(id);
    }
}

TEST_F(HubTest, AnEvictedReceiverMayStayOrGoAtOnce) {
    FakeReceiver back, gone;
    const ReceiverId backs = add(back, {bob_, photo1_}, 0_pos);
    const ReceiverId gones = add(gone, {bob_, photo1_}, 0_pos);
    back.on_evicted_do = [&] { hub_.release(backs); };
    gone.on_evicted_do = [&] { hub_.remove(gones); };
    Plan unshared = make_plan("a");
    unshared.grants = {{.who = bob_, .revoke = true}};
    publish(std::move(unshared));
    deliver();
    EXPECT_EQ(back.got, Strings({"a"}));
    EXPECT_EQ(gone.got, Strings());
    EXPECT_EQ(hub_.probe().members.get(), 1u);
}

TEST_F(HubTest, AResumeGivesWhatWasMissedThenGoesOnLiveWithoutGapOrRepeat) {
    const Position seen = publish(make_plan("a"));
    publish(make_plan("b"));
    publish(make_plan("other", "photo:2"));
    publish(make_plan("c"));
    deliver();
    FakeReceiver back;
    const ReceiverId id = add(back, {photo1_}, 0_pos);
    hub_.resume(id, seen);
    publish(make_plan("d"));  // between the resume and the delivery
    deliver();
    publish(make_plan("e"));
    deliver();
    EXPECT_EQ(back.got, Strings({"b", "c", "d", "e"}));
    EXPECT_EQ(back.caught_up, std::vector<std::uint64_t>({3}));
}

TEST_F(HubTest, WhoMissedNothingIsToldSo) {
    publish(make_plan("a"));
    deliver();
    FakeReceiver back;
    hub_.resume(add(back, {photo1_}, 0_pos), hub_.cursor());
    deliver();
    EXPECT_EQ(back.got, Strings());
    EXPECT_EQ(back.caught_up, std::vector<std::uint64_t>({0}));
}

TEST_F(HubTest, WhoWasAheadOfThisReactorGetsNothingTwice) {
    Position seen;
    for (std::size_t i = 0; i < FanOut::kPushesPerTurn / FanOut::kPushesOfEntry + 10; ++i) {
        seen = publish(make_plan("a" + std::to_string(i)));
    }
    FakeReceiver back;
    hub_.resume(add(back, {photo1_}, 0_pos), seen);
    hub_.deliver();
    ASSERT_LT(hub_.cursor(), seen);  // this reactor needs two turns to read what the other has
    deliver();
    publish(make_plan("c"));
    deliver();
    EXPECT_EQ(back.got, Strings({"c"}));
}

TEST_F(HubTest, AResumeFromFarBackReadsPagesOfTheLogAndThenTheTail) {
    Strings expected;
    for (int i = 0; i < 600; ++i) {
        expected.push_back("old" + std::to_string(i));
        publish(make_plan(expected.back()));
    }
    fill_the_tail();
    deliver();
    ASSERT_GT(reader_.tail().kept_after(), 600_pos);
    expected.emplace_back("new");
    publish(make_plan("new"));
    FakeReceiver back;
    hub_.resume(add(back, {photo1_}, 0_pos), 0_pos);
    deliver();
    EXPECT_EQ(back.got, expected);
    EXPECT_EQ(back.gaps.size(), 0u);
    EXPECT_GE(hub_.probe().pages_read.get(), 2u);
}

TEST_F(HubTest, WhatIsPublishedWhileAPageIsOnItsWayIsNotLost) {
    fill_the_tail(700);
    const Position seen = publish_to("seen", Room::user("nobody"));
    publish(make_plan("old"));
    fill_the_tail(400);
    deliver();
    ASSERT_LT(seen, reader_.tail().kept_after());
    FakeReceiver back;
    hub_.resume(add(back, {photo1_}, 0_pos), seen);
    hub_.deliver();  // asks for the page, whose end is the frontier of now
    // Before it comes, so much more becomes visible that the tail's memory begins behind it.
    const Position before = log_.frontier();
    for (int i = 0; i < 1'200; ++i) {
        std::vector<Plan> plans{make_plan("late" + std::to_string(i))};
        if (i >= 100) plans[0].audience = {{.room = Room::user("nobody")}};
        log_.append(std::move(plans), reactor_, [](const auto&) {});
    }
    ASSERT_EQ(log_.frontier(), before + 1'200);
    while (hub_.cursor() < log_.frontier()) hub_.deliver();
    deliver();
    ASSERT_EQ(back.got.size(), 101u);
    EXPECT_EQ(back.got.front(), "old");
    EXPECT_EQ(back.got.back(), "late99");
}

TEST_F(HubTest, ASlowReceiverIsGivenAsMuchAsItHasRoomForAndGoesOnWhenItHasDrained) {
    for (const bool from_pages : {false, true}) {
        SCOPED_TRACE(from_pages ? "from pages" : "from the tail");
        const Position before = log_.frontier();
        Strings expected;
        for (int i = 0; i < 400; ++i) {
            expected.push_back((from_pages ? "p" : "t") + std::to_string(i));
            publish(make_plan(expected.back()));
        }
        if (from_pages) fill_the_tail();
        deliver();
        FakeReceiver slow;
        slow.room = 30;
        const ReceiverId id = add(slow, {photo1_}, 0_pos);
        hub_.resume(id, before);
        for (int round = 0; round < 20; ++round) {
            deliver();
            ASSERT_LE(slow.queued, slow.room);
            slow.queued = 0;
            hub_.drained(id);
            hub_.drained(id);
        }
        deliver();
        EXPECT_EQ(slow.got, expected);
        EXPECT_EQ(slow.caught_up.size(), 1u);
        hub_.remove(id);
    }
}

TEST_F(HubTest, RetentionIsToldOnceAndWhatIsLeftIsGiven) {
    publish(make_plan("a"));
    const Position lost = publish(make_plan("b"));
    publish(make_plan("c"));
    fill_the_tail();
    deliver();
    log_.retain_after(lost);
    FakeReceiver back;
    hub_.resume(add(back, {photo1_}, 0_pos), 0_pos);
    deliver();
    EXPECT_EQ(back.got, Strings({"c"}));
    EXPECT_EQ(back.gaps, (std::vector<std::pair<Position, Position>>{{0_pos, lost}}));
}

TEST_F(HubTest, WhatAHistoryLostIsToldThoughALossInOrderWasToldBefore) {
    using Gaps = std::vector<std::pair<Position, Position>>;
    publish(make_plan("a"));
    const Position seen = publish(make_plan("b"));
    const Position lost = publish(make_plan("c"));
    publish(make_plan("d"));
    publish(make_plan("e"));
    fill_the_tail();
    deliver();
    log_.retain_after(lost);
    FakeReceiver back;
    back.room = 1;  // so that it is behind when it asks for the history
    const ReceiverId id = add(back, {photo1_}, 0_pos);
    hub_.resume(id, seen);
    deliver();
    ASSERT_EQ(back.gaps, Gaps({{seen, lost}}));
    ASSERT_EQ(back.got, Strings({"d"}));
    back.room = 9;
    hub_.send_history(id, photo1_, 0_pos);
    deliver();
    EXPECT_EQ(back.gaps, Gaps({{seen, lost}, {0_pos, lost}}));
    EXPECT_EQ(back.got, Strings({"d", "dh", "e"}));
}

TEST_F(HubTest, AReceiverMayGoWhenItHearsOfAGap) {
    const Position lost = publish(make_plan("a"));
    publish(make_plan("b"));
    fill_the_tail();
    deliver();
    log_.retain_after(lost);
    FakeReceiver back;
    const ReceiverId id = add(back, {photo1_}, 0_pos);
    back.on_gap_do = [&] { hub_.remove(id); };
    hub_.resume(id, 0_pos);
    deliver();
    EXPECT_EQ(back.got, Strings());
    EXPECT_EQ(hub_.probe().members.get(), 0u);
}

TEST_F(HubTest, AReceiverMayGoWhileItsPageIsOnItsWayAndItsPlaceMayBeTaken) {
    publish(make_plan("a"));
    fill_the_tail();
    deliver();
    FakeReceiver gone, next;
    const ReceiverId id = add(gone, {photo1_}, 0_pos);
    hub_.resume(id, 0_pos);
    hub_.deliver();
    hub_.remove(id);
    EXPECT_EQ(add(next, {photo1_}, log_.frontier()), id);
    deliver();
    EXPECT_EQ(gone.got, Strings());
    EXPECT_EQ(next.got, Strings());
    publish(make_plan("b"));
    deliver();
    EXPECT_EQ(next.got, Strings({"b"}));
}

TEST_F(HubTest, AHistoryComesBeforeAnythingLaterAndDoesNotRepeatItself) {
    publish(make_plan("a"));
    publish(make_plan("other", "photo:2"));
    const Position second = publish(make_plan("b"));
    deliver();
    FakeReceiver asker;
    const ReceiverId id = add(asker, {photo1_}, 0_pos);
    ASSERT_TRUE(hub_.join(id, photo2_, hub_.cursor()));
    hub_.send_history(id, photo1_, 0_pos);
    publish(make_plan("c"));
    publish(make_plan("d", "photo:2"));
    deliver();
    EXPECT_EQ(asker.got, Strings({"ah", "bh", "c", "d"}));
    EXPECT_EQ(asker.caught_up.size(), 0u);  // only a resume is told

    hub_.send_history(id, photo1_, second);
    deliver();
    EXPECT_EQ(asker.got, Strings({"ah", "bh", "c", "d", "ch"}));
}

TEST_F(HubTest, AHistoryAskedForWhileAPageIsOnItsWayGoesFirstAndNothingIsLostOrTwice) {
    publish(make_plan("a", "photo:2"));
    const Position seen = publish(make_plan("b"));
    publish(make_plan("c"));
    publish(make_plan("d", "photo:2"));
    fill_the_tail();
    deliver();
    FakeReceiver back;
    const ReceiverId id = add(back, {photo1_, photo2_}, 0_pos);
    hub_.resume(id, seen);
    hub_.deliver();  // asks for a page of the resume
    hub_.send_history(id, photo2_, 0_pos);
    EXPECT_EQ(back.histories, Strings());
    deliver();
    EXPECT_EQ(back.got, Strings({"ah", "c", "d"}));
    EXPECT_EQ(back.histories, Strings({photo2_.key()}));
    EXPECT_EQ(back.caught_up.size(), 1u);
}

TEST_F(HubTest, AHistoryThatAResumeGivesAnywayIsNotGivenTwice) {
    publish(make_plan("a"));
    deliver();
    FakeReceiver back;
    const ReceiverId id = add(back, {photo1_}, 0_pos);
    hub_.resume(id, 0_pos);
    hub_.send_history(id, photo1_, 0_pos);
    EXPECT_EQ(back.histories, Strings()) << "receivers are called in turns only";
    deliver();
    EXPECT_EQ(back.histories, Strings({photo1_.key()}));
    EXPECT_EQ(back.got, Strings({"a"}));
}

TEST_F(HubTest, AHistoryEndsWithItsRoom) {
    publish(make_plan("a"));
    deliver();
    FakeReceiver asker;
    const ReceiverId id = add(asker, {photo1_, alice_}, 0_pos);
    hub_.send_history(id, photo1_, 0_pos);
    hub_.leave(id, photo1_);
    publish_to("b", alice_);
    deliver();
    EXPECT_EQ(asker.got, Strings({"b"}));
    EXPECT_EQ(asker.histories, Strings());
}

// Another reactor has shown the client more than this one has read.
TEST_F(HubTest, AHistoryOfWhoWasAheadOfThisReactorGoesUpToItsPlace) {
    Position seen;
    for (std::size_t i = 0; i < FanOut::kPushesPerTurn / FanOut::kPushesOfEntry; ++i) {
        seen = publish_to("x" + std::to_string(i), bob_);
    }
    seen = publish(make_plan("a"));
    FakeReceiver back;
    const ReceiverId id = add(back, {alice_}, 0_pos);
    hub_.resume(id, seen);
    hub_.deliver();
    ASSERT_LT(hub_.cursor(), seen);
    hub_.join(id, photo1_, 0_pos);
    hub_.send_history(id, photo1_, 0_pos);
    publish(make_plan("b"));
    deliver();
    EXPECT_EQ(back.got, Strings({"ah", "b"}));
}

TEST_F(HubTest, AJoinAndALeaveSayWhatTheReaderIsToBeWokenFor) {
    FakeReceiver in;
    publish(make_plan("a"));
    EXPECT_EQ(waker_.wakes, 0);
    const ReceiverId id = add(in, {photo1_}, log_.frontier());
    publish(make_plan("b"));
    EXPECT_EQ(waker_.wakes, 1);
    publish(make_plan("c", "photo:2"));
    EXPECT_EQ(waker_.wakes, 1);
    hub_.remove(id);
    publish(make_plan("d"));
    EXPECT_EQ(waker_.wakes, 1);
}

// Members come, go, miss, resume at random; each must see exactly what the log has for its rooms.
TEST_F(HubTest, EveryoneSeesEverythingOfTheirRoomsOnceAndInOrderOverRandomSteps) {
    std::mt19937 random(7);
    struct Client {
        FakeReceiver receiver;
        std::vector<Room> rooms;
        std::optional<ReceiverId> id;
        std::size_t given = 0;  // of receiver.got, when it was last online
    };
    const Room rooms[] = {photo1_, photo2_, alice_, bob_};
    std::vector<Client> clients(8);
    std::vector<std::pair<std::string, Room>> published;
    std::map<std::string, Position> position_of;
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i].rooms = {rooms[i % 4], rooms[(i + 1) % 4]};
        clients[i].receiver.room = i % 2 == 0 ? 5 : 1'000;
        clients[i].id = add(clients[i].receiver, clients[i].rooms, 0_pos);
    }
    for (int step = 0; step < 6'000; ++step) {
        Client& client = clients[random() % clients.size()];
        FakeReceiver& receiver = client.receiver;
        switch (random() % 8) {
            case 0:
                if (client.id) {
                    hub_.remove(*std::exchange(client.id, std::nullopt));
                } else {
                    receiver.queued = 0;
                    client.id = add(receiver, client.rooms, 0_pos);
                    hub_.resume(*client.id,
                                receiver.got.empty() ? 0_pos : position_of[receiver.got.back()]);
                }
                break;
            case 1:
            case 2:
                hub_.deliver();
                break;
            case 3:
                reactor_.run_one();
                break;
            case 4:
                receiver.queued = 0;
                if (client.id) hub_.drained(*client.id);
                break;
            default: {
                const Room& room = rooms[random() % 4];
                const std::string id = "e" + std::to_string(step);
                // Visible before any receiver can see it; answers come later.
                std::vector<Plan> plans{make_plan(id)};
                plans[0].audience = {{.room = room}};
                position_of[id] = log_.frontier() + 1;
                log_.append(std::move(plans), reactor_, [](const auto&) {});
                published.emplace_back(id, room);
            }
        }
    }
    for (Client& client : clients) {
        client.receiver.queued = 0;
        client.receiver.room = 100'000;
        if (client.id) {
            hub_.drained(*client.id);
            continue;
        }
        client.id = add(client.receiver, client.rooms, 0_pos);
        hub_.resume(*client.id,
                    client.receiver.got.empty() ? 0_pos : position_of[client.receiver.got.back()]);
    }
    deliver();
    for (const Client& client : clients) {
        Strings expected;
        for (const auto& [id, room] : published) {
            if (room == client.rooms[0] || room == client.rooms[1]) expected.push_back(id);
        }
        EXPECT_EQ(client.receiver.got, expected);
    }
}

// A room of which a run of events is more than a turn delivers.
class HubRunTest : public HubTest {
 protected:
    static constexpr std::size_t kMembers = FanOut::kPushesPerTurn / FanOut::kRunEntries;

    HubRunTest() : members_(kMembers) {
        for (FakeReceiver& member : members_) ids_.push_back(add(member, {photo1_}, 0_pos));
        for (std::size_t i = 0; i < FanOut::kRunEntries; ++i) {
            published_.push_back("a" + std::to_string(i));
            publish(make_plan(published_.back()));
        }
    }
    // One turn, which leaves the last members without what the first have.
    void deliver_a_part() {
        ASSERT_EQ(hub_.deliver().more, Hub::More::kBeforeWrites);
        ASSERT_EQ(members_.front().got, published_);
        ASSERT_EQ(members_.back().got, Strings());
    }

    std::vector<FakeReceiver> members_;
    std::vector<ReceiverId> ids_;
    Strings published_;
};

TEST_F(HubRunTest, ARunThatIsTooMuchForATurnGoesOnInTheNextBeforeTheWrites) {
    deliver_a_part();
    EXPECT_EQ(hub_.deliver().more, Hub::More::kNo);
    for (const FakeReceiver& member : members_) EXPECT_EQ(member.got, published_);
}

TEST_F(HubRunTest, WhoJoinsAmidARunGetsNothingOfItAndNobodyElseMissesAny) {
    deliver_a_part();
    FakeReceiver late;
    add(late, {photo1_}, hub_.cursor());
    publish(make_plan("b"));
    deliver();
    EXPECT_EQ(late.got, Strings({"b"}));
    published_.push_back("b");
    for (const FakeReceiver& member : members_) EXPECT_EQ(member.got, published_);
}

TEST_F(HubRunTest, WhoLeavesAmidARunHasAllOfItAndNothingLater) {
    deliver_a_part();
    EXPECT_TRUE(hub_.leave(ids_.back(), photo1_));
    publish(make_plan("b"));
    deliver();
    EXPECT_EQ(members_.back().got, published_);
}

TEST_F(HubRunTest, AHistoryAskedForAmidARunTakesNothingFromIt) {
    publish(make_plan("x", "photo:2"));
    deliver_a_part();
    hub_.join(ids_.back(), photo2_, 0_pos);
    hub_.send_history(ids_.back(), photo2_, 0_pos);
    deliver();
    Strings expected = published_;
    expected.push_back("x");
    std::ranges::sort(expected);
    std::ranges::sort(members_.back().got);
    EXPECT_EQ(members_.back().got, expected);
}

TEST_F(HubRunTest, WhoGoesAmidARunIsGoneAndItsPlaceIsUsedAgainAfterwards) {
    deliver_a_part();
    hub_.remove(ids_.back());
    FakeReceiver next;
    EXPECT_NE(hub_.add(next, encoder_), ids_.back());
    deliver();
    EXPECT_EQ(members_.back().got, Strings());
    EXPECT_EQ(hub_.add(next, encoder_), ids_.back());
}

TEST_F(HubTest, AMemberIsNotGivenMoreThanABatchBetweenTwoWrites) {
    FakeReceiver member;
    add(member, {photo1_}, 0_pos);
    const std::string text(FanOut::kBatchBytes / 8, 'x');
    for (int i = 0; i < 100; ++i) {
        Plan plan = make_plan("a" + std::to_string(i), "photo:1", "type" + std::to_string(i));
        plan.event.data = R"({"text":")" + text + R"("})";
        publish(std::move(plan));
    }
    EXPECT_EQ(hub_.deliver().more, Hub::More::kAfterWrites);
    EXPECT_GE(member.got.size(), 7u);
    EXPECT_LE(member.got.size(), 8u);
    deliver();
    EXPECT_EQ(member.got.size(), 100u);
}

// A reactor that was away for longer than the tail has room.
class HubFarBehindTest : public HubTest {
 protected:
    HubFarBehindTest() { late_log_.start(); }
    Position publish_late(Plan plan) {
        plan.event.data = R"({"text":")" + std::string(4'000, 'x') + R"("})";
        std::vector<Plan> plans;
        plans.push_back(std::move(plan));
        late_log_.append(std::move(plans), reactor_, [](const Result<std::vector<Receipt>>&) {});
        reactor_.run_all();
        return late_log_.frontier();
    }
    void deliver_late() {
        do {
            reactor_.run_all();
        } while (late_hub_.deliver().more != Hub::More::kNo || reactor_.waiting() > 0);
    }

    MemoryDisk late_disk_;
    MemoryLog late_log_{late_disk_, binder_, clock_, {.tail_bytes_max = 1'000'000}};
    LogReader late_reader_{{late_log_, reactor_, clock_, waker_}, 10'000};
    Hub late_hub_{reactor_, clock_, late_log_, late_reader_};
};

TEST_F(HubFarBehindTest, ItsMembersGetEachDurableEventOnceAndInOrderWhatTheTailGaveUpToo) {
    FakeReceiver member;
    const ReceiverId id = late_hub_.add(member, encoder_);
    ASSERT_TRUE(late_hub_.join(id, photo1_, 0_pos));
    Strings published;
    for (int i = 0; i < 1'000; ++i) {
        published.push_back("a" + std::to_string(i));
        publish_late(make_plan(published.back()));
    }
    deliver_late();
    EXPECT_EQ(member.got, published);
    published.push_back("b");
    publish_late(make_transient_plan("b"));
    deliver_late();
    EXPECT_EQ(member.got, published) << "live again";
}

TEST_F(HubFarBehindTest, AnEvictionInWhatTheTailGaveUpHoldsToo) {
    FakeReceiver member;
    const ReceiverId id = late_hub_.add(member, encoder_);
    ASSERT_TRUE(late_hub_.join(id, alice_, 0_pos));
    ASSERT_TRUE(late_hub_.join(id, photo1_, 0_pos));
    publish_late(make_plan("seen"));
    Plan taking = make_transient_plan("taken");
    taking.audience.clear();
    taking.grants = {{.who = alice_, .revoke = true}};
    publish_late(std::move(taking));
    for (int i = 0; i < 1'000; ++i) publish_late(make_plan("hidden" + std::to_string(i)));
    deliver_late();
    EXPECT_EQ(member.got, Strings({"seen"}));
}

// With 10 ms for `latest` types, 2 ms for others.
class HubCoalesceTest : public HubTest {
 protected:
    HubCoalesceTest() { add(member_, {photo1_}, 0_pos); }
    ReceiverId add(FakeReceiver& receiver, const std::vector<Room>& rooms, Position at) {
        const ReceiverId id = patient_.add(receiver, encoder_);
        for (const Room& room : rooms) EXPECT_TRUE(patient_.join(id, room, at));
        return id;
    }
    void publish_latest(std::string id) {
        Plan plan = make_transient_plan(std::move(id));
        plan.latest = true;
        publish(std::move(plan));
    }
    void pass(int ms) { clock_.advance(std::chrono::milliseconds(ms)); }

    LogReader own_reader_{{log_, reactor_, clock_, waker_}, 256};
    Hub patient_{reactor_,
                 clock_,
                 log_,
                 own_reader_,
                 {.all = std::chrono::milliseconds(2), .latest = std::chrono::milliseconds(10)}};
    FakeReceiver member_;
};

TEST_F(HubCoalesceTest, TheFirstAfterASilenceDoesNotWaitAndThoseBehindItLeaveTogether) {
    pass(100);
    publish_latest("a");
    EXPECT_EQ(patient_.deliver().more, Hub::More::kNo);
    EXPECT_EQ(member_.got, Strings({"a"}));
    publish_latest("b");
    pass(4);
    publish_latest("c");
    EXPECT_EQ(patient_.deliver(),
              (Hub::Next{Hub::More::kNo, clock_.now() + std::chrono::milliseconds(6)}));
    EXPECT_EQ(member_.got, Strings({"a"}));
    pass(6);
    EXPECT_EQ(patient_.deliver(), Hub::Next{});
    EXPECT_EQ(member_.got, Strings({"a", "b", "c"}));
}

TEST_F(HubCoalesceTest, ATimeThatWasGivenIsNotLaterThanThatOfOneThatComesMeanwhile) {
    pass(100);
    publish_latest("a");
    patient_.deliver();
    const Clock::Time live_at = clock_.now();
    publish_latest("b");
    const std::optional<Clock::Time> timer = patient_.deliver().at;
    pass(1);
    publish(make_plan("c"));
    const std::optional<Clock::Time> then = patient_.deliver().at;
    ASSERT_EQ(then, live_at + std::chrono::milliseconds(2));
    ASSERT_TRUE(timer);
    EXPECT_LE(*timer, *then);
}

// Time goes on a little whenever somebody looks.
class TickingClock final : public Clock {
 public:
    Time now() const override { return at += step; }
    WallTime wall_now() const override { return {}; }

    mutable Time at = Time(std::chrono::hours(1));
    Time::duration step{0};
};

TEST_F(HubTest, WhatIsLeftWaitingHasATimeHoweverLateATurnLooks) {
    TickingClock clock;
    Hub hub(reactor_, clock, log_, reader_, {.all = std::chrono::milliseconds(50)});
    publish(make_plan("a"));
    hub.deliver();  // the first after a silence
    const Clock::Time window_end = clock.at + std::chrono::milliseconds(50);
    clock.step = std::chrono::microseconds(1);  // between two looks
    for (int before_end_ns = 2'500; before_end_ns > -2'500; before_end_ns -= 500) {
        SCOPED_TRACE(before_end_ns);
        publish(make_plan("b" + std::to_string(before_end_ns)));
        clock.at = window_end - std::chrono::nanoseconds(before_end_ns);
        const Hub::Next next = hub.deliver();
        if (reader_.is_at_end()) return;  // it was late enough
        EXPECT_TRUE(next.more != Hub::More::kNo || next.at)
            << "nothing would wake the reactor for it";
    }
    FAIL() << "it waited past the end of its window";
}

TEST_F(HubCoalesceTest, OneThatWaitsLessTakesThoseBeforeItAlong) {
    pass(100);
    publish_latest("a");
    patient_.deliver();
    publish_latest("b");
    publish(make_plan("c"));
    pass(1);
    patient_.deliver();
    EXPECT_EQ(member_.got, Strings({"a"}));
    pass(1);
    patient_.deliver();
    EXPECT_EQ(member_.got, Strings({"a", "b", "c"}));
}

TEST_F(HubCoalesceTest, SoManyThatTheyFillAWriteDoNotWait) {
    pass(100);
    publish_latest("a");
    patient_.deliver();
    for (std::size_t i = 0; i <= FanOut::kRunEntries; ++i) publish_latest("b" + std::to_string(i));
    patient_.deliver();
    EXPECT_EQ(member_.got.size(), FanOut::kRunEntries + 2);
}

TEST_F(HubCoalesceTest, WhoComesBackIsGivenWhatItMissedMeanwhile) {
    pass(100);
    publish_latest("a");
    patient_.deliver();
    publish_latest("b");
    FakeReceiver back;
    patient_.resume(add(back, {photo1_}, 0_pos), 0_pos);
    patient_.deliver();
    EXPECT_EQ(back.got, Strings({"a"}));
    pass(10);
    patient_.deliver();
    EXPECT_EQ(back.got, Strings({"a", "b"}));
}

}  // namespace
}  // namespace eventbus
