#include "admission/guest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admission/admissions.h"
#include "admission/memory_session_store.h"
#include "catalog/loader.h"
#include "log/memory_log.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "support/plain_binder.h"
#include "support/plans.h"
#include "support/position_literal.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

using Strings = std::vector<std::string>;

class NoWaker final : public Tail::Waker {
    void wake_if_asleep() override {}
};

// Everybody may watch everything, and always could; or nothing.
class AllMayWatch final : public Watches {
 public:
    explicit AllMayWatch(const Log& log) : log_(log) {}
    void ask(WatchQuestion question, Executor&, Callback<Result<WatchAnswer>> done) override {
        asked.push_back(std::move(question));
        if (is_late) return late.push_back(std::move(done));
        answer(std::move(done));
    }
    void answer_late() {
        for (auto& done : std::exchange(late, {})) answer(std::move(done));
    }

    bool may = true;
    Position right_since;
    bool is_late = false;  // answers come with answer_late()
    std::vector<Callback<Result<WatchAnswer>>> late;
    std::vector<WatchQuestion> asked;

 private:
    void answer(Callback<Result<WatchAnswer>> done) {
        if (!may) return done(Error{ErrorCode::kForbidden, "it may not"});
        done(WatchAnswer{.at = log_.frontier(), .right_since = right_since});
    }

    const Log& log_;
};

// A frame is the event's id, with an "h" if it is of a history.
class IdEncoder final : public Encoder {
    SharedFrame encode(const Entry& entry, std::uint16_t, const As& as) override {
        return std::make_shared<const Frame>(Frame{entry.event.id + (as.is_history() ? "h" : "")});
    }
};

class Client final : public Guest {
 public:
    using Guest::Guest;
    ~Client() override {
        if (is_begun()) end(false);
    }

    bool push(const SharedFrame& frame) override {
        got.push_back(frame->bytes);
        return true;
    }
    bool has_room() override { return got.size() < room; }
    void on_caught_up(std::uint64_t) override {
        if (!wants_place) return;
        place_told = show_place();
        got.push_back("place");
    }

    // The client answers a ping that was sent behind all that it got.
    void pong() {
        if (std::exchange(wants_receipt, false)) on_receipt();
    }

    Strings got;
    std::vector<Admitted::Unknown> unknown;
    Strings ended;
    int gaps = 0;
    std::optional<Position> gap_from;
    bool wants_receipt = false;
    bool wants_place = false;
    bool ends_when_told = false;
    int refreshes = 0;
    std::optional<Position> place_told;
    std::size_t room = ~std::size_t{0};

 private:
    void tell_unknown(const Admitted::Unknown& told, Position) override { unknown.push_back(told); }
    void tell_ended(std::string_view topic, const Error&) override {
        ended.emplace_back(topic);
        if (ends_when_told) end(false);
    }
    void on_refreshed() override { ++refreshes; }
    void tell_gap(Position from, Position) override {
        ++gaps;
        gap_from = std::min(gap_from.value_or(from), from);
    }
    void close_for_take_over() override { end(false); }
    void want_receipt() override { wants_receipt = true; }
};

// Whether services may consume the one type.
std::shared_ptr<const Catalog> catalog(bool gives) {
    const std::string consume = gives ? "" : ", consume: []";
    return parse_catalog("events: { photo.uploaded: { audience: [everyone]" + consume + " } }\n",
                         "catalog.yaml")
        .catalog;
}

class GuestTest : public testing::Test {
 protected:
    GuestTest() {
        log_.start();
        begin_life();
    }

    // A server's, that knows the sessions of the one before.
    void begin_life() {
        admissions_.emplace(Admissions::Context{.reactor = reactor_,
                                                .clock = clock_,
                                                .random = random_,
                                                .log = log_,
                                                .hub = hub_,
                                                .watches = watches_,
                                                .sessions = *sessions_,
                                                .post_at = [](Clock::Time, Task) {}},
                            Admissions::Settings{}, catalog(true));
    }

    Position publish(std::string id, std::string subject = "photo:1") {
        std::vector<Plan> plans{make_plan(std::move(id), std::move(subject))};
        log_.append(std::move(plans), reactor_, [](const auto&) {});
        deliver();
        return log_.frontier();
    }
    Position publish_to_ann(std::string id) {
        std::vector<Plan> plans{make_plan(std::move(id), {})};
        plans[0].audience = {{.room = Room::user("ann")}};
        log_.append(std::move(plans), reactor_, [](const auto&) {});
        deliver();
        return log_.frontier();
    }
    void deliver() {
        for (bool again = true; again;) {
            again = hub_.deliver().more != Hub::More::kNo || reactor_.waiting() > 0;
            reactor_.run_all();
        }
    }
    // Ann comes, with the last place that she saw.
    std::unique_ptr<Client> come(std::optional<Position> seen = {}, Position since = {},
                                 std::vector<Topic> topics = {}, std::string bad_since = {}) {
        Arrival arrival;
        arrival.topics = std::move(topics);
        arrival.principal = std::make_shared<const Principal>(Principal{.id = "ann"});
        arrival.pid = pid_;
        if (seen) arrival.offset = offset_text(log_, *seen);
        if (!since.is_before_first()) arrival.since = offset_text(log_, since);
        if (!bad_since.empty()) arrival.since = std::move(bad_since);
        return come_as(std::move(arrival));
    }
    std::unique_ptr<Client> come_with_offset(const char* offset) {
        return come_as({.principal = std::make_shared<const Principal>(Principal{.id = "ann"}),
                        .pid = pid_,
                        .offset = offset});
    }
    std::unique_ptr<Client> come_as(Arrival arrival) {
        std::unique_ptr<Client> client;
        admissions_->sign_in(std::move(arrival), [&](Result<Admitted> admitted) {
            ASSERT_TRUE(admitted);
            pid_ = admitted->record.pid;
            admitted->wants_place = wants_place_;
            client = std::make_unique<Client>(*admissions_, *admitted);
            client->wants_place = wants_place_;
            client->room = room_;
            client->begin(*admitted, encoder_);
        });
        reactor_.run_all();
        EXPECT_TRUE(client);
        if (client) deliver();
        return client;
    }
    // The connection breaks, and what is under way to the client with it.
    void drop(std::unique_ptr<Client>& client) {
        client.reset();
        deliver();
    }
    // The process ends: what is only in its memory is lost.
    void forget_places() {
        for (auto& [pid, stored] : disk_of_sessions_.by_pid) stored.record.place = {};
    }
    void subscribe(Client& client, Position since, const std::string& topic = "photo:1") {
        std::optional<Result<RoomChanges::Entered>> entered;
        client.enter(*parse_topic(topic), offset_text(log_, since),
                     [&](Result<RoomChanges::Entered> how) { entered = std::move(how); });
        deliver();
        ASSERT_TRUE(entered && *entered);
        EXPECT_EQ((*entered)->from, since);
    }

