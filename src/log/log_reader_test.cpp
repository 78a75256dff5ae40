#include "log/log_reader.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "log/memory_log.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "support/list_log.h"
#include "support/plans.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

constexpr std::size_t kTailBytes = 1'000'000;
constexpr std::size_t kEventBytes = 4'000;
constexpr int kFarMore = 1'000;  // events than the tail has room for

class PlainBinder final : public Binder {
 public:
    Result<Bound> bind(Plan&& plan, Position position) override {
        Bound bound{std::make_shared<Entry>(), {}};
        bound.entry->position = position;
        bound.entry->event = std::move(plan.event);
        bound.entry->durability = plan.durability;
        return bound;
    }
    void commit() override {}
    void undo() override {}
    Result<> load(std::span<const StoredView>) override { return {}; }
};

class NoWaker final : public Tail::Waker {
    void wake_if_asleep() override {}
};

class LogReaderTest : public testing::Test {
 protected:
    LogReaderTest() { log_.start(); }

    void publish(bool is_durable) {
        Plan plan = is_durable ? make_plan("e" + std::to_string(++published_))
                               : make_transient_plan("e" + std::to_string(++published_));
        plan.event.data.assign(kEventBytes, 'x');
        std::vector<Plan> plans;
        plans.push_back(std::move(plan));
        log_.append(std::move(plans), reactor_, [](const Result<std::vector<Receipt>>&) {});
        reactor_.run_all();
    }
    std::vector<Position> read_all() {
        std::vector<Position> positions;
        do {
            reactor_.run_all();
            while (const SharedEntry* entry = reader_.next()) {
                positions.push_back((*entry)->position);
                EXPECT_EQ(reader_.cursor() >= positions.back(), true);
            }
        } while (reactor_.waiting() > 0);
        return positions;
    }

    FakeClock clock_;
    FakeExecutor reactor_;
    PlainBinder binder_;
    MemoryDisk disk_;
    NoWaker waker_;
    MemoryLog log_{disk_, binder_, clock_, {.tail_bytes_max = kTailBytes}};
    LogReader reader_{{log_, reactor_, clock_, waker_}, 10'000};
    std::uint64_t published_ = 0;
};

TEST_F(LogReaderTest, WhoKeepsUpReadsNothingFromTheDisk) {
    for (int i = 0; i < kFarMore; ++i) {
        publish(i % 2 == 0);
        ASSERT_EQ(read_all(), std::vector<Position>{Position(published_)});
    }
    EXPECT_EQ(reader_.probe().pages_read.get(), 0u);
    EXPECT_EQ(reader_.probe().lost.get(), 0u);
}

TEST_F(LogReaderTest, WhoFallsBehindTheTailGetsEachDurableEntryOnceAndInOrder) {
    publish(true);
    ASSERT_EQ(read_all().size(), 1u);
    for (int i = 0; i < kFarMore; ++i) publish(true);
    std::vector<Position> expected;
    for (std::uint64_t p = 2; p <= published_; ++p) expected.emplace_back(p);
    EXPECT_EQ(read_all(), expected);
    EXPECT_TRUE(reader_.is_at_end());
    EXPECT_EQ(reader_.cursor(), log_.frontier());
    EXPECT_GT(reader_.probe().pages_read.get(), 0u);
    EXPECT_EQ(reader_.probe().lost.get(), 0u);
    publish(false);
    EXPECT_EQ(read_all(), std::vector<Position>{Position(published_)}) << "live again";
}

TEST_F(LogReaderTest, TransientEntriesThatTheTailNoLongerHadAreCounted) {
    for (int i = 0; i < kFarMore; ++i) publish(i % 3 == 0);
    const std::vector<Position> got = read_all();
    EXPECT_EQ(got.size() + reader_.probe().lost.get(), published_);
    EXPECT_GT(reader_.probe().lost.get(), 0u);
    for (std::size_t i = 1; i < got.size(); ++i) ASSERT_LT(got[i - 1], got[i]);
    EXPECT_EQ(got.back(), Position(published_));
}

TEST_F(LogReaderTest, WhatIsGivenUpWhileAPageIsReadIsReadToo) {
    for (int i = 0; i < kFarMore; ++i) publish(true);
    EXPECT_EQ(reader_.next(), nullptr) << "its page is on its way";
    for (int i = 0; i < kFarMore; ++i) publish(true);
    EXPECT_EQ(read_all().size(), 2u * kFarMore);
    EXPECT_LE(log_.tail().bytes(), kTailBytes);
}

TEST_F(LogReaderTest, TheTailIsNotHeldWhileAPageIsAwaited) {
    for (int i = 0; i < kFarMore; ++i) publish(true);
    EXPECT_EQ(reader_.peek(), nullptr);
    for (int i = 0; i < kFarMore; ++i) {
        publish(true);
        reader_.peek();
        ASSERT_LE(log_.tail().bytes(), kTailBytes);
    }
}

TEST_F(LogReaderTest, WhatRetentionTookMeanwhileIsToldAsLost) {
    for (int i = 0; i < kFarMore; ++i) publish(true);
    log_.retain_after(100_pos);
    EXPECT_EQ(reader_.take_lost(), std::nullopt);
    const std::vector<Position> got = read_all();
    EXPECT_EQ(got.front(), 101_pos);
    EXPECT_EQ(reader_.take_lost(), 0_pos);
    EXPECT_EQ(reader_.take_lost(), std::nullopt);
    EXPECT_EQ(reader_.probe().lost.get(), 100u);
}

// A log whose disk does as the test says.
class LogReaderDiskTest : public testing::Test {
 protected:
    void publish(int entries) {
        for (int i = 0; i < entries; ++i) {
            log_.publish("photo.uploaded");
            auto entry = std::make_shared<Entry>(*log_.entries().back());
            entry->event.data.assign(kEventBytes, 'x');
            log_.tail().push(std::move(entry));
        }
    }

