#include "backplane/embedded/wide_scan.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "support/folder.h"

namespace eventbus {
namespace {

using Pairs = std::map<std::string, std::string>;

class WideScanTest : public testing::Test {
 protected:
    WideScanTest() {
        auto opened = Database::open({.data_dir = folder_.path(),
                                      .folder = "things",
                                      .name = "the store of things",
                                      .consequence = "nothing is kept",
                                      .remedy = "move things/ away",
                                      .format_key = "f",
                                      .formats = {"1"}});
        EXPECT_TRUE(opened.has_value());
        db_ = std::move(*opened);
    }

    // In a file of its own.
    void put(const Pairs& pairs) {
        rocksdb::WriteBatch batch;
        for (const auto& [key, value] : pairs) batch.Put(key, value);
        ASSERT_TRUE(db_->write(batch, true).has_value());
        ASSERT_TRUE(db_->read()->Flush({}).ok());
    }

    static Pairs numbered(int from, int to, const std::string& value) {
        Pairs pairs;
        for (int i = from; i < to; ++i) pairs["s" + std::to_string(1'000'000 + i)] = value;
        return pairs;
    }

    Folder folder_;
    std::unique_ptr<Database> db_;
};

TEST_F(WideScanTest, EachKeyOfTheRangeIsReadOnceWhateverFilesHoldIt) {
    Pairs all = numbered(0, 100'000, std::string(40, 'x'));
    put(all);
    put({{"r", "below"}, {"s", "first"}, {"szzz", "last"}, {"t", "above"}});
    for (const auto& [from, to] : {std::pair{500, 700}, {600, 90'000}, {99'999, 100'001}}) {
        Pairs newer = numbered(from, to, "newer");
        put(newer);
        newer.merge(all);
        all = std::move(newer);
    }
    all["s"] = "first";
    all["szzz"] = "last";

    std::mutex mutex;
    std::condition_variable wake;
    Pairs seen;
    std::set<std::thread::id> threads;
    std::size_t repeats = 0;
    const std::size_t wanted = std::min(2U, std::thread::hardware_concurrency());
    const Result<> done = scan_wide(*db_, "s", "t", [&](std::span<StoredView> part) {
        std::unique_lock lock(mutex);
        for (const auto& [key, value] : part) repeats += seen.emplace(key, value).second ? 0 : 1;
        threads.insert(std::this_thread::get_id());
        wake.notify_all();
        wake.wait_for(lock, std::chrono::seconds(10), [&] { return threads.size() >= wanted; });
        return Result<>();
    });

    EXPECT_TRUE(done.has_value());
    EXPECT_EQ(repeats, 0u);
    EXPECT_TRUE(seen == all);
    EXPECT_GE(threads.size(), wanted) << "at once";
}

TEST_F(WideScanTest, AnErrorEndsIt) {
    for (int i = 0; i < 8; ++i) put(numbered(i * 10'000, (i + 1) * 10'000, std::string(200, 'x')));
    std::atomic<std::size_t> taken = 0;
    const Result<> done = scan_wide(*db_, "s", "t", [&](std::span<StoredView>) -> Result<> {
        ++taken;
        return Error{ErrorCode::kInternal, "it is damaged"};
    });
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().detail, "it is damaged");
    EXPECT_LE(taken, 8u) << "one of each thread, and not of each file";
}

TEST_F(WideScanTest, ARangeWithNothingInItIsFine) {
    put({{"r", "below"}, {"t", "above"}});
    std::size_t pairs = 0;
    EXPECT_TRUE(scan_wide(*db_, "s", "t", [&](std::span<StoredView> part) {
                    pairs += part.size();
                    return Result<>();
                }).has_value());
    EXPECT_EQ(pairs, 0u);
}

}  // namespace
}  // namespace eventbus