    FakeClock clock_;
    FakeExecutor reactor_;
    SeededRandom random_{1};
    PlainBinder binder_;
    MemoryDisk disk_;
    NoWaker waker_;
    MemoryLog log_{disk_, binder_, clock_, {}};
    LogReader reader_{{log_, reactor_, clock_, waker_}, 256};
    Hub hub_{reactor_, clock_, log_, reader_};
    AllMayWatch watches_{log_};
    MemorySessions disk_of_sessions_;
    std::optional<MemorySessionStore> sessions_{std::in_place, disk_of_sessions_, clock_,
                                                SessionIndex::Settings{}};
    IdEncoder encoder_;
    std::optional<Admissions> admissions_;
    std::string pid_;
    std::size_t room_ = ~std::size_t{0};  // of those that come
    bool wants_place_ = false;            // the same
};

TEST_F(GuestTest, WhoWantsAPlaceIsToldItThoughItMissedNothing) {
    wants_place_ = true;
    auto ann = come();
    EXPECT_EQ(ann->place_told, Position()) << "nothing was published yet";
    const Position last = publish_to_ann("a");
    drop(ann);
    publish("for nobody");
    ann = come(last);
    EXPECT_EQ(ann->got, Strings({"place"}));
    EXPECT_EQ(ann->place_told, log_.frontier());
    drop(ann);
    ann = come(log_.frontier());
    EXPECT_EQ(ann->got, Strings({"place"})) << "it has a place, from which it missed nothing";
    publish_to_ann("b");
    EXPECT_EQ(ann->got, Strings({"place", "b"}));
}

TEST_F(GuestTest, ThePlaceHidesNothingThatWasPublishedDuringTheSignIn) {
    wants_place_ = true;
    watches_.is_late = true;
    std::unique_ptr<Client> ann;
    admissions_->sign_in({.principal = std::make_shared<const Principal>(Principal{.id = "ann"}),
                          .topics = {*parse_topic("photo:1")}},
                         [&](Result<Admitted> admitted) {
                             admitted->wants_place = true;
                             ann = std::make_unique<Client>(*admissions_, *admitted);
                             ann->wants_place = true;
                             ann->begin(*admitted, encoder_);
                         });
    publish("a");
    const Position last = publish_to_ann("b");
    ASSERT_FALSE(ann);
    watches_.answer_late();
    publish("c");
    EXPECT_EQ(ann->got, Strings({"a", "b", "c", "place"}));
    EXPECT_GT(ann->place_told, last);
}

TEST_F(GuestTest, APlaceThatWasToldProvesNothingOfWhatWasSentBehindIt) {
    wants_place_ = true;
    auto ann = come();
    const Position seen = publish("a");
    subscribe(*ann, seen);
    drop(ann);
    publish("for nobody", "photo:2");
    ann = come(seen);
    const std::optional<Position> place = ann->place_told;
    ASSERT_EQ(place, log_.frontier());
    watches_.may = false;
    ann->recheck_rooms({});
    deliver();
    ASSERT_EQ(ann->ended, Strings({"photo:1"}));
    watches_.may = true;
    drop(ann);
    ann = come(place);
    EXPECT_EQ(ann->ended, Strings({"photo:1"})) << "the notice may have been lost";
}

TEST_F(GuestTest, APlaceThatWasLostIsNoLoss) {
    wants_place_ = true;
    auto ann = come();
    const Position seen = publish_to_ann("a");
    drop(ann);
    publish_to_ann("b");
    ann = come(seen);
    ASSERT_EQ(ann->got, Strings({"b", "place"}));
    drop(ann);
    ann = come(seen);
    EXPECT_EQ(ann->got, Strings({"b", "place"}));
}

// After a start, or while events wait for company, the reactor is behind the end of the log.
TEST_F(GuestTest, WhoIsNewGetsNothingFromBeforeHoweverFarTheReactorHasRead) {
    const auto append = [&](const char* id) {
        std::vector<Plan> plans{make_plan(id, "photo:1")};
        plans[0].audience = {{.room = Room::user("ann")}, {.room = Room::subject("photo:1")}};
        log_.append(std::move(plans), reactor_, [](const auto&) {});
    };
    append("old");
    auto ann = come();
    EXPECT_EQ(ann->got, Strings());
    append("of ann");
    ann->enter(*parse_topic("photo:1"), {}, [](const auto&) {});
    reactor_.run_all();
    publish("later");
    EXPECT_EQ(ann->got, Strings({"of ann", "later"}));
    drop(ann);
    ann = come();
    EXPECT_EQ(ann->got, Strings({"of ann", "later"})) << "as it saw nothing of it";
}

TEST_F(GuestTest, AHistoryThatWasLostInTransitComesAgain) {
    const Position start = publish("a");
    publish("b");
    auto ann = come();
    const Position seen = publish_to_ann("c");
    subscribe(*ann, start);
    ASSERT_EQ(ann->got, Strings({"c", "bh"}));
    for (int i = 0; i < 3; ++i) {  // however often it is lost
        SCOPED_TRACE(i);
        drop(ann);
        ann = come(seen);
        EXPECT_EQ(ann->got, Strings({"bh"}));
    }
}

TEST_F(GuestTest, AHistoryBehindWhichTheClientSawAnEventDoesNotComeAgain) {
    const Position start = publish("a");
    publish("b");
    auto ann = come();
    subscribe(*ann, start);
    Position seen = publish_to_ann("c");
    ASSERT_EQ(ann->got, Strings({"bh", "c"}));
    for (int i = 0; i < 2; ++i) {
        drop(ann);
        ann = come(seen);
        EXPECT_EQ(ann->got, Strings());
    }
    // Nor if the offset is lost that proved it.
    drop(ann);
    ann = come();
    EXPECT_EQ(ann->got, Strings({"c"}));
}

TEST_F(GuestTest, AHistoryBehindWhichTheClientAnsweredAPingDoesNotComeAgain) {
    const Position start = publish("a");
    publish("b");
    auto ann = come();
    EXPECT_FALSE(ann->wants_receipt) << "nothing is to be proved";
    const Position seen = publish_to_ann("c");
    subscribe(*ann, start);
    drop(ann);
    ann = come(seen);
    ASSERT_EQ(ann->got, Strings({"bh"})) << "it dropped before";
    ann->pong();
    for (int i = 0; i < 2; ++i) {
        SCOPED_TRACE(i);
        drop(ann);
        ann = come(seen);
        EXPECT_EQ(ann->got, Strings());
        EXPECT_FALSE(ann->wants_receipt);
    }
    publish("d");
    EXPECT_EQ(ann->got, Strings({"d"})) << "it is in the room all the same";
}

TEST_F(GuestTest, APongInTheMiddleOfAHistoryProvesNothingOfIt) {
    const Position start = publish("a");
    publish("b");
    publish("c");
    auto ann = come();
    subscribe(*ann, log_.frontier());  // which has an end to be proved
    ann->room = 1;
    subscribe(*ann, start);
    ASSERT_EQ(ann->got, Strings({"bh"}));
    ann->pong();
    drop(ann);
    ann = come();
    EXPECT_EQ(ann->got, Strings({"bh", "ch"}));
}

