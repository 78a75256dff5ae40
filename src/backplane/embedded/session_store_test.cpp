#include "backplane/embedded/session_store.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backplane/embedded/session_codec.h"
#include "log/bytes.h"
#include "support/damaged_files.h"
#include "support/fake_clock.h"
#include "support/faulty_disk.h"
#include "support/folder.h"
#include "support/killed_life.h"
#include "support/loop.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

using std::chrono::hours;

constexpr auto kTtl = hours(1);

// A reactor with the sockets of the tests.
class Owner final : public SessionOwner {
 public:
    explicit Owner(Loop& loop) : loop_(loop) {}
    Executor& executor() override { return loop_; }
    void on_taken_over(std::string_view, Claim) override {}

 private:
    Loop& loop_;
};

SessionRecord record(std::string pid) {
    return {.pid = std::move(pid),
            .principal = "user:ann",
            .sid = "sid",
            .epoch = "e1",
            .started_at = 7_pos,
            .place = {7_pos, 7_pos},
            .rooms = {{Room::user("ann"), 7_pos}, {Room::everyone(), 9_pos}}};
}

class EmbeddedSessionStoreTest : public testing::Test {
 protected:
    EmbeddedSessionStoreTest() { open(); }

    void open(const std::string& boot_id = "boot-1") {
        auto opened = EmbeddedSessionStore::open({.data_dir = folder_.path(),
                                                  .index = {.sessions_max = 3, .ttl = kTtl},
                                                  .waiting_bytes_max = kWaitingBytesMax,
                                                  .boot_id = boot_id,
                                                  .env = disk_.env(),
                                                  .retry_after = std::chrono::milliseconds(0)},
                                                 clock_, life());
        ASSERT_TRUE(opened.has_value()) << opened.error().detail;
        store_ = std::move(*opened);
    }

    Result<Claim> create(const std::string& pid) {
        std::optional<Result<Claim>> answer;
        store_->create(record(pid), owner_, [&](Result<Claim> made) { answer = std::move(made); });
        loop_.run_until([&] { return answer.has_value(); });
        return *answer;
    }
    // A session whose socket has gone.
    void put(const std::string& pid) {
        const Result<Claim> made = create(pid);
        ASSERT_TRUE(made.has_value());
        store_->release(pid, *made, {});
    }
    Result<std::optional<SessionStore::Claimed>> try_claim(const std::string& pid) {
        std::optional<Result<std::optional<SessionStore::Claimed>>> answer;
        store_->claim(pid, "user:ann", owner_, [&](auto found) { answer = std::move(found); });
        loop_.run_until([&] { return answer.has_value(); });
        return *answer;
    }
    std::optional<SessionStore::Claimed> claim(const std::string& pid) {
        const auto answer = try_claim(pid);
        EXPECT_TRUE(answer.has_value());
        return answer ? *answer : std::nullopt;
    }
    bool is_known(const std::string& pid) {
        const auto claimed = claim(pid);
        if (claimed) store_->release(pid, claimed->claim, {});
        return claimed.has_value();
    }
    Written change(const std::string& pid, Claim claim, SessionChange change) {
        std::optional<Written> answer;
        store_->change(pid, claim, std::move(change), owner_, [&](Written how) { answer = how; });
        loop_.run_until([&] { return answer.has_value(); });
        return *answer;
    }
    std::unique_ptr<rocksdb::DB> open_raw() {
        rocksdb::DB* opened = nullptr;
        const std::string path = (folder_.path() / "sessions").string();
        EXPECT_TRUE(rocksdb::DB::Open({}, path, &opened).ok());
        return std::unique_ptr<rocksdb::DB>(opened);
    }
    std::size_t keys_on_disk() {
        const auto db = open_raw();
        const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}));
        std::size_t count = 0;
        for (at->Seek("p"); at->Valid(); at->Next()) ++count;
        return count;
    }
    void put_raw(std::string_view key, std::string_view value) {
        const auto db = open_raw();
        ASSERT_TRUE(db->Put({}, rocksdb::Slice(key.data(), key.size()),
                            rocksdb::Slice(value.data(), value.size()))
                        .ok());
    }
    // A session of the release before, in the room photo:1. The store is closed.
    void put_whole(const std::string& pid, std::chrono::milliseconds left) {
        std::string whole(1, '\1');
        const auto expires = clock_.wall_now().time_since_epoch() + left;
        put_fixed(whole,
                  static_cast<std::uint64_t>(
                      std::chrono::duration_cast<std::chrono::milliseconds>(expires).count()));
        for (const char* text : {"user:ann", "sid"}) put_string(whole, text);
        put_number(whole, 7);
        put_number(whole, 1);
        put_string(whole, kPhoto1.key());
        put_number(whole, 9);
        const auto db = open_raw();
        ASSERT_TRUE(db->Put({}, "f", "1").ok());
        ASSERT_TRUE(db->Put({}, "s" + pid, whole).ok());
        for (const char* const later : {"c", "e"}) ASSERT_TRUE(db->Delete({}, later).ok());
    }
    // So that what is stored is read from the disk.
    void flush() { ASSERT_TRUE(store_->database().read()->Flush({}).ok()); }

    const Room kPhoto1 = Room::subject("photo:1");
    static constexpr std::size_t kWaitingBytesMax = 16'000;
    FaultyDisk disk_;
    FakeClock clock_;
    Epochs epochs_{"e1"};                      // of the log
    std::optional<std::string> last_open_in_;  // else in the newest that has ended
    bool is_epoch_stored_ = true;              // changes only while the store is closed

    EmbeddedSessionStore::Life life() const {
        const auto& past = epochs_.past();
        const std::string newest = past.empty() ? std::string() : past.back().name;
        return {.epochs = epochs_,
                .last_open_in = last_open_in_.value_or(newest),
                .is_epoch_stored = [this] { return is_epoch_stored_; }};
    }
    Loop loop_;
    Owner owner_{loop_};
    Folder folder_;
    std::unique_ptr<EmbeddedSessionStore> store_;
};

