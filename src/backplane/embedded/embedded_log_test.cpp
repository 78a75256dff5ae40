#include "backplane/embedded/embedded_log.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/subject_watches.h"
#include "bus/subjects.h"
#include "log/sequencer.h"
#include "support/fake_clock.h"
#include "support/faulty_disk.h"
#include "support/folder.h"
#include "support/loop.h"
#include "support/plans.h"
#include "support/position_literal.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

namespace fs = std::filesystem;
using Receipts = Result<std::vector<Receipt>>;
using Ids = std::vector<std::string>;

class NoWaker final : public Tail::Waker {
    void wake_if_asleep() override {}
};

std::vector<Plan> one(Plan plan) {
    std::vector<Plan> plans;
    plans.push_back(std::move(plan));
    return plans;
}

class EmbeddedLogTest : public testing::Test {
 protected:
    EmbeddedLogTest() { settings_ = {.data_dir = folder_.path(), .env = disk_.env()}; }
    ~EmbeddedLogTest() override { close(); }

    void open() {
        close();
        subjects_.emplace(Subjects::Settings{});
        auto opened = EmbeddedLog::open(settings_, *subjects_, clock_, random_);
        ASSERT_TRUE(opened.has_value()) << opened.error().detail;
        log_ = std::move(*opened);
        reader_.emplace(log_->tail(), waker_, 4096);
        log_->start();
    }
    void close() {
        reader_.reset();
        log_.reset();
    }
    Error open_error() {
        Subjects subjects({});
        const auto opened = EmbeddedLog::open(settings_, subjects, clock_, random_);
        EXPECT_FALSE(opened.has_value());
        return opened ? Error{} : opened.error();
    }

    // The answer, once there is one.
    std::shared_ptr<std::optional<Receipts>> begin(Plan plan) {
        auto answer = std::make_shared<std::optional<Receipts>>();
        log_->append(one(std::move(plan)), loop_,
                     [answer](Receipts receipts) { *answer = std::move(receipts); });
        return answer;
    }
    Receipts append(Plan plan) {
        const auto answer = begin(std::move(plan));
        loop_.run_until([&] { return answer->has_value(); });
        return **answer;
    }
    ErrorCode append_error(Plan plan) {
        const Receipts receipts = append(std::move(plan));
        EXPECT_FALSE(receipts.has_value());
        return receipts ? ErrorCode::kInternal : receipts.error().code;
    }
    Position position_of(Plan plan) {
        const Receipts receipts = append(std::move(plan));
        EXPECT_TRUE(receipts.has_value()) << receipts.error().detail;
        return receipts ? receipts->front().position : Position();
    }

    Page read(Position after, std::size_t limit = 1000) {
        std::optional<Result<Page>> answer;
        log_->read(after, limit, loop_, [&](Result<Page> page) { answer = std::move(page); });
        loop_.run_until([&] { return answer.has_value(); });
        EXPECT_TRUE(answer->has_value());
        return **answer;
    }
    Ids stored() {
        Ids ids;
        for (const SharedEntry& entry : read(0_pos).entries) ids.push_back(entry->event.id);
        return ids;
    }
    Ids shown() {
        Ids ids;
        while (const SharedEntry* entry = reader_->next()) ids.push_back((*entry)->event.id);
        return ids;
    }
    // Lets the log thread look at retention and space, and waits until it has done what was asked.
    void look() {
        log_->look_now();
        position_of(make_plan("after-look-" + std::to_string(++looks_)));
        log_->look_now();
        position_of(make_plan("after-look-" + std::to_string(++looks_)));
    }

    Folder folder_;
    FaultyDisk disk_;
    FakeClock clock_;
    SeededRandom random_{1};
    Loop loop_;
    NoWaker waker_;
    EmbeddedLogSettings settings_;
    std::optional<Subjects> subjects_;
    std::unique_ptr<EmbeddedLog> log_;
    std::optional<TailReader> reader_;
    int looks_ = 0;
};

// ---- the turn and the syncs
// -----------------------------------------------------------------------

TEST_F(EmbeddedLogTest, ALoneTransientEventIsVisibleAndAnsweredBeforeAppendReturns) {
    open();
    const std::uint64_t syncs = disk_.syncs;

    const auto answer = begin(make_transient_plan("a"));

    ASSERT_TRUE(answer->has_value());
    ASSERT_TRUE((*answer)->has_value());
    EXPECT_EQ((**answer)->front().position, log_->frontier());
    EXPECT_EQ(shown(), Ids{"a"});
    EXPECT_EQ(disk_.syncs, syncs);
    EXPECT_EQ(log_->probe().syncs.get(), 0u);
}

