#include "backplane/embedded/group_store.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "groups/groups.h"
#include "groups/memory_group_store.h"
#include "support/fake_clock.h"
#include "support/faulty_disk.h"
#include "support/folder.h"
#include "support/killed_life.h"
#include "support/list_log.h"
#include "support/loop.h"
#include "support/position_literal.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace std::string_literals;

const GroupKey kKey{"thumbnails", "photo.**"};
const Epochs kLog{"e1"};

std::unique_ptr<EmbeddedGroupStore> open(const fs::path& path) {
    auto store = EmbeddedGroupStore::open({.data_dir = path});
    EXPECT_TRUE(store) << (store ? "" : store.error().detail);
    return store ? std::move(*store) : nullptr;
}

// `loop` outlives the store.
Result<> write(GroupStore& store, Loop& loop, std::vector<GroupChange> changes) {
    std::optional<Result<>> answer;
    store.write(std::make_shared<const std::vector<GroupChange>>(std::move(changes)), loop,
                [&](Result<> result) { answer = std::move(result); });
    loop.run_until([&] { return answer.has_value(); });
    return *answer;
}

GroupChange moved_to(Position cursor) { return {kKey, {.epoch = "e1", .cursor = cursor}}; }

TEST(EmbeddedGroupStore, AWriteThatTheDiskDoesNotTakeIsRefusedForNowAndTakenAgainLater) {
    const Folder folder;
    FaultyDisk disk;
    Loop loop;
    auto opened = EmbeddedGroupStore::open({.data_dir = folder.path(),
                                            .look_every = std::chrono::milliseconds(1),
                                            .retry_after = std::chrono::milliseconds(0),
                                            .env = disk.env()});
    ASSERT_TRUE(opened.has_value());
    EmbeddedGroupStore& store = **opened;
    for (const bool is_full : {true, false}) {
        SCOPED_TRACE(is_full ? "below the bound" : "a write fails");
        disk.free_bytes = is_full ? 0 : 1ULL << 40U;
        disk.has_no_space = true;
        for (int i = 0; i < 3; ++i) {
            const Result<> refused = write(store, loop, {moved_to(1_pos)});
            ASSERT_FALSE(refused);
            EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
            EXPECT_FALSE(store.database().is_writable());
        }

        disk.has_no_space = false;
        disk.free_bytes = 1ULL << 40U;
        while (!store.database().is_writable()) std::this_thread::yield();  // by itself

        EXPECT_TRUE(write(store, loop, {moved_to(2_pos)}));
        EXPECT_EQ((*store.load(kLog))[0].state.cursor, 2_pos);
    }
}

TEST(EmbeddedGroupStore, ANewGroupIsSyncedAndWhatItDoesLaterIsNot) {
    const Folder folder;
    FaultyDisk disk;
    Loop loop;
    std::uint64_t synced = 0;
    const auto syncs = [&] { return disk.syncs - std::exchange(synced, disk.syncs); };
    for (const bool is_new : {true, false}) {
        SCOPED_TRACE(is_new ? "its first life" : "after a restart");
        auto opened = EmbeddedGroupStore::open({.data_dir = folder.path(), .env = disk.env()});
        ASSERT_TRUE(opened.has_value());
        EmbeddedGroupStore& store = **opened;
        ASSERT_TRUE(store.load(kLog));
        syncs();
        EXPECT_TRUE(write(store, loop, {moved_to(1_pos)}));
        EXPECT_EQ(syncs(), is_new ? 1u : 0u);
        EXPECT_TRUE(write(store, loop, {moved_to(2_pos)}));
        EXPECT_EQ(syncs(), 0u);
    }
    auto opened = EmbeddedGroupStore::open({.data_dir = folder.path(), .env = disk.env()});
    ASSERT_TRUE((*opened)->load(kLog));
    EXPECT_TRUE(write(**opened, loop, {{.key = kKey, .has_ended = true}}));
    syncs();
    EXPECT_TRUE(write(**opened, loop, {moved_to(3_pos)})) << "another of the same name";
    EXPECT_EQ(syncs(), 1u);
}