// A reactor that takes an answer when the test lets it, and holds the store's thread until then.
class HeldOwner final : public SessionOwner, public Executor {
 public:
    explicit HeldOwner(Loop& loop) : loop_(loop) {}
    Executor& executor() override { return *this; }
    void on_taken_over(std::string_view, Claim) override {}
    void post(Task task) override {
        const std::lock_guard lock(gate);
        loop_.post(std::move(task));
    }
    bool is_here() const override { return false; }

    std::mutex gate;

 private:
    Loop& loop_;
};

TEST_F(EmbeddedSessionStoreTest, WhatWaitsIsBoundedInBytesAndPastThemRefusedForTheMoment) {
    HeldOwner held(loop_);
    std::unique_lock gate(held.gate);
    std::optional<Result<Claim>> first;
    store_->create(record("a"), held, [&](Result<Claim> made) { first = std::move(made); });
    SessionChange large;
    for (int i = 0; i < 20; ++i) {
        large.put.push_back({Room::subject(std::string(100, 'x') + std::to_string(i)), 1_pos});
    }
    std::vector<Written> answers;
    std::size_t asked = 0;
    const auto ask = [&] {
        ++asked;
        store_->change("nobody's", Claim{}, large, owner_,
                       [&](Written how) { answers.push_back(how); });
    };
    while (answers.empty() && asked < 100) {
        ask();
        loop_.run_all();
    }
    EXPECT_EQ(answers, std::vector<Written>{Written::kNotNow});
    EXPECT_GE(asked, 3u);
    EXPECT_LE(asked * 20 * 100, kWaitingBytesMax + 20 * 100);
    EXPECT_LE(store_->probe().waiting_bytes.get(), kWaitingBytesMax);
    store_->release("a", Claim{}, {});  // is taken in any case

    gate.unlock();
    loop_.run_until([&] { return answers.size() == asked && first; });
    EXPECT_TRUE(first->has_value());
    // What was answered is given back soon after.
    Written later = Written::kNotNow;
    while (later == Written::kNotNow) later = change("nobody's", Claim{}, large);
    EXPECT_EQ(later, Written::kTakenOver);
}

