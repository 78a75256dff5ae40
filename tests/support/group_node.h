#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "groups/groups_directory.h"
#include "groups/memory_group_store.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "support/late_group_store.h"
#include "support/list_log.h"
#include "support/seeded_random.h"

namespace eventbus {

// What one reactor's members got.
class Inbox final : public GroupReceiver {
 public:
    explicit Inbox(Executor& executor) : executor_(executor) {}

    void deliver(const GroupDelivery& delivery) override { got.push_back(delivery); }
    void on_membership_ended(MemberId member, const GroupKey& group, const Error& reason) override {
        ended.push_back(std::to_string(static_cast<std::uint64_t>(member)) + " " +
                        to_string(group) + " " + std::string(reason.name()));
    }
    // What came before this task was posted has been seen when it runs; hold_sight: later.
    void when_seen(Clock::Time, Task done) override {
        held.push_back(std::move(done));
        if (!hold_sight) see();
    }
    void see() {
        for (Task& task : std::exchange(held, {})) executor_.post(std::move(task));
    }

    // "position.attempt→member" of what came since the last call.
    std::vector<std::string> take() {
        std::vector<std::string> taken;
        for (const GroupDelivery& d : std::exchange(got, {})) {
            taken.push_back(to_string(d.entry->position) + '.' + std::to_string(d.attempt) + "→" +
                            std::to_string(static_cast<std::uint64_t>(d.member)));
        }
        return taken;
    }

    std::vector<GroupDelivery> got;
    std::vector<std::string> ended;
    std::vector<Task> held;
    bool hold_sight = false;

 private:
    Executor& executor_;
};
using Got = std::vector<std::string>;

// One life of the process.
class Node {
 public:
    struct Waker final : Tail::Waker {
        void wake_if_asleep() override {}
    };
    struct Reactor {
        FakeExecutor executor;
        Inbox inbox{executor};
        Waker waker;
        std::unique_ptr<LogReader> reader;
        std::unique_ptr<Groups> groups;
        View::Next next;
        GroupProbes listed;
    };
    struct Settings {
        GroupSettings groups;
        std::size_t groups_per_service_max = 100;
        std::size_t reactors = 1;
        std::size_t tail_entries_max = 100'000;  // that each reader keeps
        std::size_t recent = 1000;               // that the tail begins with
    };

    Node(ListLog& log, GroupStore& store, FakeClock& clock, Random& random, Settings settings)
        : log_(log), clock_(clock) {
        log.begin_life(settings.recent);
        const std::vector<StoredGroup> known = *store.load(log.epochs());
        GroupNames names(settings.groups_per_service_max);
        for (const StoredGroup& group : known) names.restore(group);
        auto stored = GroupsDirectory::split(known, settings.reactors);
        std::vector<GroupsDirectory::Home> homes;
        for (std::size_t i = 0; i < settings.reactors; ++i) {
            Reactor& r = *reactors.emplace_back(std::make_unique<Reactor>());
            r.reader = std::make_unique<LogReader>(
                LogReader::Context{log, r.executor, clock, r.waker}, settings.tail_entries_max);
            r.groups = std::make_unique<Groups>(
                Groups::Context{
                    .log = log,
                    .reader = *r.reader,
                    .store = store,
                    .clock = clock,
                    .random = random,
                    .reactor = r.executor,
                    .on_listed = [&r](GroupProbes all) { r.listed = std::move(all); },
                    .on_exists = [this](const GroupKey& group,
                                        bool exists) { directory->post_exists(group, exists); }},
                settings.groups, std::move(stored[i]));
            homes.push_back({&r.executor, r.groups.get()});
        }
        directory = std::make_unique<GroupsDirectory>(std::move(homes), std::move(names));
        log.start();
        for (auto& r : reactors) r->next = r->groups->deliver();
        run();
    }

    Reactor& at(std::size_t i = 0) { return *reactors[i]; }

    // One turn of a reactor, after its tasks.
    static void turn(Reactor& r) { r.next = r.groups->deliver(); }
    // All that there is to do, but for what waits for a time.
    void run() {
        for (bool any = true; any;) {
            any = false;
            for (auto& r : reactors) {
                bool has_run = false;
                while (r->executor.run_one()) has_run = true;
                if (!has_run) continue;
                turn(*r);  // as a reactor does
                any = true;
            }
        }
    }
    void show_and_run() {
        for (auto& r : reactors) {
            do turn(*r);
            while (r->next.more != View::More::kNo);
        }
        run();
    }
    // Turns of the reactors whose time has come: nothing happens that was not asked for.
    void run_timers() {
        for (auto& r : reactors) {
            if (r->next.at && *r->next.at <= clock_.now()) turn(*r);
        }
        run();
    }

    std::vector<std::unique_ptr<Reactor>> reactors;
    std::unique_ptr<GroupsDirectory> directory;

 private:
    ListLog& log_;
    FakeClock& clock_;
};

// One or more reactors, a log and a store that outlive them, and the members' requests.
class GroupsFixture : public testing::Test {
 protected:
    ListLog log_;
    MemoryGroupStore store_;
    FakeClock clock_;
    SeededRandom random_{1};
    Node::Settings node_settings_;
    GroupSettings& settings_ = node_settings_.groups;
    std::unique_ptr<Node> node_ = start();

    std::unique_ptr<Node> start() {
        return std::make_unique<Node>(log_, store_, clock_, random_, node_settings_);
    }
    // kill -9 and start: what was not posted or written never was.
    void crash() {
        node_.reset();
        node_ = start();
    }
    Inbox& inbox() { return node_->at().inbox; }

    Result<GroupJoined> join(MemberId member, std::string group = "g", std::string topic = "a.*",
                             std::size_t max_in_flight = 10) {
        return join({.id = member,
                     .group = {std::move(group), std::move(topic)},
                     .service = "worker",
                     .terms = {.max_in_flight = max_in_flight}});
    }
    Result<GroupJoined> join(GroupMember member, std::size_t at = 0) {
        std::optional<Result<GroupJoined>> answer;
        Node::Reactor& r = node_->at(at);
        member.way = {&r.executor, &r.inbox};
        node_->directory->post_subscribe(
            std::move(member), r.executor,
            [&](Result<GroupJoined> result) { answer = std::move(result); });
        node_->run();
        return answer.value_or(Error{ErrorCode::kTimeout, "no answer"});
    }
    // Time passes, and the timers that were asked for run.
    void pass(std::chrono::milliseconds time) {
        clock_.advance(time);
        node_->run_timers();
    }
    StoredGroup stored() { return (*store_.load(log_.epochs()))[0]; }
    const GroupProbe& probe(std::size_t i = 0) { return *node_->at().listed.at(i); }
    Result<> ack(MemberId member, std::string_view delivery) {
        std::optional<Result<>> answer;
        node_->directory->post_ack(member, delivery, node_->at().executor,
                                   [&](Result<> result) { answer = std::move(result); });
        node_->run();
        return answer.value_or(Error{ErrorCode::kTimeout, "no answer"});
    }
    Result<> nack(MemberId member, std::string_view delivery,
                  std::optional<std::chrono::milliseconds> delay) {
        std::optional<Result<>> answer;
        node_->directory->post_nack(member, delivery, delay, node_->at().executor,
                                    [&](Result<> result) { answer = std::move(result); });
        node_->run();
        return answer.value_or(Error{ErrorCode::kTimeout, "no answer"});
    }
    Got publish(const char* type) {
        log_.publish(type);
        node_->show_and_run();
        return inbox().take();
    }
};

}  // namespace eventbus