TEST_F(GuestTest, AReceiptDuringALeaveDoesNotPutTheRoomBack) {
    const Position start = publish("a");
    publish("b");
    auto ann = come();
    ann->enter(*parse_topic("photo:1"), offset_text(log_, start), [](const auto&) {});
    reactor_.run_all();
    bool has_left = false;
    ann->leave(*parse_topic("photo:1"), [&](const Result<>& how) { has_left = how.has_value(); });
    for (int i = 0; i < 3; ++i) hub_.deliver();
    ASSERT_EQ(ann->got, Strings({"bh"}));
    ann->pong();
    ASSERT_FALSE(has_left) << "the store has not answered yet";
    deliver();
    ASSERT_TRUE(has_left);
    drop(ann);
    ann = come();
    publish("c");
    EXPECT_EQ(ann->got, Strings());
}

TEST_F(GuestTest, AnOffsetFromBeforeTheHistoryProvesNothing) {
    const Position start = publish("a");
    publish("b");
    auto ann = come();
    const Position seen = publish_to_ann("c");
    drop(ann);
    forget_places();
    ann = come(seen);  // its session's record is older than what it has seen
    subscribe(*ann, start);
    drop(ann);
    ann = come(seen);
    EXPECT_EQ(ann->got, Strings({"bh"}));
}

TEST_F(GuestTest, ASecondHistoryOfARoomDoesNotTakeTheFirstAway) {
    const Position start = publish("a");
    publish("b");
    const Position later = publish("c");
    publish("d");
    auto ann = come();
    subscribe(*ann, start);
    subscribe(*ann, later);
    drop(ann);
    ann = come();
    EXPECT_EQ(ann->got, Strings({"bh", "ch", "dh"}));
}

TEST_F(GuestTest, AHistoryThatIsCutShortByASlowClientComesWholeAfterADrop) {
    const Position start = publish("a");
    publish("b");
    publish("c");
    auto ann = come();
    ann->room = 1;
    subscribe(*ann, start);
    ASSERT_EQ(ann->got, Strings({"bh"}));
    drop(ann);
    ann = come();
    EXPECT_EQ(ann->got, Strings({"bh", "ch"}));
}

TEST_F(GuestTest, ARoomThatWasLeftOwesNoHistory) {
    const Position start = publish("a");
    publish("b");
    auto ann = come();
    subscribe(*ann, start);
    ann->leave(*parse_topic("photo:1"), [](const Result<>&) {});
    deliver();
    drop(ann);
    ann = come();
    EXPECT_EQ(ann->got, Strings());
}

TEST_F(GuestTest, ThatAWatchHasEndedIsToldAgainUntilItArrives) {
    auto ann = come();
    subscribe(*ann, publish("a"));
    watches_.may = false;
    ann->recheck_rooms({});
    deliver();
    ASSERT_EQ(ann->ended, Strings({"photo:1"}));
    watches_.may = true;  // what was told stays true
    for (int i = 0; i < 2; ++i) {
        SCOPED_TRACE(i);
        drop(ann);
        ann = come();
        EXPECT_EQ(ann->ended, Strings({"photo:1"}));
        publish("b" + std::to_string(i));
        EXPECT_EQ(ann->got, Strings());
    }
    const Position seen = publish_to_ann("c");
    drop(ann);
    ann = come(seen);
    EXPECT_EQ(ann->ended, Strings());
    drop(ann);
    ann = come();
    EXPECT_EQ(ann->ended, Strings()) << "the session still holds it";
}

TEST_F(GuestTest, ThatAWatchHasEndedIsNotToldAgainToWhoAnsweredAPingBehindIt) {
    auto ann = come();
    subscribe(*ann, publish("a"));
    ann->pong();
    watches_.may = false;
    ann->recheck_rooms({});
    deliver();
    ASSERT_TRUE(ann->wants_receipt);
    drop(ann);
    ann = come();
    ASSERT_EQ(ann->ended, Strings({"photo:1"})) << "it dropped before";
    ann->pong();
    drop(ann);
    ann = come();
    EXPECT_EQ(ann->ended, Strings());
    EXPECT_FALSE(ann->wants_receipt);
}

TEST_F(GuestTest, WhatWasGivenBeforeATakeOverDoesNotProveWhatTheNewSocketWasTold) {
    auto ann = come();
    subscribe(*ann, publish("a"));
    ann->pong();
    const Position shown = publish_to_ann("b");
    Position seen = publish_to_ann("c");
    ASSERT_EQ(ann->got, Strings({"b", "c"}));
    watches_.may = false;
    auto late = come(shown);  // a CONNECT that she had given up
    ASSERT_FALSE(ann->is_begun());
    ASSERT_EQ(late->ended, Strings({"photo:1"}));
    drop(late);
    for (int i = 0; i < 2; ++i) {
        SCOPED_TRACE(i);
        begin_life();
        ann = come(seen);
        EXPECT_EQ(ann->ended, Strings({"photo:1"}));
        drop(ann);
    }
    ann = come(seen);
    seen = publish_to_ann("d");
    drop(ann);
    ann = come(seen);
    EXPECT_EQ(ann->ended, Strings());
}

TEST_F(GuestTest, ATopicThatIsRefusedAtAResumeIsToldAgainUntilThatArrives) {
    auto ann = come();
    subscribe(*ann, publish("a"));
    drop(ann);
    watches_.may = false;
    for (int i = 0; i < 3; ++i) {
        SCOPED_TRACE(i);
        ann = come();
        EXPECT_EQ(ann->ended, Strings({"photo:1"}));
        drop(ann);
    }
}

TEST_F(GuestTest, AWatchThatHadEndedAndWasAskedForAgainHasNotEnded) {
    auto ann = come();
    subscribe(*ann, publish("a"));
    watches_.may = false;
    ann->recheck_rooms({});
    deliver();
    watches_.may = true;
    subscribe(*ann, log_.frontier());
    drop(ann);
    ann = come();
    EXPECT_EQ(ann->ended, Strings());
    publish("b");
    EXPECT_EQ(ann->got, Strings({"b"}));
}

