#include "sim/worker.h"

#include <algorithm>
#include <utility>

#include "event/pattern.h"
#include "groups/group.h"
#include "sim/tally.h"
#include "sim/trace.h"

namespace eventbus::sim {

// ---- the account --------------------------------------------------------------------------------

void GroupAccount::restored() {
    handled_.clear();
    maybe_handled_.clear();
    attempts_.clear();
    began_.reset();
}

void GroupAccount::given(const GroupEvent& event) {
    trace([&] { return "the group gives out " + event.delivery; });
    const auto what = [&] { return "the group gave out " + to_string(event.position); };
    if (!witness_.entries().contains(event.position)) fail(what() + ", which is no entry");
    if (handled_.contains(event.position)) fail(what() + " again, though its ack was answered");
    std::uint32_t& attempt = attempts_[event.position];
    if (event.attempt <= attempt) fail(what() + " again without a higher attempt");
    attempt = event.attempt;
}

bool GroupAccount::is_owed(const Entry& entry) const {
    return began_ && entry.position > *began_ && !handled_.contains(entry.position) &&
           !maybe_handled_.contains(entry.position) && matches(kTopic, entry.event.type);
}

bool GroupAccount::is_done(Position lost_through) const {
    const auto& entries = witness_.entries();
    return std::all_of(entries.upper_bound(lost_through), entries.end(), [&](const auto& entry) {
        return entry.second->durability != Durability::kDurable || !is_owed(*entry.second);
    });
}

void GroupAccount::check(Position lost_through, std::uint64_t lost_transient) const {
    std::uint64_t missing = 0;
    for (const auto& [position, entry] : witness_.entries()) {
        if (!is_owed(*entry)) continue;
        if (entry->durability == Durability::kTransient) {
            if (position > life_began_) ++missing;
        } else if (position > lost_through) {
            fail("the group missed " + to_string(position));
        }
    }
    if (missing > lost_transient) {
        fail("the group missed " + std::to_string(missing) + " transient events, and counts " +
             std::to_string(lost_transient));
    }
}

// ---- a member -----------------------------------------------------------------------------------

void Worker::connect(Lane& lane) {
    is_refused_ = false;
    lane_ = &lane;
    pipe_ = std::make_shared<Pipe>();
    lane.connect(pipe_, {.principal = principal_, .wants_session = false});
    join_ = ++last_command_;
    lane.take(pipe_, {{Command::What::kJoinGroup, join_, GroupAccount::kTopic, {}}});
}

void Worker::drop(bool server_lives) {
    if (!pipe_) return;
    if (server_lives) lane_->close(pipe_, false);
    pipe_.reset();
    is_in_ = false;
    in_hand_.clear();
    for (const auto& [command, position] : std::exchange(acks_, {})) {
        if (position) group_.maybe_acked(*position);
    }
}

void Worker::take_message() {
    const Message message = std::move(pipe_->messages.front());
    pipe_->messages.pop_front();
    if (const auto* const event = std::get_if<GroupEvent>(&message)) on(*event);
    if (const auto* const answer = std::get_if<Answer>(&message)) on(*answer);
}

void Worker::on(const GroupEvent& event) {
    group_.given(event);
    std::size_t bytes = 0;
    for (const auto& [position, delivery] : in_hand_) {
        bytes += size_of(*witness_.entries().at(position));
    }
    if (in_hand_.size() >= Lane::kInFlightMax ||
        (!in_hand_.empty() && bytes >= Lane::kMemberBytes)) {
        fail("a member was given more than it takes");
    }
    in_hand_[event.position] = event.delivery;
}

void Worker::on(const Answer& answer) {
    if (answer.command == join_) {
        if (answer.error) {
            trace([&] { return "a member is refused: " + answer.error->detail; });
            is_refused_ = true;
            return drop(true);
        }
        is_in_ = true;
        return group_.joined(answer.from);
    }
    const auto ack = acks_.find(answer.command);
    if (!answer.error && ack->second) {
        count(Happened::kAcked);
        group_.acked(*ack->second);
    }
    if (answer.error && answer.error->code == ErrorCode::kUnavailable && ack->second) {
        group_.maybe_acked(*ack->second);  // its write failed, and is tried again
    }
    acks_.erase(ack);
}

void Worker::answer_one(Chance& chance, bool may_fail) {
    const auto [position, delivery] = *in_hand_.begin();
    const bool fails = may_fail && chance.one_in(6);
    if (fails && chance.one_in(2)) return;
    acks_[++last_command_] = fails ? std::nullopt : std::optional(position);
    const auto what = fails ? Command::What::kNack : Command::What::kAck;
    lane_->take(pipe_, {{what, last_command_, delivery, {}}});
    in_hand_.erase(position);
}

}  // namespace eventbus::sim
