#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "auth/principal.h"
#include "event/topic.h"
#include "sim/wire.h"
#include "sim/witness.h"

namespace eventbus::sim {

// What one client was told, and so what it has to get and what it may not: the promise, as a
// client can count on it. Everything is told to it in the order in which the client learns of it.
//
//   Of each room that it was told to be in, each durable entry since it was told so comes, in order
//   and once, for as long as its session goes on; unless it is told of a gap, or that its session
//   or place is unknown. Nothing else comes.
class Account {
 public:
    Account(const Witness& witness, std::string name, SharedPrincipal principal);

    // ---- sessions: `frontier` is what was visible when the server said so
    // --------------------------

    void begin(Position frontier);
    // An older CONNECT of its own came late: ends are judged by the place that it showed.
    void came_late(Position place) { late_at_ = std::min(late_at_, place); }
    void unknown(Position frontier);
    // Its session is copied; and the copy takes the place of the session, so that the rooms are as
    // they were then: those left since may send again, and those joined since owe nothing.
    void copied();
    void restored();
    void gap(Position from, Position to);

    // ---- topics
    // ------------------------------------------------------------------------------------

    // Returns where the log stands.
    Position ask(const std::string& topic) {
        asked_.insert(topic);
        left_.erase(topic);
        return witness_.frontier();
    }
    // `asked_at`: the session may hold it from there on, if the answer says from later on.
    // `is_anew`: it was surely not in it before.
    void confirm(const std::string& topic, Position from, Position asked_at, bool is_anew);
    // It is in it by its sign-in: as before, or from this place on.
    void sign_in(const std::string& topic, Position from) {
        ask(topic);
        if (confirmed_.try_emplace(topic, from).second) signed_in_.insert(topic);
    }
    // Since it was last told that it has left, if it was.
    bool has_asked_for(const std::string& topic) const { return asked_.contains(topic); }
    // It was told that its right to it has ended.
    void right_ended(const std::string& topic);
    // It was told that it is not in it, or has asked to leave: nothing is owed.
    void let_go(const std::string& topic) {
        confirmed_.erase(topic);
        asked_at_.erase(topic);
        signed_in_.erase(topic);
        answered_.erase(topic);
    }
    // It was told that it has left: nothing may come any more.
    void left(const std::string& topic);
    // Whether its session may hold as many rooms as a socket may be in.
    bool may_be_full(std::size_t rooms_max) const {
        return asked_.size() + rooms_.size() > rooms_max;
    }
    bool is_above(std::size_t rooms_max) const {
        return confirmed_.size() + rooms_.size() > rooms_max;
    }

    // ---- entries
    // -----------------------------------------------------------------------------------

    void see(const EventFrame& frame);
    // It was told that this is its place: what it has not seen up to there does not come.
    void stand_at(Position place);

    // Once all is quiet: all that is retained and owed has come.
    void check();
    std::size_t seen() const { return seen_count_; }

 private:
    struct Asked {
        Position at;
        int reloads;  // before it was answered
    };
    // It was told that its right to the topic has ended.
    struct End {
        std::string topic;
        Position from;       // since when it was to be in it, or asked for it
        Position stands_at;  // what it got in order, or was not owed
    };

    void check_ends();
    bool is_of_person(const Entry& entry) const;
    bool is_asked_for(const Entry& entry) const;
    bool may_come(const Entry& entry) const;
    bool may_be_of(const Entry& entry, const std::string& topic) const;
    bool is_owed(const Entry& entry) const;
    bool is_hidden(const Entry& entry) const;
    bool is_owed_by(const Entry& entry, const std::string& topic, Position from) const;
    bool is_excused(Position position) const;
    bool is_friend() const { return principal_->has_role("friend"); }

    const Witness& witness_;
    const std::string name_;
    const SharedPrincipal principal_;
    const std::vector<Room> rooms_;  // of the person

    Position began_ = kEndOfTime;                // after this, what goes to the person is owed
    std::set<std::string> asked_;                // and perhaps in the session
    Position late_at_ = kEndOfTime;              // a CONNECT that came late stood there
    std::map<std::string, Asked> asked_at_;      // of those that were answered
    std::set<std::string> left_;                 // since the session began
    std::set<std::string> copied_;               // topics that were confirmed at the copy
    std::map<std::string, Position> confirmed_;  // topics, and after which place they are owed
    std::set<std::string> signed_in_;            // of them, those that it named at its sign-in
    // Those that its session surely holds, by an answer; and where it stands in them at the least.
    std::map<std::string, Position> answered_;
    std::vector<End> ends_;
    Position place_;
    std::set<Position> seen_;
    std::vector<std::pair<Position, Position>> gaps_;
    std::size_t seen_count_ = 0;
};

}  // namespace eventbus::sim
