#include "backplane/embedded/database.h"

#include <gtest/gtest.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "support/damaged_files.h"
#include "support/faulty_disk.h"
#include "support/folder.h"
#include "support/killed_life.h"
#include "support/small_disk.h"

namespace eventbus {
namespace {

namespace fs = std::filesystem;
using State = Database::State;

class DatabaseTest : public testing::Test {
 protected:
    DatabaseTest() {
        settings_ = {.data_dir = folder_.path(),
                     .folder = "things",
                     .name = "the store of things",
                     .consequence = "nothing is kept",
                     .remedy = "move things/ away",
                     .format_key = "f",
                     .formats = {"1", "2"},
                     .free_bytes_min = 1'000,
                     .env = disk_.env(),
                     .retry_after = std::chrono::milliseconds(0)};
        disk_.free_bytes = 1'000'000;
    }

    void open() {
        db_.reset();
        Result<std::unique_ptr<Database>> opened = Database::open(settings_);
        ASSERT_TRUE(opened.has_value()) << opened.error().detail;
        db_ = std::move(*opened);
    }
    std::string open_error() {
        db_.reset();
        const Result<std::unique_ptr<Database>> opened = Database::open(settings_);
        EXPECT_FALSE(opened.has_value());
        return opened ? "" : opened.error().detail;
    }
    Result<> put(const std::string& key, const std::string& value = "v") {
        rocksdb::WriteBatch batch;
        batch.Put(key, value);
        return db_->write(batch, true);
    }
    // Empty: it is not there.
    std::string get(const std::string& key) {
        const Database::Reading db = db_->read();
        EXPECT_TRUE(static_cast<bool>(db)) << "it is closed";
        std::string value;
        if (db) db->Get({}, key, &value);
        return value;
    }