TEST_F(EmbeddedSessionStoreTest, WhileTheDiskTakesNothingItIsToldAndWhatIsKnownIsFound) {
    put("a");
    for (const bool is_full : {true, false}) {
        SCOPED_TRACE(is_full ? "below the bound" : "a write fails");
        disk_.free_bytes = is_full ? 0 : 1ULL << 40U;
        disk_.has_no_space = true;

        EXPECT_FALSE(create("b").has_value());
        const auto known = claim("a");
        ASSERT_TRUE(known.has_value());
        EXPECT_EQ(change("a", known->claim, {.gone = {Room::everyone()}}), Written::kNotNow);
        store_->release("a", known->claim, {});
        EXPECT_FALSE(store_->database().is_writable());
        store_.reset();
        disk_.free_bytes = 0;
        open();  // as after kill -9
        const auto again = claim("a");
        ASSERT_TRUE(again.has_value());
        EXPECT_EQ(again->record.rooms.size(), 2u) << "as it is stored";
        store_->release("a", again->claim, {});
        EXPECT_FALSE(create("b").has_value());

        disk_.has_no_space = false;
        disk_.free_bytes = 1ULL << 40U;
        const std::string pid = is_full ? "c" : "d";
        put(pid);
        EXPECT_TRUE(is_known(pid));
        EXPECT_TRUE(is_known("a"));
    }
}

// The next start would take the places in it for those of another log.
TEST_F(EmbeddedSessionStoreTest,
       InAnEpochThatTheLogHasNotStoredNothingIsWrittenAndWhatIsKnownIsFound) {
    put("a");
    store_.reset();
    is_epoch_stored_ = false;
    open();
    EXPECT_FALSE(create("b").has_value());
    const auto known = claim("a");
    ASSERT_TRUE(known.has_value());
    EXPECT_EQ(change("a", known->claim, {.at = SessionChange::At{"e2", {20_pos, 20_pos}}}),
              Written::kNotNow);
    store_->release("a", known->claim, SessionChange::At{"e2", {20_pos, 20_pos}});
    store_.reset();
    is_epoch_stored_ = true;
    open();
    const auto again = claim("a");
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->record.epoch, "e1");
    put("b");
}

TEST_F(EmbeddedSessionStoreTest, AMountOfItsOwnThatIsFullIsNoticed) {
    put("a");
    disk_.mount = store_->database().path();
    store_.reset();
    open();
    EXPECT_FALSE(create("b").has_value());
    EXPECT_TRUE(claim("a").has_value());
}

TEST_F(EmbeddedSessionStoreTest, AFullDiskDoesNotMakeGoodWhatALossOfPowerMayHaveTaken) {
    put("a");
    disk_.has_no_space = true;  // so that its end is not written
    store_.reset();
    disk_.free_bytes = 0;
    open("boot-2");
    EXPECT_FALSE(is_known("a"));

    disk_.has_no_space = false;
    disk_.free_bytes = 1ULL << 40U;
    put("b");

    EXPECT_FALSE(is_known("a"));
    store_.reset();
    open("boot-2");
    EXPECT_FALSE(is_known("a"));
    EXPECT_TRUE(is_known("b"));
}

TEST_F(EmbeddedSessionStoreTest, WhereItsEndIsDamagedNoSessionIsKnown) {
    // What stands before the damage is whole, and older than what clients were answered.
    for (const bool is_full : {false, true}) {
        SCOPED_TRACE(is_full);
        put("a");
        const Result<Claim> b = create("b");
        for (int i = 0; i < 20; ++i) {
            change("b", *b, {.put = {{Room::subject(std::to_string(i)), 9_pos}}});
        }
        store_.reset();
        damage_wal(folder_.path() / "sessions", .6);
        disk_.free_bytes = is_full ? 0 : 1ULL << 40U;
        open();
        EXPECT_EQ(store_->database().probe().damages.get(), 1u);
        for (const char* pid : {"a", "b"}) EXPECT_FALSE(is_known(pid)) << pid;

        disk_.free_bytes = 1ULL << 40U;
        put("c");
        EXPECT_FALSE(is_known("a"));
        store_.reset();
        open();
        EXPECT_TRUE(is_known("c"));
        EXPECT_FALSE(is_known("a"));
    }
}

TEST_F(EmbeddedSessionStoreTest, ItIsThereAfterACleanEndThoughTheMachineWasStartedAgain) {
    put("p");
    store_.reset();
    open("boot-2");
    EXPECT_TRUE(is_known("p"));
}