    FakeClock clock_;
    FakeExecutor reactor_;
    NoWaker waker_;
    ListLog log_{"e1", kTailBytes};
    std::optional<LogReader> reader_{std::in_place,
                                     LogReader::Context{log_, reactor_, clock_, waker_}, 10'000};
};

TEST_F(LogReaderDiskTest, APageThatCannotBeReadNowIsReadAgainAfterAPauseAndNothingIsLost) {
    log_.fail_reads = true;
    publish(kFarMore);
    for (int tries = 1; tries <= 3; ++tries) {
        EXPECT_EQ(reader_->next(), nullptr);
        reactor_.run_all();
        EXPECT_EQ(reader_->next(), nullptr);
        EXPECT_EQ(reactor_.waiting(), 0u) << "not at once";
        EXPECT_EQ(reader_->waits_until(), clock_.now() + LogReader::kRetry);
        EXPECT_EQ(reader_->cursor(), 0_pos);
        EXPECT_FALSE(reader_->is_at_end());
        clock_.advance(LogReader::kRetry);
        EXPECT_EQ(log_.reads, static_cast<std::size_t>(tries));
    }
    log_.fail_reads = false;
    Position last;
    do {
        while (const SharedEntry* entry = reader_->next()) {
            ASSERT_EQ((*entry)->position, last + 1);
            last = (*entry)->position;
        }
        reactor_.run_all();
    } while (reader_->peek() != nullptr);
    EXPECT_EQ(last, log_.frontier());
    EXPECT_EQ(reader_->probe().lost.get(), 0u);
}

TEST_F(LogReaderDiskTest, APageThatComesAfterItsReaderHasGoneIsNobodys) {
    publish(kFarMore);
    EXPECT_EQ(reader_->next(), nullptr);
    ASSERT_EQ(reactor_.waiting(), 1u);
    reader_.reset();
    reactor_.run_all();
}

}  // namespace
}  // namespace eventbus