TEST(EmbeddedGroupStore, KeepsWhatTheMemoryStoreKeeps) {
    struct Case {
        const char* name;
        std::vector<GroupChange> changes;
    };
    const GroupKey other{"thumbnails", "photo.*"};
    const GroupKey longer{"thumbnails-2", "photo.**"};
    const auto due = Clock::WallTime(std::chrono::milliseconds(1'800'000'000'123));
    const Position high(0xfedcba9876543210U);
    const auto at = [](Position cursor) {
        return StoredState{.owner = "api", .epoch = "e1", .cursor = cursor, .seen_through = cursor};
    };
    const StoredState all{.owner = std::string(64, 'o'),
                          .name_owner = std::string(64, 'n'),
                          .epoch = "e2",
                          .cursor = 4_pos,
                          .seen_through = high,
                          .unread = {7, 8},
                          .idle = std::chrono::hours(24 * 30)};
    const Case cases[] = {
        {"nothing", {}},
        {"a group", {{kKey, at(0_pos)}}},
        {"all that is known of a group", {{kKey, all}}},
        {"one whose owner is not known", {{kKey, {.epoch = "e"}}}},
        {"groups whose keys begin alike",
         {{kKey, at(3_pos), {{1_pos, 1}, {3_pos, 2}}},
          {other, at(4_pos), {{4_pos, 1}}},
          {longer, at(9_pos)}}},
        {"positions of all sizes, in order",
         {{kKey,
           at(high),
           {{256_pos, 1}, {255_pos, 1}, {high, 4294967295U, due, 1min, true}, {1_pos, 1}}}}},
        {"a later change of the same write wins",
         {{kKey, at(3_pos), {{1_pos, 1}, {2_pos, 1}}},
          {kKey, at(5_pos), {{1_pos, 2, due, 1s}}, {2_pos}}}},
        {"another epoch", {{kKey, at(3_pos), {{1_pos, 1}}}, {kKey, all, {}, {1_pos}}}},
        {"what is not there is erased", {{kKey, at(3_pos), {}, {77_pos}}}},
        {"a group that ended leaves nothing, and those next to it all",
         {{kKey, at(3_pos), {{1_pos, 1}, {high, 1}}},
          {other, at(4_pos), {{4_pos, 1}}},
          {longer, at(9_pos), {{9_pos, 1}}},
          {.key = kKey, .state = {}, .has_ended = true}}},
        {"one that ended and begins again",
         {{kKey, at(3_pos), {{1_pos, 1}}},
          {.key = kKey, .state = {}, .has_ended = true},
          {kKey, at(9_pos), {{9_pos, 1}}}}},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const Folder folder;
        Loop loop;
        MemoryGroupStore expected;
        ASSERT_TRUE(write(expected, loop, c.changes));
        {
            const auto store = open(folder.path());
            ASSERT_TRUE(store);
            EXPECT_TRUE(store->load(kLog)->empty());
            ASSERT_TRUE(write(*store, loop, c.changes));
        }
        const auto store = open(folder.path());
        ASSERT_TRUE(store);
        const auto by_key = [](const StoredGroup& a, const StoredGroup& b) {
            return a.key < b.key;
        };
        std::vector<StoredGroup> loaded = *store->load(kLog);
        std::sort(loaded.begin(), loaded.end(), by_key);
        EXPECT_EQ(loaded, *expected.load(kLog));
    }
}

TEST(EmbeddedGroupStore, ASecondServerOnTheSameDirectoryIsTold) {
    const Folder folder;
    const auto first = open(folder.path());
    const auto second = EmbeddedGroupStore::open({.data_dir = folder.path()});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(second.error().detail.find("--data DIR"), std::string::npos) << second.error().detail;
}

void put_raw(const fs::path& path, std::string_view key, std::string_view value) {
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, (path / "groups").string(), &db).ok());
    const std::unique_ptr<rocksdb::DB> owner(db);
    ASSERT_TRUE(db->Put({}, rocksdb::Slice(key.data(), key.size()),
                        rocksdb::Slice(value.data(), value.size()))
                    .ok());
}

