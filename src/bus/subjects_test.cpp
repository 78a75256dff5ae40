#include "bus/subjects.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/plans.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

// A table, and what a log would have stored of it.
class SubjectsTest : public testing::Test {
 protected:
    Bound bind(Plan plan) {
        Result<Bound> bound = subjects_.bind(std::move(plan), ++position_);
        EXPECT_TRUE(bound.has_value()) << bound.error().detail;
        subjects_.commit();
        for (const StoredChange& change : bound->changes) {
            if (change.value) {
                stored_[change.key] = *change.value;
            } else {
                EXPECT_EQ(stored_.erase(change.key), 1u);
            }
        }
        return std::move(*bound);
    }
    ErrorCode bind_error(Plan plan) {
        const Result<Bound> bound = subjects_.bind(std::move(plan), position_ + 1);
        EXPECT_FALSE(bound.has_value());
        subjects_.undo();
        return bound ? ErrorCode::kInternal : bound.error().code;
    }

    static Plan grants(std::vector<GrantChange> changes, std::string subject = "photo:1") {
        Plan plan = make_plan("g", std::move(subject), "photo.shared");
        plan.grants = std::move(changes);
        return plan;
    }
    static Plan as_owner(std::string user, std::string subject = "photo:1") {
        Plan plan = make_plan("p", std::move(subject), "photo.renamed");
        plan.publisher = "user:" + user;
        plan.publisher_must_own = true;
        return plan;
    }

    std::vector<StoredView> stored() const {
        std::vector<StoredView> views;
        for (const auto& [key, value] : stored_) views.push_back({key, value});
        return views;
    }

    // Since when `user` may watch; none: may not. The same is asked of a table made of what was
    // stored.
    std::optional<Position> watch_since(WatchQuestion question) {
        const Result<Position> since = subjects_.may_watch(question);
        Subjects loaded({});
        EXPECT_TRUE(loaded.load(stored()).has_value());
        const Result<Position> again = loaded.may_watch(question);
        EXPECT_EQ(since.has_value(), again.has_value());
        if (!since) {
            EXPECT_EQ(since.error().code, ErrorCode::kForbidden);
            return std::nullopt;
        }
        EXPECT_EQ(*since, *again);
        return *since;
    }
    std::optional<Position> watch_since(const std::string& user) {
        return watch_since({.subject = "photo:1", .rule = {.owner = true}, .user = user});
    }

    std::optional<Subjects> table_{Subjects::Settings{}};
    Subjects& subjects_ = *table_;
    Position position_;
    std::map<std::string, std::string> stored_;
};

TEST_F(SubjectsTest, TheFirstOwnerStays) {
    const Bound first = bind(make_owner_plan("a", "photo:1", "ann"));
    const Bound second = bind(make_owner_plan("b", "photo:1", "eve"));
    const Bound same = bind(make_owner_plan("c", "photo:1", "ann"));

    EXPECT_EQ(first.changes.size(), 1u);
    EXPECT_TRUE(second.changes.empty());
    EXPECT_TRUE(same.changes.empty());
    EXPECT_TRUE(second.entry->evictions.empty());
    EXPECT_EQ(second.entry->deliveries[1].room, Room::user("ann"));
    EXPECT_EQ(subjects_.owner("photo:1"), "ann");
    EXPECT_EQ(subjects_.probe().owner_conflicts.get(), 1u);
    EXPECT_EQ(watch_since("ann"), 1_pos);
    EXPECT_FALSE(watch_since("eve").has_value());
}

TEST_F(SubjectsTest, ATransferGivesTheSubjectToAnotherFromItsPlaceOn) {
    bind(make_owner_plan("a", "photo:1", "ann"));
    Plan transfer = make_owner_plan("b", "photo:1", "bob");
    transfer.transfer = true;
    const Bound moved = bind(transfer);
    const Bound again = bind(transfer);

    ASSERT_EQ(moved.entry->evictions.size(), 1u);
    EXPECT_EQ(moved.entry->evictions[0].who, Room::user("ann"));
    EXPECT_EQ(moved.entry->deliveries[1].room, Room::user("bob"));
    EXPECT_TRUE(again.entry->evictions.empty()) << "who owns it already is not evicted";
    EXPECT_EQ(watch_since("bob"), 2_pos);
    EXPECT_FALSE(watch_since("ann").has_value());
}

