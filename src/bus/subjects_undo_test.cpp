#include <gtest/gtest.h>
#include <malloc.h>

#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bus/subjects.h"
#include "support/fake_clock.h"
#include "support/plans.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

using namespace std::chrono_literals;

Plan grant_plan(std::vector<GrantChange> changes, std::string subject = "photo:1") {
    Plan plan = make_plan("g", std::move(subject), "photo.shared");
    plan.grants = std::move(changes);
    return plan;
}

TEST(SubjectsUndoTest, WhatABatchKeepsForUndoIsWhatItChangedOfManyGrants) {
    Subjects subjects({});
    Position position;
    const std::string longest(250, 'u');
    for (int i = 0; i < 999; ++i) {
        ASSERT_TRUE(
            subjects.bind(grant_plan({{Room::user(longest + std::to_string(i))}}), ++position));
    }
    subjects.commit();
    const std::size_t before = ::mallinfo2().uordblks;

    for (int i = 0; i < 1'000; ++i) {
        ASSERT_TRUE(subjects.bind(grant_plan({{Room::user("b"), i % 2 == 1}}), ++position));
    }

    EXPECT_LT(::mallinfo2().uordblks, before + 1'000'000) << "a copy of all grants is 300 kB";
}

// Random batches against a table that never saw those that are undone. What a table is, one sees in
// who owns what, who may watch since when, and what the next batches make of it.
class SubjectsUndoRandomTest : public testing::TestWithParam<unsigned> {
 protected:
    static std::string user(unsigned i) { return "user" + std::to_string(i); }
    static std::string subject(unsigned i) { return "photo:" + std::to_string(i); }

    Plan random_plan() {
        std::vector<GrantChange> changes;
        for (unsigned i = at_most(4); i > 0; --i) {
            const unsigned who = at_most(5);
            changes.push_back(
                {who == 5 ? Room::role("editor") : Room::user(user(who)), at_most(1) == 0});
        }
        Plan plan = grant_plan(std::move(changes), subject(at_most(3)));
        if (at_most(1) == 0) plan.publisher = "user:" + user(at_most(2));
        if (at_most(2) == 0) plan.owner = user(at_most(4));
        plan.transfer = at_most(2) == 0;
        plan.disown = at_most(5) == 0;
        return plan;
    }
    unsigned at_most(unsigned max) {
        return std::uniform_int_distribution<unsigned>(0, max)(random_);
    }

    static std::string text_of(Bound& bound) {
        std::map<std::string, std::string> changes;
        for (const StoredChange& change : bound.changes) {
            changes[change.key] = change.value.value_or("erased");
        }
        std::map<std::string, int> evicted;
        for (const Eviction& eviction : bound.entry->evictions) {
            ++evicted[eviction.subject + " " + eviction.who.key()];
        }
        std::string text;
        for (const auto& [key, value] : changes) text.append(key).append(value).append("\n");
        for (const auto& [who, times] : evicted) text += who + std::to_string(times) + "\n";
        return text;
    }
    static std::string state_of(const Subjects& subjects) {
        std::string text = std::to_string(subjects.size());
        for (unsigned s = 0; s <= 3; ++s) {
            text.append("\n").append(subjects.owner(subject(s)));
            for (unsigned u = 0; u <= 5; ++u) {
                const Result<Position> since = subjects.may_watch(
                    {subject(s), {.owner = true}, user(u), {u == 5 ? "editor" : "reader"}});
                text += since ? " " + to_string(*since) : " -";
            }
        }
        return text;
    }

    std::mt19937 random_{GetParam()};
    FakeClock clock_;
    // Long enough that none ends by it: which of those that may is looked at first, undo leaves.
    const Subjects::Settings settings_{
        .owners_max = 100, .grants_max = 5, .owner_ttl = 10'000s, .clock = &clock_};
};

TEST_P(SubjectsUndoRandomTest, ATableIsAsIfWhatWasUndoneHadNeverBeen) {
    SCOPED_TRACE("seed " + std::to_string(GetParam()));
    Subjects subjects(settings_);
    Subjects model(settings_);
    Position head;
    for (int batch = 0; batch < 2'000; ++batch) {
        clock_.advance(std::chrono::seconds(at_most(3)));
        const bool is_kept = at_most(1) == 0;
        Position position = head;
        for (unsigned events = at_most(6); events > 0; --events) {
            const Plan plan = random_plan();
            Result<Bound> bound = subjects.bind(Plan(plan), ++position);
            if (!is_kept) continue;
            Result<Bound> expected = model.bind(Plan(plan), position);
            ASSERT_EQ(bound.has_value(), expected.has_value());
            if (!bound) continue;
            ASSERT_EQ(text_of(*bound), text_of(*expected));
        }
        if (is_kept) {
            head = position;
            subjects.commit();
            model.commit();
        } else {
            subjects.undo();
        }
        ASSERT_EQ(state_of(subjects), state_of(model)) << "batch " << batch;
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SubjectsUndoRandomTest, testing::Range(1U, 9U));

}  // namespace
}  // namespace eventbus
