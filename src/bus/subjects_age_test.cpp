// owner_ttl: what was not named for so long ends, with evictions, and without a look at the wall
// clock.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bus/subjects.h"
#include "support/fake_clock.h"
#include "support/plans.h"

namespace eventbus {
namespace {

using std::chrono::hours;

constexpr hours kTtl{320};  // ten hours between marks
constexpr hours kMark{10};

class SubjectsAgeTest : public testing::Test {
 protected:
    SubjectsAgeTest() { restart(); }

    // Loads what was stored, in its order or the other way round.
    void restart(bool backwards = false) {
        table_.emplace(
            Subjects::Settings{.owners_max = owners_max_, .owner_ttl = kTtl, .clock = &clock_});
        std::vector<StoredView> stored;
        for (const auto& [key, value] : stored_) stored.push_back({key, value});
        if (backwards) std::reverse(stored.begin(), stored.end());
        EXPECT_TRUE(table_->load(stored).has_value());
    }
    Bound bind(Plan plan) {
        Result<Bound> bound = table_->bind(std::move(plan), ++position_);
        EXPECT_TRUE(bound.has_value()) << bound.error().detail;
        table_->commit();
        evictions_.insert(evictions_.end(), bound->entry->evictions.begin(),
                          bound->entry->evictions.end());
        for (const StoredChange& change : bound->changes) {
            if (change.value) {
                stored_[change.key] = *change.value;
            } else {
                EXPECT_EQ(stored_.erase(change.key), 1u) << change.key;
            }
        }
        return std::move(*bound);
    }
    Bound name(const std::string& subject, const std::string& owner = "ann") {
        return bind(make_owner_plan("e", subject, owner));
    }
    void grant(const std::string& subject, const std::string& user) {
        Plan plan = make_plan("g", subject, "photo.shared");
        plan.grants = {{Room::user(user)}};
        bind(std::move(plan));
    }
    // Runs for `time`, in which events name the owners of subjects that end in no time.
    void run(hours time) {
        for (; time.count() > 0; time -= kMark) {
            clock_.advance(kMark);
            name("busy:1");
        }
    }
    // Events until the whole table was looked at.
    void look_at_all() {
        for (int i = 0; i < 200; ++i) name("busy:1");
    }
    bool is_owned(const std::string& subject) const { return !table_->owner(subject).empty(); }