TEST_F(EmbeddedLogTest, ATransientEventBehindAnUnsyncedDurableOneWaitsForItsSync) {
    open();
    disk_.hold_syncs(true);
    const auto durable = begin(make_plan("a"));
    const auto transient = begin(make_transient_plan("b"));
    disk_.wait_for_a_held_sync();

    EXPECT_FALSE(durable->has_value());
    EXPECT_FALSE(transient->has_value());
    EXPECT_EQ(shown(), Ids{});
    EXPECT_EQ(loop_.waiting(), 0u);

    disk_.hold_syncs(false);
    loop_.run_until([&] { return transient->has_value(); });
    EXPECT_TRUE(durable->has_value());
    EXPECT_EQ(shown(), (Ids{"a", "b"}));
}

TEST_F(EmbeddedLogTest, EverythingThatWaitsSharesTheNextSync) {
    open();
    disk_.hold_syncs(true);
    const std::uint64_t before = disk_.syncs;
    begin(make_plan("first"));
    disk_.wait_for_a_held_sync();
    std::shared_ptr<std::optional<Receipts>> last;
    for (int i = 0; i < 100; ++i) last = begin(make_plan(std::to_string(i)));
    disk_.hold_syncs(false);
    loop_.run_until([&] { return last->has_value(); });

    EXPECT_EQ(disk_.syncs - before, 2u);
    EXPECT_EQ(log_->probe().syncs.get(), 2u);
    EXPECT_EQ(log_->probe().synced_entries.get(), 101u);
    EXPECT_EQ(shown().size(), 101u);
}

TEST_F(EmbeddedLogTest, ARepeatOfAnUnsyncedEventWaitsForIt) {
    open();
    disk_.hold_syncs(true);
    const auto first = begin(make_plan("a"));
    const auto repeat = begin(make_plan("a"));
    disk_.wait_for_a_held_sync();
    EXPECT_FALSE(repeat->has_value());

    disk_.hold_syncs(false);
    loop_.run_until([&] { return repeat->has_value(); });

    ASSERT_TRUE((*repeat)->has_value());
    EXPECT_TRUE((**repeat)->front().duplicate);
    EXPECT_EQ((**repeat)->front().position, (**first)->front().position);
}

TEST_F(EmbeddedLogTest, WhoBroughtTooMuchForTheDiskIsRefusedUntilItHasCaughtUp) {
    settings_.pending_bytes_max = 2'000;
    open();
    disk_.hold_syncs(true);
    std::shared_ptr<std::optional<Receipts>> last;
    for (int i = 0; log_->probe().pending_bytes.get() < 2'000; ++i) {
        last = begin(make_plan(std::to_string(i)));
    }

    EXPECT_EQ(append_error(make_plan("past")), ErrorCode::kUnavailable);
    EXPECT_EQ(append_error(make_transient_plan("past too")), ErrorCode::kUnavailable);

    disk_.hold_syncs(false);
    loop_.run_until([&] { return last->has_value(); });
    EXPECT_TRUE(append(make_plan("past")).has_value());
}

TEST_F(EmbeddedLogTest, NoPositionIsGivenThatIsNotReservedOnDisk) {
    settings_.reserve = 8;
    open();
    disk_.hold_syncs(true);
    for (int i = 0; i < 8; ++i) {
        EXPECT_TRUE(append(make_transient_plan(std::to_string(i))).has_value()) << i;
    }
    EXPECT_EQ(append_error(make_transient_plan("past")), ErrorCode::kUnavailable);

    disk_.hold_syncs(false);
    Receipts next = append(make_transient_plan("next"));
    while (!next) next = append(make_transient_plan("next"));  // until the log thread is there
    EXPECT_EQ(next->front().position, 9_pos);
}

TEST_F(EmbeddedLogTest, TooManyReadsAtOnceAreRefused) {
    settings_.reads_max = 0;
    open();
    std::optional<Result<Page>> answer;
    log_->read(Position(), 1, loop_, [&](Result<Page> page) { answer = std::move(page); });
    loop_.run_until([&] { return answer.has_value(); });
    ASSERT_FALSE(answer->has_value());
    EXPECT_EQ(answer->error().code, ErrorCode::kUnavailable);
}

