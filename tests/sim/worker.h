#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "sim/chance.h"
#include "sim/lane.h"
#include "sim/witness.h"

namespace eventbus::sim {

// What a consumer group owes its service, as its members can count on it:
//
//   Each durable event since the group began is handled once all is quiet. One whose ack was
//   answered does not come again. One that comes again comes with a higher attempt. Of transient
//   events those that did not come are counted.
class GroupAccount {
 public:
    static constexpr const char* kTopic = "photo.*";

    explicit GroupAccount(const Witness& witness) : witness_(witness) {}

    // A member was told so.
    void joined(Position cursor) {
        if (!began_) began_ = cursor;
    }
    void begin_life(Position frontier) { life_began_ = frontier; }
    // The data is older: what was handled since comes again, and attempts begin anew.
    void restored();
    void given(const GroupEvent& event);
    void acked(Position position) { handled_.insert(position); }
    // Its ack was sent, and the answer lost, or the store did not take it: it may come again, or
    // not.
    void maybe_acked(Position position) { maybe_handled_.insert(position); }

    bool is_done(Position lost_through) const;
    void check(Position lost_through, std::uint64_t lost_transient) const;

 private:
    bool is_owed(const Entry& entry) const;

    const Witness& witness_;
    std::optional<Position> began_;
    Position life_began_;
    std::set<Position> handled_;
    std::set<Position> maybe_handled_;
    std::map<Position, std::uint32_t> attempts_;
};

// A member of the group: only a client.
class Worker {
 public:
    Worker(const Witness& witness, GroupAccount& group, SharedPrincipal principal)
        : witness_(witness), group_(group), principal_(std::move(principal)) {}

    void connect(Lane& lane);
    void drop(bool server_lives);
    void take_message();
    // Answers the oldest event that it has: with an ack, or, if it may fail, with anything.
    void answer_one(Chance& chance, bool may_fail);

    bool is_away() const { return !pipe_; }
    // It was not let into the group, and comes again when time has passed.
    bool is_refused() const { return is_refused_; }
    bool is_closed() const { return pipe_ && pipe_->is_closed; }
    bool has_messages() const { return pipe_ && !pipe_->messages.empty(); }
    bool has_events() const { return !in_hand_.empty(); }
    bool is_settled() const { return is_in_ && acks_.empty() && in_hand_.empty(); }

 private:
    void on(const GroupEvent& event);
    void on(const Answer& answer);

    const Witness& witness_;
    GroupAccount& group_;
    const SharedPrincipal principal_;
    Lane* lane_ = nullptr;
    SharedPipe pipe_;
    bool is_in_ = false;
    bool is_refused_ = false;
    std::uint64_t last_command_ = 0;
    std::uint64_t join_ = 0;
    std::map<Position, std::string> in_hand_;
    std::map<std::uint64_t, std::optional<Position>> acks_;  // none: a nack
};

}  // namespace eventbus::sim