TEST_F(EmbeddedSessionStoreTest, WhatHasEndedOrExpiredIsGoneFromTheDiskWithItsRooms) {
    const Result<Claim> ended = create("p");
    store_->change("p", *ended, {.put = {{Room::subject("photo:1"), 9_pos}}}, owner_, {});
    store_->end("p", *ended);
    put("q");
    EXPECT_FALSE(is_known("p"));
    clock_.advance(kTtl);
    EXPECT_FALSE(is_known("q"));
    store_.reset();
    EXPECT_EQ(keys_on_disk(), 0u);
}

TEST_F(EmbeddedSessionStoreTest, AClockThatIsWrongAtAStartEndsNoSessionOfThoseThatAreAway) {
    for (const auto jump : {hours(24 * 365), hours(-24 * 365)}) {
        SCOPED_TRACE(jump.count());
        const std::string pid = jump.count() > 0 ? "p" : "q";
        put(pid);
        store_.reset();
        clock_.set_wall(clock_.wall_now() + jump);
        open();
        clock_.advance(kTtl / 2);
        put("other");
        store_.reset();
        open();  // once more, and it is still wrong
        clock_.advance(kTtl / 4);
        store_.reset();
        clock_.set_wall(clock_.wall_now() - jump);
        open();

        EXPECT_TRUE(is_known(pid));
        EXPECT_FALSE(claim("nobody's"));  // so that the release before has been done
        clock_.advance(kTtl);
        EXPECT_FALSE(is_known(pid));
    }
}

TEST_F(EmbeddedSessionStoreTest, TheTimeThatTheServerWasOffCounts) {
    put("p");
    store_.reset();
    clock_.advance(kTtl - std::chrono::seconds(1));
    open();
    EXPECT_TRUE(is_known("p"));
    store_.reset();
    clock_.advance(kTtl);
    open();
    EXPECT_FALSE(is_known("p"));
}

TEST_F(EmbeddedSessionStoreTest, ASessionThatHasOnlyBegunIsOneKey) {
    ASSERT_TRUE(create("p"));
    store_.reset();
    EXPECT_EQ(keys_on_disk(), 1u);
}

TEST_F(EmbeddedSessionStoreTest, AChangeWritesWhatHasChangedAndNotTheRecord) {
    const Result<Claim> made = create("p");
    for (int i = 0; i < 250; ++i) {
        const Room room = Room::subject("photo:" + std::to_string(i));
        ASSERT_EQ(change("p", *made, {.put = {{room, 9_pos}}}), Written::kYes);
    }
    store_.reset();
    open();
    const auto found = claim("p");
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->record.rooms.size(), 252u);
}

TEST_F(EmbeddedSessionStoreTest, ASessionOfTheReleaseBeforeGoesOnAndIsConverted) {
    store_.reset();
    put_whole("p", std::chrono::minutes(30));
    open();

    const auto found = claim("p");

    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->record.principal, "user:ann");
    EXPECT_EQ(found->record.sid, "sid");
    EXPECT_EQ(found->record.place, (Place{7_pos, 7_pos}));
    EXPECT_EQ(found->record.rooms, (std::vector<JoinedRoom>{{kPhoto1, 9_pos}}));
    EXPECT_EQ(change("p", found->claim, {.gone = {kPhoto1}}), Written::kYes);
    store_.reset();
    open();
    const auto again = claim("p");
    ASSERT_TRUE(again.has_value());
    EXPECT_TRUE(again->record.rooms.empty());
}

