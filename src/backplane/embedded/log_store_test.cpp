#include "backplane/embedded/log_store.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/perf_context.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/damaged_files.h"
#include "support/fake_clock.h"
#include "support/folder.h"
#include "support/position_literal.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

using std::chrono::seconds;
using Lasts = std::map<std::string, Position>;  // by type

class LogStoreTest : public testing::Test {
 protected:
    LogStoreTest() {
        settings_ = {.data_dir = folder_.path(), .free_bytes_min = 0};
        open();
    }

    void open() {
        store_.reset();
        auto opened = LogStore::open(settings_, clock_, random_);
        ASSERT_TRUE(opened.has_value()) << opened.error().detail;
        store_ = std::move(*opened);
    }

    // Adds an entry to what write() writes.
    Position add(const std::string& type, const Room& room, seconds age = seconds(0),
                 std::uint64_t bytes_max = 0) {
        auto entry = std::make_shared<Entry>();
        entry->position = ++last_;
        entry->event.id = to_string(last_);
        entry->event.type = type;
        entry->event.data = "{}";
        entry->deliveries = {{room, 0}};
        entry->retention = {.age = age, .bytes_max = bytes_max};
        staged_.push_back({.entry = entry, .is_stored = true, .changes = {}, .dedupe_key = {}});
        return last_;
    }
    void write() {
        ASSERT_TRUE(store_->write(staged_, last_));
        staged_.clear();
    }
    // All that is due; returns how much that was.
    std::size_t sweep() {
        std::size_t swept = 0;
        for (bool has_more = true; has_more;) {
            const Result<LogRetention::Swept> slice = store_->sweep(last_);
            EXPECT_TRUE(slice.has_value());
            if (!slice) break;
            swept += slice->entries;
            has_more = slice->has_more;
        }
        return swept;
    }

    WantedRooms wanted(const std::vector<Room>& rooms) const {
        std::vector<std::uint64_t> keys;
        keys.reserve(rooms.size());
        for (const Room& room : rooms) keys.push_back(store_->room_key(room));
        return std::make_shared<const std::vector<std::uint64_t>>(std::move(keys));
    }
    Page read(Position after, const WantedRooms& wanted = nullptr, std::size_t limit = 100'000) {
        Result<Page> page = store_->read(after, limit, last_, wanted);
        EXPECT_TRUE(page.has_value());
        return page ? std::move(*page) : Page();
    }
    Lasts lost(Position after, const WantedRooms& wanted = nullptr) {
        Lasts lost;
        for (const Lost& one : read(after, wanted, 1).lost) lost[one.type] = one.through;
        return lost;
    }

    const Room ann_ = Room::user("ann");
    const Room bob_ = Room::user("bob");
    Folder folder_;
    FakeClock clock_;
    SeededRandom random_{1};
    EmbeddedLogSettings settings_;
    std::unique_ptr<LogStore> store_;
    Position last_;
    std::vector<Staged> staged_;
};

// ---- what retention costs -----------------------------------------------------------------------

TEST_F(LogStoreTest, RetentionIsLinearInWhatItTakesThoughNothingIsCompactedYet) {
    constexpr std::size_t kEntries = 8'000;
    for (std::size_t i = 0; i < kEntries; ++i) {
        add("type-" + std::to_string(i % 20), ann_, seconds(60));
    }
    for (int i = 0; i < 20; ++i) add("kept-" + std::to_string(i), ann_);
    write();
    clock_.advance(seconds(61));
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
    const auto skipped = [] { return rocksdb::get_perf_context()->internal_delete_skipped_count; };

    const auto before = skipped();
    EXPECT_EQ(sweep(), kEntries);
    EXPECT_LE(skipped() - before, 2 * kEntries);

    // Nor does what comes after go over all that is gone.
    const auto after = skipped();
    EXPECT_EQ(sweep(), 0u);
    EXPECT_EQ(read(0_pos).entries.size(), 20u);
    open();
    EXPECT_EQ(sweep(), 0u);
    EXPECT_EQ(store_->recent(100, 1U << 20U)->entries.size(), 20u);
    EXPECT_LE(skipped() - after, 2 * kEntries);
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
}