TEST(EmbeddedGroupStore, ANewerFormatIsRefused) {
    const Folder folder;
    open(folder.path());
    put_raw(folder.path(), "format", "4");
    const auto store = EmbeddedGroupStore::open({.data_dir = folder.path()});
    ASSERT_FALSE(store);
    EXPECT_NE(store.error().detail.find("format 4"), std::string::npos) << store.error().detail;
}

TEST(EmbeddedGroupStore, GroupsOfFormat1AreRead) {
    using std::string_view_literals::operator""sv;
    const Folder folder;
    open(folder.path());
    put_raw(folder.path(), "format", "1");
    put_raw(folder.path(), "gthumbnails\0photo.**"sv,
            "\0\0\0\0\0\0\0\x09"
            "abcdefgh01234567"sv);
    const std::string flight = "fthumbnails\0photo.**\0"s + "\0\0\0\0\0\0\0"s;
    put_raw(folder.path(), flight + "\x04", "\0\0\0\x02\0\0\x01\x9a\0\0\0\0"sv);
    put_raw(folder.path(), flight + "\x05", "\0\0\0\x01\0\0\0\0\0\0\0\0"sv);

    const auto store = open(folder.path());
    const auto loaded = store->load(Epochs("abcdefgh01234567").next("e2", 9_pos));

    ASSERT_TRUE(loaded) << loaded.error().detail;
    const StoredState state{.epoch = "abcdefgh01234567", .cursor = 9_pos, .seen_through = 9_pos};
    const auto due = Clock::WallTime(std::chrono::milliseconds(0x19a00000000));
    EXPECT_EQ(*loaded,
              (std::vector<StoredGroup>{{kKey, state, {{4_pos, 2, due, 24h}, {5_pos, 1}}}}));
}

TEST(EmbeddedGroupStore, GroupsOfFormat2AreReadAndBecomeFormat3) {
    using std::string_view_literals::operator""sv;
    const Folder folder;
    Loop loop;
    open(folder.path());
    put_raw(folder.path(), "format", "2");
    put_raw(folder.path(), "gthumbnails\0photo.**"sv,
            "\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02"
            "\0\0\0\0\0\0\0\x03\x03"
            "apie1"sv);
    StoredState state{.owner = "api",
                      .epoch = "e1",
                      .cursor = 9_pos,
                      .seen_through = 10_pos,
                      .unread = {1, 2},
                      .idle = 3ms};
    for (const char* const name_owner : {"", "thumbnails"}) {
        SCOPED_TRACE(name_owner);
        state.name_owner = name_owner;
        const auto store = open(folder.path());
        const auto loaded = store->load(kLog);
        ASSERT_TRUE(loaded) << loaded.error().detail;
        EXPECT_EQ(*loaded, (std::vector<StoredGroup>{{kKey, state}}));
        state.name_owner = "thumbnails";
        ASSERT_TRUE(write(*store, loop, {{kKey, state}}));
    }
}

// ---- another branch of the log ------------------------------------------------------------------

// Positions 1 to 10, then 11 and on in the branch that is lost, and 11 and on in the one restored.
const Epochs kLost = Epochs("first").next("lost", 10_pos);
const Epochs kRestored = Epochs("first").next("restored", 10_pos);