TEST_F(SubjectsTest, AGrantHoldsFromItsPlaceUntilItsRevokeWhichEvicts) {
    EXPECT_FALSE(watch_since("bob").has_value());
    bind(grants({{Room::user("bob")}, {Room::role("editor")}}));
    const WatchQuestion editor{
        .subject = "photo:1", .rule = {}, .user = "eve", .roles = {"reader", "editor"}};
    EXPECT_EQ(watch_since("bob"), 1_pos);
    EXPECT_EQ(watch_since(editor), 1_pos);
    bind(grants({{Room::user("bob")}}));
    EXPECT_EQ(watch_since("bob"), 1_pos) << "a second grant is none";

    const Bound revoked = bind(grants({{Room::user("bob"), true}, {Room::user("nobody"), true}}));

    ASSERT_EQ(revoked.entry->evictions.size(), 1u);
    EXPECT_EQ(revoked.entry->evictions[0].subject, "photo:1");
    EXPECT_EQ(revoked.entry->evictions[0].who, Room::user("bob"));
    EXPECT_FALSE(watch_since("bob").has_value());
    EXPECT_EQ(watch_since(editor), 1_pos);
    bind(grants({{Room::user("bob")}}));
    EXPECT_EQ(watch_since("bob"), 4_pos) << "what was shown in between is not";
    bind(grants({{Room::user("bob"), true}, {Room::role("editor"), true}}));
    EXPECT_EQ(subjects_.size(), 0u);
    EXPECT_TRUE(stored_.empty());
}

TEST_F(SubjectsTest, WhoMayWatchIsWhatTheRuleSays) {
    bind(make_owner_plan("a", "photo:1", "ann"));
    bind(grants({{Room::user("ann")}}));
    const struct {
        const char* name;
        WatchQuestion question;
        std::optional<Position> since;
    } cases[] = {
        {"the owner", {"photo:1", {.owner = true}, "ann", {}}, 1_pos},
        {"the owner by a grant, where owning gives nothing", {"photo:1", {}, "ann", {}}, 2_pos},
        {"another user", {"photo:1", {.owner = true}, "bob", {}}, {}},
        {"a service of the owner's name", {"photo:1", {.owner = true}, "", {}}, {}},
        {"a service that may consume all", {"photo:1", {}, "", {}, false, true}, 0_pos},
        {"everyone", {"photo:1", {.everyone = true}, "bob", {}}, 0_pos},
        {"a role", {"photo:1", {.roles = {"admin"}}, "bob", {"x", "admin"}}, 0_pos},
        {"another role", {"photo:1", {.roles = {"admin"}}, "bob", {"x"}}, {}},
        {"a permission", {"photo:1", {.permission = true}, "bob", {}, true}, 0_pos},
        {"a permission that the rule does not take", {"photo:1", {}, "bob", {}, true}, {}},
        {"no permission", {"photo:1", {.permission = true}, "bob", {}, false}, {}},
        {"the oldest of several rights",
         {"photo:1", {.owner = true, .everyone = true}, "ann", {}},
         0_pos},
        {"a subject that nobody owns", {"photo:2", {.owner = true}, "ann", {}}, {}},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(watch_since(c.question), c.since);
    }
}

TEST_F(SubjectsTest, WhatNobodyOwnsAndWhatOneMayNotWatchAreRefusedAlike) {
    bind(make_owner_plan("a", "photo:1", "ann"));
    const auto owned = subjects_.may_watch({"photo:1", {.owner = true}, "bob", {}});
    const auto unknown = subjects_.may_watch({"photo:2", {.owner = true}, "bob", {}});
    std::string detail = unknown.error().detail;
    detail.replace(detail.find("photo:2"), 7, "photo:1");
    EXPECT_EQ(owned.error().detail, detail);
    EXPECT_EQ(owned.error().code, unknown.error().code);
}

TEST_F(SubjectsTest, AnEventForTheOwnerGoesToWhoOwnsTheSubjectThere) {
    Plan plan = make_plan("a", "photo:1");
    plan.audience = {{.to = Target::To::kOwner, .variant = 3}, {.room = Room::everyone()}};
    const Bound before = bind(plan);
    bind(make_owner_plan("b", "photo:1", "ann"));
    const Bound after = bind(plan);

    EXPECT_TRUE(before.entry->unowned);
    ASSERT_EQ(before.entry->deliveries.size(), 1u);
    EXPECT_EQ(before.entry->deliveries[0].room, Room::everyone());
    EXPECT_FALSE(after.entry->unowned);
    ASSERT_EQ(after.entry->deliveries.size(), 2u);
    EXPECT_EQ(after.entry->deliveries[0].room, Room::user("ann"));
    EXPECT_EQ(after.entry->deliveries[0].variant, 3u);
    EXPECT_EQ(subjects_.probe().unowned.get(), 1u);
}