TEST_F(LogStoreTest, AnEventOfManyTypesIsFoundItsPlaceAsCheaplyAsOneOfOne) {
    constexpr std::size_t kTypes = 3'000;
    const auto comparisons = [this](std::size_t types) {
        const std::uint64_t before = rocksdb::get_perf_context()->user_key_comparison_count;
        for (std::size_t i = 0; i < 20'000; ++i) {
            add("type-" + std::to_string(i * 7 % types), ann_);
            if (i % 1'000 == 999) write();
        }
        return rocksdb::get_perf_context()->user_key_comparison_count - before;
    };
    comparisons(kTypes);  // each is known now
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
    const std::uint64_t one = comparisons(1);
    const std::uint64_t many = comparisons(kTypes);
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
    EXPECT_GT(one, 0u);
    // The memtable draws the heights of its nodes, so the ratio differs by a third from run to run.
    // Of keys that are in no order it was three.
    EXPECT_LT(many, 2 * one) << many << " and " << one;
}

TEST_F(LogStoreTest, BytesOfTypesAreRightWhereverARestartComes) {
    constexpr int kTypes = 3;
    constexpr std::uint64_t kBytesMax = 100'000;
    std::map<std::string, std::size_t> left;  // as many as without a restart
    for (int round = 0; round < 60; ++round) {
        for (int i = 0; i < 1'000; ++i) {
            add("type-" + std::to_string(i % (round % kTypes + 1)), ann_, seconds(0), kBytesMax);
        }
        write();
        if (round % 7 == 2) open();
        if (round < 19 || round % 5 != 4) continue;  // from here on ids have one length
        sweep();
        std::map<std::string, std::size_t> now;
        for (const SharedEntry& entry : read(0_pos).entries) ++now[entry->event.type];
        if (left.empty()) left = now;
        ASSERT_EQ(now, left) << "round " << round;
    }
    EXPECT_EQ(left.size(), kTypes);
}

// ---- a clock that was ahead ---------------------------------------------------------------------

TEST_F(LogStoreTest, WhatWasStoredWhileTheClockWasAheadGoesAsIfItWereStoredAtItsStepBack) {
    constexpr auto kYear = std::chrono::hours(24 * 365);
    for (const bool restarts : {false, true}) {
        SCOPED_TRACE(restarts);
        EXPECT_EQ(sweep(), 0u);
        const Position first = last_;
        clock_.set_wall(clock_.wall_now() + kYear);
        for (int i = 0; i < 3; ++i) {
            add("tick", ann_, seconds(60));
            write();
        }
        clock_.set_wall(clock_.wall_now() - kYear);
        if (restarts) open();
        EXPECT_EQ(sweep(), 0u);
        add("tick", ann_, seconds(60));
        add("rare", ann_, seconds(60));
        write();
        if (restarts) open();

        clock_.advance(seconds(30));
        add("tick", ann_, seconds(60));
        write();
        clock_.advance(seconds(29));
        EXPECT_EQ(sweep(), 0u);
        clock_.advance(seconds(2));
        EXPECT_EQ(sweep(), 5u);
        EXPECT_EQ(read(first).entries.size(), 1u);
        clock_.advance(seconds(60));
        EXPECT_EQ(sweep(), 1u);
    }
}

// A machine whose clock is right only once it has asked for the time.
TEST_F(LogStoreTest, WhatWasStoredWhileTheClockWasBehindIsNotOldAtTheNextStart) {
    for (const bool runs : {false, true}) {
        SCOPED_TRACE(runs);
        add("tick", ann_, seconds(60));
        write();
        EXPECT_EQ(sweep(), 0u);
        clock_.set_wall(clock_.wall_now() - std::chrono::hours(24 * 8));
        if (!runs) open();
        add("tock", ann_, seconds(60));
        write();
        if (runs) {
            EXPECT_EQ(sweep(), 0u);
        }
        clock_.set_wall(clock_.wall_now() + std::chrono::hours(24 * 8));
        open();
        EXPECT_EQ(sweep(), 0u);
        EXPECT_TRUE(store_->hold().is_on());
        clock_.advance(std::chrono::hours(25));
        EXPECT_GT(sweep(), 0u);
        EXPECT_FALSE(store_->hold().is_on());
    }
}

TEST_F(LogStoreTest, AStepBackThatWasTheMistakeMakesNothingOld) {
    constexpr auto kYear = std::chrono::hours(24 * 365);
    add("tick", ann_, seconds(60));
    write();
    EXPECT_EQ(sweep(), 0u);
    clock_.set_wall(clock_.wall_now() - kYear);
    EXPECT_EQ(sweep(), 0u);
    clock_.set_wall(clock_.wall_now() + kYear);
    EXPECT_EQ(sweep(), 0u);
    EXPECT_TRUE(store_->resume_retention());
    EXPECT_EQ(sweep(), 0u);

    clock_.advance(seconds(61));
    EXPECT_EQ(sweep(), 1u);
}

// ---- what was lost ------------------------------------------------------------------------------

TEST_F(LogStoreTest, WhatADamagedEndMayHaveHeldIsLostToAllWhoStandBelow) {
    for (int i = 0; i < 20; ++i) {
        add("tick", i % 2 == 0 ? ann_ : bob_);
        write();
    }
    const Position answered = last_;
    store_.reset();
    damage_wal(folder_.path() / "log", .6);
    open();

    const Position newest = read(0_pos).entries.back()->position;
    ASSERT_LT(newest, answered);
    const Lasts all{{"", store_->head()}};
    EXPECT_GT(store_->head(), newest);
    EXPECT_EQ(lost(0_pos), all);
    EXPECT_EQ(lost(newest, wanted({ann_})), all);
    EXPECT_EQ(lost(store_->head()), Lasts());

    last_ = store_->head();
    add("tick", ann_);
    write();
    open();
    EXPECT_EQ(lost(newest), all) << "after another start, too";
    EXPECT_EQ(lost(last_), Lasts());
    EXPECT_EQ(read(newest).entries.size(), 1u);
}

TEST_F(LogStoreTest, ADamagedTableIsRefusedWithWhatToDo) {
    for (int i = 0; i < 2'000; ++i) add("tick", ann_);
    write();
    open();  // what the write-ahead log had is in a table now
    store_.reset();
    damage_table(folder_.path() / "log", .01);

    const auto opened = LogStore::open(settings_, clock_, random_);

    ASSERT_FALSE(opened.has_value());
    EXPECT_NE(opened.error().detail.find("the log is damaged"), std::string::npos)
        << opened.error().detail;
    EXPECT_NE(opened.error().detail.find("move its folder log/ away"), std::string::npos)
        << opened.error().detail;
}

TEST_F(LogStoreTest, ATableThatIsDamagedWhileItRunsIsTold) {
    for (int i = 0; i < 2'000; ++i) add("tick", ann_);
    write();
    open();  // what the write-ahead log had is in a table now
    damage_table(folder_.path() / "log", .5);

    for (int i = 0; i < 2; ++i) {
        const Result<Page> page = store_->read(0_pos, 2'000, last_, {});
        ASSERT_FALSE(page.has_value());
        EXPECT_NE(page.error().detail.find("the log is damaged"), std::string::npos)
            << page.error().detail;
    }

    EXPECT_EQ(store_->database().probe().damages.get(), 1u);
}

TEST_F(LogStoreTest, WhatIsLostIsKnownByTypeOverARestartToo) {
    add("tick", ann_, seconds(60));
    const Position tick = add("tick", ann_, seconds(60));
    const Position note = add("note", ann_, seconds(60));
    add("kept", ann_);
    write();
    clock_.advance(seconds(61));
    EXPECT_EQ(sweep(), 3u);

    for (const bool again : {false, true}) {
        SCOPED_TRACE(again);
        if (again) open();
        EXPECT_EQ(lost(0_pos), (Lasts{{"tick", tick}, {"note", note}}));
        EXPECT_EQ(lost(tick), (Lasts{{"note", note}}));
        EXPECT_EQ(lost(note), Lasts{});
    }
    // One that comes again does not hide what it had lost.
    add("tick", ann_, seconds(60));
    write();
    open();
    EXPECT_EQ(lost(0_pos), (Lasts{{"tick", tick}, {"note", note}}));
}

TEST_F(LogStoreTest, WhatTheBlocksShowToHaveGoneToOthersIsNotLost) {
    const Position early = add("tick", ann_, seconds(60));
    add("note", bob_);
    for (int i = 0; i < 1'000; ++i) add("tick", Room::user(std::to_string(i)), seconds(60));
    const Position late = last_;
    write();
    clock_.advance(seconds(61));
    EXPECT_EQ(sweep(), 1'001u);

    for (const bool again : {false, true}) {
        SCOPED_TRACE(again);
        if (again) open();
        EXPECT_EQ(lost(0_pos), (Lasts{{"tick", late}}));
        EXPECT_EQ(lost(0_pos, wanted({ann_})), (Lasts{{"tick", late}}));
        EXPECT_EQ(lost(early + OpenBlock::kEntries, wanted({ann_})), Lasts{});
        EXPECT_EQ(lost(0_pos, wanted({bob_})), Lasts{}) << "a note is no tick";
        EXPECT_EQ(lost(0_pos, wanted({Room::user("999")})), (Lasts{{"tick", late}}));
        EXPECT_EQ(lost(0_pos, wanted({bob_, Room::pattern("tick")})), (Lasts{{"tick", late}}));
    }
}

TEST_F(LogStoreTest, MoreTypesThanCanBeKnownCountAsOne) {
    for (std::size_t i = 0; i <= Losses::kTypesMax; ++i) {
        add("t-" + std::to_string(i), ann_, seconds(60));
    }
    write();
    clock_.advance(seconds(61));
    EXPECT_EQ(sweep(), Losses::kTypesMax + 1);

    for (const bool again : {false, true}) {
        SCOPED_TRACE(again);
        if (again) open();
        const Lasts all = lost(0_pos);
        EXPECT_LE(all.size(), Losses::kTypesMax + 1);
        EXPECT_TRUE(all.contains(""));
        for (std::size_t i = 0; i <= Losses::kTypesMax; ++i) {
            const auto one = all.find("t-" + std::to_string(i));
            EXPECT_GE(std::max(one == all.end() ? 0_pos : one->second, all.at("")),
                      Position(i + 1));
        }
    }
}

// ---- reading for some rooms ---------------------------------------------------------------------

TEST_F(LogStoreTest, AReaderForSomeRoomsGetsAllOfTheirsAndSkipsBlocksOfOthers) {
    std::vector<Position> of_ann;
    for (int i = 0; i < 5'000; ++i) {
        const Position position = add("note", i % 1'999 == 7 ? ann_ : bob_);
        if (i % 1'999 == 7) of_ann.push_back(position);
        if (i % 333 == 0) write();
    }
    write();
    for (const bool again : {false, true}) {
        SCOPED_TRACE(again);
        if (again) open();
        std::vector<Position> seen;
        std::size_t looked_at = 0;
        for (Page page; !page.at_end;) {
            page = read(page.through, wanted({ann_, Room::role("admin")}), 100);
            looked_at += page.entries.size();
            for (const SharedEntry& entry : page.entries) {
                if (entry->deliveries[0].room == ann_) seen.push_back(entry->position);
            }
        }
        EXPECT_EQ(seen, of_ann);
        EXPECT_LE(looked_at, 5 * OpenBlock::kEntries) << "those blocks, and the one that is open";
        EXPECT_EQ(read(0_pos).entries.size(), 5'000u);
    }
}

TEST_F(LogStoreTest, ABlockHasEveryRoomInWhichAnEntryMayBeShown) {
    auto entry = std::make_shared<Entry>();
    entry->position = 1_pos;
    entry->event.type = "photo.shared";
    entry->event.subject = "photo:1";
    entry->deliveries = {{ann_, 0}, {Room::everyone(), 0}};
    entry->evictions = {{"photo:2", bob_}};
    OpenBlock open;
    open.begin(7, 0_pos);
    open.add(*entry);
    const std::string value = open.finish();
    LogBlock block;
    ASSERT_TRUE(LogBlock::read(std::string("k") + std::string(7, '\0') + '\1', value, block));

    for (const Room& room :
         {ann_, Room::everyone(), Room::subject("photo:1"), Room::pattern("photo.shared")}) {
        const std::uint64_t key = block_key(7, room);
        EXPECT_TRUE(block.may_hold_any({&key, 1})) << room.key();
        EXPECT_TRUE(block.may_hold(key, "photo.shared")) << room.key();
        EXPECT_FALSE(block.may_hold(key, "photo.deleted")) << room.key();
    }
    // It takes a right from these, and is not shown there.
    std::vector<std::uint64_t> others{block_key(7, bob_), block_key(7, Room::subject("photo:2"))};
    for (int i = 0; i < 1'000; ++i) others.push_back(block_key(7, Room::user(std::to_string(i))));
    std::sort(others.begin(), others.end());
    EXPECT_FALSE(block.may_hold_any(others));
    EXPECT_FALSE(block.may_hold_any({others.data(), 1}));
    others.insert(others.begin() + 500, block_key(7, ann_));
    std::sort(others.begin(), others.end());
    EXPECT_TRUE(block.may_hold_any(others));
    EXPECT_FALSE(LogBlock::read("k", value, block));
    EXPECT_FALSE(LogBlock::read(std::string(9, 'k'), value.substr(0, 11), block));
}

// ---- the format before --------------------------------------------------------------------------

TEST_F(LogStoreTest, ALogOfTheFormatBeforeIsReadAndKnowsItsLossesOfAnyType) {
    const Position gone = add("tick", ann_, seconds(60));
    const Position kept = add("note", ann_);
    write();
    clock_.advance(seconds(61));
    sweep();
    store_.reset();
    {  // as the release before has it
        rocksdb::DB* opened = nullptr;
        ASSERT_TRUE(rocksdb::DB::Open({}, (folder_.path() / "log").string(), &opened).ok());
        const std::unique_ptr<rocksdb::DB> db(opened);
        rocksdb::WriteBatch batch;
        batch.Put("mformat", "1");
        for (const char* key : {"msecret", "mlostany", "mdedupe", "mcounted"}) batch.Delete(key);
        batch.DeleteRange("k", "l");
        batch.Delete("btick");
        std::string type;
        ASSERT_TRUE(db->Get({}, "bnote", &type).ok());
        batch.Put("bnote", type.substr(0, type.size() - 16));
        ASSERT_TRUE(db->Write({}, &batch).ok());
    }
    for (const bool again : {false, true}) {
        SCOPED_TRACE(again);
        open();
        EXPECT_EQ(lost(0_pos), (Lasts{{"", gone}}));
        EXPECT_EQ(lost(0_pos, wanted({bob_})), (Lasts{{"", gone}})) << "nothing proves it";
        ASSERT_EQ(read(0_pos, wanted({bob_})).entries.size(), 1u);
        EXPECT_EQ(read(0_pos).entries[0]->position, kept);
    }
    add("note", ann_);
    write();
    EXPECT_EQ(read(0_pos, wanted({ann_})).entries.size(), 2u);
}

}  // namespace
}  // namespace eventbus
