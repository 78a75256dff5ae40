#include "backplane/embedded/session_store.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <chrono>
#include <string>

#include "backplane/embedded/session_codec.h"
#include "support/fake_clock.h"
#include "support/faulty_disk.h"
#include "support/folder.h"
#include "support/killed_life.h"
#include "support/loop.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

using std::chrono::hours;

class EmbeddedSessionStoreTest : public testing::Test {
 protected:
    EmbeddedSessionStoreTest() { open(); }

    void open(const std::string& boot_id = "boot-1") {
        auto opened = EmbeddedSessionStore::open({.data_dir = folder_.path(),
                                                  .sessions_max = 3,
                                                  .waiting_max = 10,
                                                  .boot_id = boot_id,
                                                  .retry_after = std::chrono::milliseconds(0),
                                                  .env = disk_.env()},
                                                 clock_);
        ASSERT_TRUE(opened.has_value()) << opened.error().detail;
        store_ = std::move(*opened);
    }

    SessionRecord record(std::string pid, std::chrono::system_clock::duration lives = hours(1)) {
        return {.pid = std::move(pid),
                .principal = "user:ann",
                .sid = "sid",
                .started_at = 7_pos,
                .rooms = {{Room::user("ann"), 7_pos}, {Room::everyone(), 9_pos}},
                .expires_at = clock_.wall_now() + lives};
    }

    void put(SessionRecord record) {
        bool done = false;
        store_->put(std::move(record), loop_, [&](const Result<>& written) {
            EXPECT_TRUE(written.has_value());
            done = true;
        });
        loop_.run_until([&] { return done; });
    }

    std::optional<SessionRecord> find(const std::string& pid) {
        std::optional<Result<std::optional<SessionRecord>>> answer;
        store_->find(pid, loop_, [&](auto found) { answer = std::move(found); });
        loop_.run_until([&] { return answer.has_value(); });
        EXPECT_TRUE(answer->has_value());
        return **answer;
    }

    ErrorCode put_error(SessionRecord record) {
        std::optional<Result<>> answer;
        store_->put(std::move(record), loop_, [&](Result<> result) { answer = std::move(result); });
        loop_.run_until([&] { return answer.has_value(); });
        EXPECT_FALSE(answer->has_value());
        return *answer ? ErrorCode::kInternal : answer->error().code;
    }

    FaultyDisk disk_;
    FakeClock clock_;
    Loop loop_;
    Folder folder_;
    std::unique_ptr<EmbeddedSessionStore> store_;
};

TEST_F(EmbeddedSessionStoreTest, WhileTheDiskTakesNothingItIsSaidSoAndWhatIsKnownIsFound) {
    put(record("a"));
    for (const bool is_full : {true, false}) {
        SCOPED_TRACE(is_full ? "below the bound" : "a write fails");
        disk_.free_bytes = is_full ? 0 : 1ULL << 40U;
        disk_.has_no_space = true;

        EXPECT_EQ(put_error(record("b")), ErrorCode::kUnavailable);
        EXPECT_TRUE(find("a").has_value());
        EXPECT_FALSE(store_->is_writable());
        store_.reset();
        disk_.free_bytes = 0;
        open();  // as after kill -9
        EXPECT_TRUE(find("a").has_value());
        EXPECT_EQ(put_error(record("b")), ErrorCode::kUnavailable);

        disk_.has_no_space = false;
        disk_.free_bytes = 1ULL << 40U;
        put(record("c"));
        EXPECT_TRUE(find("c").has_value());
        EXPECT_TRUE(find("a").has_value());
    }
}

TEST_F(EmbeddedSessionStoreTest, AFullDiskDoesNotMakeGoodWhatALossOfPowerMayHaveTaken) {
    put(record("a"));
    disk_.has_no_space = true;  // so that its end is not written
    store_.reset();
    disk_.free_bytes = 0;
    open("boot-2");
    EXPECT_FALSE(find("a").has_value());

    disk_.has_no_space = false;
    disk_.free_bytes = 1ULL << 40U;
    put(record("b"));

    EXPECT_FALSE(find("a").has_value());
    store_.reset();
    open("boot-2");
    EXPECT_FALSE(find("a").has_value());
    EXPECT_TRUE(find("b").has_value());
}

TEST_F(EmbeddedSessionStoreTest, WhatWasPutIsFoundAsItWasUntilItIsErased) {
    put(record("p"));

    const auto found = find("p");

    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->pid, "p");
    EXPECT_EQ(found->principal, "user:ann");
    EXPECT_EQ(found->sid, "sid");
    EXPECT_EQ(found->started_at, 7_pos);
    ASSERT_EQ(found->rooms.size(), 2u);
    EXPECT_EQ(found->rooms[1].room, Room::everyone());
    EXPECT_EQ(found->rooms[1].at, 9_pos);
    EXPECT_EQ(found->expires_at, clock_.wall_now() + hours(1));
    EXPECT_FALSE(find("q").has_value());
    store_->erase("p");
    EXPECT_FALSE(find("p").has_value());
}

