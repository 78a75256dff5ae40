#include "delivery/catch_up.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "delivery/hub.h"
#include "log/memory_log.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "support/late_log.h"
#include "support/plain_binder.h"
#include "support/plans.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

class IdEncoder final : public Encoder {
 public:
    SharedFrame encode(const Entry& entry, std::uint16_t, const As& as) override {
        std::string text = entry.event.id;
        if (!as.topic().empty()) text.append(" of ").append(as.topic());
        return std::make_shared<const Frame>(Frame{std::move(text)});
    }
};

class Client final : public Receiver {
 public:
    bool push(const SharedFrame& frame) override {
        got.push_back(frame->bytes);
        if (clock != nullptr) clock->advance(CatchUp::kTurnMax / 2);
        return true;
    }
    bool has_room() override { return got.size() < room; }
    bool wants_topics() const override { return names_topics; }
    void on_caught_up(std::uint64_t missed) override { caught_up = missed; }
    void on_gap(Position, Position) override { ++gaps; }
    void on_history_given(const Room&) override { ++histories; }
    void on_evicted(std::string_view, Position) override {}

    std::vector<std::string> got;
    std::optional<std::uint64_t> caught_up;
    int gaps = 0;
    int histories = 0;
    bool names_topics = false;
    std::size_t room = ~std::size_t{0};
    FakeClock* clock = nullptr;  // if set, two frames take as long as a turn may
};

class NoWaker final : public Tail::Waker {
    void wake_if_asleep() override {}
};

// A log of which the tail's memory keeps the last 256 to 512 entries.
class CatchUpTest : public testing::Test {
 protected:
    explicit CatchUpTest(std::size_t tail_bytes_max = Tail::kBytesMax)
        : log_(disk_, binder_, clock_, {.tail_bytes_max = tail_bytes_max}) {
        log_.start();
    }