TEST_F(EmbeddedSessionStoreTest, ASessionOfTheReleaseBeforeKeepsItsRoomsWhereAWriteFails) {
    const Room photo2 = Room::subject("photo:2");
    const struct {
        const char* name;
        SessionChange change;
        std::vector<JoinedRoom> rooms;
    } cases[] = {
        {"a room of people",
         {.put = {{Room::everyone(), 10_pos}}},
         {{Room::everyone(), 10_pos}, {kPhoto1, 9_pos}}},
        {"a topic", {.put = {{photo2, 10_pos}}}, {{kPhoto1, 9_pos}, {photo2, 10_pos}}},
        {"a topic that is left", {.gone = {kPhoto1}}, {}},
    };
    int count = 0;
    for (const bool is_full : {true, false}) {
        for (const auto& one : cases) {
            SCOPED_TRACE(std::string(one.name) + (is_full ? ", below the bound" : ", it fails"));
            const std::string pid = "p" + std::to_string(++count);
            store_.reset();
            put_whole(pid, kTtl);
            open();
            disk_.free_bytes = is_full ? 0 : 1ULL << 40U;
            disk_.has_no_space = !is_full;
            const auto found = claim(pid);
            ASSERT_TRUE(found.has_value());
            EXPECT_EQ(change(pid, found->claim, one.change), Written::kNotNow);

            disk_.free_bytes = 1ULL << 40U;
            disk_.has_no_space = false;

            EXPECT_EQ(change(pid, found->claim, one.change), Written::kYes);
            store_.reset();
            open();
            const auto again = claim(pid);
            ASSERT_TRUE(again.has_value());
            EXPECT_EQ(again->record.rooms, one.rooms);
        }
    }
}

TEST_F(EmbeddedSessionStoreTest, WhatIsWrittenFirstOfASessionOfTheReleaseBeforeConvertsItOnce) {
    store_.reset();
    put_whole("p", kTtl);
    put_whole("q", kTtl);
    open();
    const auto p = claim("p");
    const auto q = claim("q");
    ASSERT_TRUE(p && q);

    // In one batch.
    store_->change("p", p->claim, {.gone = {kPhoto1}}, owner_, {});
    store_->change("p", p->claim, {.put = {{Room::everyone(), 10_pos}}}, owner_, {});
    store_->release("q", q->claim, SessionChange::At{"e1", {20_pos, 21_pos}});
    EXPECT_EQ(change("p", p->claim, {.at = SessionChange::At{"e1", {8_pos, 8_pos}}}),
              Written::kYes);
    store_.reset();
    open();

    const auto changed = claim("p");
    const auto released = claim("q");
    ASSERT_TRUE(changed && released);
    EXPECT_EQ(changed->record.rooms, (std::vector<JoinedRoom>{{Room::everyone(), 10_pos}}));
    EXPECT_EQ(changed->record.place, (Place{8_pos, 8_pos}));
    EXPECT_EQ(released->record.rooms, (std::vector<JoinedRoom>{{kPhoto1, 9_pos}}));
    EXPECT_EQ(released->record.place, (Place{20_pos, 21_pos}));
}

TEST_F(EmbeddedSessionStoreTest, AClockThatIsAheadAtTheFirstStartAfterAnUpgradeEndsNoSession) {
    store_.reset();
    put_whole("older", kTtl / 2);
    put_whole("newer", kTtl);
    clock_.set_wall(clock_.wall_now() + hours(25));
    open();
    EXPECT_TRUE(is_known("newer"));

    clock_.advance(kTtl / 2);
    EXPECT_FALSE(is_known("older"));
    clock_.set_wall(clock_.wall_now() - hours(25));
    store_.reset();
    open();
    EXPECT_TRUE(is_known("newer"));
}

TEST_F(EmbeddedSessionStoreTest, AClaimOfWhatCannotBeReadNowLeavesTheSessionAsOneWithoutASocket) {
    put("p");
    flush();
    disk_.fails_reads = true;

    const auto failed = try_claim("p");

    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(store_->probe().connected.get(), 0u);
    EXPECT_EQ(store_->database().probe().damages.get(), 0u);
    disk_.fails_reads = false;
    EXPECT_TRUE(is_known("p"));
    EXPECT_FALSE(claim("nobody's"));  // so that the release before has been done
    clock_.advance(kTtl);
    EXPECT_FALSE(is_known("p"));
}

TEST_F(EmbeddedSessionStoreTest, ADamagedSessionIsUnknownAndTheDamageIsToldOnce) {
    put("p");
    put("q");
    flush();
    damage_table(folder_.path() / "sessions", 0);

    for (const char* pid : {"p", "q"}) EXPECT_FALSE(is_known(pid)) << pid;

    EXPECT_EQ(store_->database().probe().damages.get(), 1u);
    EXPECT_EQ(store_->probe().connected.get(), 0u);
    clock_.advance(kTtl);
    EXPECT_TRUE(create("r").has_value());
    EXPECT_EQ(store_->probe().sessions.get(), 1u) << "the others have expired";
}