    Folder folder_;
    FaultyDisk disk_;
    Database::Settings settings_;
    std::unique_ptr<Database> db_;
};

// ---- a folder that is removed or replaced -------------------------------------------------------

TEST_F(DatabaseTest, AFolderThatIsRemovedOrReplacedTakesNoWritesUntilARestart) {
    const fs::path things = folder_.path() / "things";
    const fs::path away = folder_.path() / "away";
    const auto remove_all_of = [&](const std::string& extension) {
        std::vector<fs::path> files;
        for (const auto& file : fs::directory_iterator(things)) {
            if (file.path().extension() == extension) files.push_back(file.path());
        }
        EXPECT_FALSE(files.empty());
        for (const fs::path& file : files) fs::remove(file);
    };
    // As `rsync` and `tar` put the file of a backup in its place.
    const auto exchange = [&](const std::string& name_begin, const std::string& extension) {
        std::vector<fs::path> files;
        for (const auto& file : fs::directory_iterator(things)) {
            if (file.path().filename().string().starts_with(name_begin) &&
                file.path().extension() == extension) {
                files.push_back(file.path());
            }
        }
        EXPECT_FALSE(files.empty());
        for (const fs::path& file : files) {
            fs::copy(file, folder_.path() / "copy");
            fs::rename(folder_.path() / "copy", file);
        }
    };
    // As `: > FILE` does, and logrotate's copytruncate.
    const auto cut = [&](const std::string& name_begin, const std::string& extension) {
        for (const auto& file : fs::directory_iterator(things)) {
            if (file.path().filename().string().starts_with(name_begin) &&
                file.path().extension() == extension) {
                fs::resize_file(file, 0);
            }
        }
    };
    struct Case {
        const char* name;
        std::function<void()> act;
    };
    const Case cases[] = {
        {"removed", [&] { fs::remove_all(things); }},
        {"moved away", [&] { fs::rename(things, away); }},
        {"replaced by a copy",
         [&] {
             fs::copy(things, away);
             fs::remove_all(things);
             fs::rename(away, things);
         }},
        {"emptied",
         [&] {
             for (const auto& f : fs::directory_iterator(things)) fs::remove(f);
         }},
        {"without its write-ahead log", [&] { remove_all_of(".log"); }},
        {"with a copy of its write-ahead log", [&] { exchange("", ".log"); }},
        {"with its write-ahead log emptied", [&] { cut("", ".log"); }},
        {"with its manifest emptied", [&] { cut("MANIFEST-", ""); }},
        {"without CURRENT", [&] { fs::remove(things / "CURRENT"); }},
        {"with a pipe as CURRENT",
         [&] {
             fs::remove(things / "CURRENT");
             ASSERT_EQ(::mkfifo((things / "CURRENT").c_str(), 0600), 0);
         }},
        {"with an earlier CURRENT",
         [&] { std::ofstream(things / "CURRENT") << "MANIFEST-000001\n"; }},
        {"with a copy of its manifest", [&] { exchange("MANIFEST-", ""); }},
        {"without a manifest",
         [&] {
             for (const auto& f : fs::directory_iterator(things)) {
                 if (f.path().filename().string().starts_with("MANIFEST-")) fs::remove(f);
             }
         }},
    };
    for (const Case& c : cases) {
        for (const bool is_idle : {false, true}) {
            SCOPED_TRACE(std::string(c.name) + (is_idle ? ", idle" : ", at a write"));
            open();
            ASSERT_TRUE(put("before"));
            EXPECT_EQ(db_->look(), State::kWritable);

            c.act();
            if (is_idle) {
                EXPECT_EQ(db_->look(), State::kClosed);
            } else {
                EXPECT_EQ(put("after").error().code, ErrorCode::kReadOnly);
            }
            EXPECT_TRUE(db_->is_gone());
            EXPECT_EQ(db_->state(), State::kClosed);
            EXPECT_EQ(get("before"), "v");

            EXPECT_EQ(db_->look(), State::kClosed);  // it is not made anew
            EXPECT_EQ(put("later").error().code, ErrorCode::kReadOnly);
            EXPECT_EQ(fs::exists(things), std::string(c.name) != "removed" && !fs::exists(away));
            db_.reset();
            fs::remove_all(things);
            fs::remove_all(away);
        }
    }
}

TEST_F(DatabaseTest, WhatIsRemovedFromItsFolderIsToldByTheNextStart) {
    std::vector<bool> told;
    settings_.prepare = [&](const Database::Opened& opened) {
        told.push_back(opened.lost_its_end);
        return Result<>();
    };
    open();
    ASSERT_TRUE(put("before"));
    std::vector<fs::path> logs;
    for (const auto& file : fs::directory_iterator(folder_.path() / "things")) {
        if (file.path().extension() == ".log") logs.push_back(file.path());
    }
    for (const fs::path& log : logs) fs::remove(log);
    EXPECT_EQ(db_->look(), State::kClosed);

    open();
    EXPECT_EQ(db_->probe().damages.get(), 1u);
    EXPECT_TRUE(db_->lost_its_end());
    open();
    EXPECT_EQ(told, (std::vector<bool>{false, true, false}));
}

TEST_F(DatabaseTest, ACopyThatWasPutInItsPlaceLosesNoFile) {
    const fs::path things = folder_.path() / "things";
    open();
    ASSERT_TRUE(put("before"));
    db_.reset();
    fs::copy(things, folder_.path() / "copy");
    open();
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(put(std::to_string(i), std::string(1'000, 'v')));

    fs::remove_all(things);
    fs::rename(folder_.path() / "copy", things);
    std::ofstream(things / "000999.sst") << "of the copy";
    const auto files = std::distance(fs::directory_iterator(things), fs::directory_iterator());
    EXPECT_FALSE(put("after"));
    db_.reset();

    EXPECT_FALSE(fs::exists(things / "LOST_END"));
    EXPECT_EQ(std::distance(fs::directory_iterator(things), fs::directory_iterator()), files);
    EXPECT_TRUE(fs::exists(things / "000999.sst"));
    fs::remove(things / "000999.sst");
    open();
    EXPECT_EQ(get("before"), "v");
    EXPECT_EQ(get("99"), "");
}

TEST_F(DatabaseTest, AFileThatRocksdbItselfReplacesIsInItsPlace) {
    settings_.memtable_bytes = 64U << 10U;  // so that write-ahead logs and tables come and go
    open();
    for (int i = 0; i < 2'000; ++i) {
        ASSERT_TRUE(put(std::to_string(i % 50), std::string(1'000, 'v'))) << i;
    }
    EXPECT_EQ(db_->look(), State::kWritable);
    disk_.fails_syncs = true;
    EXPECT_FALSE(put("refused"));
    disk_.fails_syncs = false;
    EXPECT_EQ(db_->look(), State::kWritable);
    EXPECT_TRUE(put("again"));
}

// ---- a disk that does not answer ----------------------------------------------------------------

TEST_F(DatabaseTest, AWriteThatDoesNotComeBackIsSeenUntilItDoes) {
    settings_.stalled_after = std::chrono::milliseconds(100);
    open();
    const auto is_stalled = [&] {
        return db_->disk().stalled_for() > std::chrono::milliseconds(0);
    };
    const auto wait_until_stalled = [&](bool wanted) {
        while (is_stalled() != wanted) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    for (std::uint64_t round = 1; round <= 2; ++round) {
        disk_.hold_syncs(true);
        std::thread writer([&] { EXPECT_TRUE(put("a")); });
        disk_.wait_for_a_held_sync();
        wait_until_stalled(true);
        EXPECT_GE(db_->disk().stalled_for(), settings_.stalled_after);
        EXPECT_TRUE(db_->is_writable()) << "it has not failed";
        disk_.hold_syncs(false);
        wait_until_stalled(false);
        EXPECT_EQ(db_->disk().stalls().get(), round);
        writer.join();
    }
}

TEST_F(DatabaseTest, ManyShortWritesAreNoStallHoweverOftenItLooks) {
    settings_.stalled_after = std::chrono::milliseconds(250);
    open();
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    while (std::chrono::steady_clock::now() < end) {
        rocksdb::WriteBatch batch;
        batch.Put("a", "v");
        ASSERT_TRUE(db_->write(batch, false));
    }
    db_->look();
    EXPECT_EQ(db_->disk().stalls().get(), 0u);
}

// ---- a write that fails -------------------------------------------------------------------------

TEST_F(DatabaseTest, AFailedWriteClosesItAndNothingIsWrittenBeforeItIsOpenedAgain) {
    for (auto* const fault : {&disk_.has_no_space, &disk_.fails_syncs}) {
        const bool is_space = fault == &disk_.has_no_space;
        SCOPED_TRACE(is_space ? "no space" : "a failed sync");
        open();
        ASSERT_TRUE(put("before"));
        *fault = true;
        EXPECT_FALSE(put("lost"));
        *fault = false;

        EXPECT_EQ(db_->state(), State::kClosed);
        EXPECT_TRUE(db_->refusal().starts_with("the store of things takes no writes: IO error"))
            << db_->refusal();
        EXPECT_FALSE(put("refused")) << "the disk is good again, but what was open is not";
        EXPECT_EQ(get("before"), "v") << "it can be read";
        EXPECT_EQ(db_->look(), State::kWritable);
        EXPECT_EQ(db_->refusal(), "");
        EXPECT_EQ(get("before"), "v");
        EXPECT_EQ(get("refused"), "");
        EXPECT_TRUE(put("after"));
        EXPECT_EQ(get("after"), "v");
        EXPECT_EQ(db_->probe().failures.get(), 1u);
        EXPECT_EQ(db_->probe().opened_again.get(), 1u);
    }
}

TEST_F(DatabaseTest, ItIsTriedAgainAfterAPauseThatGrows) {
    settings_.retry_after = std::chrono::hours(1);
    open();
    disk_.has_no_space = true;
    EXPECT_FALSE(put("lost"));
    disk_.has_no_space = false;
    EXPECT_EQ(db_->look(), State::kClosed);
}

TEST_F(DatabaseTest, AShortageOfDescriptorsPasses) {
    open();
    ASSERT_TRUE(put("before"));
    disk_.has_no_descriptors = true;
    disk_.fails_syncs = true;
    EXPECT_FALSE(put("lost"));
    disk_.fails_syncs = false;
    EXPECT_EQ(db_->look(), State::kClosed);
    EXPECT_FALSE(static_cast<bool>(db_->read())) << "not even for reading";
    disk_.has_no_descriptors = false;

    EXPECT_EQ(db_->look(), State::kWritable);
    EXPECT_EQ(get("before"), "v");
}

TEST_F(DatabaseTest, WhatFailsInTheBackgroundClosesItToo) {
    settings_.memtable_bytes = 64U << 10U;
    open();
    ASSERT_TRUE(put("before"));
    // A memtable that is full is written by a thread of RocksDB's own, whose file does not fit.
    disk_.has_no_descriptors = true;
    for (int i = 0; db_->state() == State::kWritable; ++i) {
        if (!put(std::to_string(i), std::string(1'000, 'x'))) continue;
        db_->look();
        ASSERT_LT(i, 100'000);
    }
    disk_.has_no_descriptors = false;
    EXPECT_EQ(db_->look(), State::kWritable);
    EXPECT_EQ(get("before"), "v");
}

// ---- room ---------------------------------------------------------------------------------------

TEST_F(DatabaseTest, BelowTheBoundItSaysSoAndCanStillBeWrittenWhatMustBe) {
    open();
    disk_.free_bytes = 999;
    EXPECT_EQ(db_->look(), State::kNoRoom);
    EXPECT_EQ(db_->refusal(), "the store of things takes no writes: the disk of " +
                                  (folder_.path() / "things").string() +
                                  " is nearly full; make room until 0 MiB are free");
    EXPECT_TRUE(put("what was taken before"));
    disk_.free_bytes = 1'001;
    EXPECT_EQ(db_->look(), State::kNoRoom) << "a little more is not enough, or it would flap";
    disk_.free_bytes = 2'000;
    EXPECT_EQ(db_->look(), State::kWritable);
}

TEST_F(DatabaseTest, AStartWithoutRoomIsReadOnlyUntilThereIs) {
    open();
    ASSERT_TRUE(put("before"));
    db_.reset();
    disk_.free_bytes = 0;
    disk_.has_no_space = true;
    int prepared = 0;
    settings_.prepare = [&](const Database::Opened& opened) {
        ++prepared;
        EXPECT_FALSE(opened.is_first);
        return Result<>();
    };

    open();

    EXPECT_EQ(db_->state(), State::kClosed);
    EXPECT_NE(db_->refusal().find("is nearly full"), std::string::npos) << db_->refusal();
    EXPECT_EQ(get("before"), "v");
    EXPECT_FALSE(put("refused"));
    EXPECT_EQ(db_->look(), State::kClosed);
    EXPECT_EQ(prepared, 0);
    disk_.free_bytes = 2'000;
    disk_.has_no_space = false;
    EXPECT_EQ(db_->look(), State::kWritable);
    EXPECT_EQ(prepared, 1);
    EXPECT_TRUE(put("after"));
}

TEST_F(DatabaseTest, ANewOneOnAFullDiskIsRefusedInASentence) {
    disk_.free_bytes = 0;
    disk_.has_no_space = true;
    EXPECT_NE(open_error().find("the disk is full: make room on it"), std::string::npos);
}

// The disk is real here: RocksDB has files of its own, and in Debian's build assertions, which a
// made-up fault does not reach.
TEST(Database, ADiskThatIsFullToTheLastByteEndsNoProcess) {
    SmallDisk disk("16m");
    if (!disk.is_there()) GTEST_SKIP() << "only root has a disk of its own";
    const Database::Settings settings{.data_dir = disk.path(),
                                      .folder = "things",
                                      .name = "the store of things",
                                      .format_key = "f",
                                      .formats = {"1"},
                                      .free_bytes_min = 1U << 20U,
                                      .retry_after = std::chrono::milliseconds(0),
                                      .memtable_bytes = 256U << 10U};
    std::size_t kept = 0;
    for (int round = 0; round < 3; ++round) {
        SCOPED_TRACE(round);
        auto opened = Database::open(settings);
        ASSERT_TRUE(opened.has_value()) << opened.error().detail;
        Database& db = **opened;
        const auto put = [&](std::size_t number) {
            rocksdb::WriteBatch batch;
            batch.Put(std::to_string(number), std::string(1'000, 'x'));
            return db.write(batch, true);
        };
        for (int i = 0; i < 1'000; ++i, ++kept) ASSERT_TRUE(put(kept));
        disk.fill();
        // Whoever does not ask for room meets the end of the disk, in memtables' files too.
        for (std::size_t i = 0; put(kept + i).has_value(); ++i) ASSERT_LT(i, 100'000u);
        disk.fill();  // what was closed has left some
        EXPECT_EQ(db.look(), State::kClosed);
        opened->reset();
        disk.fill();

        opened = Database::open(settings);
        ASSERT_TRUE(opened.has_value()) << opened.error().detail;
        EXPECT_EQ((*opened)->state(), State::kClosed);
        EXPECT_TRUE(static_cast<bool>((*opened)->read()));
        disk.make_room();
        EXPECT_EQ((*opened)->look(), State::kWritable);
        for (std::size_t number = 0; number < kept; ++number) {
            std::string value;
            ASSERT_TRUE((*opened)->read()->Get({}, std::to_string(number), &value).ok()) << number;
        }
    }
}

// ---- damage -------------------------------------------------------------------------------------

TEST_F(DatabaseTest, AnEndThatIsDamagedIsToldUntilWhatFollowsFromItWasDone) {
    open();
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(put(std::to_string(i)));
    db_.reset();
    damage_wal(folder_.path() / "things", .6);
    std::vector<bool> told;
    bool fails = true;
    settings_.prepare = [&](const Database::Opened& opened) -> Result<> {
        told.push_back(opened.lost_its_end);
        if (fails) return Error{ErrorCode::kUnavailable, "as if the process had ended"};
        return {};
    };

    open_error();
    fails = false;
    open();
    EXPECT_EQ(get("0"), "v");
    EXPECT_EQ(get("19"), "");
    ASSERT_TRUE(put("after"));
    open();

    EXPECT_EQ(told, (std::vector<bool>{true, true, false}));
    EXPECT_EQ(get("after"), "v");
}

TEST_F(DatabaseTest, AFolderThatLostItsCurrentIsNotTakenForANewStore) {
    const fs::path things = folder_.path() / "things";
    settings_.memtable_bytes = 64U << 10U;  // so that there are tables
    open();
    ASSERT_TRUE(put("before"));
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(put(std::to_string(i), std::string(1'000, 'v')));
    db_.reset();
    fs::rename(things / "CURRENT", folder_.path() / "CURRENT");
    const auto files = [&] {
        std::set<fs::path> names;
        for (const auto& file : fs::directory_iterator(things)) names.insert(file.path());
        return names;
    };
    const std::set<fs::path> left = files();

    for (const bool is_full : {false, true}) {
        disk_.free_bytes = is_full ? 0 : 1'000'000;
        const std::string error = open_error();

        EXPECT_NE(error.find("CURRENT is missing in " + things.string()), std::string::npos)
            << error;
        EXPECT_NE(error.find("put it back"), std::string::npos) << error;
        EXPECT_NE(error.find("move things/ away"), std::string::npos) << error;
        EXPECT_EQ(files(), left);
    }
    disk_.free_bytes = 1'000'000;
    fs::rename(folder_.path() / "CURRENT", things / "CURRENT");
    open();
    EXPECT_EQ(get("before"), "v");
    EXPECT_EQ(get("199"), std::string(1'000, 'v'));
}

TEST_F(DatabaseTest, AManifestThatIsMissingIsNamedWithTheRemedy) {
    open();
    db_.reset();
    for (const auto& f : std::filesystem::directory_iterator(folder_.path() / "things")) {
        if (f.path().filename().string().starts_with("MANIFEST-")) {
            std::filesystem::remove(f);
        }
    }
    const std::string error = open_error();
    EXPECT_NE(error.find("MANIFEST-"), std::string::npos) << error;
    EXPECT_NE(error.find("put it back: else move things/ away"), std::string::npos) << error;
}

TEST_F(DatabaseTest, ATableThatIsMissingIsNamedAndOnceItIsBackNothingIsLost) {
    const fs::path things = folder_.path() / "things";
    bool is_lost = false;
    settings_.prepare = [&](const Database::Opened& opened) {
        is_lost = opened.lost_its_end;
        return Result<>();
    };
    open();
    ASSERT_TRUE(put("before"));
    db_->read()->Flush({});
    ASSERT_TRUE(put("last"));
    db_.reset();
    fs::path table;
    for (const auto& file : fs::directory_iterator(things)) {
        if (file.path().extension() == ".sst") table = file.path();
    }
    fs::rename(table, folder_.path() / "away");
    for (const bool is_other : {false, true}) {
        SCOPED_TRACE(is_other ? "another in its place" : "removed");
        if (is_other) std::ofstream(table) << "of before";
        const std::string error = open_error();
        EXPECT_NE(error.find(table.filename()), std::string::npos) << error;
        EXPECT_EQ(error.find("put it back") != std::string::npos, !is_other) << error;
        EXPECT_NE(error.find("move things/ away"), std::string::npos) << error;
    }
    fs::rename(folder_.path() / "away", table);
    open();
    EXPECT_FALSE(is_lost);
    EXPECT_EQ(get("before"), "v");
    EXPECT_EQ(get("last"), "v");
}

TEST_F(DatabaseTest, AFirstStartThatWasKilledBeforeItHadACurrentIsDoneAgain) {
    std::filesystem::create_directory(folder_.path() / "things");
    std::ofstream(folder_.path() / "things" / "MANIFEST-000001") << "half";
    open();
    EXPECT_TRUE(put("a"));
}

// ---- files that go while nobody has it open -----------------------------------------------------

class ClosedDatabaseTest : public DatabaseTest {
 protected:
    ClosedDatabaseTest() {
        settings_.memtable_bytes = 64U << 10U;  // so that there are tables
        settings_.boot_id = "boot-1";
        settings_.prepare = [this](const Database::Opened& opened) {
            told_.push_back(opened.lost_its_end);
            return Result<>();
        };
    }

    // Ends it with a stop, or as kill -9 does, which leaves the files as they are.
    enum class End : std::uint8_t { kStop, kKill };
    void end(End how) {
        if (how == End::kKill) {
            // Nothing is to be deleted while it is copied.
            rocksdb::CancelAllBackgroundWork(&*db_->read(), true);
            db_->look();
            fs::copy(things_, killed_);
        }
        db_.reset();
        if (how == End::kStop) return;
        fs::remove_all(things_);
        fs::rename(killed_, things_);
    }
    void fill(int puts = 200) {
        for (int i = 0; i < puts; ++i) ASSERT_TRUE(put(std::to_string(i), std::string(1'000, 'v')));
        db_->read()->Flush({});
        EXPECT_EQ(db_->look(), State::kWritable);
    }
    std::vector<fs::path> files(const std::string& begin, const std::string& end) const {
        std::vector<fs::path> found;
        for (const auto& file : fs::directory_iterator(things_)) {
            const std::string name = file.path().filename();
            if (name.starts_with(begin) && name.ends_with(end)) found.push_back(file.path());
        }
        std::sort(found.begin(), found.end());
        EXPECT_FALSE(found.empty()) << begin << "*" << end;
        return found;
    }
    static void zero_from(const fs::path& file, std::uintmax_t from) {
        const auto bytes = fs::file_size(file);
        fs::resize_file(file, from);
        fs::resize_file(file, bytes);
    }
    std::set<fs::path> all_files() const {
        const auto found = files("", "");
        return {found.begin(), found.end()};
    }

    const fs::path things_ = folder_.path() / "things";
    const fs::path killed_ = folder_.path() / "killed";
    const fs::path away_ = folder_.path() / "away";
    std::vector<bool> told_;  // whether its end is lost, by each opening
};

TEST_F(ClosedDatabaseTest, AWriteAheadLogThatGoesMeanwhileIsAnEndThatIsLost) {
    struct Case {
        const char* name;
        std::function<void(const fs::path&)> act;
    };
    const Case cases[] = {
        {"removed", [](const fs::path& log) { fs::remove(log); }},
        {"emptied", [](const fs::path& log) { fs::resize_file(log, 0); }},
        {"cut", [](const fs::path& log) { fs::resize_file(log, fs::file_size(log) - 1); }},
        {"of zeros", [](const fs::path& log) { zero_from(log, 0); }},
    };
    for (const Case& c : cases) {
        for (const End how : {End::kStop, End::kKill}) {
            SCOPED_TRACE(std::string(c.name) + (how == End::kStop ? ", stopped" : ", killed"));
            open();
            fill();
            ASSERT_TRUE(put("last"));
            end(how);
            told_.clear();
            for (const fs::path& log : files("", ".log")) c.act(log);

            open();
            EXPECT_EQ(db_->probe().damages.get(), 1u);
            EXPECT_TRUE(db_->lost_its_end());
            EXPECT_EQ(get("last"), "");
            EXPECT_EQ(get("199"), std::string(1'000, 'v'));
            ASSERT_TRUE(put("after"));
            end(how);
            open();
            EXPECT_EQ(told_, (std::vector<bool>{true, false}));
            EXPECT_EQ(get("after"), "v");
            db_.reset();
            fs::remove_all(things_);
        }
    }
}

// A kill -9 while a memtable is on its way to a table leaves its log, too.
TEST_F(ClosedDatabaseTest, AnEarlierWriteAheadLogThatGoesMeanwhileIsTold) {
    struct Case {
        const char* name;
        std::function<void(const fs::path&)> act;  // none: it stays
    };
    const Case cases[] = {
        {"whole", {}},
        {"removed", [](const fs::path& log) { fs::remove(log); }},
        {"emptied", [](const fs::path& log) { fs::resize_file(log, 0); }},
        {"cut", [](const fs::path& log) { fs::resize_file(log, fs::file_size(log) - 1); }},
    };
    for (const Case& c : cases) {
        for (const bool is_synced : {false, true}) {
            SCOPED_TRACE(std::string(c.name) + (is_synced ? ", synced" : ", not synced"));
            open();
            fill();
            db_->read()->PauseBackgroundWork();
            std::size_t puts = 0;
            for (const std::size_t logs = files("", ".log").size();
                 files("", ".log").size() == logs; ++puts) {
                rocksdb::WriteBatch batch;
                batch.Put("late " + std::to_string(puts), std::string(1'000, 'v'));
                ASSERT_TRUE(db_->write(batch, is_synced));
            }
            fs::copy(things_, killed_);
            db_->read()->ContinueBackgroundWork();
            db_.reset();
            fs::remove_all(things_);
            fs::rename(killed_, things_);
            told_.clear();
            if (c.act) c.act(files("", ".log").front());

            disk_.free_bytes = 0;
            if (c.act) {
                const std::string error = open_error();  // for reading it must be whole
                EXPECT_NE(error.find("it is not opened without what it lost"), std::string::npos)
                    << error;
                EXPECT_NE(error.find("make room on it"), std::string::npos) << error;
            } else {
                open();
            }
            disk_.free_bytes = 1'000'000;
            open();
            const bool is_lost = static_cast<bool>(c.act);
            EXPECT_EQ(db_->lost_its_end(), is_lost);
            EXPECT_EQ(get("199"), std::string(1'000, 'v'));
            EXPECT_EQ(get("late " + std::to_string(puts - 2)).empty(), is_lost);
            ASSERT_TRUE(put("after"));
            end(End::kKill);
            open();
            EXPECT_EQ(told_, (std::vector<bool>{is_lost, false}));
            EXPECT_EQ(get("after"), "v");
            db_.reset();
            fs::remove_all(things_);
        }
    }
}

// RocksDB reads on behind zeros, so what lies there has been skipped, and the end is as it was.
TEST_F(ClosedDatabaseTest, ZerosInAWriteAheadLogAreToldThoughItsEndIsWhole) {
    constexpr std::uintmax_t kBlockBytes = 32'768;
    open();
    open();  // the next log begins with the entries of the test
    const fs::path log = files("", ".log").back();
    ASSERT_EQ(fs::file_size(log), 0u);
    for (int i = 100; i < 148; ++i) {
        ASSERT_TRUE(put("k" + std::to_string(i), std::string(997, 'v')));  // 1,024 bytes each
    }
    ASSERT_EQ(fs::file_size(log), 48u * 1'024);
    end(End::kKill);
    std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(16 * 1'024);
    file << std::string(kBlockBytes - 16 * 1'024, '\0');
    file.close();
    told_.clear();

    open();

    EXPECT_EQ(db_->probe().damages.get(), 1u);
    EXPECT_EQ(get("k100"), std::string(997, 'v'));
    EXPECT_EQ(get("k120"), "");
    ASSERT_TRUE(put("after"));
    end(End::kKill);
    open();
    EXPECT_EQ(told_, (std::vector<bool>{true, false}));
    EXPECT_EQ(get("after"), "v");
}

TEST_F(ClosedDatabaseTest, AnEarlierWriteAheadLogOfZerosIsTold) {
    open();
    fill();
    db_->read()->PauseBackgroundWork();
    std::size_t puts = 0;
    for (const std::size_t logs = files("", ".log").size(); files("", ".log").size() == logs;) {
        ASSERT_TRUE(put("late " + std::to_string(puts++), std::string(1'000, 'v')));
    }
    fs::copy(things_, killed_);
    db_->read()->ContinueBackgroundWork();
    db_.reset();
    fs::remove_all(things_);
    fs::rename(killed_, things_);
    zero_from(files("", ".log").front(), 0);
    for (const bool is_full : {true, false}) {
        SCOPED_TRACE(is_full);
        told_.clear();
        disk_.free_bytes = is_full ? 0 : 1'000'000;
        open();
        EXPECT_TRUE(db_->lost_its_end());
        EXPECT_EQ(get("199"), std::string(1'000, 'v'));
        EXPECT_EQ(get("late 0"), "");
    }
    ASSERT_TRUE(put("after"));
    end(End::kKill);
    open();
    EXPECT_EQ(told_, (std::vector<bool>{true, false}));
    EXPECT_EQ(get("after"), "v");
}

TEST_F(ClosedDatabaseTest, AStartThatIsKilledBeforeALossWasFollowedFindsItAgain) {
    open();
    ASSERT_TRUE(put("last"));
    db_.reset();
    for (const fs::path& log : files("", ".log")) fs::remove(log);
    const auto prepare = std::exchange(settings_.prepare, [](const Database::Opened&) -> Result<> {
        return Error{ErrorCode::kUnavailable, "as if the process had ended"};
    });
    open_error();
    settings_.prepare = prepare;
    told_.clear();
    open();
    open();
    EXPECT_EQ(told_, (std::vector<bool>{true, false}));
}

TEST_F(ClosedDatabaseTest, WithoutRoomALossIsKnownToo) {
    open();
    ASSERT_TRUE(put("last"));
    db_.reset();
    for (const fs::path& log : files("", ".log")) fs::resize_file(log, 0);
    told_.clear();
    disk_.free_bytes = 0;
    const std::string error = open_error();  // its format is lost, too
    EXPECT_NE(error.find("it was never written"), std::string::npos) << error;
    disk_.free_bytes = 1'000'000;
    open();
    EXPECT_EQ(told_, (std::vector<bool>{true}));
}

TEST_F(ClosedDatabaseTest, AManifestThatIsCutOrOfBeforeIsRefusedAndNothingIsTouched) {
    for (const End how : {End::kStop, End::kKill}) {
        for (const bool is_older : {false, true}) {
            SCOPED_TRACE(std::string(how == End::kStop ? "stopped" : "killed") +
                         (is_older ? ", of before" : ", cut"));
            open();
            const fs::path manifest = files("MANIFEST-", "").back();
            fs::copy(manifest, away_);
            fill();
            end(how);
            fs::rename(manifest, folder_.path() / "whole");
            fs::copy(is_older ? away_ : folder_.path() / "whole", manifest);
            if (!is_older) fs::resize_file(manifest, fs::file_size(manifest) - 30);
            const std::set<fs::path> left = all_files();

            for (const bool is_full : {false, true}) {
                disk_.free_bytes = is_full ? 0 : 1'000'000;
                const std::string error = open_error();
                for (const std::string& part :
                     {manifest.filename().string() + " in " + things_.string() + " has ",
                      std::string("put it back"), std::string("`eventbus restore`"),
                      std::string("move things/ away")}) {
                    EXPECT_NE(error.find(part), std::string::npos) << part << ": " << error;
                }
                EXPECT_EQ(all_files(), left);
            }
            disk_.free_bytes = 1'000'000;
            fs::rename(folder_.path() / "whole", manifest);
            told_.clear();
            open();
            EXPECT_EQ(told_, std::vector<bool>{false});
            EXPECT_EQ(get("199"), std::string(1'000, 'v'));
            db_.reset();
            fs::remove_all(things_);
            fs::remove_all(away_);
        }
    }
}

TEST_F(ClosedDatabaseTest, AManifestWithALowerNumberIsRefused) {
    open();
    const fs::path manifest = files("MANIFEST-", "").back();
    fs::copy(manifest, away_);
    open();
    ASSERT_TRUE(put("last"));
    db_.reset();
    fs::rename(away_, manifest);
    std::ofstream(things_ / "CURRENT") << manifest.filename().string() << '\n';

    const std::string error = open_error();

    EXPECT_NE(error.find("names " + manifest.filename().string() + ", and the server had come to "),
              std::string::npos)
        << error;
}

// A loss of power takes what was not synced; nobody was promised that it stays.
TEST_F(ClosedDatabaseTest, WhatWasNotSyncedIsExpectedOnlyWhileTheMachineRuns) {
    for (const auto& [is_same_life, is_zeros] :
         {std::pair(false, false), {true, false}, {false, true}, {true, true}}) {
        SCOPED_TRACE(std::string(is_same_life ? "the same life" : "another life") +
                     (is_zeros ? ", zeros" : ", cut"));
        settings_.boot_id = "boot-1";
        open();
        ASSERT_TRUE(put("synced"));
        const auto synced = fs::file_size(files("", ".log").back());
        rocksdb::WriteBatch batch;
        batch.Put("not synced", "v");
        ASSERT_TRUE(db_->write(batch, false));
        end(End::kKill);
        if (is_zeros) {
            zero_from(files("", ".log").back(), synced);
        } else {
            fs::resize_file(files("", ".log").back(), synced);
        }
        if (!is_same_life) settings_.boot_id = "boot-2";
        told_.clear();
        open();
        EXPECT_EQ(told_, std::vector<bool>{is_same_life});
        EXPECT_EQ(get("synced"), "v");

        ASSERT_TRUE(put("synced"));
        end(End::kKill);
        fs::remove(files("", ".log").back());
        settings_.boot_id = "boot-3";
        told_.clear();
        open();
        EXPECT_EQ(told_, std::vector<bool>{true}) << "what was synced is expected ever after";
        db_.reset();
        fs::remove_all(things_);
    }
}

TEST_F(ClosedDatabaseTest, AStoreOfAReleaseThatExpectedNothingIsOpened) {
    open();
    ASSERT_TRUE(put("a"));
    db_.reset();
    fs::remove(things_ / "EXPECTED");
    told_.clear();
    testing::internal::CaptureStderr();
    open();
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    EXPECT_EQ(told_, std::vector<bool>{false});
    EXPECT_EQ(get("a"), "v");
}

TEST_F(ClosedDatabaseTest, AStoreOfABuildThatExpectedNoSequenceIsOpened) {
    open();
    ASSERT_TRUE(put("a"));
    db_.reset();
    std::ifstream file(things_ / "EXPECTED");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    ASSERT_NE(text.find("sequence "), std::string::npos) << text;
    text.resize(text.find("sequence "));
    std::ofstream(things_ / "EXPECTED") << text;
    zero_from(files("", ".log").back(), 0);
    told_.clear();
    open();
    EXPECT_EQ(told_, std::vector<bool>{false});
}

TEST_F(ClosedDatabaseTest, AWriteAheadLogOfANumberThatNoneHasIsRefusedByName) {
    open();
    ASSERT_TRUE(put("a"));
    db_.reset();
    for (const char* const name : {"0.log", "000000.log", "4611686018427387904.log"}) {
        SCOPED_TRACE(name);
        std::ofstream(things_ / name) << "notes";
        const std::string error = open_error();
        EXPECT_NE(error.find(name), std::string::npos) << error;
        EXPECT_NE(error.find("move it away"), std::string::npos) << error;
        fs::remove(things_ / name);
    }
    std::ofstream(things_ / "notes.log") << "notes";
    open();
    EXPECT_EQ(get("a"), "v");
}

TEST_F(ClosedDatabaseTest, OpeningsThatWriteNothingLeaveNoPileOfLogs) {
    for (int i = 0; i < 40; ++i) {
        open();
        if (i == 0) {
            ASSERT_TRUE(put("a"));
        }
        db_.reset();
    }
    EXPECT_LE(files("", ".log").size(), 18u);
    open();
    EXPECT_EQ(get("a"), "v");
}

TEST_F(ClosedDatabaseTest, WhereItCannotReadWhatToExpectItSaysSoOnce) {
    struct Case {
        const char* name;
        std::function<void(const fs::path&)> act;
    };
    const Case cases[] = {
        {"empty", [](const fs::path& file) { std::ofstream{file}; }},
        {"cut", [](const fs::path& file) { std::ofstream(file) << "MANIFEST-000"; }},
        {"junk", [](const fs::path& file) { std::ofstream(file) << "damage\xff"; }},
        {"a pipe",
         [](const fs::path& file) {
             fs::remove(file);
             ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
         }},
        {"a folder",
         [](const fs::path& file) {
             fs::remove(file);
             fs::create_directory(file);
         }},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        open();
        ASSERT_TRUE(put("a"));
        db_.reset();
        c.act(things_ / "EXPECTED");
        told_.clear();
        testing::internal::CaptureStderr();
        open();
        const std::string said = testing::internal::GetCapturedStderr();
        EXPECT_NE(said.find("cannot read which files a store must have"), std::string::npos)
            << said;
        EXPECT_NE(said.find("EXPECTED"), std::string::npos) << said;
        EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
        EXPECT_EQ(told_, std::vector<bool>{false});
        EXPECT_EQ(get("a"), "v");
        EXPECT_TRUE(put("b"));
        db_.reset();
        fs::remove_all(things_);
    }
}

// To open one would wait forever.
TEST_F(ClosedDatabaseTest, APipeInThePlaceOfAFileIsRefused) {
    open();
    fill();
    ASSERT_TRUE(put("a"));
    end(End::kKill);
    std::ofstream(things_ / "LOST_END") << "";
    for (const auto& [begin, extension] : {std::pair("CURRENT", ""),
                                           {"IDENTITY", ""},
                                           {"LOCK", ""},
                                           {"LOST_END", ""},
                                           {"MANIFEST-", ""},
                                           {"", ".log"},
                                           {"", ".sst"}}) {
        const fs::path file = files(begin, extension).front();
        SCOPED_TRACE(file.filename());
        fs::rename(file, away_);
        ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
        for (const bool is_full : {false, true}) {
            disk_.free_bytes = is_full ? 0 : 1'000'000;
            const std::string error = open_error();
            EXPECT_NE(error.find(file.filename().string() + " in " + things_.string() +
                                 " is not a regular file; if you have the file, put it back"),
                      std::string::npos)
                << error;
        }
        disk_.free_bytes = 1'000'000;
        fs::rename(away_, file);
    }
    fs::remove(things_ / "LOST_END");
    told_.clear();
    open();
    EXPECT_EQ(told_, std::vector<bool>{false});
    EXPECT_EQ(get("a"), "v");
    EXPECT_EQ(get("199"), std::string(1'000, 'v'));
}

TEST_F(ClosedDatabaseTest, OfACopyNothingIsExpected) {
    open();
    ASSERT_TRUE(put("before"));
    fs::copy(things_, away_);
    fill();
    db_.reset();
    // `cp` came to this file last.
    fs::copy(things_ / "EXPECTED", away_ / "EXPECTED", fs::copy_options::overwrite_existing);
    fs::remove_all(things_);
    fs::rename(away_, things_);
    settings_.is_copy = true;
    told_.clear();
    open();
    EXPECT_EQ(get("before"), "v");
    settings_.is_copy = false;
    open();
    EXPECT_EQ(told_, (std::vector<bool>{false, false}));
}

// Writes forever, so that write-ahead logs, tables and manifests come and go.
TEST(DatabaseLife, Writes) {
    const auto folder = folder_of_life();
    if (!folder) GTEST_SKIP() << "the life of another test";
    const auto opened = Database::open({.data_dir = *folder,
                                        .folder = "things",
                                        .name = "the store of things",
                                        .format_key = "f",
                                        .formats = {"1"},
                                        .free_bytes_min = 0,
                                        .memtable_bytes = 64U << 10U});
    BUS_ASSERT(opened.has_value());
    say("open");
    for (int i = 0;; ++i) {
        rocksdb::WriteBatch batch;
        batch.Put(std::to_string(i % 100), std::string(1'000, 'v'));
        BUS_ASSERT((**opened).write(batch, i % 3 == 0).has_value());
        if (i % 50 == 0) (**opened).look();
        say(std::to_string(i));
    }
}

TEST(Database, AfterKillNineNothingIsMissing) {
    const Folder folder;
    for (std::size_t round = 0; round < 20; ++round) {
        SCOPED_TRACE(round);
        live_and_be_killed("DatabaseLife.Writes", folder.path(), 1 + round * round * 3);
        const auto opened = Database::open({.data_dir = folder.path(),
                                            .folder = "things",
                                            .name = "the store of things",
                                            .format_key = "f",
                                            .formats = {"1"},
                                            .free_bytes_min = 0});
        ASSERT_TRUE(opened.has_value()) << opened.error().detail;
        EXPECT_EQ((**opened).probe().damages.get(), 0u);
    }
}

// ---- formats ------------------------------------------------------------------------------------

TEST_F(DatabaseTest, AnEarlierFormatIsConvertedAndANewerOneIsNotTouched) {
    settings_.formats = {"1"};
    open();
    ASSERT_TRUE(put("thing", "old"));
    settings_.formats = {"1", "2"};
    settings_.prepare = [](const Database::Opened& opened) {
        opened.db.Put({}, "thing", "new");
        return Result<>();
    };
    open();
    EXPECT_EQ(get("thing"), "new");
    EXPECT_EQ(get("f"), "2");
    ASSERT_TRUE(put("thing", "newest"));

    settings_.formats = {"1"};
    const std::string error = open_error();

    EXPECT_NE(error.find("format 2"), std::string::npos) << error;
    EXPECT_NE(error.find("start the newer server"), std::string::npos) << error;
    settings_.formats = {"1", "2"};
    settings_.prepare = {};
    open();
    EXPECT_EQ(get("thing"), "newest");
}

TEST_F(DatabaseTest, ASecondServerIsToldSoThoughOneOfThemCanOnlyRead) {
    open();
    ASSERT_TRUE(put("before"));
    for (const bool full : {false, true}) {
        SCOPED_TRACE(full);
        db_.reset();
        disk_.free_bytes = full ? 0 : 1'000'000;
        open();
        for (const bool full_for_it : {false, true}) {
            disk_.free_bytes = full_for_it ? 0 : 1'000'000;
            const auto second = Database::open(settings_);
            ASSERT_FALSE(second.has_value());
            EXPECT_NE(second.error().detail.find("another server uses this data directory"),
                      std::string::npos)
                << second.error().detail;
        }
    }
}

}  // namespace
}  // namespace eventbus