// ---- who may watch
// ----------------------------------------------------------------------------------

TEST_F(EmbeddedLogTest, AWatchByAnUnansweredPublishIsAnsweredAfterItsSync) {
    open();
    SubjectWatches watches(*log_, *subjects_);
    disk_.hold_syncs(true);
    const auto published = begin(make_owner_plan("a", "photo:1", "ann"));
    std::optional<Result<WatchAnswer>> ann;
    std::optional<Result<WatchAnswer>> bob;
    std::optional<Result<WatchAnswer>> admin;
    const WatchRule rule{.owner = true, .roles = {"admin"}};
    watches.ask({"photo:1", rule, "ann", {}}, loop_, [&](auto answer) { ann = std::move(answer); });
    watches.ask({"photo:1", rule, "bob", {}}, loop_, [&](auto answer) { bob = std::move(answer); });
    watches.ask({"photo:1", rule, "eve", {"admin"}}, loop_,
                [&](auto answer) { admin = std::move(answer); });
    disk_.wait_for_a_held_sync();

    EXPECT_FALSE(ann.has_value()) << "a crash could take the right back";
    ASSERT_TRUE(bob.has_value() && !bob->has_value());
    EXPECT_EQ(bob->error().code, ErrorCode::kForbidden);
    ASSERT_TRUE(admin.has_value() && admin->has_value());
    EXPECT_EQ((*admin)->at, 1_pos);
    EXPECT_EQ((*admin)->right_since, 0_pos);

    disk_.hold_syncs(false);
    loop_.run_until([&] { return ann.has_value(); });
    ASSERT_TRUE(ann->has_value());
    EXPECT_EQ((*ann)->at, 1_pos);
    EXPECT_EQ((*ann)->right_since, 1_pos);
    EXPECT_TRUE(published->has_value());
}

TEST_F(EmbeddedLogTest, AWatchByAnEventWhoseSyncFailedIsRefused) {
    open();
    SubjectWatches watches(*log_, *subjects_);
    disk_.hold_syncs(true);
    disk_.fails_syncs = true;
    begin(make_owner_plan("a", "photo:1", "ann"));
    std::optional<Result<WatchAnswer>> before;
    std::optional<Result<WatchAnswer>> after;
    watches.ask({"photo:1", {.owner = true}, "ann", {}}, loop_, [&](auto a) { before = a; });
    disk_.hold_syncs(false);
    loop_.run_until([&] { return before.has_value(); });
    watches.ask({"photo:1", {.owner = true}, "ann", {}}, loop_, [&](auto a) { after = a; });
    loop_.run_until([&] { return after.has_value(); });

    for (const auto& answer : {*before, *after}) {
        ASSERT_FALSE(answer.has_value());
        EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
    }
}

// ---- a disk that fails
// ------------------------------------------------------------------------------

TEST_F(EmbeddedLogTest, AfterAFailedSyncNothingThatItCoveredIsVisibleAndAllIsRefused) {
    settings_.retry_after = std::chrono::hours(1);
    for (const bool no_space : {false, true}) {
        SCOPED_TRACE(no_space);
        open();
        const Position good = position_of(make_plan(no_space ? "good-2" : "good-1"));
        const std::size_t stored_before = stored().size();
        shown();
        disk_.hold_syncs(!no_space);
        (no_space ? disk_.has_no_space : disk_.fails_syncs) = true;
        // After a restart it may be there all the same: its bytes had gone to the disk, or not.
        const std::string lost = no_space ? "lost-2" : "lost-1";
        const auto durable = begin(make_plan(lost));
        const auto transient = begin(make_transient_plan("behind"));
        const auto repeat = begin(make_plan(lost));
        disk_.hold_syncs(false);
        loop_.run_until([&] { return transient->has_value(); });  // the last of them

        for (const auto& answer : {durable, transient, repeat}) {
            ASSERT_TRUE(answer->has_value());
            ASSERT_FALSE((*answer)->has_value());
            EXPECT_EQ((*answer)->error().code, ErrorCode::kReadOnly);
        }
        EXPECT_FALSE(log_->is_writable());
        EXPECT_EQ(append_error(make_plan("later")), ErrorCode::kReadOnly);
        EXPECT_EQ(append_error(make_transient_plan("later too")), ErrorCode::kReadOnly);
        EXPECT_EQ(shown(), Ids{});
        EXPECT_EQ(log_->frontier(), good);
        EXPECT_EQ(stored().size(), stored_before) << "it is still readable";
        const std::uint64_t syncs = disk_.syncs;
        EXPECT_EQ(append_error(make_plan("never")), ErrorCode::kReadOnly);
        EXPECT_EQ(disk_.syncs, syncs) << "the sync is not tried again";

        // On a disk that works again, a restart goes on above all that was given.
        close();
        disk_.fails_syncs = disk_.has_no_space = false;
        open();
        EXPECT_TRUE(log_->is_writable());
        EXPECT_GT(position_of(make_plan(no_space ? "new-2" : "new-1")), good + 1);
    }
    const Ids ids = stored();
    for (const char* id : {"good-1", "new-1", "good-2", "new-2"}) {
        EXPECT_EQ(std::count(ids.begin(), ids.end(), id), 1) << id;
    }
}