TEST_F(EmbeddedSessionStoreTest, BytesThatAreNoSessionAreUnknown) {
    put("p");
    store_.reset();
    for (const char* key : {"sp", "pp", "rp\0e"}) {
        put_raw(std::string_view(key, key[0] == 'r' ? 4 : 2), "\7");
        open();
        EXPECT_FALSE(claim("p").has_value()) << key;
        store_.reset();
    }
}

TEST_F(EmbeddedSessionStoreTest, AStoreThatAnotherServerHasIsNotOpened) {
    const auto second = EmbeddedSessionStore::open(
        {.data_dir = folder_.path(), .boot_id = "boot-1"}, clock_, life());
    ASSERT_FALSE(second.has_value());
    EXPECT_NE(second.error().detail.find("--data DIR"), std::string::npos) << second.error().detail;
}

TEST_F(EmbeddedSessionStoreTest, AStoreOfANewerFormatIsNotOpened) {
    store_.reset();
    put_raw("f", "3");
    const auto newer = EmbeddedSessionStore::open({.data_dir = folder_.path(), .boot_id = "boot-1"},
                                                  clock_, life());
    ASSERT_FALSE(newer.has_value());
    EXPECT_NE(newer.error().detail.find("start the newer server"), std::string::npos);
}

// Creates "p", tells so, and lives on.
TEST(EmbeddedSessionStoreLife, Puts) {
    const auto folder = folder_of_life();
    if (!folder) GTEST_SKIP() << "the life of another test";
    const FakeClock clock;
    Loop loop;
    Owner owner(loop);
    const auto store = EmbeddedSessionStore::open({.data_dir = *folder, .boot_id = "boot-1"}, clock,
                                                  {.epochs = Epochs("e1"), .last_open_in = {}});
    ASSERT_TRUE(store.has_value());
    (*store)->create(record("p"), owner, [](const Result<Claim>& made) {
        if (made) say("put");
    });
    loop.run_until([] { return false; });
}

TEST_F(EmbeddedSessionStoreTest, WhatWasAnsweredSurvivesKillNine) {
    store_.reset();
    live_and_be_killed("EmbeddedSessionStoreLife.Puts", folder_.path(), 1);
    open("boot-1");
    EXPECT_TRUE(is_known("p"));
}

TEST_F(EmbeddedSessionStoreTest, AfterTheMachineWentDownWithoutACleanEndNoSessionIsKnown) {
    store_.reset();
    live_and_be_killed("EmbeddedSessionStoreLife.Puts", folder_.path(), 1);
    open("boot-2");
    EXPECT_FALSE(is_known("p"));
    put("q");
    store_.reset();
    open("boot-3");
    EXPECT_FALSE(is_known("p"));
    EXPECT_TRUE(is_known("q"));
}

TEST_F(EmbeddedSessionStoreTest, ACopyOfEarlierSessionsIsUnknownWhereTheLogHasGoneOn) {
    put("p");
    store_.reset();
    const Folder copy;
    std::filesystem::copy(folder_.path(), copy.path(), std::filesystem::copy_options::recursive);
    for (const bool is_full : {false, true}) {
        SCOPED_TRACE(is_full);
        epochs_ = Epochs("e3", {{"e1", 20_pos}, {"e2", 30_pos}});
        std::filesystem::remove_all(folder_.path() / "sessions");
        std::filesystem::copy(copy.path() / "sessions", folder_.path() / "sessions");
        disk_.free_bytes = is_full ? 0 : 1ULL << 40U;
        open();
        EXPECT_FALSE(is_known("p"));
        disk_.free_bytes = 1ULL << 40U;
        put("q");
        store_.reset();
        epochs_ = epochs_.next("e4", 40_pos);
        open();
        EXPECT_TRUE(is_known("q"));
        EXPECT_FALSE(is_known("p"));
        store_.reset();
    }
}