TEST(EmbeddedGroupStore, GroupsAboveWhatBothBranchesShareAreSetBackToIt) {
    const GroupKey low{"low", "a.*"};
    const GroupKey ahead{"ahead", "a.*"};
    const Folder folder;
    Loop loop;
    {
        const auto store = open(folder.path());
        ASSERT_TRUE(store->load(kLost));
        ASSERT_TRUE(write(
            *store, loop,
            {{kKey,
              {.epoch = "lost", .cursor = 14_pos, .seen_through = 14_pos},
              {{9_pos, 2}, {12_pos, 1}}},
             {low, {.epoch = "first", .cursor = 7_pos, .seen_through = 10_pos, .unread = {2, 0}}},
             {ahead,
              {.epoch = "first", .cursor = 7_pos, .seen_through = 14_pos, .unread = {5, 1}}}}));
    }
    std::map<std::string, StoredGroup> groups;
    for (StoredGroup& group : *open(folder.path())->load(kRestored)) {
        groups.emplace(group.key.name, std::move(group));
    }
    const StoredGroup& back = groups.at("thumbnails");
    EXPECT_EQ(back.state.cursor, 10_pos);
    EXPECT_EQ(back.state.seen_through, 10_pos);
    EXPECT_EQ(back.set_back_from, 14_pos);
    EXPECT_EQ(back.in_flight, (std::vector<StoredFlight>{{9_pos, 2}}));
    EXPECT_EQ(groups.at("low").state.seen_through, 10_pos);
    EXPECT_EQ(groups.at("low").state.unread, (Backlog::Count{2, 0}));
    EXPECT_EQ(groups.at("ahead").state.cursor, 7_pos);
    EXPECT_EQ(groups.at("ahead").state.seen_through, 7_pos) << "what it saw above 10 is gone";
    EXPECT_FALSE(groups.at("ahead").set_back_from);
}

// Else the next start would take the place in the lost branch for one in this log.
TEST(EmbeddedGroupStore, ThatAGroupWasSetBackIsWrittenWithTheFirstWriteAfterIt) {
    const GroupKey other{"other", "a.*"};
    const Folder folder;
    Loop loop;
    {
        const auto store = open(folder.path());
        ASSERT_TRUE(store->load(kLost));
        ASSERT_TRUE(
            write(*store, loop, {{kKey, {.epoch = "lost", .cursor = 14_pos}, {{12_pos, 1}}}}));
    }
    for (int start = 0; start < 2; ++start) {
        SCOPED_TRACE(start);
        EXPECT_EQ(open(folder.path())->load(kRestored)->at(0).set_back_from, 14_pos)
            << "nothing was written";
    }
    {
        const auto store = open(folder.path());
        ASSERT_TRUE(store->load(kRestored));
        ASSERT_TRUE(write(*store, loop, {{other, {.epoch = "restored", .cursor = 12_pos}}}));
    }
    const auto groups = open(folder.path())->load(kRestored.next("after", 20_pos));
    ASSERT_EQ(groups->size(), 2u);
    for (const StoredGroup& group : *groups) {
        EXPECT_FALSE(group.set_back_from) << to_string(group.key);
        EXPECT_EQ(group.state.cursor, group.key == other ? 12_pos : 10_pos);
        EXPECT_TRUE(group.in_flight.empty());
    }
}

TEST(EmbeddedGroupStore, AWriteThatFailsKeepsWhatWasSetBackForTheNext) {
    const Folder folder;
    FaultyDisk disk;
    Loop loop;
    {
        const auto store = open(folder.path());
        ASSERT_TRUE(store->load(kLost));
        ASSERT_TRUE(write(*store, loop, {{kKey, {.epoch = "lost", .cursor = 14_pos}}}));
    }
    {
        auto opened = EmbeddedGroupStore::open({.data_dir = folder.path(),
                                                .look_every = std::chrono::milliseconds(1),
                                                .retry_after = std::chrono::milliseconds(0),
                                                .env = disk.env()});
        ASSERT_TRUE(opened);
        EmbeddedGroupStore& store = **opened;
        ASSERT_TRUE(store.load(kRestored));
        const GroupKey other{"other", "a.*"};
        disk.has_no_space = true;
        EXPECT_FALSE(write(store, loop, {{other, {.epoch = "first"}}}));
        disk.has_no_space = false;
        while (!store.database().is_writable()) std::this_thread::yield();
        EXPECT_TRUE(write(store, loop, {{other, {.epoch = "first"}}}));
    }
    for (const StoredGroup& group : *open(folder.path())->load(kRestored)) {
        EXPECT_FALSE(group.set_back_from) << to_string(group.key);
    }
}