TEST_F(EmbeddedLogTest, ADiskThatWorksAgainIsWrittenToAgainWithWhatItHadFailedOnFirst) {
    settings_.retry_after = std::chrono::milliseconds(0);
    for (const bool no_space : {false, true}) {
        SCOPED_TRACE(no_space);
        const std::string round = no_space ? "-2" : "-1";
        open();
        position_of(make_plan("before" + round));
        shown();
        disk_.hold_syncs(!no_space);
        (no_space ? disk_.has_no_space : disk_.fails_syncs) = true;
        const auto owned = begin(make_owner_plan("owned" + round, "photo" + round, "ann"));
        const auto transient = begin(make_transient_plan("tick" + round));
        disk_.hold_syncs(false);
        loop_.run_until([&] { return transient->has_value(); });
        ASSERT_TRUE(owned->has_value());
        EXPECT_FALSE((*owned)->has_value());
        disk_.fails_syncs = disk_.has_no_space = false;

        log_->look_now();
        Receipts again = append(make_owner_plan("owned" + round, "photo" + round, "ann"));
        while (!again) again = append(make_owner_plan("owned" + round, "photo" + round, "ann"));
        position_of(make_plan("after" + round));

        EXPECT_TRUE(again->front().duplicate) << "who was refused brings it again, and it is there";
        EXPECT_EQ(shown(), (Ids{"owned" + round, "tick" + round, "after" + round}));
        EXPECT_EQ(subjects_->owner("photo" + round), "ann");
        close();
        open();
        const Ids ids = stored();
        for (const std::string id : {"before", "owned", "after"}) {
            EXPECT_EQ(std::count(ids.begin(), ids.end(), id + round), 1) << id;
        }
        EXPECT_EQ(subjects_->owner("photo" + round), "ann");
    }
}

TEST_F(EmbeddedLogTest, AStartOnAFullDiskIsReadOnlyAndTakesEventsOnceThereIsRoom) {
    open();
    const Position before = position_of(make_owner_plan("a", "photo:1", "ann"));
    close();
    disk_.free_bytes = 0;
    disk_.has_no_space = true;

    open();

    EXPECT_FALSE(log_->is_writable());
    EXPECT_EQ(shown(), Ids{"a"});
    EXPECT_EQ(stored(), Ids{"a"});
    EXPECT_EQ(append_error(make_transient_plan("b")), ErrorCode::kReadOnly);
    EXPECT_EQ(subjects_->owner("photo:1"), "ann");
    disk_.free_bytes = 1ULL << 40U;
    disk_.has_no_space = false;
    log_->look_now();
    Receipts receipts = append(make_plan("c"));
    while (!receipts) receipts = append(make_plan("c"));  // until the log thread has looked
    EXPECT_GT(receipts->front().position, before);
    EXPECT_EQ(shown(), Ids{"c"});
}

TEST_F(EmbeddedLogTest, AShortageOfDescriptorsDoesNotLeaveItReadOnly) {
    settings_.retry_after = std::chrono::milliseconds(0);
    open();
    position_of(make_plan("a"));
    disk_.has_no_descriptors = true;
    disk_.fails_syncs = true;
    EXPECT_EQ(append_error(make_plan("b")), ErrorCode::kReadOnly);
    disk_.fails_syncs = false;
    EXPECT_EQ(append_error(make_plan("c")), ErrorCode::kReadOnly);
    disk_.has_no_descriptors = false;
    log_->look_now();
    Receipts receipts = append(make_plan("d"));
    while (!receipts) receipts = append(make_plan("d"));
    EXPECT_EQ(stored(), (Ids{"a", "b", "d"}));
}

