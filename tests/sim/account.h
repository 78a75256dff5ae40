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

    // ---- its token, of which the roles count
    // -----------------------------------------------------------------------------------------

    // It comes with this one; and goes on with its session, of which begin() is told else.
    void come(SharedPrincipal token);
    void come_back(Position frontier);
    // It sends another one; which is taken, or not.
    void refresh(SharedPrincipal token);
    void refreshed(Position frontier);
    void refresh_refused();
    void role_ended(const std::string& role);

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
        if (!confirmed_.try_emplace(topic, from).second) return;
        signed_in_.insert(topic);
        if (is_surely_friend()) by_friend_.insert(topic);
    }
    // Since it was last told that it has left, if it was.
    bool has_asked_for(const std::string& topic) const { return asked_.contains(topic); }
    // It was told that its right to it has ended.
    void right_ended(const std::string& topic);
    // It was told that it is not in it, or has asked to leave: nothing is owed.
    void let_go(const std::string& topic) {
        confirmed_.erase(topic);
        by_friend_.erase(topic);
        asked_at_.erase(topic);
        signed_in_.erase(topic);
        answered_.erase(topic);
    }
    // It was told that it has left: nothing may come any more.
    void left(const std::string& topic);
    // Whether its session may hold as many rooms as a socket may be in.
    bool may_be_full(std::size_t rooms_max) const {
        return asked_.size() + rooms_.size() + roles_at_most_ > rooms_max;
    }
    // Rooms of roles that came by a refresh may be more.
    bool is_above(std::size_t rooms_max) const {
        return confirmed_.size() + rooms_.size() + roles_at_least_ > rooms_max;
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
        int reloads;  // and changes of its token, before it was answered
    };
    // It was told that its right to the topic has ended.
    struct End {
        std::string topic;
        Position from;       // since when it was to be in it, or asked for it
        Position stands_at;  // what it got in order, or was not owed
    };

    void check_ends();
    bool is_of_person(const Entry& entry) const;
    bool is_of_role(const Entry& entry, bool is_owed) const;
    bool is_asked_for(const Entry& entry) const;
    bool may_come(const Entry& entry) const;
    bool may_be_of(const Entry& entry, const std::string& topic) const;
    bool is_owed(const Entry& entry) const;
    bool is_hidden(const Entry& entry) const;
    bool is_owed_by(const Entry& entry, const std::string& topic, Position from) const;
    bool is_excused(Position position) const;
    // A role that it has, or may have: what goes to the role's room may come, after a place; and is
    // owed after another one, while it surely has the role.
    struct Role {
        Position may_come_after;
        std::optional<Position> owed_after;
    };
    using Roles = std::map<std::string, Role>;

    void let_go_of_roles(const Principal& token);
    void take(SharedPrincipal token, std::optional<Position> owed_after);
    bool is_friend() const { return roles_.contains(kFriend); }
    bool is_surely_friend() const {
        const auto role = roles_.find(kFriend);
        return role != roles_.end() && role->second.owed_after;
    }
    // Of the catalog and the token, by which a friend's rights begin and end.
    int changes() const { return witness_.reloads() + token_changes_; }

    static constexpr const char* kFriend = "friend";

    const Witness& witness_;
    const std::string name_;
    SharedPrincipal principal_;      // by its token
    const std::vector<Room> rooms_;  // of the person, but for its roles

    Roles roles_;
    std::set<std::string> by_friend_;  // confirmed topics; it surely has been a friend since
    bool was_friend_ = false;          // or may have been, since the session began
    bool session_is_older_ = false;    // and may hold a role that it has lost since
    int token_changes_ = 0;
    int disk_troubles_at_come_ = 0;  // one less if it was in trouble
    std::size_t roles_at_most_ = 0;  // that the session may have held
    std::size_t roles_at_least_ = 0;
    std::set<std::string> copied_roles_;  // that it surely had at the copy
    // A refresh that is under way.
    SharedPrincipal next_;
    Roles roles_before_;
    std::set<std::string> by_friend_before_;
    std::set<std::string> told_roles_;  // that it has them no more

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
