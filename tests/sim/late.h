#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "admission/memory_session_store.h"
#include "bus/subject_watches.h"
#include "sim/chance.h"

namespace eventbus::sim {

// Things that are late, of which any may come next; but those of one line come in order.
class Late {
 public:
    void add(std::string line, std::function<void()> come) {
        waiting_.push_back({std::move(line), std::move(come)});
    }
    bool come(Chance& chance) {
        if (waiting_.empty()) return false;
        const auto any =
            waiting_.begin() + static_cast<std::ptrdiff_t>(chance.below(waiting_.size()));
        const auto first = any->line.empty()
                               ? any
                               : std::find_if(waiting_.begin(), any + 1, [&](const Waiting& one) {
                                     return one.line == any->line;
                                 });
        const std::function<void()> come = std::move(first->come);
        waiting_.erase(first);
        come();
        return true;
    }
    void forget() { waiting_.clear(); }

 private:
    struct Waiting {
        std::string line;
        std::function<void()> come;
    };
    std::vector<Waiting> waiting_;
};

// The order of one pid stays; all else is late as it likes.
class LateSessions final : public SessionStore {
 public:
    LateSessions(MemorySessionStore& store, Late& late) : store_(store), late_(late) {}

    void create(SessionRecord record, SessionOwner& owner, Callback<Result<Claim>> done) override {
        std::string pid = record.pid;
        add(std::move(pid), [this, record = std::move(record), &owner, done = shared(done)] {
            store_.create(record, owner, std::move(*done));
        });
    }
    void claim(std::string_view pid, std::string_view principal, SessionOwner& owner,
               Callback<Result<std::optional<Claimed>>> done) override {
        add(pid, [this, pid = std::string(pid), principal = std::string(principal), &owner,
                  done = shared(done)] { store_.claim(pid, principal, owner, std::move(*done)); });
    }
    void change(std::string_view pid, Claim claim, SessionChange change, SessionOwner& owner,
                Callback<Written> done) override {
        add(pid,
            [this, pid = std::string(pid), claim, change = std::move(change), &owner,
             done = shared(done)] { store_.change(pid, claim, change, owner, std::move(*done)); });
    }
    void release(std::string_view pid, Claim claim, std::optional<SessionChange::At> at) override {
        add(pid, [this, pid = std::string(pid), claim, at] { store_.release(pid, claim, at); });
    }
    void end(std::string_view pid, Claim claim) override {
        add(pid, [this, pid = std::string(pid), claim] { store_.end(pid, claim); });
    }

    bool is_dead = false;  // killed: nothing more is taken

 private:
    template <class Done>
    static std::shared_ptr<Done> shared(Done& done) {
        return std::make_shared<Done>(std::move(done));
    }
    void add(std::string_view pid, std::function<void()> work) {
        if (!is_dead) late_.add(std::string(pid), std::move(work));
    }

    MemorySessionStore& store_;
    Late& late_;
};

// Answers that hold as of the place that they name, and come whenever.
class LateWatches final : public Watches {
 public:
    LateWatches(Watches& watches, Late& late) : watches_(watches), late_(late) {}

    void ask(WatchQuestion question, Executor& reply_to,
             Callback<Result<WatchAnswer>> done) override {
        auto later = std::make_shared<Callback<Result<WatchAnswer>>>(std::move(done));
        watches_.ask(std::move(question), reply_to,
                     [this, later, &reply_to](Result<WatchAnswer> answer) {
                         late_.add({}, [later, &reply_to, answer = std::move(answer)] {
                             reply_to.post([later, answer] { (*later)(answer); });
                         });
                     });
    }

 private:
    Watches& watches_;
    Late& late_;
};

}  // namespace eventbus::sim
