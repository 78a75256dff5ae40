#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/result.h"
#include "groups/group_store.h"
#include "groups/member.h"
#include "groups/probe.h"

namespace eventbus {

// What became of the groups of one reactor, and what may be seen of it once it is written.
//
//           kUnavailable               kReadOnly
//   open ─────────────────► on hold ──────────────► closed
//     ▲                      │  │ the same again, after a pause
//     └────── written ───────┘  └─►
//
// Thread:  the groups' reactor.
// Bounded: one write is under way at most; what comes meanwhile leaves with the next. On hold
//          nothing new may come: the groups refuse it. No answer waits longer than the write that
//          is under way: if that fails, all that wait are refused at once.
// Invariants:
//   (1) A delivery, or an answer that it is written, leaves after all that was added before it was
//       written.
//   (2) Deliveries and answers leave in the order in which they were added, but refusals at once.
//   (3) Writes are in order: one that could not be written is written again before any other.
class Ledger {
 public:
    enum class State : std::uint8_t { kOpen, kOnHold, kClosed };

    struct Context {
        GroupStore& store;
        const Clock& clock;
        Executor& reactor;
        GroupsProbe& probe;
        // These are written, and leave now.
        std::function<void(const std::vector<GroupDelivery>&)> on_sent;
        // After each change of the state. On the way back from a hold, how long that was.
        std::function<void(std::optional<Clock::Time::duration> held)> on_state;
    };
    explicit Ledger(Context context);

    void add(GroupChange change) { building_->changes.push_back(std::move(change)); }
    // `done` learns whether what was added so far is written. Refused, it may still be written
    // later: it is tried again.
    void add_answer(Executor& reply_to, Callback<const Result<>&> done);
    void add_delivery(const MemberWay& way, GroupDelivery delivery);

    // Writes what was added, unless a write is under way.
    void flush();

    // Tries again what could not be written, if it is time.
    void retry(Clock::Time now);
    std::optional<Clock::Time> retries_at() const { return retries_at_; }

    State state() const { return state_; }
    bool is_open() const { return state_ == State::kOpen; }
    // Why nothing is taken. Requires !is_open().
    Error refusal() const;

 private:
    struct Answer {
        Executor* reply_to = nullptr;
        Callback<const Result<>&> done;
    };
    struct Parcel {
        MemberWay way;
        std::vector<GroupDelivery> deliveries;
    };
    struct Write {
        std::vector<GroupChange> changes;
        SharedGroupChanges sent;  // what `changes` was
        std::vector<std::variant<Answer, Parcel>> out;
    };

    void send();
    void on_written(const Result<>& result);
    void hold();
    void close();
    void refuse_waiting();
    void give(Write& write);
    static void give(Answer& answer, Result<> result);
    void give(Parcel& parcel);

    Context context_;
    State state_ = State::kOpen;
    std::unique_ptr<Write> building_;
    std::unique_ptr<Write> writing_;  // or waiting to be written again
    std::optional<Clock::Time> retries_at_;
    Clock::Time held_since_{};
    Clock::Time::duration pause_{};
};

}  // namespace eventbus