TEST_F(EmbeddedLogTest, ANearlyFullDiskIsNotWrittenToUntilThereIsRoom) {
    settings_.free_bytes_min = 1'000'000;
    open();
    ASSERT_TRUE(append(make_plan("a")).has_value());
    disk_.free_bytes = 999'999;
    // What was taken before it is known is still written.
    ASSERT_TRUE(append(make_plan("b")).has_value());

    EXPECT_FALSE(log_->is_writable());
    EXPECT_EQ(append_error(make_plan("c")), ErrorCode::kReadOnly);
    EXPECT_EQ(append_error(make_transient_plan("d")), ErrorCode::kReadOnly);

    disk_.free_bytes = 2'000'000;
    log_->look_now();
    Receipts receipts = append(make_plan("e"));
    while (!receipts) receipts = append(make_plan("e"));  // until the log thread has looked
    EXPECT_TRUE(log_->is_writable());
    EXPECT_EQ(stored(), (Ids{"a", "b", "e"}));
}

// ---- what is found at the start
// ---------------------------------------------------------------------

TEST_F(EmbeddedLogTest, ASecondServerOnTheSameDirectoryIsToldSo) {
    open();
    const Error error = open_error();
    EXPECT_EQ(error.code, ErrorCode::kUnavailable);
    EXPECT_NE(error.detail.find("another server uses this data directory"), std::string::npos)
        << error.detail;
}

TEST_F(EmbeddedLogTest, ADirectoryOfANewerFormatIsNotTouched) {
    open();
    close();
    const std::string path = (folder_.path() / "log").string();
    {
        rocksdb::DB* opened = nullptr;
        ASSERT_TRUE(rocksdb::DB::Open({}, path, &opened).ok());
        const std::unique_ptr<rocksdb::DB> db(opened);
        ASSERT_TRUE(db->Put({}, "mformat", "3").ok());
    }
    const Error error = open_error();
    EXPECT_NE(error.detail.find("format 3"), std::string::npos) << error.detail;
    EXPECT_NE(error.detail.find("start the newer server"), std::string::npos) << error.detail;
}

// The write-ahead log that was written last.
fs::path newest_wal(const fs::path& folder) {
    fs::path newest;
    for (const auto& file : fs::directory_iterator(folder / "log")) {
        if (file.path().extension() == ".log" && file.path() > newest) newest = file.path();
    }
    return newest;
}

TEST_F(EmbeddedLogTest, AnEndThatWasCutOffTakesNothingWithItThatStandsBefore) {
    open();
    const auto a = append(make_plan("a"));
    ASSERT_TRUE(a.has_value());
    const Offset offset = log_->epochs().offset_of(a->front().position);
    const auto size = fs::file_size(newest_wal(folder_.path()));
    const Folder before;
    fs::copy(folder_.path() / "log" / "EXPECTED", before.path());
    ASSERT_TRUE(append(make_plan("b")).has_value());
    // As a crash before the answer leaves it: a copy of the files while they are open.
    for (std::uintmax_t cut = fs::file_size(newest_wal(folder_.path())) - 1; cut > size;
         cut -= 29) {
        SCOPED_TRACE(cut);
        const Folder copy;
        fs::copy(folder_.path(), copy.path(), fs::copy_options::recursive);
        fs::resize_file(newest_wal(copy.path()), cut);
        fs::copy(before.path() / "EXPECTED", copy.path() / "log",
                 fs::copy_options::overwrite_existing);
        Subjects subjects({});
        auto opened = EmbeddedLog::open({.data_dir = copy.path(), .free_bytes_min = 0}, subjects,
                                        clock_, random_);
        ASSERT_TRUE(opened.has_value()) << opened.error().detail;
        TailReader reader((*opened)->tail(), waker_, 100);
        (*opened)->start();
        const SharedEntry* const first = reader.next();
        ASSERT_NE(first, nullptr);
        EXPECT_EQ((*first)->event.id, "a");
        EXPECT_EQ(reader.next(), nullptr);
        EXPECT_TRUE((**opened).epochs().holds(offset));
        EXPECT_EQ((**opened).database().probe().damages.get(), 0u);
        if (cut < size + 29) break;
    }
}

