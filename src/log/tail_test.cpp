#include "log/tail.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/position_literal.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

constexpr std::size_t kSegment = TailSegment::kEntries;

SharedEntry make_entry(Position position, std::vector<std::string> users = {}) {
    auto entry = std::make_shared<Entry>();
    entry->position = position;
    for (const std::string& user : users) entry->deliveries.push_back({Room::user(user), 0});
    return entry;
}

std::size_t hash_of(const Room& room) { return RoomHash{}(room); }

class CountingWaker final : public Tail::Waker {
 public:
    void wake_if_asleep() override { ++wakes; }
    std::atomic<int> wakes{0};
};

std::vector<Position> read_all(TailReader& reader) {
    std::vector<Position> positions;
    while (const SharedEntry* entry = reader.next()) positions.push_back((*entry)->position);
    return positions;
}

std::vector<Position> after(const TailReader& reader, Position from, bool all,
                            std::vector<std::size_t> hashes) {
    std::vector<Position> positions;
    reader.for_each_after(from, all, hashes, [&](const SharedEntry& entry) {
        positions.push_back(entry->position);
        return true;
    });
    return positions;
}

TEST(Tail, AReaderSeesWhatIsPushedOnceAndInOrder) {
    Tail tail;
    CountingWaker waker;
    TailReader reader(tail, waker, 10'000);
    EXPECT_EQ(reader.next(), nullptr);
    for (Position p = 1_pos; p <= Position(3 * kSegment); ++p) {
        tail.push(make_entry(p));
        ASSERT_FALSE(reader.is_at_end());
        const SharedEntry* const entry = reader.next();
        ASSERT_NE(entry, nullptr) << to_string(p);
        EXPECT_EQ((*entry)->position, p);
        EXPECT_EQ(reader.cursor(), p);
        EXPECT_EQ(reader.next(), nullptr);
        EXPECT_TRUE(reader.is_at_end());
    }
}

TEST(Tail, AReaderStandsWhereTheTailBegins) {
    Tail tail;
    CountingWaker waker;
    tail.start_at(41_pos);
    TailReader reader(tail, waker, 100);
    EXPECT_EQ(reader.kept_after(), 41_pos);
    EXPECT_EQ(reader.cursor(), 41_pos);
    tail.push(make_entry(42_pos));
    tail.advance_to(1000_pos);
    EXPECT_EQ(read_all(reader), std::vector<Position>{42_pos});
    EXPECT_EQ(reader.cursor(), 1000_pos) << "positions without an entry are passed by";
    EXPECT_TRUE(reader.is_at_end());
    tail.push(make_entry(1001_pos));
    EXPECT_EQ(read_all(reader), std::vector<Position>{1001_pos});
}

TEST(Tail, AnAdvanceAtTheEndOfASegmentIsPassedByToo) {
    Tail tail;
    CountingWaker waker;
    TailReader reader(tail, waker, 100);
    for (Position p = 1_pos; p <= Position(kSegment); ++p) tail.push(make_entry(p));
    tail.advance_to(5'000_pos);
    EXPECT_EQ(read_all(reader).size(), kSegment);
    EXPECT_EQ(reader.cursor(), 5'000_pos);
}

TEST(Tail, WhatIsKeptIsAllThatCameAfterKeptAfterAndNoMoreThanTheBound) {
    Tail tail;
    CountingWaker waker;
    const std::size_t bound = 2 * kSegment;
    TailReader reader(tail, waker, bound);
    for (Position p = 1_pos; p <= Position(10 * kSegment + 3); ++p) {
        tail.push(make_entry(p));
        read_all(reader);
        const auto kept = after(reader, reader.kept_after(), true, {});
        ASSERT_EQ(kept.size(), p - reader.kept_after());
        ASSERT_LE(kept.size(), bound + kSegment);
    }
    EXPECT_GT(reader.kept_after(), 0_pos);
}

TEST(Tail, OnlyReadersThatMayHaveAReceiverAreWoken) {
    Tail tail;
    CountingWaker ann;
    CountingWaker bob;
    CountingWaker all;
    TailReader anns(tail, ann, 100);
    TailReader bobs(tail, bob, 100);
    TailReader alls(tail, all, 100);
    anns.add_hint(hash_of(Room::user("ann")));
    anns.add_hint(hash_of(Room::user("ann")));
    bobs.add_hint(hash_of(Room::user("bob")));
    alls.want_all(true);

    Position position;
    const auto push_to_ann = [&] {
        tail.push(make_entry(++position, {"ann"}));
        tail.wake_readers();
    };
    push_to_ann();
    EXPECT_EQ(ann.wakes, 1);
    EXPECT_EQ(bob.wakes, 0);
    EXPECT_EQ(all.wakes, 1);
    anns.drop_hint(hash_of(Room::user("ann")));
    push_to_ann();
    EXPECT_EQ(ann.wakes, 2) << "one member is left";
    anns.drop_hint(hash_of(Room::user("ann")));
    alls.want_all(false);
    push_to_ann();
    EXPECT_EQ(ann.wakes, 2);
    EXPECT_EQ(all.wakes, 2);
    tail.wake_readers();
    EXPECT_EQ(ann.wakes, 2) << "what was said once is not said again";
}

TEST(Tail, AnEvictionWakesTheReadersOfItsSubject) {
    Tail tail;
    CountingWaker waker;
    TailReader reader(tail, waker, 100);
    reader.add_hint(hash_of(Room::subject("photo:1")));
    Entry entry;
    entry.position = 1_pos;
    entry.evictions = {{"photo:1", Room::user("ann")}};
    tail.push(std::make_shared<const Entry>(entry));
    tail.wake_readers();
    EXPECT_EQ(waker.wakes, 1);
}

TEST(Tail, AReaderThatLagsIsWokenThoughItHasNoReceiver) {
    Tail tail;
    CountingWaker waker;
    TailReader reader(tail, waker, 100);
    for (Position p = 1_pos; p <= 10'000_pos; ++p) {
        tail.push(make_entry(p, {"nobody"}));
        tail.wake_readers();
    }
    EXPECT_GT(waker.wakes, 0);
    EXPECT_LT(waker.wakes, 10);
}

SharedEntry make_large_entry(Position position, std::size_t bytes) {
    auto entry = std::make_shared<Entry>();
    entry->position = position;
    entry->event.data.assign(bytes, 'x');
    entry->deliveries = {{Room::user("nobody"), 0}};
    return entry;
}

constexpr std::size_t kMB = 1'000'000;

TEST(Tail, ReadersHoldNoMoreThanTheBoundHoweverLargeTheEntries) {
    for (const std::size_t bytes : {kMB / 10'000, kMB / 25, kMB}) {
        SCOPED_TRACE(bytes);
        Tail tail(8 * kMB);
        CountingWaker waker;
        TailReader reader(tail, waker, 1'000'000);
        TailReader other(tail, waker, 1'000'000);
        const std::uint64_t entries = 40 * kMB / bytes;
        for (std::uint64_t p = 1; p <= entries; ++p) {
            tail.push(make_large_entry(Position(p), bytes));
            ASSERT_NE(reader.next(), nullptr);
            ASSERT_NE(other.next(), nullptr);
            ASSERT_LE(tail.bytes(), tail.bytes_max());
            if (p % (entries / 40) != 0) continue;
            const auto kept = after(reader, reader.kept_after(), true, {});
            ASSERT_FALSE(kept.empty());
            ASSERT_EQ(kept.front(), reader.kept_after() + 1);
            ASSERT_EQ(kept.back(), Position(p));
        }
        EXPECT_GT(tail.bytes(), tail.bytes_max() / 2) << "the bound is made use of";
    }
}

TEST(Tail, AnEntryThatIsLargerThanTheBoundIsShownAllTheSame) {
    Tail tail(8 * kMB);
    CountingWaker waker;
    TailReader reader(tail, waker, 1'000);
    for (const auto position : {1_pos, 2_pos, 3_pos}) {
        tail.push(make_large_entry(position, 20 * kMB));
        ASSERT_NE(reader.next(), nullptr);
        EXPECT_EQ(reader.cursor(), position);
        EXPECT_EQ(reader.take_missed(), std::nullopt);
    }
}

TEST(Tail, AReaderWithoutAReceiverIsWokenBeforeWhatItHasNotReadIsGivenUp) {
    Tail tail(8 * kMB);
    CountingWaker waker;
    TailReader reader(tail, waker, 100);
    std::uint64_t read = 0;
    std::uint64_t pushed = 0;
    for (int seen = 0; pushed < 1'000;) {
        tail.push(make_large_entry(Position(++pushed), 40'000));
        tail.wake_readers();
        ASSERT_LE(tail.bytes(), tail.bytes_max());
        if (waker.wakes == seen) continue;
        seen = waker.wakes;
        read += read_all(reader).size();
        ASSERT_EQ(read, pushed);
    }
    EXPECT_GT(waker.wakes, 10);
    EXPECT_LT(waker.wakes, 40) << "not for each";
}

TEST(Tail, AReaderBelowTheWatermarkGoesOverWhatWasGivenUpAndSaysSo) {
    Tail tail(8 * kMB);
    CountingWaker waker;
    TailReader reader(tail, waker, 1'000'000);
    std::uint64_t pushed = 0;
    const auto push = [&](int entries) {
        for (int i = 0; i < entries; ++i) tail.push(make_large_entry(Position(++pushed), 40'000));
    };
    push(10);
    for (int i = 0; i < 5; ++i) reader.next();
    push(490);
    EXPECT_GT(tail.bytes(), tail.bytes_max()) << "it was never here to let go";
    const SharedEntry* const next = reader.next();
    ASSERT_NE(next, nullptr);
    EXPECT_LE(tail.bytes(), tail.bytes_max());
    const auto missed = reader.take_missed();
    ASSERT_TRUE(missed);
    EXPECT_EQ(missed->after, 5_pos);
    EXPECT_EQ((*next)->position, missed->through + 1);
    EXPECT_EQ(reader.kept_after(), missed->through);
    EXPECT_EQ(reader.take_missed(), std::nullopt) << "it is told once";
    EXPECT_EQ(read_all(reader).size(), 500 - missed->through.number() - 1);
    EXPECT_EQ(reader.take_missed(), std::nullopt);
}

TEST(Tail, WhatWasReadIsNotMissed) {
    Tail tail(8 * kMB);
    CountingWaker waker;
    TailReader reader(tail, waker, 1'000'000);
    std::uint64_t pushed = 0;
    for (int i = 0; i < 10'000; ++i) {
        tail.push(make_large_entry(Position(++pushed), 4'000));
        if (i % 500 == 0) read_all(reader);
        ASSERT_EQ(reader.take_missed(), std::nullopt);
    }
}

// Eight reactors with 60,000 rooms each, of which one is somebody's.
TEST(Tail, AnEventForOneRoomWakesOneReactorHoweverManyRoomsThereAre) {
    constexpr int kReactors = 8;
    constexpr int kRooms = 60'000;
    Tail tail;
    std::vector<CountingWaker> wakers(kReactors);
    std::vector<std::unique_ptr<TailReader>> readers;
    for (CountingWaker& waker : wakers) {
        readers.push_back(std::make_unique<TailReader>(tail, waker, 100));
    }
    const auto user = [](int reactor, int i) {
        return std::to_string(reactor) + "-" + std::to_string(i);
    };
    for (int reactor = 0; reactor < kReactors; ++reactor) {
        for (int i = 0; i < kRooms; ++i) {
            readers[static_cast<std::size_t>(reactor)]->add_hint(
                hash_of(Room::user(user(reactor, i))));
        }
    }
    constexpr int kEvents = 1'000;  // fewer than wake a reader that lags
    for (int i = 1; i <= kEvents; ++i) {
        tail.push(make_entry(Position(static_cast<std::uint64_t>(i)), {user(3, i)}));
        tail.wake_readers();
    }
    EXPECT_EQ(wakers[3].wakes, kEvents);
    int others = 0;
    for (const CountingWaker& waker : wakers) others += waker.wakes;
    EXPECT_LE(others - kEvents, 2);
}

// Random pushes, gaps, reads and questions against a list of everything.
TEST(Tail, EqualsTheSlowModelOverALongRun) {
    for (unsigned seed = 1; seed <= 8; ++seed) {
        SCOPED_TRACE(seed);
        SeededRandom seeded(seed);
        const auto random = [&](std::uint64_t bound) { return seeded.below(bound); };
        Tail tail;
        CountingWaker waker;
        const std::size_t bound = 1 + random(1'500);
        TailReader reader(tail, waker, bound);
        std::vector<SharedEntry> model;
        std::size_t read = 0;
        Position position;
        for (int step = 0; step < 20'000; ++step) {
            const std::uint64_t what = random(100);
            if (what < 60) {
                position += 1 + (random(50) == 0 ? random(1'000) : 0);
                model.push_back(make_entry(position, {"u" + std::to_string(random(2'000))}));
                tail.push(model.back());
            } else if (what < 98) {
                const SharedEntry* const entry = reader.next();
                if (read == model.size()) {
                    ASSERT_EQ(entry, nullptr);
                } else {
                    ASSERT_NE(entry, nullptr);
                    ASSERT_EQ(*entry, model[read++]);
                }
            } else {
                const std::size_t user = hash_of(Room::user("u" + std::to_string(random(2'000))));
                const Position from =
                    reader.kept_after() + random(reader.cursor() - reader.kept_after() + 1);
                std::vector<Position> wanted;
                for (std::size_t i = 0; i < read; ++i) {
                    if (model[i]->position > from &&
                        hash_of(model[i]->deliveries[0].room) == user) {
                        wanted.push_back(model[i]->position);
                    }
                }
                // More may be shown, none of them twice or out of order; what is wanted is there.
                const std::vector<Position> found = after(reader, from, false, {user});
                ASSERT_TRUE(std::is_sorted(found.begin(), found.end()));
                ASSERT_TRUE(
                    std::includes(found.begin(), found.end(), wanted.begin(), wanted.end()));
                if (!found.empty()) {
                    ASSERT_GT(found.front(), from);
                    ASSERT_LE(found.back(), reader.cursor());
                }
            }
        }
    }
}

TEST(Tail, ALongChainThatOnlyALaggingReaderHoldsIsLetGoWithoutDeepRecursion) {
    Tail tail;
    CountingWaker waker;
    auto reader = std::make_unique<TailReader>(tail, waker, 100);
    for (Position p = 1_pos; p <= Position(2'000 * kSegment); ++p) tail.push(make_entry(p + 1'000));
    reader.reset();
}

// One thread pushes, two read, each at its own pace; TSan looks on.
TEST(Tail, ReadersOnOtherThreadsSeeEverythingOnceInOrderAndAreWokenForIt) {
    constexpr Position kLast = 60'000_pos;
    class SleepingWaker final : public Tail::Waker {
     public:
        void wake_if_asleep() override {
            awake.store(true);
            awake.notify_one();
        }
        std::atomic<bool> awake{false};
    };
    Tail tail;
    SleepingWaker wakers[2];
    TailReader first(tail, wakers[0], 300);
    TailReader second(tail, wakers[1], 100'000);
    const auto read = [&](TailReader& reader, SleepingWaker& waker) {
        reader.add_hint(hash_of(Room::user("ann")));
        Position last;
        while (last < kLast) {
            while (const SharedEntry* entry = reader.next()) {
                ASSERT_EQ((*entry)->position, last + 1);
                last = (*entry)->position;
                // The table of hints grows, and is made anew, while it is looked into.
                const std::size_t other = hash_of(Room::user(to_string(last)));
                reader.add_hint(other);
                if (last.number() % 2 == 0) reader.drop_hint(other);
                if (last.number() % 1'000 == 0) {
                    const auto kept = after(reader, reader.kept_after(), true, {});
                    ASSERT_EQ(kept.back(), last);
                    ASSERT_EQ(kept.size(), last - reader.kept_after());
                }
            }
            if (last == kLast) break;
            // Asleep only after the frontier was seen: what is pushed from now on wakes it.
            waker.awake.store(false);
            if (!reader.is_at_end()) continue;
            waker.awake.wait(false);
        }
    };
    std::thread one([&] { read(first, wakers[0]); });
    std::thread two([&] { read(second, wakers[1]); });
    for (Position p = 1_pos; p <= kLast; ++p) {
        tail.push(make_entry(p, {p.number() % 7 == 0 || p == kLast ? "ann" : "bob"}));
        if (p.number() % 3 == 0 || p == kLast) tail.wake_readers();
    }
    // A reader that was about to sleep before it said its hint lags, and is woken as such; here the
    // last push may have been before both.
    for (SleepingWaker& waker : wakers) waker.wake_if_asleep();
    one.join();
    two.join();
}

}  // namespace
}  // namespace eventbus