TEST_F(EmbeddedSessionStoreTest, ASessionEndsWhenItExpiresAndNotByItsFirstUse) {
    put(record("p"));
    clock_.advance(hours(1) - std::chrono::milliseconds(1));
    EXPECT_TRUE(find("p").has_value());
    EXPECT_TRUE(find("p").has_value());
    clock_.advance(std::chrono::milliseconds(1));
    EXPECT_FALSE(find("p").has_value());
}

TEST_F(EmbeddedSessionStoreTest, BeyondTheBoundTheOneThatExpiresFirstIsForgotten) {
    put(record("b", hours(2)));
    put(record("a", hours(1)));
    put(record("c", hours(3)));
    put(record("a", hours(4)));  // it lives on

    put(record("d", hours(5)));

    EXPECT_FALSE(find("b").has_value());
    for (const char* pid : {"a", "c", "d"}) EXPECT_TRUE(find(pid).has_value()) << pid;
}

TEST_F(EmbeddedSessionStoreTest, APidLongerThanAnyIsOfNoSession) {
    const std::string longest(kPidBytesMax, 'p');
    put(record(longest));

    EXPECT_TRUE(find(longest).has_value());
    EXPECT_FALSE(find(longest + 'p').has_value());
    store_->erase(longest + 'p');
    EXPECT_TRUE(find(longest).has_value());
}

TEST_F(EmbeddedSessionStoreTest, ItIsThereAfterACleanEndThoughTheMachineWasStartedAgain) {
    put(record("p"));
    store_.reset();
    open("boot-2");
    EXPECT_TRUE(find("p").has_value());
}

TEST_F(EmbeddedSessionStoreTest, AnExpiredOneIsGoneFromTheDiskToo) {
    put(record("p"));
    clock_.advance(hours(2));
    put(record("q"));
    store_.reset();
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(
        rocksdb::DB::OpenForReadOnly({}, (folder_.path() / "sessions").string(), &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    std::string value;
    EXPECT_TRUE(db->Get({}, "sp", &value).IsNotFound());
    EXPECT_TRUE(db->Get({}, "sq", &value).ok());
}

TEST_F(EmbeddedSessionStoreTest, AStoreThatAnotherServerHasIsNotOpened) {
    const auto second =
        EmbeddedSessionStore::open({.data_dir = folder_.path(), .boot_id = "boot-1"}, clock_);
    ASSERT_FALSE(second.has_value());
    EXPECT_NE(second.error().detail.find("--data DIR"), std::string::npos) << second.error().detail;
}

TEST_F(EmbeddedSessionStoreTest, AStoreOfANewerFormatIsNotOpened) {
    store_.reset();
    {
        rocksdb::DB* opened = nullptr;
        ASSERT_TRUE(rocksdb::DB::Open({}, (folder_.path() / "sessions").string(), &opened).ok());
        const std::unique_ptr<rocksdb::DB> db(opened);
        ASSERT_TRUE(db->Put({}, "f", "2").ok());
    }
    const auto newer =
        EmbeddedSessionStore::open({.data_dir = folder_.path(), .boot_id = "boot-1"}, clock_);
    ASSERT_FALSE(newer.has_value());
    EXPECT_NE(newer.error().detail.find("start the newer server"), std::string::npos);
}

// Puts "p", says so, and lives on.
TEST(EmbeddedSessionStoreLife, Puts) {
    const auto folder = folder_of_life();
    if (!folder) GTEST_SKIP() << "the life of another test";
    const FakeClock clock;
    Loop loop;
    const auto store =
        EmbeddedSessionStore::open({.data_dir = *folder, .boot_id = "boot-1"}, clock);
    ASSERT_TRUE(store.has_value());
    SessionRecord record{.pid = "p", .expires_at = clock.wall_now() + hours(1)};
    (*store)->put(std::move(record), loop, [](const Result<>& written) {
        if (written) say("put");
    });
    loop.run_until([] { return false; });
}

TEST_F(EmbeddedSessionStoreTest, WhatWasAnsweredSurvivesKillNine) {
    store_.reset();
    live_and_be_killed("EmbeddedSessionStoreLife.Puts", folder_.path(), 1);
    open("boot-1");
    EXPECT_TRUE(find("p").has_value());
}

TEST_F(EmbeddedSessionStoreTest, AfterTheMachineWentDownWithoutACleanEndNoSessionIsKnown) {
    store_.reset();
    live_and_be_killed("EmbeddedSessionStoreLife.Puts", folder_.path(), 1);
    open("boot-2");
    EXPECT_FALSE(find("p").has_value());
    put(record("q"));
    store_.reset();
    open("boot-3");
    EXPECT_FALSE(find("p").has_value());
    EXPECT_TRUE(find("q").has_value());
}

TEST(SessionCodec, BytesThatAreCutOffOrOfAnotherVersionAreNoSession) {
    const std::string bytes = encode_session(
        {.pid = "p", .principal = "user:ann", .sid = "s", .rooms = {{Room::everyone(), 300_pos}}});
    EXPECT_TRUE(decode_session("p", bytes).has_value());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(decode_session("p", std::string_view(bytes).substr(0, size)).has_value());
    }
    EXPECT_FALSE(decode_session("p", bytes + '\0').has_value());
    EXPECT_FALSE(decode_session("p", '\2' + bytes.substr(1)).has_value());
}

}  // namespace
}  // namespace eventbus