TEST_F(SubjectsTest, WhereAUserMustOwnTheSubjectAnotherIsRefused) {
    bind(make_owner_plan("a", "photo:1", "ann"));

    EXPECT_EQ(bind_error(as_owner("bob")), ErrorCode::kForbidden);
    EXPECT_EQ(bind_error(as_owner("an")), ErrorCode::kForbidden);
    bind(as_owner("ann"));
    EXPECT_EQ(subjects_.probe().refused_not_owner.get(), 2u);
}

TEST_F(SubjectsTest, AboutWhatNobodyOwnsOnlyAnEventMayBeThatNamesItsPublisherAsOwner) {
    EXPECT_EQ(bind_error(as_owner("bob")), ErrorCode::kForbidden) << "again and again";
    bind(grants({{Room::user("bob")}}));
    EXPECT_EQ(bind_error(as_owner("bob")), ErrorCode::kForbidden) << "granted, and not owned";
    Plan names_another = as_owner("bob");
    names_another.owner = "eve";
    EXPECT_EQ(bind_error(names_another), ErrorCode::kForbidden);
    Plan names_its_publisher = as_owner("bob");
    names_its_publisher.owner = "bob";
    bind(std::move(names_its_publisher));
    EXPECT_EQ(subjects_.owner("photo:1"), "bob");
    bind(as_owner("bob"));
    Plan takes = as_owner("eve");
    takes.owner = "eve";
    takes.transfer = true;
    EXPECT_EQ(bind_error(takes), ErrorCode::kForbidden);
}

// What `user` grants, as a catalog may let any user.
TEST_F(SubjectsTest, WhatAUserGrantedBeforeTheFirstOwnerEndsWhenAnotherBecomesIt) {
    const auto granted_by = [](std::string publisher, std::string to) {
        Plan plan = grants({{Room::user(std::move(to))}});
        plan.publisher = std::move(publisher);
        return plan;
    };
    bind(granted_by("user:eve", "mallory"));
    bind(granted_by("user:ann", "bob"));
    bind(granted_by("service:api", "carl"));

    const Bound owned = bind(make_owner_plan("a", "photo:1", "ann"));

    ASSERT_EQ(owned.entry->evictions.size(), 1u);
    EXPECT_EQ(owned.entry->evictions[0].who, Room::user("mallory"));
    EXPECT_FALSE(watch_since("mallory"));
    EXPECT_EQ(watch_since("bob"), 2_pos);
    EXPECT_EQ(watch_since("carl"), 3_pos);
    // With an owner, who may grant is the catalog's to say, and a transfer ends nothing more.
    bind(granted_by("user:eve", "dora"));
    Plan transfer = make_owner_plan("b", "photo:1", "fred");
    transfer.transfer = true;
    EXPECT_EQ(bind(transfer).entry->evictions.size(), 1u);
    EXPECT_EQ(watch_since("dora"), 5_pos);
    EXPECT_EQ(watch_since("bob"), 2_pos);
}

TEST_F(SubjectsTest, ADisownEndsTheOwnerAndTheGrantsAndReachesTheOwnerOfBefore) {
    table_.emplace(Subjects::Settings{.owners_max = 1, .grants_max = 10});
    bind(make_owner_plan("a", "photo:1", "ann"));
    bind(grants({{Room::user("bob")}}));
    Plan disown = make_plan("d", "photo:1", "photo.deleted");
    disown.disown = true;
    disown.audience = {{.to = Target::To::kOwner}};

    const Bound ended = bind(disown);

    EXPECT_EQ(ended.entry->deliveries[0].room, Room::user("ann"));
    EXPECT_EQ(ended.entry->evictions.size(), 2u);
    EXPECT_FALSE(watch_since("ann"));
    EXPECT_FALSE(watch_since("bob"));
    EXPECT_TRUE(stored_.empty());
    EXPECT_EQ(subjects_.size(), 0u);
    EXPECT_TRUE(bind(disown).changes.empty()) << "of what nobody owns it changes nothing";
    bind(make_owner_plan("b", "photo:2", "bob"));  // there is room again
    EXPECT_EQ(subjects_.probe().disowned.get(), 1u);
}