// What retention took while Ann was away may have been hers.
class GapTest : public GuestTest {
 protected:
    GapTest() {
        auto ann = come();
        seen_ = publish_to_ann("seen");
        drop(ann);
        publish_to_ann("lost");
        const Position lost = log_.frontier();
        for (int i = 0; i < 1'100; ++i) publish("fill" + std::to_string(i));
        log_.retain_after(lost);
    }

    Position seen_;
};

TEST_F(GapTest, IsToldAgainUntilItArrives) {
    for (int i = 0; i < 2; ++i) {
        SCOPED_TRACE(i);
        auto ann = come(seen_);
        EXPECT_EQ(ann->gaps, 1);
        drop(ann);
    }
    auto ann = come(seen_);
    const Position seen = publish_to_ann("a");
    drop(ann);
    ann = come(seen);
    EXPECT_EQ(ann->gaps, 0);
}

TEST_F(GapTest, IsNotToldAgainToWhoAnsweredAPingBehindIt) {
    auto ann = come(seen_);
    ASSERT_EQ(ann->gaps, 1);
    ann->pong();
    for (int i = 0; i < 2; ++i) {
        SCOPED_TRACE(i);
        drop(ann);
        forget_places();
        ann = come(seen_);
        EXPECT_EQ(ann->gaps, 0);
    }
    publish_to_ann("a");
    drop(ann);
    ann = come(seen_);
    EXPECT_EQ(ann->got, Strings({"a"})) << "it may have been lost on the way";
}

TEST_F(GapTest, APongProvesNothingThatOnlyAnEarlierConnectionWasGiven) {
    auto ann = come(seen_);
    publish_to_ann("a");
    drop(ann);  // and "a" is lost with it
    ann = come(seen_);
    ASSERT_EQ(ann->gaps, 1);
    ASSERT_EQ(ann->got, Strings({"a"}));
    ann->pong();  // of a ping that went between the notice and "a"
    drop(ann);
    ann = come(seen_);
    EXPECT_EQ(ann->gaps, 0);
    EXPECT_EQ(ann->got, Strings({"a"}));
}

TEST_F(GapTest, APongProvesNothingThatWasSentBehindItsPing) {
    auto ann = come(seen_);
    const bool wanted = std::exchange(ann->wants_receipt, false);
    publish_to_ann("a");
    ASSERT_TRUE(wanted);
    ann->on_receipt();
    drop(ann);
    ann = come(seen_);
    EXPECT_EQ(ann->gaps, 0);
    EXPECT_EQ(ann->got, Strings({"a"}));
}

// A page that knows nothing of the end asks for its topic at each CONNECT.
TEST_F(GuestTest, AHistoryThatWasLostInTransitComesThoughItsRoomEndedMeanwhile) {
    const Position start = publish("a");
    publish("b");
    auto ann = come();
    const Position seen = publish_to_ann("c");
    subscribe(*ann, start);
    ASSERT_EQ(ann->got, Strings({"c", "bh"}));
    watches_.may = false;
    ann->recheck_rooms({});
    deliver();
    ASSERT_EQ(ann->ended, Strings({"photo:1"}));
    watches_.may = true;
    drop(ann);
    ann = come(seen, {}, {*parse_topic("photo:1")});
    EXPECT_EQ(ann->ended, Strings());
    EXPECT_EQ(ann->got, Strings({"bh"}));
}

TEST_F(GuestTest, WhatCameWhileARoomHadEndedIsGivenToAClientThatDidNotKnowOfTheEnd) {
    auto ann = come();
    subscribe(*ann, publish("a"));
    ann->pong();
    const Position seen = publish_to_ann("b");
    watches_.may = false;
    ann->recheck_rooms({});
    deliver();
    ASSERT_EQ(ann->ended, Strings({"photo:1"}));
    publish("c");
    ASSERT_EQ(ann->got, Strings({"b"}));
    watches_.may = true;
    drop(ann);
    for (int i = 0; i < 2; ++i) {
        ann = come(seen, {}, {*parse_topic("photo:1")});
        EXPECT_EQ(ann->ended, Strings());
        EXPECT_EQ(ann->got, Strings({"ch"}));
        drop(ann);
    }
}

TEST_F(GuestTest, ATopicThatIsAskedForAgainBehindItsEndBeginsAtSince) {
    auto ann = come();
    subscribe(*ann, publish("a"));
    ann->pong();
    watches_.may = false;
    ann->recheck_rooms({});
    deliver();
    const Position seen = publish_to_ann("b");
    watches_.may = true;
    drop(ann);
    publish("c");
    ann = come(seen, seen, {*parse_topic("photo:1")});
    EXPECT_EQ(ann->got, Strings({"c"}));
    EXPECT_EQ(ann->gaps, 0);
}

TEST_F(GuestTest, WhoHearsNeitherOfAnEndNorOfTheNextSubscribeMissesNothingInBetween) {
    auto ann = come();
    subscribe(*ann, publish("a"));
    ann->pong();
    const Position seen = publish_to_ann("b");
    watches_.may = false;
    ann->recheck_rooms({});
    deliver();
    publish("c");
    watches_.may = true;
    ann->enter(*parse_topic("photo:1"), {}, [](const auto& entered) { EXPECT_TRUE(entered); });
    deliver();
    EXPECT_EQ(ann->got, Strings({"b"})) << "one that hears of both gets what comes now";
    for (int i = 0; i < 2; ++i) {
        drop(ann);
        ann = come(seen);
        EXPECT_EQ(ann->got, Strings({"ch"}));
    }
    const Position later = publish("d");
    drop(ann);
    ann = come(later);
    EXPECT_EQ(ann->got, Strings());
}

TEST_F(GuestTest, WhatWasLostBeforeAnEndOfWhichAClientDidNotHearComesAgain) {
    auto ann = come();
    subscribe(*ann, publish("a"));
    ann->pong();
    const Position seen = publish_to_ann("b");
    publish("lost");
    watches_.may = false;
    ann->recheck_rooms({});
    deliver();
    watches_.may = true;
    ann->enter(*parse_topic("photo:1"), {}, [](const auto& entered) { EXPECT_TRUE(entered); });
    deliver();
    for (int i = 0; i < 2; ++i) {
        drop(ann);
        ann = come(seen);
        EXPECT_EQ(ann->got, Strings({"lost"}));
    }
}

// Ann's right to the photo has ended and begun again, and she has subscribed anew: what ended
// before that does not take the room from her.
class InAnewTest : public GuestTest {
 protected:
    InAnewTest() {
        ann_ = come();
        subscribe(*ann_, publish("a"));
        ann_->pong();
        seen_ = publish_to_ann("b");
        watches_.may = false;
        ann_->recheck_rooms({});
        deliver();
    }
    void let_in_anew() {
        publish("hidden");
        watches_.right_since = publish("right");
        watches_.may = true;
        publish("c");
        ann_->enter(*parse_topic("photo:1"), {}, [](const auto& entered) { EXPECT_TRUE(entered); });
        deliver();
    }