TEST(EmbeddedGroupStore, BytesThatAreNoGroupAreAnErrorAndNoCrash) {
    using std::string_view_literals::operator""sv;
    struct Case {
        const char* name;
        std::string_view key;
        std::string_view value;
    };
    const Case cases[] = {
        {"epochs that are cut short", "epochs", "\x05rest"},
        {"no topic", "gname", "12345678e"},
        {"no cursor", "gname\0a.b"sv, "1234"},
        {"no epoch", "gname\0a.b"sv, "12345678"},
        {"an owner that is cut short", "gname\0a.b"sv,
         "1234567812345678123456781234567812345678\x09xy"},
        {"a short position",
         "fthumbnails\0photo.**\0"
         "1234"sv,
         "123456789012"},
        {"a short flight",
         "fthumbnails\0photo.**\0"
         "12345678"sv,
         "1234"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const Folder folder;
        Loop loop;
        ASSERT_TRUE(write(*open(folder.path()), loop, {{kKey, {.epoch = "e1", .cursor = 1_pos}}}));
        put_raw(folder.path(), c.key, c.value);
        const auto store = open(folder.path());
        ASSERT_TRUE(store);
        const auto loaded = store->load(kLog);
        ASSERT_FALSE(loaded);
        EXPECT_EQ(loaded.error().code, ErrorCode::kUnavailable);
    }
}

// ---- kill -9 ------------------------------------------------------------------------------------

// Write number k: the cursor is k, k is in flight, k - 3 no more.
TEST(EmbeddedGroupStoreLife, Writes) {
    const auto folder = folder_of_life();
    if (!folder) GTEST_SKIP() << "the life of another test";
    Loop loop;
    const auto store = open(*folder);
    Position answered;
    const Position first =
        store->load(kLog)->empty() ? 1_pos : store->load(kLog)->front().state.cursor + 1;
    for (Position k = first;; ++k) {
        GroupChange change{kKey, {.epoch = "e1", .cursor = k}, {{k, 1}}};
        if (k > 3_pos) change.erased = {k - 3};
        store->write(std::make_shared<const std::vector<GroupChange>>(1, change), loop,
                     [&answered, k](const Result<>& result) {
                         if (!result) ::_exit(1);
                         answered = k;
                         say(to_string(k));
                     });
        if (k.number() % 8 == 0) loop.run_until([&] { return answered == k; });
    }
}

TEST(EmbeddedGroupStore, WhatWasAnsweredSurvivesKillNine) {
    const Folder folder;
    Position before;
    for (const std::size_t lines : {1U, 7U, 50U, 1000U}) {
        SCOPED_TRACE(lines);
        const auto said = live_and_be_killed("EmbeddedGroupStoreLife.Writes", folder.path(), lines);
        ASSERT_GE(said.size(), lines);
        const Position answered(std::stoull(said.back()));

        const auto store = open(folder.path());
        ASSERT_TRUE(store);
        const StoredGroup group = store->load(kLog)->at(0);

        EXPECT_GE(group.state.cursor, answered);
        EXPECT_GT(group.state.cursor, before);
        std::vector<StoredFlight> in_flight;
        for (Position k = group.state.cursor < 3_pos ? 1_pos : group.state.cursor - 2;
             k <= group.state.cursor; ++k) {
            in_flight.push_back({k, 1});
        }
        EXPECT_EQ(group.in_flight, in_flight);  // a whole write, and no half of the next
        before = group.state.cursor;
    }
}

// A group of 2000 events with one member.
class Worker final : public GroupReceiver {
 public:
    explicit Worker(const fs::path& folder) : store_(open(folder)) {
        for (int i = 0; i < 2000; ++i) log_.publish("photo.uploaded");
        auto stored = *store_->load(log_.epochs());
        // As if it began before them.
        if (stored.empty()) stored.push_back({kKey, {.epoch = "e1"}});
        log_.begin_life();
        reader_ =
            std::make_unique<LogReader>(LogReader::Context{log_, loop_, clock_, waker_}, 10'000);
        groups_ = std::make_unique<Groups>(
            Groups::Context{log_, *reader_, *store_, clock_, random_, loop_}, GroupSettings{},
            std::move(stored));
        log_.start();
        groups_->subscribe({.id = MemberId{1},
                            .group = kKey,
                            .service = "worker",
                            .terms = {.max_in_flight = 20},
                            .way = {&loop_, this}},
                           {.name_owner = "worker", .group_owner = "worker", .taken_over = {}},
                           loop_, [](const Result<GroupJoined>&) {});
        groups_->deliver();
    }
    void on_membership_ended(MemberId, const GroupKey&, const Error&) override { ADD_FAILURE(); }
    void when_seen(Clock::Time, Task done) override { loop_.post(std::move(done)); }
    // Acknowledges what it gets; in the life that is killed, not every hundredth.
    void deliver(const GroupDelivery& delivery) override {
        const Position position = delivery.entry->position;
        got[position].push_back(delivery.attempt);
        say("got " + to_string(position));
        if (is_killed_life && position.number() % 100 == 0) return;
        groups_->ack(MemberId{1}, *parse_delivery_id(delivery.delivery), loop_,
                     [this, position](const Result<>& result) {
                         if (!result) return;
                         acked.insert(position);
                         say("acked " + to_string(position));
                     });
    }
    void work_until_all_is_done() {
        loop_.run_until([this] {
            const Groups::Status status = groups_->statuses()[0];
            return status.cursor == log_.frontier() && status.in_flight == 0;
        });
    }
    void work_for_ever() {
        loop_.run_until([] { return false; });
    }

    bool is_killed_life = false;
    std::map<Position, std::vector<std::uint32_t>> got;
    std::set<Position> acked;

 private:
    Loop loop_;
    ListLog log_;
    FakeClock clock_;
    SeededRandom random_{1};
    struct : Tail::Waker {
        void wake_if_asleep() override {}
    } waker_;
    std::unique_ptr<EmbeddedGroupStore> store_;
    std::unique_ptr<LogReader> reader_;
    std::unique_ptr<Groups> groups_;
};

TEST(EmbeddedGroupStoreLife, Works) {
    const auto folder = folder_of_life();
    if (!folder) GTEST_SKIP() << "the life of another test";
    Worker worker(*folder);
    worker.is_killed_life = true;
    worker.work_for_ever();
}

TEST(EmbeddedGroupStore, AfterKillNineWhatWasNotAcknowledgedComesAgainAndTheRestNot) {
    for (const std::size_t lines : {30U, 400U, 1500U}) {
        SCOPED_TRACE(lines);
        const Folder folder;
        std::set<Position> got;
        std::set<Position> acked;
        for (const std::string& line :
             live_and_be_killed("EmbeddedGroupStoreLife.Works", folder.path(), lines)) {
            const Position position(std::stoull(line.substr(line.find(' '))));
            (line.starts_with("acked") ? acked : got).insert(position);
        }
        ASSERT_FALSE(acked.empty());

        testing::internal::CaptureStdout();
        Worker worker(folder.path());
        worker.work_until_all_is_done();
        testing::internal::GetCapturedStdout();

        for (Position p = 1_pos; p <= 2000_pos; ++p) {
            const bool came = worker.got.contains(p);
            if (acked.contains(p)) {
                EXPECT_FALSE(came) << to_string(p) << " came after its ack was answered";
            } else if (came) {
                // One that was written as given out and not seen, or seen: it comes as a repeat.
                if (got.contains(p)) {
                    EXPECT_EQ(worker.got[p], std::vector<std::uint32_t>{2}) << to_string(p);
                }
            } else {
                // Its ack was written, and the answer died with the process.
                EXPECT_TRUE(got.contains(p)) << to_string(p) << " was lost";
            }
        }
        for (const Position p : got) {
            if (p.number() % 100 == 0) {
                EXPECT_TRUE(worker.got.contains(p)) << to_string(p) << " was lost";
            }
        }
    }
}

}  // namespace
}  // namespace eventbus