TEST_F(SubjectsTest, OfTheOwnersIsWarnedOnceAtFourFifthsAndOnceNearTheEnd) {
    table_.emplace(Subjects::Settings{.owners_max = 100, .grants_max = 10});
    std::vector<int> warned_at;
    for (int i = 1; i <= 100; ++i) {
        testing::internal::CaptureStderr();
        bind(make_owner_plan("a", "photo:" + std::to_string(i), "ann"));
        if (!testing::internal::GetCapturedStderr().empty()) warned_at.push_back(i);
    }
    EXPECT_EQ(warned_at, (std::vector<int>{80, 95}));
}

TEST_F(SubjectsTest, OnePastTheOwnersIsRefusedAndWhatIsKnownStillChanges) {
    table_.emplace(Subjects::Settings{.owners_max = 2, .grants_max = 10});
    bind(make_owner_plan("a", "photo:1", "ann"));
    bind(grants({{Room::user("bob")}}, "photo:2"));

    EXPECT_EQ(bind_error(make_owner_plan("c", "photo:3", "ann")), ErrorCode::kUnavailable);
    EXPECT_EQ(bind_error(grants({{Room::user("bob")}}, "photo:3")), ErrorCode::kUnavailable);

    bind(make_owner_plan("d", "photo:2", "bob"));
    bind(make_plan("e", "photo:3"));
    bind(grants({{Room::user("bob"), true}}, "photo:3"));
    EXPECT_EQ(subjects_.size(), 2u);
    EXPECT_EQ(subjects_.probe().refused_bound.get(), 2u);
}

TEST_F(SubjectsTest, OnePastTheGrantsOfASubjectIsRefused) {
    table_.emplace(Subjects::Settings{.owners_max = 2, .grants_max = 2});
    bind(grants({{Room::user("a")}, {Room::user("b")}}));
    EXPECT_EQ(bind_error(grants({{Room::user("c")}})), ErrorCode::kTooMany);
    bind(grants({{Room::user("a"), true}}));
    bind(grants({{Room::user("c")}}));
}

TEST_F(SubjectsTest, AtABoundWhatAddsNothingIsTaken) {
    table_.emplace(Subjects::Settings{.owners_max = 1, .grants_max = 2});
    const Room a = Room::user("a");
    const Room b = Room::user("b");
    const Room c = Room::user("c");
    bind(grants({{a}, {b}}));
    for (const std::vector<GrantChange>& changes : std::vector<std::vector<GrantChange>>{
             {{a}}, {{b}, {a}}, {{a}, {a}}, {{a, true}, {a}}, {{c}, {c, true}}, {{c, true}}}) {
        bind(grants(changes));
    }
    bind(grants({{b, true}, {c}}));  // one for another
    bind(grants({{b}, {c, true}}));
    EXPECT_EQ(bind_error(grants({{a}, {c}})), ErrorCode::kTooMany);
    EXPECT_EQ(bind_error(grants({{c, true}, {c}})), ErrorCode::kTooMany);
    EXPECT_TRUE(watch_since("a"));
    EXPECT_TRUE(watch_since("b"));
    EXPECT_FALSE(watch_since("c"));

    bind(grants({{a, true}, {a}, {a, true}}, "photo:2"));
    Plan disown = make_owner_plan("d", "photo:2", "ann");
    disown.grants = {{a}, {b}, {c}};
    disown.disown = true;
    bind(disown);
    EXPECT_EQ(subjects_.size(), 1u);
}

TEST_F(SubjectsTest, UndoBringsBackWhatWasBeforeTheLastCommit) {
    bind(make_owner_plan("a", "photo:1", "ann"));
    bind(grants({{Room::user("bob")}}));
    Plan transfer = make_owner_plan("b", "photo:1", "eve");
    transfer.transfer = true;
    ASSERT_TRUE(subjects_.bind(std::move(transfer), 3_pos).has_value());
    ASSERT_TRUE(subjects_.bind(grants({{Room::user("bob"), true}, {Room::user("eve")}}), 4_pos));
    ASSERT_TRUE(subjects_.bind(make_owner_plan("c", "photo:2", "eve"), 5_pos).has_value());
    ASSERT_EQ(subjects_.owner("photo:1"), "eve");

    subjects_.undo();

    EXPECT_EQ(subjects_.owner("photo:1"), "ann");
    EXPECT_EQ(subjects_.owner("photo:2"), "");
    EXPECT_EQ(subjects_.size(), 1u);
    EXPECT_EQ(watch_since("ann"), 1_pos);
    EXPECT_EQ(watch_since("bob"), 2_pos);
    EXPECT_FALSE(watch_since("eve").has_value());
}