TEST_F(EmbeddedLogTest, WhatADamagedEndHasTakenIsOfAnotherBranch) {
    open();
    const auto a = append(make_plan("a"));
    ASSERT_TRUE(a.has_value());
    const auto size = fs::file_size(newest_wal(folder_.path()));
    const auto b = append(make_plan("b"));
    ASSERT_TRUE(b.has_value());
    const Offset kept = log_->epochs().offset_of(a->front().position);
    const Offset lost = log_->epochs().offset_of(b->front().position);
    ASSERT_TRUE(append(make_plan("c")).has_value());
    const Folder copy;
    fs::copy(folder_.path(), copy.path(), fs::copy_options::recursive);
    std::fstream wal(newest_wal(copy.path()), std::ios::in | std::ios::out | std::ios::binary);
    wal.seekp(static_cast<std::streamoff>(size) + 30);
    wal.write("damage", 6);
    wal.close();
    close();
    settings_.data_dir = copy.path();
    open();
    EXPECT_EQ(stored(), Ids{"a"});
    EXPECT_TRUE(log_->epochs().holds(kept)) << "up to here it is the same log";
    EXPECT_FALSE(log_->epochs().holds(lost));
    EXPECT_TRUE(append(make_plan("d")).has_value());
    close();
    open();
    EXPECT_TRUE(log_->epochs().holds(kept));
    EXPECT_FALSE(log_->epochs().holds(lost));
    EXPECT_EQ(stored(), (Ids{"a", "d"}));
}

// A backup of files that were open: what was reserved then is given again by the other branch.
TEST_F(EmbeddedLogTest, OfACopyThatIsSaidToBeOneWhatCameLaterIsOfAnotherBranchAndLost) {
    open();
    const auto a = append(make_plan("a"));
    ASSERT_TRUE(a.has_value());
    const Folder copy;
    fs::copy(folder_.path(), copy.path(), fs::copy_options::recursive);
    const auto b = append(make_plan("b"));
    ASSERT_TRUE(b.has_value());
    const Offset kept = log_->epochs().offset_of(a->front().position);
    const Offset later = log_->epochs().offset_of(b->front().position);
    close();

    settings_.data_dir = copy.path();
    const Result<Position> end = EmbeddedLog::end_copy(settings_, clock_, random_);

    ASSERT_TRUE(end) << end.error().detail;
    EXPECT_EQ(*end, a->front().position);
    open();
    EXPECT_TRUE(log_->epochs().holds(kept));
    EXPECT_FALSE(log_->epochs().holds(later));
    const auto c = append(make_plan("c"));
    EXPECT_GT(c->front().position, b->front().position);
    // Who was away then has not seen `b`, and is told that something is missing; once.
    EXPECT_FALSE(read(kept.position).lost.empty());
    EXPECT_GE(read(kept.position).lost_through, b->front().position);
    EXPECT_EQ(read(kept.position).entries.size(), 1u);
    EXPECT_TRUE(read(c->front().position).lost.empty());
    close();
    open();
    EXPECT_FALSE(read(kept.position).lost.empty());
    EXPECT_TRUE(read(c->front().position).lost.empty()) << "a restart alone loses nothing";
    close();
    settings_.data_dir = copy.path() / "nothing";
    EXPECT_EQ(EmbeddedLog::end_copy(settings_, clock_, random_).error().code, ErrorCode::kNotFound);
}

TEST_F(EmbeddedLogTest, ALogOfTheFormatWithoutEpochsGoesOnAsTheFirstOfTheList) {
    open();
    const auto a = append(make_plan("a"));
    const Offset offset = log_->epochs().offset_of(a->front().position);
    close();
    {  // as the server of before left it
        rocksdb::DB* opened = nullptr;
        ASSERT_TRUE(rocksdb::DB::Open({}, (folder_.path() / "log").string(), &opened).ok());
        const std::unique_ptr<rocksdb::DB> db(opened);
        ASSERT_TRUE(db->Put({}, "mformat", "1").ok());
        ASSERT_TRUE(db->Delete({}, "mepochs").ok());
        ASSERT_TRUE(db->Put({}, "mepoch", offset.epoch).ok());
    }
    open();
    ASSERT_EQ(log_->epochs().past().size(), 1u);
    EXPECT_EQ(log_->epochs().past()[0].name, offset.epoch);
    EXPECT_TRUE(log_->epochs().holds(offset));
    EXPECT_EQ(stored(), Ids{"a"});
}