TEST_F(EmbeddedSessionStoreTest, SessionsAreKnownWhereTheLogHasNotGoneOnWithoutThem) {
    const std::vector<Epochs::Past> past{{"e1", 20_pos}};
    const struct {
        const char* what;
        std::vector<Epochs> starts;
    } cases[] = {
        {"a restart", {Epochs("e2", past)}},
        {"starts that failed before the log wrote", {Epochs("e2", past), Epochs("e3", past)}},
        {"a log of which only the start before last wrote",
         {Epochs("e2", past), Epochs("e3", past), Epochs("e4", past),
          Epochs("e5", {{"e1", 20_pos}, {"e4", 30_pos}})}},
        {"a log that was moved away: the sessions are compared one by one", {Epochs("f1")}},
        {"a log that was restored alone",
         {Epochs("e2", past), Epochs("e3", {{"e1", 20_pos}, {"e2", 30_pos}}), Epochs("e4", past)}},
    };
    put("p");
    for (const auto& [what, starts] : cases) {
        SCOPED_TRACE(what);
        epochs_ = Epochs("e1");
        store_.reset();
        open();
        put("p");
        for (const Epochs& epochs : starts) {
            store_.reset();
            epochs_ = epochs;
            open();
        }
        EXPECT_TRUE(is_known("p"));
    }
}

// As on a disk that was full, and in those of an earlier release.
TEST_F(EmbeddedSessionStoreTest, RunsInWhichTheStoreTookNoWritesMakeNoSessionUnknown) {
    put("p");
    for (const char* const first : {"", "e1"}) {
        SCOPED_TRACE(first);
        store_.reset();
        last_open_in_ = first;
        epochs_ = Epochs("e4", {{"e1", 20_pos}, {"e2", 30_pos}, {"e3", 40_pos}});
        open();
        EXPECT_TRUE(is_known("p"));
    }
}

TEST(SessionCodec, BytesThatAreCutOffOrLongerAreNoValue) {
    SessionRecord into;
    std::int64_t expires_ms = 0;
    const std::string who = encode_record(record("p"));
    const std::string where = encode_where({"e1", {300_pos, 301_pos}}, 5);
    const std::string room =
        encode_room({.room = Room::everyone(), .at = 300_pos, .owed_after = 400_pos});
    EXPECT_TRUE(decode_record(who, into));
    EXPECT_TRUE(decode_where(where, into, expires_ms));
    EXPECT_TRUE(
        decode_where(encode_where({"e1", {300_pos, 301_pos}, 299_pos}, 5), into, expires_ms));
    EXPECT_EQ(into.received, 299_pos);
    const JoinedRoom owed{.room = Room::everyone(), .at = 300_pos, .owed_after = 400_pos};
    EXPECT_EQ(decode_room("e", room), owed);
    JoinedRoom given = owed;
    given.given_behind = 500_pos;
    EXPECT_EQ(decode_room("e", encode_room(given)), given);
    const JoinedRoom ended{.room = Room::everyone(), .at = 300_pos, .ended_behind = 0_pos};
    EXPECT_EQ(decode_room("e", encode_room(ended)), ended);
    const JoinedRoom hidden{.room = Room::everyone(), .at = 300_pos, .hidden_after = 0_pos};
    EXPECT_EQ(decode_room("e", encode_room(hidden)), hidden);
    const JoinedRoom anew{.room = Room::everyone(),
                          .at = 300_pos,
                          .owed_after = 400_pos,
                          .given_behind = 400_pos,
                          .entered_at = 500_pos};
    EXPECT_EQ(decode_room("e", encode_room(anew)), anew);
    EXPECT_FALSE(decode_room("e", encode_room(given) + '\0'));
    EXPECT_FALSE(decode_room("e", encode_room(hidden) + '\0'));
    for (std::size_t size = 0; size < who.size(); ++size) {
        EXPECT_FALSE(decode_record(who.substr(0, size), into)) << size;
    }
    for (std::size_t size = 0; size < where.size(); ++size) {
        EXPECT_FALSE(decode_where(where.substr(0, size), into, expires_ms)) << size;
    }
    EXPECT_FALSE(decode_record(who + '\0', into));
    EXPECT_FALSE(decode_where(where + '\0', into, expires_ms));
    EXPECT_FALSE(decode_room("e", ""));
}

}  // namespace
}  // namespace eventbus
