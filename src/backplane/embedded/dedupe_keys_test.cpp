#include "backplane/embedded/dedupe_keys.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backplane/embedded/scan.h"
#include "support/fake_clock.h"
#include "support/folder.h"

namespace eventbus {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class DedupeKeysTest : public testing::Test {
 protected:
    DedupeKeysTest() {
        auto opened = Database::open({.data_dir = folder_.path(),
                                      .folder = "log",
                                      .name = "the log",
                                      .consequence = "nothing is taken",
                                      .remedy = "move it away",
                                      .format_key = "f",
                                      .formats = {"1"},
                                      .free_bytes_min = 0});
        EXPECT_TRUE(opened.has_value()) << opened.error().detail;
        database_ = std::move(*opened);
        start();
    }

    void start() {
        keys_ = std::make_unique<DedupeKeys>(clock_, settings_);
        dedupe_ = std::make_unique<Dedupe>(settings_);
        EXPECT_TRUE(keys_->load(*database_, *dedupe_));
    }
    void add(const std::string& key, std::vector<Position> forgotten = {}) {
        auto entry = std::make_shared<Entry>();
        entry->position = ++last_;
        rocksdb::WriteBatch batch;
        keys_->put(batch, {.entry = entry,
                           .is_stored = true,
                           .changes = {},
                           .dedupe_key = key,
                           .forgotten_keys = std::move(forgotten)});
        EXPECT_TRUE(database_->write(batch, true));
    }
    bool is_known(const std::string& key) {
        dedupe_->forget(clock_.now());
        return dedupe_->find(key) != nullptr;
    }
    // How many are left on the disk.
    std::size_t sweep() {
        for (Result<bool> has_more = true; has_more && *has_more;) {
            has_more = keys_->sweep(*database_);
            EXPECT_TRUE(has_more.has_value());
        }
        const Database::Reading db = database_->read();
        const Scan at(*db, "d", "e");
        std::size_t count = 0;
        for (at->SeekToFirst(); at->Valid(); at->Next()) ++count;
        return count;
    }

    FakeClock clock_;
    Folder folder_;
    Dedupe::Settings settings_{.window = minutes(10)};
    Position last_;
    std::unique_ptr<Database> database_;
    std::unique_ptr<DedupeKeys> keys_;
    std::unique_ptr<Dedupe> dedupe_;
};

TEST_F(DedupeKeysTest, AClockThatWasSetAheadMakesNoRepeatANewEvent) {
    add("before");
    clock_.set_wall(clock_.wall_now() + hours(25));
    add("behind");
    EXPECT_EQ(sweep(), 2u);
    start();

    EXPECT_EQ(sweep(), 2u);
    EXPECT_TRUE(is_known("before"));
    EXPECT_TRUE(is_known("behind"));
}

TEST_F(DedupeKeysTest, AClockThatWasSetBackKeepsNoKeyLonger) {
    clock_.set_wall(clock_.wall_now() + hours(24 * 365));
    add("ahead");
    clock_.set_wall(clock_.wall_now() - hours(24 * 365));
    add("back");
    start();
    clock_.advance(settings_.window + seconds(1));

    EXPECT_EQ(sweep(), 0u);
    EXPECT_FALSE(is_known("ahead"));
    EXPECT_FALSE(is_known("back"));
}

TEST_F(DedupeKeysTest, TheTimeThatTheServerWasOffMakesNoKeyOlder) {
    add("early");
    clock_.advance(minutes(6));
    add("late");
    clock_.set_wall(clock_.wall_now() + hours(5));
    start();

    clock_.advance(minutes(5));
    EXPECT_FALSE(is_known("early"));
    EXPECT_TRUE(is_known("late"));
    EXPECT_EQ(sweep(), 1u);
    clock_.advance(minutes(5));
    EXPECT_FALSE(is_known("late"));
    EXPECT_EQ(sweep(), 0u);
}

TEST_F(DedupeKeysTest, AStartWithoutKeysTakesNew) {
    add("one");
    clock_.advance(minutes(11));
    EXPECT_EQ(sweep(), 0u);
    clock_.set_wall(clock_.wall_now() - hours(1));
    start();
    add("two");
    clock_.advance(minutes(9));
    start();

    EXPECT_TRUE(is_known("two"));
    EXPECT_EQ(sweep(), 1u);
}

TEST_F(DedupeKeysTest, WhatWasForgottenBeforeItsTimeIsNotThereAfterAStart) {
    settings_.keys_max = 2;
    start();
    add("of the one who has one");
    add("of a flood 1");
    add("of a flood 2", {Position(2)});
    add("of a flood 3", {Position(3)});
    start();

    EXPECT_EQ(sweep(), 2U);
    EXPECT_TRUE(is_known("of the one who has one")) << "a flood has pushed it out";
    EXPECT_FALSE(is_known("of a flood 2"));
    EXPECT_TRUE(is_known("of a flood 3"));
    clock_.advance(settings_.window);
    EXPECT_EQ(sweep(), 0U);
}

TEST_F(DedupeKeysTest, TheNewestAreLoadedWhereThereAreTooMany) {
    for (int i = 0; i < 5; ++i) add("key" + std::to_string(i));
    settings_.keys_max = 3;
    start();

    EXPECT_FALSE(is_known("key1"));
    EXPECT_TRUE(is_known("key2"));
    EXPECT_TRUE(is_known("key4"));
}

}  // namespace
}  // namespace eventbus
