#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "backplane/embedded/embedded_log.h"
#include "bus/subject_watches.h"
#include "bus/subjects.h"
#include "support/folder.h"
#include "support/killed_life.h"
#include "support/loop.h"
#include "support/plans.h"

// The log under kill -9, and under many threads.

namespace eventbus {
namespace {

class NoWaker final : public Tail::Waker {
    void wake_if_asleep() override {}
};

// A log with what belongs to it, on this machine's clock.
class RealLog {
 public:
    explicit RealLog(const std::filesystem::path& folder, std::size_t entries_max = 1U << 20U) {
        auto opened = EmbeddedLog::open({.data_dir = folder,
                                         .tail_entries_max = entries_max,
                                         .free_bytes_min = 0,
                                         .reserve = 1'000},
                                        subjects_, clock_, random_);
        BUS_ASSERT(opened.has_value());
        log_ = std::move(*opened);
        reader_ = std::make_unique<TailReader>(log_->tail(), waker_, entries_max);
        log_->start();
    }
    ~RealLog() { log_->stop(); }

    EmbeddedLog& log() { return *log_; }
    TailReader& reader() { return *reader_; }
    const Subjects& subjects() const { return subjects_; }

 private:
    SystemClock clock_;
    SystemRandom random_;
    Subjects subjects_{{}};
    NoWaker waker_;
    std::unique_ptr<EmbeddedLog> log_;
    std::unique_ptr<TailReader> reader_;
};

// Publishes for ever, eight at a time: each third one is transient. Says what was answered.
TEST(EmbeddedLogLife, Publishes) {
    const auto folder = folder_of_life();
    if (!folder) GTEST_SKIP() << "the life of another test";
    RealLog real(*folder);
    Loop loop;
    const Position begun = real.log().frontier();
    std::size_t under_way = 0;
    for (int i = 0;; ++i) {
        const std::string id = to_string(begun) + '-' + std::to_string(i);
        std::vector<Plan> plans;
        plans.push_back(i % 3 == 2 ? make_transient_plan(id)
                                   : make_owner_plan(id, "photo:" + id, "owner-" + id));
        ++under_way;
        real.log().append(std::move(plans), loop, [&, id](Result<std::vector<Receipt>> receipts) {
            --under_way;
            // Refused if what is reserved was used up for a moment.
            if (receipts) say(id + ' ' + to_string(receipts->front().position));
        });
        loop.run_until([&] { return under_way < 8; });
    }
}

TEST(EmbeddedLog, AfterKillNineAllThatWasAnsweredIsThereInOrderAndNoPositionIsUsedTwice) {
    const Folder folder;
    std::map<Position, std::string> answered;
    Position highest;
    for (const std::size_t lines : {1U, 100U, 2'000U}) {
        SCOPED_TRACE(lines);
        const auto said = live_and_be_killed("EmbeddedLogLife.Publishes", folder.path(), lines);
        for (const std::string& line : said) {
            const std::size_t space = line.find(' ');
            const Position position(std::stoull(line.substr(space + 1)));
            EXPECT_TRUE(answered.emplace(position, line.substr(0, space)).second)
                << to_string(position) << " was used twice";
        }

        RealLog real(folder.path());
        EXPECT_EQ(real.log().database().probe().damages.get(), 0u);
        EXPECT_GE(real.log().frontier(), answered.rbegin()->first);
        EXPECT_GT(real.log().frontier(), highest);
        highest = real.log().frontier();
        std::map<Position, std::string> stored;
        Position last;
        while (const SharedEntry* entry = real.reader().next()) {
            EXPECT_GT((*entry)->position, last);
            last = (*entry)->position;
            stored.emplace(last, (*entry)->event.id);
        }
        for (const auto& [position, id] : answered) {
            const int number = std::stoi(id.substr(id.find('-') + 1));
            if (number % 3 == 2) continue;
            ASSERT_TRUE(stored.contains(position)) << id << " was lost";
            EXPECT_EQ(stored[position], id);
            EXPECT_EQ(real.subjects().owner("photo:" + id), "owner-" + id);
        }
    }
}

// ---- many threads
// -----------------------------------------------------------------------------------

// A reactor that publishes from a thread of its own, and asks to watch what it has published.
class Reactor {
 public:
    static constexpr int kEvents = 3'000;

    Reactor(RealLog& real, int number)
        : real_(real), watches_(real.log(), real.subjects()), number_(number) {}

    void run() {
        Loop loop;
        for (int i = 0; i < kEvents; ++i) publish(loop, i);
        loop.run_until([this] { return answers_ == kEvents && watched_ == asked_; });
    }
    const std::vector<Position>& positions() const { return positions_; }

 private:
    void publish(Loop& loop, int i) {
        const std::string id = std::to_string(number_) + '-' + std::to_string(i);
        const bool is_durable = i % 5 == 0;
        std::vector<Plan> plans;
        plans.push_back(is_durable ? make_owner_plan(id, "photo:" + id, "ann")
                                   : make_transient_plan(id));
        ++under_way_;
        real_.log().append(std::move(plans), loop, [this](Result<std::vector<Receipt>> receipts) {
            --under_way_;
            ++answers_;
            // Refused while further positions are being reserved: the load is above the disk's.
            if (receipts) positions_.push_back(receipts->front().position);
        });
        if (is_durable) ask(loop, "photo:" + id);
        if (under_way_ > 200) {
            loop.run_until([this] { return under_way_ < 100; });
        }
    }

    void ask(Loop& loop, const std::string& subject) {
        ++asked_;
        const std::size_t before = positions_.size();
        watches_.ask({subject, {.owner = true}, "ann", {}}, loop,
                     [this, before](Result<WatchAnswer> answer) {
                         ++watched_;
                         if (!answer) return;
                         EXPECT_GE(answer->at, answer->right_since);
                         EXPECT_LE(answer->right_since, real_.log().frontier());
                         EXPECT_GE(positions_.size(), before);
                     });
    }

    RealLog& real_;
    SubjectWatches watches_;
    const int number_;
    int under_way_ = 0;
    int answers_ = 0;
    int asked_ = 0;
    int watched_ = 0;
    std::vector<Position> positions_;
};

TEST(EmbeddedLog, ManyThreadsGetPositionsInOneOrderThatEveryReaderSees) {
    const Folder folder;
    RealLog real(folder.path());
    std::vector<std::unique_ptr<Reactor>> reactors;
    for (int i = 0; i < 4; ++i) reactors.push_back(std::make_unique<Reactor>(real, i));
    std::vector<std::thread> threads;
    for (auto& reactor : reactors) threads.emplace_back([&reactor] { reactor->run(); });
    // This thread reads meanwhile.
    std::map<std::string, int> last_of_publisher;
    std::vector<Position> seen;
    const auto read = [&] {
        while (const SharedEntry* entry = real.reader().next()) {
            const Entry& shown = **entry;
            const std::size_t dash = shown.event.id.find('-');
            const int number = std::stoi(shown.event.id.substr(dash + 1));
            auto& last =
                last_of_publisher.try_emplace(shown.event.id.substr(0, dash), -1).first->second;
            EXPECT_GT(number, last) << "the order of one publisher is kept";
            last = number;
            seen.push_back(shown.position);
        }
    };
    while (seen.size() < 100) read();
    for (std::thread& thread : threads) thread.join();
    read();

    std::vector<Position> answered;
    for (const auto& reactor : reactors) {
        answered.insert(answered.end(), reactor->positions().begin(), reactor->positions().end());
    }
    std::sort(answered.begin(), answered.end());
    EXPECT_EQ(seen, answered);
    EXPECT_GT(answered.size(), 1'000u);
    for (std::size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i], Position(i + 1));
    EXPECT_LT(real.log().probe().syncs.get(), answered.size());
}

}  // namespace
}  // namespace eventbus