    FakeClock clock_;
    std::size_t owners_max_ = 1'000;
    std::optional<Subjects> table_;
    Position position_;
    std::map<std::string, std::string> stored_;
    std::vector<Eviction> evictions_;
};

TEST_F(SubjectsAgeTest, WhatWasNotNamedForSoLongEndsWithItsGrantsAndEvictsBoth) {
    name("photo:1");
    grant("photo:1", "bob");
    run(kTtl - kMark);
    look_at_all();
    EXPECT_TRUE(is_owned("photo:1"));
    run(2 * kMark);

    look_at_all();

    EXPECT_FALSE(is_owned("photo:1"));
    ASSERT_EQ(evictions_.size(), 2u);
    EXPECT_EQ(evictions_[0].subject, "photo:1");
    EXPECT_EQ(evictions_[0].who, Room::user("bob"));
    EXPECT_EQ(evictions_[1].who, Room::user("ann"));
    EXPECT_EQ(table_->probe().lapsed.get(), 1u);
    EXPECT_EQ(table_->probe().disowned.get(), 0u);
    EXPECT_TRUE(is_owned("busy:1"));
    EXPECT_EQ(table_->size(), 1u);
    for (const auto& [key, value] : stored_) {
        EXPECT_TRUE(key[0] == 't' || key.substr(1) == "busy:1") << key;
    }
    EXPECT_LE(stored_.size(), 2u + 32 + 2) << "marks are bounded";
    name("photo:1", "eve");
    EXPECT_EQ(table_->owner("photo:1"), "eve");
}

TEST_F(SubjectsAgeTest, AnOwnerWhoIsNamedAgainAndAGrantKeepASubject) {
    for (const char* subject : {"photo:1", "photo:2", "photo:3"}) name(subject);
    run(kTtl - 3 * kMark);
    const Bound again = name("photo:1");
    EXPECT_EQ(again.changes.size(), 1u);
    EXPECT_TRUE(name("photo:1").changes.empty()) << "not with each event";
    grant("photo:2", "bob");
    run(5 * kMark);
    look_at_all();
    EXPECT_TRUE(is_owned("photo:1"));
    EXPECT_TRUE(is_owned("photo:2"));
    EXPECT_FALSE(is_owned("photo:3"));
    run(kTtl);
    look_at_all();
    EXPECT_FALSE(is_owned("photo:1"));
    EXPECT_FALSE(is_owned("photo:2"));
}

TEST_F(SubjectsAgeTest, OnlyTimeThatAServerRanCountsAndARestartKeepsIt) {
    name("photo:1");
    name("photo:2");
    run(kTtl / 2);
    name("photo:2");
    restart();
    clock_.set_wall(clock_.wall_now() + kTtl * 100);
    clock_.advance(hours(1));
    look_at_all();
    EXPECT_TRUE(is_owned("photo:1"));
    run(kTtl / 2 - 2 * kMark);
    restart(true);
    look_at_all();
    EXPECT_TRUE(is_owned("photo:1"));
    run(3 * kMark);
    look_at_all();
    EXPECT_FALSE(is_owned("photo:1"));
    EXPECT_TRUE(is_owned("photo:2"));
}

TEST_F(SubjectsAgeTest, AFullTableMakesRoomForANewOwnerAndElseRefuses) {
    owners_max_ = 20;
    restart();
    for (int i = 0; i < 20; ++i) name("photo:" + std::to_string(i));
    // How many new owners there is room for.
    const auto room = [this] {
        int taken = 0;
        for (int i = 0; i < 200; ++i) {
            Plan plan =
                make_owner_plan("e", "photo:new-" + std::to_string(position_.number()), "ann");
            if (!table_->bind(std::move(plan), position_ + 1)) continue;
            table_->commit();
            ++position_;
            ++taken;
        }
        return taken;
    };
    EXPECT_EQ(room(), 0);
    for (int i = 0; i < 33; ++i) {
        clock_.advance(kMark);
        name("photo:0");
    }
    EXPECT_EQ(room(), 19);
    EXPECT_EQ(table_->size(), 20u);
    EXPECT_TRUE(is_owned("photo:0"));
}

TEST_F(SubjectsAgeTest, UndoBringsBackWhatEndedAndTheMarks) {
    name("photo:1");
    grant("photo:1", "bob");
    run(kTtl);
    clock_.advance(2 * kMark);
    for (int i = 0; i < 200; ++i) {
        const Result<Bound> bound =
            table_->bind(make_owner_plan("e", "busy:1", "ann"), position_ + 1);
        ASSERT_TRUE(bound.has_value());
        table_->undo();
        EXPECT_TRUE(is_owned("photo:1"));
        EXPECT_EQ(table_->size(), 2u);
    }
    const Bound bound = name("busy:1");
    EXPECT_EQ(std::count_if(bound.changes.begin(), bound.changes.end(),
                            [](const StoredChange& one) { return one.key[0] == 't' && one.value; }),
              1)
        << "the mark is still to be set";
    look_at_all();
    EXPECT_FALSE(is_owned("photo:1"));
}

TEST_F(SubjectsAgeTest, WithoutATimeNothingEnds) {
    Subjects table({});
    Position position;
    ASSERT_TRUE(table.bind(make_owner_plan("e", "photo:1", "ann"), ++position).has_value());
    table.commit();
    for (int i = 0; i < 500; ++i) {
        const Result<Bound> bound = table.bind(make_owner_plan("e", "busy:1", "ann"), ++position);
        ASSERT_TRUE(bound.has_value());
        EXPECT_LE(bound->changes.size(), i == 0 ? 1u : 0u);
        table.commit();
    }
    EXPECT_EQ(table.owner("photo:1"), "ann");
}

}  // namespace
}  // namespace eventbus