    Position publish(std::string id, const Room& room, std::string type = "photo.uploaded",
                     std::string data = {}) {
        std::vector<Plan> plans{make_plan(std::move(id), "photo:1", std::move(type))};
        if (!data.empty()) plans[0].event.data = std::move(data);
        plans[0].audience = {{.room = room}};
        log_.append(std::move(plans), reactor_, [](const auto&) {});
        return log_.frontier();
    }
    void publish_to_others(int entries) { publish_to("other", entries); }
    void publish_to(const std::string& user, int entries, const std::string& data = {}) {
        for (int i = 0; i < entries; ++i) {
            publish(user + std::to_string(++published_), Room::user(user), "photo.uploaded", data);
        }
    }
    ReceiverId resume(Client& client, const std::string& user, Position after) {
        const ReceiverId id = hub_.add(client, encoder_);
        hub_.join(id, Room::user(user), 0_pos);
        hub_.resume(id, after);
        return id;
    }
    // Publishes one event, which retention takes before anybody comes back. Returns its place.
    Position lose(const Room& room, std::string type = "photo.uploaded") {
        const Position lost = publish("lost", room, std::move(type));
        publish_to_others(1'000);
        deliver_all();
        log_.retain_after(lost);
        return lost;
    }
    // Until it asks whether what was lost was somebody's own; the answer has not come then.
    void turn_until_inquiry() {
        while (hub_.probe().inquiries.get() == 0) {
            if (late_.has_waiting()) late_.answer(0, false);
            reactor_.run_all();
            hub_.deliver();
        }
    }
    // One turn, in which at most one page comes.
    View::Next turn(bool pages_are_refused = false) {
        reactor_.run_all();
        const View::Next next = hub_.deliver();
        if (late_.has_waiting()) late_.answer(0, pages_are_refused);
        return next;
    }
    void deliver_all() {
        while (turn().more != View::More::kNo || reactor_.waiting() > 0 || late_.has_waiting()) {
        }
    }

    FakeClock clock_;
    FakeExecutor reactor_;
    PlainBinder binder_;
    MemoryDisk disk_;
    NoWaker waker_;
    MemoryLog log_;
    LateLog late_{log_};
    LogReader reader_{{late_, reactor_, clock_, waker_}, 256};
    IdEncoder encoder_;
    Hub hub_{reactor_, clock_, late_, reader_};
    int published_ = 0;
};

// One that is away for longer than a few entries finds them on the disk.
class SmallTailTest : public CatchUpTest {
 protected:
    SmallTailTest() : CatchUpTest(64 * 1024) {}
};

TEST_F(CatchUpTest, AHundredThatMissedTheSameReadEachPageOnceTogether) {
    constexpr std::size_t kEntries = 10 * Behind::kPageEntries;
    publish_to_others(kEntries);
    publish("for user 7", Room::user("user 7"));
    publish_to_others(600);
    deliver_all();
    std::array<Client, 100> clients;
    for (std::size_t i = 0; i < clients.size(); ++i) {
        resume(clients[i], "user " + std::to_string(i), 0_pos);
    }
    Client auditor;  // for whom no page can be skipped
    hub_.join(resume(auditor, "auditor", 0_pos), Room::pattern("audit.*"), 0_pos);
    deliver_all();
    for (std::size_t i = 0; i < clients.size(); ++i) {
        EXPECT_EQ(clients[i].caught_up, i == 7 ? 1u : 0u);
        EXPECT_EQ(clients[i].gaps, 0);
    }
    EXPECT_LE(hub_.probe().pages_read.get(), kEntries / Behind::kPageEntries + 2);
}

TEST_F(CatchUpTest, APageThatCannotBeReadNowIsReadAgainAfterAPauseAndIsNoGap) {
    publish("missed", Room::user("alice"));
    publish_to_others(1'000);
    deliver_all();
    Client alice;
    resume(alice, "alice", 0_pos);
    Clock::Time::duration pause{};
    for (int refusals = 0; refusals < 12; ++refusals) {
        SCOPED_TRACE(refusals);
        const std::size_t reads = late_.reads;
        while (late_.reads == reads) turn(true);
        turn();  // in which the refusal comes
        const std::optional<Clock::Time> again = turn().at;
        ASSERT_TRUE(again) << "nothing would wake the reactor for it";
        EXPECT_GE(*again - clock_.now(), pause) << "it asks faster and faster";
        pause = *again - clock_.now();
        EXPECT_LE(pause, CatchUp::kPauseMax);
        for (int i = 0; i < 10; ++i) turn();
        EXPECT_EQ(late_.reads, reads + 1) << "it asks without a pause";
        clock_.advance(pause);
    }
    EXPECT_EQ(alice.got.size(), 0u);
    deliver_all();
    EXPECT_EQ(alice.got, std::vector<std::string>({"missed"}));
    EXPECT_EQ(alice.gaps, 0);
    EXPECT_EQ(hub_.probe().pages_refused.get(), 12u);
}

TEST_F(CatchUpTest, ALittleBacklogDoesNotWaitForALargeOne) {
    publish_to("far", 30 * Behind::kPageEntries);
    const Position near = log_.frontier();
    publish_to_others(600);
    deliver_all();
    Client far, little;
    resume(far, "far", 0_pos);
    for (int i = 0; i < 4; ++i) turn();  // it is on its way
    resume(little, "little", near);
    const std::uint64_t pages = hub_.probe().pages_read.get();
    while (!little.caught_up) turn();
    EXPECT_LE(hub_.probe().pages_read.get(), pages + 5);
    EXPECT_FALSE(far.caught_up);
    deliver_all();
    EXPECT_EQ(far.caught_up, 30 * Behind::kPageEntries);
}

TEST_F(CatchUpTest, WhatGoesToNobodyThatIsBehindIsNotRead) {
    publish_to_others(30 * Behind::kPageEntries);
    deliver_all();
    std::array<Client, 100> clients;
    for (std::size_t i = 0; i < clients.size(); ++i) {
        resume(clients[i], "user " + std::to_string(i), Position(100 * i));
    }
    deliver_all();
    for (const Client& client : clients) EXPECT_EQ(client.caught_up, 0u);
    EXPECT_LE(hub_.probe().pages_read.get(), 2u);
}

TEST_F(CatchUpTest, APageThatWasReadForSomeServesNobodyThatCameSince) {
    publish("for ann", Room::user("ann"));
    publish("for ben", Room::user("ben"));
    publish("for both", Room::subject("photo:1"));
    publish_to_others(1'000);
    deliver_all();
    Client ann, ben;
    const ReceiverId of_ann = resume(ann, "ann", 0_pos);
    while (!late_.has_waiting()) {
        reactor_.run_all();
        hub_.deliver();
    }
    resume(ben, "ben", 0_pos);
    hub_.join(of_ann, Room::subject("photo:1"), 0_pos);
    deliver_all();
    EXPECT_EQ(ann.got, std::vector<std::string>({"for ann", "for both"}));
    EXPECT_EQ(ben.got, std::vector<std::string>({"for ben"}));
}

TEST_F(CatchUpTest, WhatIsOwedToOneDoesNotDelayWhatIsLiveForAnother) {
    for (int i = 0; i < 5'000; ++i) publish("owed" + std::to_string(i), Room::user("behind"));
    deliver_all();
    Client behind, live;
    hub_.join(hub_.add(live, encoder_), Room::user("live"), log_.frontier());
    resume(behind, "behind", 0_pos);
    for (int i = 0; behind.got.size() < 5'000; ++i) {
        publish("live" + std::to_string(i), Room::user("live"));
        const std::size_t before = behind.got.size();
        turn();
        EXPECT_EQ(live.got.size(), static_cast<std::size_t>(i) + 1) << "it came a turn too late";
        EXPECT_LE(behind.got.size(), before + CatchUp::kWorkPerTurn / CatchUp::kWorkOfPush + 1);
        ASSERT_LT(i, 1'000);
    }
}

// Each turn's pushes to a client are a write, which costs more than they do.
TEST_F(CatchUpTest, AHundredThatMissedMuchAreNotGivenALittleEachInEachTurn) {
    for (const bool is_in_tail : {true, false}) {
        SCOPED_TRACE(is_in_tail);
        const Position before = log_.frontier();
        publish_to("all", 200);
        if (!is_in_tail) publish_to_others(1'000);
        deliver_all();
        std::array<Client, 100> clients;
        for (Client& client : clients) resume(client, "all", before);
        std::size_t writes = 0;
        for (std::size_t given = 0; given < 100 * 200;) {
            const std::size_t given_before = std::exchange(given, 0);
            std::array<std::size_t, 100> had{};
            std::ranges::transform(clients, had.begin(), [](auto& one) { return one.got.size(); });
            turn();
            for (std::size_t i = 0; i < clients.size(); ++i) {
                writes += clients[i].got.size() > had[i] ? 1 : 0;
                given += clients[i].got.size();
            }
            EXPECT_LE(given, given_before + CatchUp::kWorkPerTurn / CatchUp::kWorkOfPush + 1);
        }
        EXPECT_LE(writes, 350u) << "a hundred in the first turn, each once more, and some in two";
        deliver_all();
        for (std::size_t i = 0; i < clients.size(); ++i) {
            EXPECT_EQ(clients[i].caught_up, 200u);
            EXPECT_TRUE(std::ranges::is_sorted(
                clients[i].got, {}, [](const std::string& id) { return std::stoi(id.substr(3)); }));
            hub_.remove(ReceiverId{static_cast<std::uint32_t>(i)});
        }
    }
}

TEST_F(CatchUpTest, WhatBecomesOfThoseThatWaitForOthersOnAPageIsObeyed) {
    const Room both = Room::subject("photo:9");
    for (int i = 0; i < 200; ++i) {
        publish("all" + std::to_string(i), Room::user("all"));
        if (i == 150) publish("both", both);
    }
    publish_to_others(1'000);
    deliver_all();
    std::array<Client, 100> clients;
    std::array<ReceiverId, 100> ids{};
    for (std::size_t i = 0; i < clients.size(); ++i) ids[i] = resume(clients[i], "all", 0_pos);
    clients[1].room = 5;
    while (clients[0].got.empty()) turn();
    turn();
    std::size_t gone = 0;
    for (std::size_t i = 2; i < clients.size(); ++i) {  // whichever of them wait
        if (clients[i].got.size() > 20) continue;
        if (i % 3 == 0) hub_.join(ids[i], both, 0_pos);
        if (i % 3 == 1) hub_.leave(ids[i], Room::user("all"));
        if (i % 3 == 2) hub_.remove(ids[i]);
        ++gone;
    }
    EXPECT_GT(gone, 50u) << "nobody waits";
    std::array<std::size_t, 100> had{};
    std::ranges::transform(clients, had.begin(), [](auto& one) { return one.got.size(); });
    clients[1].room = 1'000;
    hub_.drained(ids[1]);
    deliver_all();
    for (std::size_t i = 0; i < clients.size(); ++i) {
        SCOPED_TRACE(i);
        const bool has_waited = i > 1 && had[i] <= 20;
        const std::size_t owed = !has_waited ? 200 : i % 3 == 0 ? 201 : had[i];
        EXPECT_EQ(clients[i].got.size(), owed);
        EXPECT_EQ(clients[i].caught_up.has_value(), !has_waited || i % 3 != 2);
    }
}

TEST_F(CatchUpTest, APageIsGoneOverForAsLongAsSomebodyTakesOfIt) {
    publish_to("slow", 200);
    deliver_all();
    Client auditor, slow;
    const ReceiverId id = hub_.add(auditor, encoder_);
    for (int i = 0; i < 8'000; ++i) {  // each entry that is looked at costs an eighth of a turn
        hub_.join(id, Room::pattern("audit.x" + std::to_string(i)), log_.frontier());
    }
    slow.room = 1;
    resume(slow, "slow", 0_pos);
    int turns = 1;
    while (turn().more != View::More::kNo) ++turns;
    EXPECT_EQ(slow.got.size(), 1u);
    EXPECT_LE(turns, 3);
}

TEST_F(CatchUpTest, ATurnEndsWhenItsTimeIsUpThoughItsWorkIsSmall) {
    for (const auto& [bytes, at_once] :
         {std::pair(0, CatchUp::kEntriesPerLook), {CatchUp::kLargeEntryBytes, std::size_t{2}}}) {
        SCOPED_TRACE(bytes);
        const std::string user = "user" + std::to_string(bytes);
        const Position begin = log_.frontier();
        publish_to(user, 100, std::string(bytes, 'x'));
        publish_to_others(600);
        deliver_all();
        Client client;
        client.clock = &clock_;
        resume(client, user, begin);
        for (int turns = 0; !client.caught_up; ++turns) {
            ASSERT_LT(turns, 1'000);
            const std::size_t had = client.got.size();
            turn();
            EXPECT_LE(client.got.size() - had, at_once);
        }
        EXPECT_EQ(client.got.size(), 100u);
    }
}

TEST_F(CatchUpTest, AGapIsToldToThoseWhoseOwnEventsWereLostAndToNobodyElse) {
    std::array<Client, 100> clients;
    const auto is_one = [](std::size_t i) { return i == 7 || i == 8 || i == 60; };
    for (std::size_t i = 0; i < clients.size(); ++i) {
        const std::string user = std::to_string(i);
        if (is_one(i)) publish("lost " + user, Room::user("user " + user));
    }
    publish_to_others(1);
    const Position lost = log_.frontier();
    for (std::size_t i = 0; i < clients.size(); ++i) {
        publish("kept " + std::to_string(i), Room::user("user " + std::to_string(i)));
    }
    publish_to_others(1'000);
    deliver_all();
    log_.retain_after(lost);
    for (std::size_t i = 0; i < clients.size(); ++i) {
        resume(clients[i], "user " + std::to_string(i), 0_pos);
    }
    deliver_all();
    for (std::size_t i = 0; i < clients.size(); ++i) {
        SCOPED_TRACE(i);
        EXPECT_EQ(clients[i].gaps, is_one(i) ? 1 : 0);
        EXPECT_EQ(clients[i].got, std::vector<std::string>({"kept " + std::to_string(i)}));
        EXPECT_EQ(clients[i].caught_up, 1u);
    }
    EXPECT_LE(hub_.probe().inquiries.get(), 40u) << "they are asked about one by one";
}

TEST_F(CatchUpTest, AGapIsToldOfARoomsPastOnlyIfItHadBeenJoinedThen) {
    const Position lost = lose(Room::user("alice"));
    Client before, later;
    hub_.join(hub_.add(before, encoder_), Room::user("alice"), 0_pos);
    hub_.resume(ReceiverId{0}, 0_pos);
    hub_.join(hub_.add(later, encoder_), Room::user("alice"), lost);
    hub_.resume(ReceiverId{1}, 0_pos);
    deliver_all();
    EXPECT_EQ(before.gaps, 1);
    EXPECT_EQ(later.gaps, 0);
}

TEST_F(CatchUpTest, AGapIsToldOfTypesThatAPatternCovers) {
    lose(Room::user("nobody"), "photo.tick");
    const char* const patterns[] = {"photo.tick", "photo.*", "**", "photo.note", "job.*"};
    std::array<Client, 5> clients;
    for (std::size_t i = 0; i < clients.size(); ++i) {
        const ReceiverId id = hub_.add(clients[i], encoder_);
        hub_.join(id, Room::pattern(patterns[i]), 0_pos);
        hub_.resume(id, 0_pos);
    }
    deliver_all();
    for (std::size_t i = 0; i < clients.size(); ++i) {
        EXPECT_EQ(clients[i].gaps, i < 3 ? 1 : 0) << patterns[i];
    }
}

TEST_F(CatchUpTest, AHistoryThatIsAskedForWhileOneOfTheRoomIsUnderWayIsPartOfIt) {
    const Room room = Room::subject("photo:1");
    const Position first = publish("1", room);
    const Position second = publish("2", room);
    publish("3", room);
    publish_to_others(600);
    deliver_all();
    Client client;
    client.room = 0;
    const ReceiverId id = resume(client, "alice", log_.frontier());
    hub_.join(id, room, 0_pos);
    EXPECT_TRUE(hub_.send_history(id, room, second));
    for (const Position after : {second, first, second}) {
        turn();
        EXPECT_FALSE(hub_.send_history(id, room, after));
    }
    client.room = 10;
    hub_.drained(id);
    deliver_all();
    EXPECT_EQ(client.got, std::vector<std::string>({"2", "3"}));
    EXPECT_EQ(client.histories, 1);
    EXPECT_TRUE(hub_.send_history(id, room, second));
}

TEST_F(CatchUpTest, AnEntryOfTwoHistoriesComesInEachAndSaysOfWhichToThoseWhoWantThat) {
    const Room photo = Room::subject("photo:1");
    const Room albums = Room::pattern("album.*");
    const Room all = Room::user("all");
    publish("1", photo, "album.changed");
    publish("2", photo);
    publish("3", photo, "album.changed");
    publish_to_others(1'000);
    deliver_all();
    std::array<Client, 100> clients;
    const std::uint64_t encoded = hub_.probe().encoded.get();
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i].names_topics = i % 4 < 2;
        const ReceiverId id = hub_.add(clients[i], encoder_);
        for (const Room& room : {photo, albums, all}) hub_.join(id, room, 0_pos);
        // Half of them the other way round, so that a walk gives an entry for both at once.
        for (const bool is_photo : {i % 2 == 0, i % 2 == 1}) {
            hub_.send_history(id, is_photo ? photo : albums, 0_pos);
        }
    }
    deliver_all();
    EXPECT_EQ(hub_.probe().encoded.get() - encoded, 3u + 2u + 3u) << "clients do not share";
    for (std::size_t i = 0; i < clients.size(); ++i) {
        SCOPED_TRACE(i);
        const bool names = clients[i].names_topics;
        std::vector<std::string> of_photo{"1", "2", "3"}, of_albums{"1", "3"};
        for (std::string& id : of_photo) id += names ? " of photo:1" : "";
        for (std::string& id : of_albums) id += names ? " of album.*" : "";
        std::vector<std::string> both = i % 2 == 0 ? of_photo : of_albums;
        const std::vector<std::string>& second = i % 2 == 0 ? of_albums : of_photo;
        both.insert(both.end(), second.begin(), second.end());
        EXPECT_EQ(clients[i].got, both);
        EXPECT_EQ(clients[i].histories, 2);
    }
    const std::uint64_t before = hub_.probe().encoded.get();
    publish("live", all);
    deliver_all();
    EXPECT_EQ(hub_.probe().encoded.get() - before, 1u) << "what is in order is alike for all";
    for (const Client& client : clients) EXPECT_EQ(client.got.back(), "live");
}

TEST_F(CatchUpTest, AGapIsToldOfARoomWhoseHistoryIsAskedFor) {
    lose(Room::subject("photo:1"));
    Client one, other;
    for (Client* const client : {&one, &other}) {
        const ReceiverId id = hub_.add(*client, encoder_);
        const Room room = Room::subject(client == &one ? "photo:1" : "photo:2");
        hub_.join(id, room, log_.frontier());
        hub_.send_history(id, room, 0_pos);
    }
    deliver_all();
    EXPECT_EQ(one.gaps, 1);
    EXPECT_EQ(other.gaps, 0);
}

TEST_F(CatchUpTest, WhatIsLostWhileAClientIsSlowIsToldAsWell) {
    publish_to_others(1);
    const Position others = log_.frontier();
    for (int i = 0; i < 30; ++i) publish("mine " + std::to_string(i), Room::user("alice"));
    const Position mine = log_.frontier();
    publish("last", Room::user("alice"));
    publish_to_others(1'000);
    deliver_all();
    log_.retain_after(others);
    Client alice;
    alice.room = 1;
    const ReceiverId id = resume(alice, "alice", 0_pos);
    deliver_all();
    ASSERT_EQ(alice.gaps, 0);
    log_.retain_after(mine);
    alice.room = 100;
    hub_.drained(id);
    deliver_all();
    EXPECT_EQ(alice.gaps, 1);
    EXPECT_EQ(alice.got, std::vector<std::string>({"mine 0", "last"}));
    EXPECT_TRUE(alice.caught_up);
}

TEST_F(CatchUpTest, AnInquiryThatCannotBeAnsweredNowIsMadeAgain) {
    lose(Room::user("alice"));
    Client alice, bob;
    resume(alice, "alice", 0_pos);
    resume(bob, "bob", 0_pos);
    turn_until_inquiry();
    late_.answer(0, true);
    turn();
    turn();
    EXPECT_EQ(hub_.probe().inquiries.get(), 1u) << "it asks without a pause";
    const std::optional<Clock::Time> again = turn().at;
    ASSERT_TRUE(again) << "nothing would wake the reactor for it";
    clock_.advance(*again - clock_.now());
    deliver_all();
    EXPECT_EQ(alice.gaps, 1);
    EXPECT_EQ(bob.gaps, 0);
    EXPECT_TRUE(alice.caught_up && bob.caught_up);
}

TEST_F(CatchUpTest, AMemberMayGoOrJoinARoomWhileItIsAskedAbout) {
    lose(Room::user("alice"));
    Client gone, joins;
    const ReceiverId first = resume(gone, "alice", 0_pos);
    const ReceiverId second = resume(joins, "bob", 0_pos);
    turn_until_inquiry();
    hub_.remove(first);
    hub_.join(second, Room::user("alice"), 0_pos);
    deliver_all();
    EXPECT_EQ(gone.gaps, 0);
    EXPECT_EQ(joins.gaps, 1);
    EXPECT_TRUE(joins.caught_up);
}

TEST_F(CatchUpTest, WhoJoinsARoomWhileItIsBehindIsToldOfItsLossWhateverWasAskedBefore) {
    lose(Room::user("alice"));
    bool is_behind = true;
    for (int turns = 0; is_behind; ++turns) {
        SCOPED_TRACE(turns);
        Client alice, bob;
        const ReceiverId other = resume(alice, "alice", 0_pos);
        const ReceiverId id = resume(bob, "bob", 0_pos);
        for (int i = 0; i < turns; ++i) turn();
        is_behind = !bob.caught_up;
        if (is_behind) hub_.join(id, Room::user("alice"), 0_pos);
        deliver_all();
        EXPECT_EQ(bob.gaps, is_behind ? 1 : 0);
        EXPECT_TRUE(bob.caught_up);
        hub_.remove(id);
        hub_.remove(other);
        ASSERT_LT(turns, 100);
    }
}

TEST_F(SmallTailTest, WhoIsLiveIsToldWhatWasLostBeforeItWasRead) {
    publish("first", Room::user("alice"));
    deliver_all();
    Client alice, bob;
    for (Client* const client : {&alice, &bob}) {
        const char* const name = client == &alice ? "alice" : "bob";
        hub_.join(hub_.add(*client, encoder_), Room::user(name), log_.frontier());
    }
    publish("lost", Room::user("alice"));
    const Position lost = log_.frontier();
    publish("kept alice", Room::user("alice"));
    publish("kept bob", Room::user("bob"));
    publish_to_others(1'000);  // the reactor is away: its tail is given up
    log_.retain_after(lost);
    deliver_all();
    publish("live alice", Room::user("alice"));
    publish("live bob", Room::user("bob"));
    deliver_all();
    EXPECT_EQ(alice.gaps, 1);
    EXPECT_EQ(bob.gaps, 0);
    EXPECT_EQ(alice.got, std::vector<std::string>({"kept alice", "live alice"}));
    EXPECT_EQ(bob.got, std::vector<std::string>({"kept bob", "live bob"}));
}

}  // namespace
}  // namespace eventbus