TEST_F(SubjectsTest, WhatThreadsLoadInAnyPartsIsAsItWas) {
    struct Model {
        std::string owner;
        Position owner_since;
        std::map<std::string, Position> grants;  // by user
    };
    std::map<std::string, Model> model;
    std::mt19937 random(7);
    const auto below = [&random](unsigned end) { return random() % end; };
    for (int i = 0; i < 10'000; ++i) {
        const std::string subject = "photo:" + std::to_string(below(2'000));
        const std::string user = "a-user-" + std::to_string(below(4));
        switch (below(3)) {
            case 0: {
                Plan plan = make_owner_plan("e", subject, user);
                plan.transfer = below(2) == 0;
                const Bound bound = bind(plan);
                Model& one = model[subject];
                if (one.owner == user || (!one.owner.empty() && !plan.transfer)) break;
                one.owner = user;
                one.owner_since = bound.entry->position;
                break;
            }
            case 1:
                model[subject].grants.try_emplace(
                    user, bind(grants({{Room::user(user)}}, subject)).entry->position);
                break;
            default:
                bind(grants({{Room::user(user), true}}, subject));
                model[subject].grants.erase(user);
        }
    }
    std::erase_if(model, [](const auto& one) {
        return one.second.owner.empty() && one.second.grants.empty();
    });

    std::vector<StoredView> all = stored();
    std::shuffle(all.begin(), all.end(), random);
    std::vector<std::span<const StoredView>> parts;
    for (std::size_t at = 0; at < all.size(); at += parts.back().size()) {
        parts.push_back(std::span(all).subspan(at).first(
            std::min<std::size_t>(all.size() - at, 1 + below(200))));
    }
    Subjects loaded({});
    std::atomic<std::size_t> next = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (std::size_t at = next++; at < parts.size(); at = next++) {
                EXPECT_TRUE(loaded.load(parts[at]).has_value());
            }
        });
    }
    for (std::thread& thread : threads) thread.join();

    EXPECT_EQ(loaded.size(), model.size());
    EXPECT_EQ(loaded.probe().subjects.get(), model.size());
    for (const auto& [subject, one] : model) {
        SCOPED_TRACE(subject);
        EXPECT_EQ(loaded.owner(subject), one.owner);
        if (!one.owner.empty()) {
            const auto since = loaded.may_watch({subject, {.owner = true}, one.owner, {}});
            const auto grant = one.grants.find(one.owner);
            ASSERT_TRUE(since.has_value());
            EXPECT_EQ(*since, grant == one.grants.end() ? one.owner_since
                                                        : std::min(one.owner_since, grant->second));
        }
        for (int i = 0; i < 4; ++i) {
            const std::string user = "a-user-" + std::to_string(i);
            const auto since = loaded.may_watch({subject, {}, user, {}});
            const auto grant = one.grants.find(user);
            ASSERT_EQ(since.has_value(), grant != one.grants.end()) << user;
            if (since) {
                EXPECT_EQ(*since, grant->second) << user;
            }
        }
    }
}

TEST_F(SubjectsTest, WhatIsDamagedIsNotLoaded) {
    const std::string since(8, '\0');
    const std::pair<std::string, std::string> cases[] = {
        {"", since + "ann"},
        {"o", since + "ann"},
        {"ophoto:1", ""},
        {"ophoto:1", since},
        {"gphoto:1", since},
        {"xphoto:1", since + "ann"},
        {"ophoto:1", "1234567"},
        {std::string("\0o", 2), since},
        {std::string("gphoto:1\0u:", 11), since},
    };
    for (const auto& [key, value] : cases) {
        SCOPED_TRACE(key);
        Subjects subjects({});
        const StoredView stored{key, value};
        const Result<> loaded = subjects.load({&stored, 1});
        ASSERT_FALSE(loaded.has_value());
        EXPECT_EQ(loaded.error().code, ErrorCode::kInternal);
    }
}

}  // namespace
}  // namespace eventbus