TEST_F(EmbeddedLogTest, ACleanEndLeavesNoHoleInThePositions) {
    open();
    position_of(make_plan("a"));
    const Position last = position_of(make_transient_plan("b"));
    close();
    open();
    EXPECT_EQ(log_->frontier(), last);
    EXPECT_EQ(position_of(make_plan("c")), last + 1);
}

TEST_F(EmbeddedLogTest, OnlyTheNewestEntriesAreShownAgainAndTheReaderKnowsWhereTheyBegin) {
    settings_.tail_entries_max = 2;
    open();
    position_of(make_plan("a"));
    const Position b = position_of(make_plan("b"));
    position_of(make_transient_plan("t"));
    position_of(make_plan("c"));
    position_of(make_plan("d"));
    close();
    open();
    EXPECT_EQ(reader_->kept_after(), b);
    EXPECT_EQ(shown(), (Ids{"c", "d"}));
    EXPECT_EQ(stored(), (Ids{"a", "b", "c", "d"}));
}

// ---- retention
// --------------------------------------------------------------------------------------

TEST_F(EmbeddedLogTest, AnEntryIsKeptForTheAgeOfItsTypeAndNoLonger) {
    open();
    Plan hour = make_plan("hour");
    hour.event.type = "photo.hour";
    hour.retention = {.age = std::chrono::hours(1)};
    Plan forever = make_plan("forever");
    forever.event.type = "photo.forever";
    forever.retention = {};
    const Position gone = position_of(std::move(hour));
    position_of(std::move(forever));
    clock_.advance(std::chrono::hours(1));
    look();
    EXPECT_EQ(stored()[0], "hour");
    EXPECT_EQ(read(0_pos).lost_through, 0_pos);
    const std::uint64_t losses = read(0_pos).losses;

    clock_.advance(std::chrono::milliseconds(1));
    look();

    EXPECT_EQ(stored()[0], "forever");
    EXPECT_EQ(read(0_pos).lost_through, gone);
    EXPECT_GT(read(0_pos).losses, losses);
    EXPECT_EQ(log_->probe().swept_entries.get(), 1u);
    clock_.advance(std::chrono::hours(24 * 365));
    look();
    EXPECT_EQ(stored()[0], "forever");
    close();
    open();
    EXPECT_EQ(stored()[0], "forever");
    EXPECT_GE(read(0_pos).lost_through, gone);
    EXPECT_GT(read(0_pos).losses, 0u);
}

TEST_F(EmbeddedLogTest, ATypeKeepsNoMoreThanItsBytesTheNewestOnes) {
    open();
    const auto make = [](int i) {
        Plan plan = make_plan("big-" + std::to_string(i), "photo:1", "photo.big");
        plan.event.data = R"({"x":")" + std::string(1'000, 'x') + "\"}";
        plan.retention = {.age = std::chrono::hours(24), .bytes_max = 5'000};
        return plan;
    };
    for (int i = 0; i < 10; ++i) position_of(make(i));
    position_of(make_plan("other"));
    look();
    const auto big = [&] {
        Ids ids = stored();
        std::erase_if(ids, [](const std::string& id) { return !id.starts_with("big"); });
        return ids;
    };
    EXPECT_EQ(big(), (Ids{"big-6", "big-7", "big-8", "big-9"}));

    // The sum is the same after a restart.
    close();
    open();
    position_of(make(10));
    look();
    EXPECT_EQ(big(), (Ids{"big-7", "big-8", "big-9", "big-10"}));
    const Ids all = stored();
    EXPECT_EQ(std::count(all.begin(), all.end(), "other"), 1);
}

TEST_F(EmbeddedLogTest, AllTypesTogetherKeepNoMoreThanTheirBytesTheNewestOnes) {
    settings_.bytes_max = 8'000;
    open();
    for (int i = 0; i < 20; ++i) {
        Plan plan =
            make_plan("e-" + std::to_string(i), "photo:1", i % 2 == 0 ? "photo.a" : "photo.b");
        plan.event.data = R"({"x":")" + std::string(1'000, 'x') + "\"}";
        plan.retention = {.age = std::chrono::hours(24)};
        position_of(std::move(plan));
    }
    look();

    const Ids ids = stored();
    EXPECT_LE(ids.size(), 8U);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), "e-19"), 1);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), "e-0"), 0);
    EXPECT_GE(read(0_pos).lost_through, 10_pos);
}