    std::unique_ptr<Client> ann_;
    Position seen_;
};

TEST_F(InAnewTest, WhoMayNotKnowOfTheEndIsToldOfAGapAndStaysIn) {
    let_in_anew();
    for (int i = 0; i < 3; ++i) {
        SCOPED_TRACE(i);
        drop(ann_);
        ann_ = come(seen_);
        EXPECT_EQ(ann_->ended, Strings());
        EXPECT_EQ(ann_->gaps, 1);
        EXPECT_EQ(ann_->got, Strings({"ch"})) << "as the answer may have been lost, too";
    }
    ann_->pong();
    drop(ann_);
    ann_ = come(seen_);
    EXPECT_EQ(ann_->ended, Strings());
    EXPECT_EQ(ann_->gaps, 0);
    publish("d");
    EXPECT_EQ(ann_->got, Strings({"d"}));
}

// The session's place knew that it was out of the room then.
TEST_F(InAnewTest, WhatItIsGivenAfterAllIsNotPassedByInTheNextDrop) {
    publish_to_ann("lost");
    watches_.right_since = publish("right");
    watches_.may = true;
    const Position c = publish("c");
    publish("d");
    ann_->enter(*parse_topic("photo:1"), {}, [](const auto& entered) { EXPECT_TRUE(entered); });
    deliver();
    drop(ann_);
    room_ = 2;
    ann_ = come(seen_);
    ASSERT_EQ(ann_->got, Strings({"lost", "c"}));
    drop(ann_);
    room_ = 10;
    ann_ = come(c);
    EXPECT_EQ(ann_->got, Strings({"d"}));
}

TEST_F(InAnewTest, WhoHasShownThatItKnowsOfTheEndIsInFromTheAnswerOn) {
    const Position seen = publish_to_ann("behind the end");
    publish_to_ann("lost");
    let_in_anew();
    drop(ann_);
    publish("d");
    ann_ = come(seen);
    EXPECT_EQ(ann_->ended, Strings());
    EXPECT_EQ(ann_->gaps, 0);
    EXPECT_EQ(ann_->got, Strings({"lost", "d"}));
}

TEST_F(InAnewTest, AnEndBehindTheAnswerEndsTheWatch) {
    let_in_anew();
    drop(ann_);
    publish("d");
    watches_.right_since = publish("another right");
    ann_ = come(seen_);
    EXPECT_EQ(ann_->ended, Strings({"photo:1"}));
    EXPECT_EQ(ann_->gaps, 0);
    EXPECT_EQ(ann_->got, Strings());
}

TEST_F(InAnewTest, AnEndOfTheNextConnectionEndsTheWatch) {
    let_in_anew();
    drop(ann_);
    ann_ = come(seen_);
    ASSERT_EQ(ann_->gaps, 1);
    drop(ann_);
    publish("d");
    watches_.right_since = publish("another right");
    ann_ = come(seen_);
    EXPECT_EQ(ann_->ended, Strings({"photo:1"}));
}

TEST_F(InAnewTest, WhoHasLeftTheRoomBehindItsEndIsInFromTheNextAnswerOn) {
    ann_->leave(*parse_topic("photo:1"), [](const Result<>& left) { EXPECT_TRUE(left); });
    deliver();
    let_in_anew();
    for (int i = 0; i < 2; ++i) {
        drop(ann_);
        ann_ = come(seen_);
        EXPECT_EQ(ann_->ended, Strings());
        EXPECT_EQ(ann_->gaps, 0);
        EXPECT_EQ(ann_->got, Strings());
    }
    publish("d");
    EXPECT_EQ(ann_->got, Strings({"d"}));
}

TEST_F(InAnewTest, AGapThatWasLostIsToldWholeThoughTheRoomHasEndedSinceAndWasEnteredAnew) {
    let_in_anew();
    drop(ann_);
    ann_ = come(seen_);
    const std::optional<Position> from = ann_->gap_from;
    ASSERT_TRUE(from);
    watches_.may = false;
    ann_->recheck_rooms({});
    deliver();
    let_in_anew();
    drop(ann_);
    ann_ = come(seen_);
    EXPECT_EQ(ann_->gaps, 1);
    EXPECT_EQ(ann_->gap_from, from);
}

TEST_F(GuestTest, TheBoundOfRoomsCountsThoseOfASessionThatGoesOn) {
    auto ann = come();
    std::size_t rooms = 0;
    const auto enter = [&] {
        std::optional<ErrorCode> refused;
        ann->enter(*parse_topic("photo:" + std::to_string(++rooms)), {}, [&](const auto& entered) {
            if (!entered) refused = entered.error().code;
        });
        reactor_.run_all();
        return refused;
    };
    while (!enter()) ASSERT_LT(rooms, 1'000u);
    drop(ann);
    // A store may give its rooms in any order, and something may be owed to it.
    SessionRecord& record = disk_of_sessions_.by_pid.at(pid_).record;
    record.rooms.insert(record.rooms.begin(),
                        {.room = Room::subject("photo:0"), .ended_behind = 0_pos});
    record.received = 1_pos;
    // Nor is one ended of those that it could not leave, beyond which it entered others.
    const auto topics = [&] {
        const auto is_topic = [](const JoinedRoom& one) {
            return one.room.is_subject() && !one.ended_behind;
        };
        const auto& stored = disk_of_sessions_.by_pid.at(pid_).record.rooms;
        return static_cast<std::size_t>(std::ranges::count_if(stored, is_topic));
    };
    record.rooms.push_back({.room = Room::subject("photo:more"), .at = 1_pos});
    const std::size_t held = topics();
    ann = come({}, {}, {*parse_topic("photo:yet-another")});
    EXPECT_EQ(topics(), held);
    EXPECT_EQ(ann->ended, Strings({"photo:0", "photo:yet-another"}));
    EXPECT_EQ(enter(), ErrorCode::kTooManyRooms);
}

TEST_F(GuestTest, AHistoryThatWasAskedForTwiceIsOwedUntilItHasComeOnce) {
    const Position begin = log_.frontier();
    publish("a");
    room_ = 0;
    auto ann = come();
    for (int i = 0; i < 3; ++i) subscribe(*ann, begin);
    ann->room = room_ = 10;
    ann->drained();
    deliver();
    EXPECT_EQ(ann->got, Strings({"ah"}));
    ann->pong();
    drop(ann);
    ann = come();
    EXPECT_EQ(ann->got, Strings());
}

TEST_F(GuestTest, ThatSinceIsUnknownIsToldAgainUntilThatArrives) {
    for (const bool pongs : {true, false}) {
        SCOPED_TRACE(pongs);
        pid_.clear();
        auto ann = come({}, {}, {}, "lost.7");
        EXPECT_EQ(ann->unknown.size(), 1u);
        for (int i = 0; i < 2; ++i) {
            drop(ann);
            ann = i == 0 ? come() : come({}, {}, {}, "lost.7");
            EXPECT_EQ(ann->unknown.size(), 1u) << i;
        }
        const std::optional<Position> seen =
            pongs ? std::nullopt : std::optional(publish_to_ann("a"));
        if (pongs) ann->pong();
        for (int i = 0; i < 2; ++i) {
            drop(ann);
            ann = come(seen, {}, {}, "lost.7");
            EXPECT_EQ(ann->unknown.size(), 0u) << i;
        }
        drop(ann);
    }
}

// It was queued for the socket before, so the client shows no higher offset than the session knew.
TEST_F(GuestTest, AnEventThatWasLostAndComesAgainBehindANoticeShowsThatTheNoticeCame) {
    auto ann = come({}, {}, {}, "lost.7");
    const Position lost = publish_to_ann("a");
    drop(ann);
    ann = come();
    EXPECT_EQ(ann->unknown.size(), 1u);
    reactor_.run_all();
    drop(ann);
    ann = come(lost);
    EXPECT_EQ(ann->unknown.size(), 0u);
}

TEST_F(GuestTest, ThatAnOffsetIsUnknownIsToldAgainUntilThatArrives) {
    auto ann = come();
    drop(ann);
    for (int i = 0; i < 2; ++i) {
        ann = come_with_offset("lost.7");
        ASSERT_EQ(ann->unknown.size(), 1u) << i;
        // Which place it was is not kept: told again, it is the one that may have cost more.
        using Code = Admitted::Unknown::Code;
        EXPECT_EQ(ann->unknown[0].code, i == 0 ? Code::kOffset : Code::kSince);
        drop(ann);
    }
    ann = come_with_offset("lost.7");
    ann->pong();
    for (int i = 0; i < 2; ++i) {
        drop(ann);
        ann = come_with_offset("lost.7");
        EXPECT_EQ(ann->unknown.size(), 0u) << i;
    }
}

// Ann asks for a photo from "a" on, and may see it since "b" only.
class RightOfLateTest : public GuestTest {
 protected:
    RightOfLateTest() {
        since_ = publish("a");
        publish("missing");
        watches_.right_since = publish("b");
        publish("c");
    }
    std::unique_ptr<Client> come_for_it(std::optional<Position> seen = {}) {
        return come(seen, since_, {*parse_topic("photo:1")});
    }

    Position since_;
};

TEST_F(RightOfLateTest, ThatItBeganBehindSinceIsToldAgainUntilThatArrives) {
    for (int i = 0; i < 3; ++i) {
        SCOPED_TRACE(i);
        auto ann = i == 1 ? come() : come_for_it();
        EXPECT_EQ(ann->gaps, 1);
        EXPECT_EQ(ann->ended, Strings());
        EXPECT_EQ(ann->got, Strings({"c"}));
        drop(ann);
    }
    auto ann = come_for_it();
    ann->pong();
    drop(ann);
    ann = come_for_it();
    EXPECT_EQ(ann->gaps, 0);
    EXPECT_EQ(ann->ended, Strings());
}

TEST_F(RightOfLateTest, ThatItBeganBehindSinceIsNotToldAgainToWhoSawAnEventBehindThat) {
    auto ann = come_for_it();
    const Position seen = publish("d");
    drop(ann);
    for (int i = 0; i < 2; ++i) {
        ann = come_for_it(seen);
        EXPECT_EQ(ann->gaps, 0);
        EXPECT_EQ(ann->got, Strings());
        drop(ann);
    }
}

TEST_F(RightOfLateTest, AnInterruptionBehindTheNoticeEndsTheWatch) {
    auto ann = come_for_it();
    drop(ann);
    watches_.right_since = publish("d");
    publish("e");
    ann = come_for_it();
    EXPECT_EQ(ann->ended, Strings({"photo:1"}));
}

TEST_F(RightOfLateTest, AHistoryThatIsAskedForBehindTheNoticeKeepsIt) {
    auto ann = come();
    const Position seen = publish_to_ann("mine");
    drop(ann);
    // A topic that is new to the session: its history and the notice are both under way.
    ann = come_for_it(seen);
    EXPECT_EQ(ann->gaps, 1);
    EXPECT_EQ(ann->got, Strings({"ch"}));
    subscribe(*ann, watches_.right_since);
    for (int i = 0; i < 2; ++i) {
        drop(ann);
        ann = come(seen);
        EXPECT_EQ(ann->gaps, 1);
        EXPECT_EQ(ann->got, Strings({"ch"}));
    }
    ann->pong();
    drop(ann);
    ann = come(seen);
    EXPECT_EQ(ann->gaps, 0);
    EXPECT_EQ(ann->got, Strings());
}

TEST_F(GuestTest, AHistoryThatEndsDuringALeaveDoesNotPutTheRoomBack) {
    const Position start = publish("a");
    publish("b");
    auto ann = come();
    const Topic topic = *parse_topic("photo:1");
    ann->enter(topic, offset_text(log_, start), [](const Result<RoomChanges::Entered>&) {});
    reactor_.run_all();  // it is in, and its history waits for a turn
    bool has_left = false;
    ann->leave(topic, [&](const Result<>& left) { has_left = left.has_value(); });
    hub_.deliver();  // before the leave is known to be written
    ASSERT_EQ(ann->got, Strings({"bh"}));
    deliver();
    ASSERT_TRUE(has_left);
    const SessionRecord& record = disk_of_sessions_.by_pid.at(pid_).record;
    EXPECT_TRUE(std::ranges::none_of(record.rooms, [](const JoinedRoom& joined) {
        return joined.room == Room::subject("photo:1");
    }));
}

TEST_F(GuestTest, WhatAHistoryHasNotComeToAndTheRightThatIsLeftDoesNotCoverIsToldAsAGap) {
    const Position since = publish("a");
    for (const char* id : {"b", "c", "d"}) publish(id);
    for (const bool is_covered : {true, false}) {
        SCOPED_TRACE(is_covered);
        auto ann = come();
        watches_.right_since = {};
        ann->room = 1;
        subscribe(*ann, since);
        EXPECT_EQ(ann->got, Strings({"bh"}));
        watches_.right_since = since + (is_covered ? 1 : 2);
        admissions_->set_catalog(catalog(true), {});
        deliver();
        ann->room = 10;
        ann->drained();
        deliver();
        EXPECT_EQ(ann->got, is_covered ? Strings({"bh", "ch", "dh"}) : Strings({"bh", "dh"}));
        EXPECT_EQ(ann->gaps, is_covered ? 0 : 1);
        EXPECT_EQ(ann->ended, Strings());
        ann->end(true);
        pid_.clear();
    }
}

TEST_F(GuestTest, AReloadTakesARoomFromThoseThatAreOnTheirWayInToo) {
    const Topic all = *parse_topic("photo.*");
    for (const bool signs_in : {true, false}) {
        SCOPED_TRACE(signs_in ? "a sign-in" : "a subscribe");
        admissions_->set_catalog(catalog(true), {});
        Arrival arrival;
        arrival.principal = std::make_shared<const Principal>(
            Principal{.kind = Principal::Kind::kService, .id = "auditor"});
        if (signs_in) arrival.topics = {all};
        std::unique_ptr<Client> client;
        admissions_->sign_in(std::move(arrival), [&](Result<Admitted> admitted) {
            client = std::make_unique<Client>(*admissions_, *admitted);
            client->begin(*admitted, encoder_);
        });
        if (!signs_in) {
            reactor_.run_all();
            client->enter(all, {}, [](const Result<RoomChanges::Entered>&) {});
        }
        admissions_->set_catalog(catalog(false), {});
        deliver();
        ASSERT_TRUE(client);
        EXPECT_EQ(client->ended, Strings({"photo.*"}));
    }
}

// What is published once a reload is done goes to nobody by a right of the catalog before.
TEST_F(GuestTest, AReloadIsDoneOnceNobodyIsInARoomByAnOlderCatalog) {
    const Topic photo = *parse_topic("photo:1");
    enum class Who : std::uint8_t { kIsIn, kSubscribes, kSignsIn, kGoes };
    for (const Who who : {Who::kIsIn, Who::kSubscribes, Who::kSignsIn, Who::kGoes}) {
        for (const int reloads : {1, 2, 3}) {
            SCOPED_TRACE(testing::Message() << static_cast<int>(who) << ", reloads: " << reloads);
            watches_.may = true;
            watches_.is_late = who == Who::kSignsIn;
            std::unique_ptr<Client> ann;
            Arrival arrival;
            arrival.principal = std::make_shared<const Principal>(Principal{.id = "ann"});
            if (who != Who::kSubscribes) arrival.topics = {photo};
            admissions_->sign_in(std::move(arrival), [&](Result<Admitted> admitted) {
                ann = std::make_unique<Client>(*admissions_, *admitted);
                ann->begin(*admitted, encoder_);
            });
            deliver();
            ASSERT_EQ(ann == nullptr, who == Who::kSignsIn);
            watches_.is_late = true;
            if (who == Who::kSubscribes) {
                ann->enter(photo, {}, [](const Result<RoomChanges::Entered>&) {});
            }

            int done = 0;
            for (int i = 0; i < reloads; ++i) {
                admissions_->set_catalog(catalog(true), when_done([&] { ++done; }));
                if (reloads == 3) deliver();  // else the second comes before anybody is asked
            }
            deliver();
            EXPECT_EQ(done, 0) << "nothing is known yet";
            // The answer to what was asked by the catalog before.
            if (who == Who::kSubscribes || who == Who::kSignsIn) {
                watches_.answer_late();
                deliver();
                ASSERT_NE(ann, nullptr);
                EXPECT_EQ(done, 0) << "it is in the room by that";
            }
            watches_.may = false;
            if (who == Who::kGoes) ann.reset();
            EXPECT_EQ(done, who == Who::kGoes ? reloads : 0);
            while (!watches_.late.empty()) {
                watches_.answer_late();
                deliver();
            }
            EXPECT_EQ(done, reloads);
            publish("after");
            if (ann) {
                EXPECT_EQ(ann->ended, Strings{"photo:1"});
                EXPECT_EQ(ann->got, Strings{});
            }
        }
    }
}

TEST_F(GuestTest, WhatAServiceMayConsumeIsFoundOutAnewByTheCatalogOfAReload) {
    Arrival arrival;
    arrival.principal = std::make_shared<const Principal>(
        Principal{.kind = Principal::Kind::kService, .id = "auditor"});
    arrival.topics = {*parse_topic("photo:1"), *parse_topic("photo:2")};
    std::unique_ptr<Client> client;
    admissions_->sign_in(std::move(arrival), [&](Result<Admitted> admitted) {
        client = std::make_unique<Client>(*admissions_, *admitted);
        client->begin(*admitted, encoder_);
    });
    deliver();
    ASSERT_TRUE(client);
    client->enter(*parse_topic("photo:3"), {}, [](const Result<RoomChanges::Entered>&) {});
    for (const bool gives : {false, true}) {
        admissions_->set_catalog(catalog(gives), {});
        deliver();
    }
    std::string may_consume_all;
    for (const WatchQuestion& question : watches_.asked) {
        may_consume_all += question.may_consume_all ? 'y' : 'n';
    }
    EXPECT_EQ(may_consume_all, "yyynnnyyy");
}

TEST_F(GuestTest, AReloadWithNobodyThereIsDoneAtOnce) {
    int done = 0;
    admissions_->set_catalog(catalog(true), when_done([&] { ++done; }));
    EXPECT_EQ(done, 1);
}

// Its place is written as soon as it is in; were it another's than what it has been given, a kill
// would lose what lies between.
TEST_F(GuestTest, ThePlaceOfTheFirstToComeBackIsWrittenAsItIs) {
    auto ann = come();
    const Position seen = publish_to_ann("a");
    drop(ann);
    publish_to_ann("b");
    begin_life();
    room_ = 0;
    ann = come(seen);
    EXPECT_EQ(disk_of_sessions_.by_pid.at(pid_).record.place.clear, seen);
}

// ---- another token ------------------------------------------------------------------------------

class RefreshTest : public GuestTest {
 protected:
    static SharedPrincipal ann(Strings roles) {
        return std::make_shared<const Principal>(Principal{.id = "ann", .roles = std::move(roles)});
    }
    std::unique_ptr<Client> come_with(const Strings& roles, std::optional<Position> seen = {}) {
        Arrival arrival{.principal = ann(roles), .pid = pid_};
        if (seen) arrival.offset = offset_text(log_, *seen);
        return come_as(std::move(arrival));
    }
    Position publish_to(const std::string& role, std::string id) {
        std::vector<Plan> plans{make_plan(std::move(id), {})};
        plans[0].audience = {{.room = Room::role(role)}};
        log_.append(std::move(plans), reactor_, [](const auto&) {});
        deliver();
        return log_.frontier();
    }
    void begin_refresh(Client& client, Strings roles) {
        answer_.reset();
        client.refresh(ann(std::move(roles)), [this](Result<> how) { answer_ = std::move(how); });
    }
    void refresh(Client& client, Strings roles) {
        begin_refresh(client, std::move(roles));
        deliver();
        ASSERT_TRUE(answer_ && *answer_);
    }
    Strings rooms_of_session() const {
        Strings keys;
        for (const JoinedRoom& joined : disk_of_sessions_.by_pid.find(pid_)->second.record.rooms) {
            if (!joined.ended_behind) keys.push_back(joined.room.key());
        }
        std::sort(keys.begin(), keys.end());
        return keys;
    }

    std::optional<Result<>> answer_;
};

TEST_F(RefreshTest, RoomsOfRolesAreThoseOfTheNewTokenFromNowOn) {
    auto client = come_with({"old", "both"});
    publish_to("new", "a");
    publish_to("old", "b");

    refresh(*client, {"both", "new", "new"});

    EXPECT_EQ(client->ended, Strings({"role:old"}));
    EXPECT_EQ(client->refreshes, 1);
    EXPECT_EQ(client->principal().roles, Strings({"both", "new", "new"}));
    for (const char* role : {"new", "old", "both"}) publish_to(role, role);
    EXPECT_EQ(client->got, Strings({"b", "new", "both"}));
    EXPECT_EQ(rooms_of_session(), Strings({"e", "r:both", "r:new", "u:ann"}));
}

TEST_F(RefreshTest, TheSessionIsTheNewTokens) {
    auto client = come_with({"old"});
    const Position seen = publish_to("old", "a");
    refresh(*client, {"new"});
    publish_to("new", "b");
    publish_to("old", "c");
    disk_of_sessions_.by_pid.find(pid_)->second.record.place = {};  // as after a kill
    drop(client);
    publish_to("new", "d");

    client = come_with({"new"}, seen);
    EXPECT_EQ(client->got, Strings({"b", "d"}));
    const Position last = log_.frontier();
    drop(client);
    publish_to("old", "e");
    client = come_with({"old"}, last);
    EXPECT_EQ(client->got, Strings()) << "it has the role since now";
}

TEST_F(RefreshTest, EveryOtherRoomIsAskedForByTheNewTokenBeforeTheAnswer) {
    auto client = come_with({"friend"});
    subscribe(*client, publish("a"));
    watches_.asked.clear();
    watches_.is_late = true;
    watches_.may = false;

    begin_refresh(*client, {"stranger"});
    deliver();

    EXPECT_FALSE(answer_);
    ASSERT_EQ(watches_.asked.size(), 1U);
    EXPECT_EQ(watches_.asked[0].roles, Strings({"stranger"}));
    watches_.answer_late();
    EXPECT_EQ(client->ended, Strings({"role:friend", "photo:1"}));
    deliver();
    EXPECT_TRUE(answer_ && *answer_);
    publish("b");
    EXPECT_EQ(client->got, Strings());
    EXPECT_EQ(rooms_of_session(), Strings({"e", "r:stranger", "u:ann"}));
}

TEST_F(RefreshTest, ASubscribeThatWasAskedByTheOldTokenIsAskedAgain) {
    auto client = come_with({"friend"});
    watches_.is_late = true;
    client->enter(*parse_topic("photo:1"), {}, [](const Result<RoomChanges::Entered>&) {});
    begin_refresh(*client, {});
    deliver();
    watches_.answer_late();  // of the old token
    watches_.may = false;
    deliver();
    EXPECT_FALSE(answer_);
    watches_.answer_late();
    deliver();
    EXPECT_TRUE(answer_ && *answer_);
    EXPECT_EQ(client->ended, Strings({"role:friend", "photo:1"}));
}

TEST_F(RefreshTest, WhatASessionCannotHoldIsRefusedAndChangesNothing) {
    auto client = come_with({"old"});
    disk_of_sessions_.is_full = true;

    begin_refresh(*client, {"new"});
    deliver();

    ASSERT_TRUE(answer_);
    ASSERT_FALSE(*answer_);
    EXPECT_EQ(answer_->error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(client->refreshes, 0);
    EXPECT_EQ(client->principal().roles, Strings({"old"}));
    EXPECT_EQ(client->ended, Strings());
    publish_to("new", "a");
    publish_to("old", "b");
    EXPECT_EQ(client->got, Strings({"b"}));
    refresh(*client, {"old"});  // with nothing to write
}

TEST_F(RefreshTest, ItWorksWithoutASession) {
    std::unique_ptr<Client> client;
    admissions_->sign_in({.principal = ann({"old"}), .wants_session = false},
                         [&](Result<Admitted> admitted) {
                             client = std::make_unique<Client>(*admissions_, *admitted);
                             client->begin(*admitted, encoder_);
                         });
    deliver();
    refresh(*client, {"new"});
    for (const char* role : {"new", "old"}) publish_to(role, role);
    EXPECT_EQ(client->got, Strings({"new"}));
}

TEST_F(RefreshTest, OfASessionThatWasTakenOverNothingChanges) {
    auto client = come_with({"old"});
    Client& before = *client;
    std::unique_ptr<Client> next;
    admissions_->sign_in({.principal = ann({"old"}), .pid = pid_}, [&](Result<Admitted> admitted) {
        next = std::make_unique<Client>(*admissions_, *admitted);
        next->begin(*admitted, encoder_);
    });
    begin_refresh(before, {"new"});  // the claim is before it in the line
    deliver();
    EXPECT_FALSE(answer_);
    EXPECT_FALSE(before.is_begun());
    ASSERT_TRUE(next && next->is_begun());
    EXPECT_EQ(rooms_of_session(), Strings({"e", "r:old", "u:ann"}));
}

TEST_F(RefreshTest, WhoGoesMeanwhileIsNotAnswered) {
    for (const bool has_applied : {false, true}) {
        SCOPED_TRACE(has_applied);
        pid_.clear();
        auto client = come_with({"old"});
        subscribe(*client, publish("a" + std::to_string(has_applied)));
        watches_.is_late = true;
        begin_refresh(*client, {});
        if (has_applied) deliver();
        drop(client);
        watches_.answer_late();
        watches_.is_late = false;
        deliver();
        EXPECT_FALSE(answer_);
    }
    pid_.clear();
    auto client = come_with({"one", "two"});
    client->ends_when_told = true;
    begin_refresh(*client, {});
    deliver();
    EXPECT_EQ(client->ended.size(), 1U);
    EXPECT_FALSE(answer_);
}

TEST_F(RefreshTest, ItIsInNoRoomOfTheOldTokenWhileItCatchesUp) {
    auto client = come_with({"old"});
    const Position seen = publish_to("old", "a");
    drop(client);
    for (int i = 0; i < 4; ++i) publish_to(i % 2 == 0 ? "old" : "both", std::to_string(i));
    room_ = 1;
    client = come_with({"old", "both"}, seen);
    ASSERT_EQ(client->got, Strings({"0"}));

    refresh(*client, {"both"});

    client->room = ~std::size_t{0};
    client->drained();
    deliver();
    EXPECT_EQ(client->got, Strings({"0"})) << "its role of before began with this sign-in";
    publish_to("both", "4");
    EXPECT_EQ(client->got, Strings({"0", "4"}));
}

TEST_F(RefreshTest, TheBoundOfRoomsCountsThoseOfTheNewToken) {
    auto client = come_with({});
    Strings roles;
    for (int i = 0; i < 64; ++i) roles.push_back("r" + std::to_string(i));
    refresh(*client, roles);
    const auto enter_many = [&](int from, int count) {
        int entered = 0;
        for (int i = from; i < from + count; ++i) {
            client->enter(*parse_topic("photo:" + std::to_string(i)), {},
                          [&](const Result<RoomChanges::Entered>& how) { entered += how ? 1 : 0; });
        }
        deliver();
        return entered;
    };
    EXPECT_EQ(enter_many(0, 256), 256 - 2 - 64);
    refresh(*client, {"r1"});
    EXPECT_EQ(enter_many(256, 256), 63);
    refresh(*client, roles);
    EXPECT_EQ(enter_many(512, 1), 0) << "and those that it is in stay";
    EXPECT_EQ(client->ended.size(), 63U) << "rooms of roles";
}

}  // namespace
}  // namespace eventbus