TEST_F(EmbeddedLogTest, RetentionTakesMoreThanOneSliceAndARepeatIsKnownThoughItsEventIsGone) {
    open();
    std::vector<Plan> plans;
    for (int i = 0; i < 3'000; ++i) {
        plans.push_back(make_plan(std::to_string(i), "photo:1", "photo.short"));
        plans.back().retention.age = std::chrono::seconds(60);
    }
    std::optional<Receipts> answer;
    log_->append(std::move(plans), loop_, [&](Receipts receipts) { answer = std::move(receipts); });
    loop_.run_until([&] { return answer.has_value(); });
    clock_.advance(std::chrono::seconds(61));
    while (log_->probe().swept_entries.get() < 3'000) look();

    close();
    open();
    EXPECT_EQ(stored()[0].substr(0, 5), "after");
    Plan repeat = make_plan("2999", "photo:1", "photo.short");
    const Receipts receipts = append(std::move(repeat));
    ASSERT_TRUE(receipts.has_value());
    EXPECT_TRUE(receipts->front().duplicate);
}

// ---- retention after a jump of the clock --------------------------------------------------------

TEST_F(EmbeddedLogTest, AStartWithAClockAYearAheadDeletesNothingForItsAgeUntilAnOperatorSaysSo) {
    open();
    position_of(make_plan("a"));
    Plan big = make_plan("big", "photo:1", "photo.big");
    big.event.data = R"({"x":")" + std::string(1'000, 'x') + "\"}";
    big.retention.bytes_max = 500;
    close();
    clock_.set_wall(clock_.wall_now() + std::chrono::hours(24 * 365));
    open();
    position_of(std::move(big));
    look();
    EXPECT_EQ(stored()[0], "a");
    EXPECT_EQ(stored()[1], "after-look-1") << "by bytes it goes on";
    EXPECT_EQ(log_->probe().hold_left_s.get(), 24U * 60 * 60);
    EXPECT_EQ(log_->probe().hold_clock_s.get() - log_->probe().hold_expected_s.get(),
              365U * 24 * 60 * 60);

    close();
    open();
    look();
    EXPECT_EQ(stored()[0], "a") << "a new entry and a restart do not end it";
    for (const bool was_held : {true, false}) {
        std::optional<Result<bool>> answer;
        log_->resume_retention(loop_, [&](Result<bool> held) { answer = std::move(held); });
        loop_.run_until([&] { return answer.has_value(); });
        ASSERT_TRUE(answer->has_value());
        EXPECT_EQ(**answer, was_held);
    }
    look();
    EXPECT_NE(stored()[0], "a");
    EXPECT_EQ(log_->probe().hold_left_s.get(), 0U);
    EXPECT_EQ(log_->probe().hold_clock_s.get(), 0U);
}

TEST_F(EmbeddedLogTest, AClockThatJumpsWhileItRunsDeletesNothingForItsAgeForTheTimeOfTheHold) {
    open();
    position_of(make_plan("a"));
    look();
    clock_.set_wall(clock_.wall_now() + std::chrono::hours(24 * 365));
    look();
    clock_.advance(std::chrono::hours(23));
    look();
    EXPECT_EQ(stored()[0], "a");
    clock_.advance(std::chrono::hours(1));
    look();
    EXPECT_NE(stored()[0], "a");
}

TEST_F(EmbeddedLogTest, ARepeatIsKnownThoughTheClockHasJumpedOverARestart) {
    open();
    position_of(make_plan("a"));
    close();
    clock_.set_wall(clock_.wall_now() + std::chrono::hours(24 * 365));
    for (int life = 0; life < 2; ++life) {
        open();
        look();
        const Receipts again = append(make_plan("a"));
        ASSERT_TRUE(again.has_value());
        EXPECT_TRUE(again->front().duplicate) << "life " << life;
        close();
    }
}

TEST_F(EmbeddedLogTest, AResumeThatComesWhileItStopsIsAnswered) {
    open();
    log_->stop();
    std::optional<Result<bool>> answer;
    log_->resume_retention(loop_, [&](Result<bool> held) { answer = std::move(held); });
    loop_.run_until([&] { return answer.has_value(); });
    EXPECT_EQ(answer->error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace eventbus
