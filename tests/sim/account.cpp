#include "sim/account.h"

#include <algorithm>

#include "bus/access.h"
#include "event/pattern.h"

namespace eventbus::sim {
namespace {

bool is_subject(const std::string& topic) { return topic.find(':') != std::string::npos; }

}  // namespace

Account::Account(const Witness& witness, std::string name, SharedPrincipal principal)
    : witness_(witness),
      name_(std::move(name)),
      principal_(std::move(principal)),
      rooms_(rooms_of({.kind = principal_->kind, .id = principal_->id})) {}

void Account::begin(Position frontier) {
    asked_.clear();
    asked_at_.clear();
    late_at_ = kEndOfTime;
    left_.clear();
    confirmed_.clear();
    signed_in_.clear();
    copied_.clear();  // of another session
    unknown(frontier);
    began_ = frontier;
    roles_.clear();
    by_friend_.clear();
    copied_roles_.clear();
    was_friend_ = session_is_older_ = false;
    roles_at_most_ = roles_at_least_ = principal_->roles.size();
    for (const std::string& role : principal_->roles) roles_[role] = {};
    take(principal_, frontier);
}

// What came before is not known to be whole; what comes is in order again.
void Account::unknown(Position frontier) {
    answered_.clear();
    began_ = std::max(began_, frontier);
    for (auto& [topic, from] : confirmed_) from = std::max(from, frontier);
    for (auto& [name, role] : roles_) {
        if (role.owed_after) role.owed_after = std::max(*role.owed_after, frontier);
    }
    signed_in_.clear();
    place_ = {};
    seen_.clear();
    gaps_.clear();
}

// Of what it might have got, something must be gone; or a right that it had before has ended, and
// the one by which it was let into a room began there, and may have ended since. What is left of
// one that it was told of comes again: it has asked for the rest. Of a room that it has entered
// since then a loss may be told, too: the log knows for each type up to where it has lost some.
void Account::gap(Position from, Position to) {
    const bool is_told_again = std::any_of(gaps_.begin(), gaps_.end(), [&](const auto& gap) {
        return gap.first <= from && to <= gap.second;
    });
    gaps_.emplace_back(from, to);
    const auto& entries = witness_.entries();
    const bool is_lost = std::any_of(
        entries.upper_bound(from), entries.upper_bound(std::min(to, witness_.lost_through)),
        [&](const auto& entry) {
            return entry.second->durability == Durability::kDurable &&
                   (is_of_person(*entry.second) || is_asked_for(*entry.second) ||
                    std::any_of(roles_.begin(), roles_.end(), [&](const auto& role) {
                        return Witness::goes_to(*entry.second, Room::role(role.first));
                    }));
        });
    const bool is_hidden = std::any_of(asked_.begin(), asked_.end(), [&](const auto& topic) {
        return is_subject(topic) && witness_.right_began(topic, principal_->id, to);
    });
    if (!is_lost && !is_hidden && !is_told_again) {
        fail(name_ + " was told of a gap from " + to_string(from) + " to " + to_string(to) +
             " in which nothing of its own was lost");
    }
}

void Account::copied() {
    copied_.clear();
    for (const auto& [topic, from] : confirmed_) copied_.insert(topic);
    copied_roles_.clear();
    for (const auto& [name, role] : roles_) {
        if (role.owed_after) copied_roles_.insert(name);
    }
}

void Account::restored() {
    answered_.clear();
    ends_.clear();
    signed_in_.clear();
    asked_.merge(left_);
    std::erase_if(confirmed_, [&](const auto& one) { return !copied_.contains(one.first); });
    session_is_older_ = true;
    for (auto& [name, role] : roles_) {
        role.may_come_after = {};
        if (!copied_roles_.contains(name)) role.owed_after.reset();
    }
}

// ---- its token ----------------------------------------------------------------------------------

void Account::come(SharedPrincipal token) {
    let_go_of_roles(*token);
    principal_ = std::move(token);
    disk_troubles_at_come_ = witness_.disk_troubles() - (witness_.takes_writes() ? 0 : 1);
}

// From now on it may have what this token gives, beside what it had, of which it may lose the rest.
void Account::let_go_of_roles(const Principal& token) {
    if (is_friend() != token.has_role(kFriend)) ++token_changes_;
    if (!token.has_role(kFriend)) by_friend_.clear();
    for (auto& [name, role] : roles_) {
        if (!token.has_role(name)) role.owed_after.reset();
    }
    const Position begins = session_is_older_ ? Position() : witness_.frontier();
    for (const std::string& role : token.roles) {
        roles_.try_emplace(role, Role{.may_come_after = begins, .owed_after = {}});
    }
    was_friend_ = was_friend_ || is_friend();
    roles_at_most_ = std::max(roles_at_most_, roles_.size());
    roles_at_least_ = std::min(roles_at_least_, token.roles.size());
}

// Its session may not hold a role that is new, if the disk took no write then.
void Account::come_back(Position frontier) {
    const bool is_written =
        witness_.takes_writes() && witness_.disk_troubles() == disk_troubles_at_come_;
    session_is_older_ = !is_written;
    take(principal_, is_written ? std::optional(frontier) : std::nullopt);
}

// It has these roles now: what it did not surely have before is owed from here on.
void Account::take(SharedPrincipal token, std::optional<Position> owed_after) {
    principal_ = std::move(token);
    std::erase_if(roles_, [&](const auto& role) { return !principal_->has_role(role.first); });
    for (auto& [name, role] : roles_) {
        if (!role.owed_after) role.owed_after = owed_after;
    }
    was_friend_ = was_friend_ || is_friend();
}

void Account::refresh(SharedPrincipal token) {
    next_ = std::move(token);
    roles_before_ = roles_;
    by_friend_before_ = by_friend_;
    told_roles_.clear();
    let_go_of_roles(*next_);
}

void Account::refreshed(Position frontier) {
    for (const auto& [name, role] : roles_before_) {
        if (role.owed_after && !next_->has_role(name) && !told_roles_.contains(name)) {
            fail(name_ + " was not told that it is no " + name + " any more");
        }
    }
    take(std::exchange(next_, nullptr), frontier);
}

// Nothing has changed.
void Account::refresh_refused() {
    next_.reset();
    for (auto& [name, role] : roles_) {
        const auto before = roles_before_.find(name);
        if (before != roles_before_.end()) role.owed_after = before->second.owed_after;
    }
    std::erase_if(roles_, [&](const auto& role) { return !roles_before_.contains(role.first); });
    for (const std::string& topic : by_friend_before_) {
        if (confirmed_.contains(topic)) by_friend_.insert(topic);
    }
}

void Account::role_ended(const std::string& role) {
    if (!next_ || next_->has_role(role) || !roles_.contains(role)) {
        fail(name_ + " was told that it is no " + role + " any more");
    }
    told_roles_.insert(role);
}

void Account::confirm(const std::string& topic, Position from, Position asked_at, bool is_anew) {
    signed_in_.erase(topic);  // the answer says from where on
    answered_.try_emplace(topic, is_anew ? from : Position());
    const auto [known, is_new] = confirmed_.try_emplace(topic, from);
    if (!is_new) known->second = std::min(known->second, from);
    if (is_new) asked_at_[topic] = {asked_at, changes()};
    if (is_new && is_surely_friend()) by_friend_.insert(topic);
}

// Looked at once all is quiet: what took the right away may not be visible yet.
void Account::right_ended(const std::string& topic) {
    const auto answered = answered_.find(topic);
    if (answered == answered_.end() || !is_subject(topic)) return;
    Position from = confirmed_.at(topic);
    if (const auto asked = asked_at_.find(topic); asked != asked_at_.end()) {
        // By a right that the catalog gave meanwhile it was as if it had never left the room.
        if (was_friend_ && changes() > asked->second.reloads + 1) return;
        // A session holds a room from where it was asked for, and the answer says from later on.
        from = std::min(from, asked->second.at);
    }
    ends_.push_back({topic, from, std::min(std::max(place_, answered->second), late_at_)});
}

// It has not ended if its rights since it was told to be in the room, taken together, have no gap,
// and by the one of now it may see all that it has not come to in order.
void Account::check_ends() {
    for (const End& end : std::exchange(ends_, {})) {
        if (witness_.watches_since(end.topic, principal_->id) > end.stands_at ||
            !witness_.watches_ever_since(end.topic, principal_->id, end.from)) {
            continue;
        }
        fail(name_ + " was told that " + end.topic + " has ended, to which it has had the right " +
             "since " + to_string(end.from) + ", where it was told to be in it");
    }
}

void Account::left(const std::string& topic) {
    if (asked_.erase(topic) > 0) left_.insert(topic);
    let_go(topic);
}

void Account::see(const EventFrame& frame) {
    const auto entry = witness_.entries().find(frame.position);
    const auto what = [&] { return name_ + " was given " + to_string(frame.position); };
    if (entry == witness_.entries().end()) fail(what() + ", which is no entry");
    if (!may_come(*entry->second)) {
        fail(what() + " (" + entry->second->event.type + " of " + entry->second->event.subject +
             "), which it may not see");
    }
    if (!frame.topic.empty() && !may_be_of(*entry->second, frame.topic)) {
        fail(what() + " in a history of " + frame.topic + ", which it is not of");
    }
    ++seen_count_;
    seen_.insert(frame.position);
    if (frame.place.empty()) return;  // a history's may come again
    if (frame.position <= place_) fail(what() + " after " + to_string(place_));
    place_ = frame.position;
}

void Account::stand_at(Position place) {
    if (place < place_)
        fail(name_ + " was told that it stands at " + to_string(place) + ", after " +
             to_string(place_));
    place_ = place;
}

// ---- the rules ----------------------------------------------------------------------------------

bool Account::is_of_person(const Entry& entry) const {
    return std::any_of(rooms_.begin(), rooms_.end(),
                       [&](const Room& room) { return Witness::goes_to(entry, room); });
}

bool Account::is_of_role(const Entry& entry, bool is_owed) const {
    return std::any_of(roles_.begin(), roles_.end(), [&](const auto& one) {
        const auto& [name, role] = one;
        const Position after = is_owed ? role.owed_after.value_or(kEndOfTime) : role.may_come_after;
        return entry.position > after && Witness::goes_to(entry, Room::role(name));
    });
}

bool Account::is_asked_for(const Entry& entry) const {
    return std::any_of(asked_.begin(), asked_.end(), [&](const std::string& topic) {
        return is_subject(topic) ? Witness::goes_to(entry, Room::subject(topic))
                                 : matches(topic, entry.event.type);
    });
}

bool Account::may_come(const Entry& entry) const {
    if (is_of_person(entry) || is_of_role(entry, false)) return true;
    return std::any_of(asked_.begin(), asked_.end(), [&](const std::string& topic) {
        if (!is_subject(topic)) {
            return matches(topic, entry.event.type) && witness_.catalog_may(entry.position);
        }
        if (!Witness::goes_to(entry, Room::subject(topic))) return false;
        if (is_friend() && witness_.catalog_may(entry.position)) return true;
        return witness_.may_watch(topic, principal_->id, entry.position);
    });
}

// In a history of a subject is all that concerns it and may be seen, whichever room it went to.
bool Account::may_be_of(const Entry& entry, const std::string& topic) const {
    if (!asked_.contains(topic)) return false;
    if (!is_subject(topic)) return matches(topic, entry.event.type);
    return topic == entry.event.subject || Witness::goes_to(entry, Room::subject(topic));
}

bool Account::is_owed(const Entry& entry) const {
    if (entry.position > began_ && is_of_person(entry)) return true;
    if (is_of_role(entry, true)) return true;
    return std::any_of(confirmed_.begin(), confirmed_.end(), [&](const auto& topic) {
        return is_owed_by(entry, topic.first, topic.second);
    });
}

// A right that has ended and was given again owes what came since, unless the client was told that
// it is not in the room any more.
bool Account::is_owed_by(const Entry& entry, const std::string& topic, Position from) const {
    if (entry.position <= from) return false;
    if (!is_subject(topic)) {
        return matches(topic, entry.event.type) && witness_.catalog_gives_ever_since(from);
    }
    if (!Witness::goes_to(entry, Room::subject(topic))) return false;
    if (by_friend_.contains(topic) && witness_.catalog_gives_ever_since(from)) return true;
    return entry.position > witness_.watches_since(topic, principal_->id);
}

// It lies between the place that the client named at its sign-in and its right, so it does not
// come, and the client is told. What gave a right is not shown by it: the client may have had that
// right since, and another one by now.
bool Account::is_hidden(const Entry& entry) const {
    if (was_friend_) return false;
    return std::any_of(signed_in_.begin(), signed_in_.end(), [&](const std::string& topic) {
        if (!is_subject(topic) || !Witness::goes_to(entry, Room::subject(topic))) return false;
        const Position since = witness_.watches_since(topic, principal_->id);
        return entry.position > confirmed_.at(topic) && entry.position < since &&
               since != kEndOfTime && !witness_.right_began(topic, principal_->id, entry.position);
    });
}

bool Account::is_excused(Position position) const {
    return std::any_of(gaps_.begin(), gaps_.end(), [&](const auto& gap) {
        return position > gap.first && position <= gap.second;
    });
}

void Account::check() {
    check_ends();
    late_at_ = kEndOfTime;  // what it ended has been told
    Position owed_after = began_;
    for (const auto& [topic, from] : confirmed_) owed_after = std::min(owed_after, from);
    const auto& entries = witness_.entries();
    for (auto at = entries.upper_bound(owed_after); at != entries.end(); ++at) {
        const auto& [position, entry] = *at;
        if (entry->durability != Durability::kDurable || seen_.contains(position)) continue;
        if (is_excused(position)) continue;
        if (is_hidden(*entry)) fail(name_ + " was not told that it gets no " + to_string(position));
        if (!is_owed(*entry)) continue;
        std::string why;
        for (const auto& [topic, from] : confirmed_)
            why += ", " + topic + " after " + to_string(from);
        fail(name_ + " missed " + to_string(position) + " (" + entry->event.type + " of " +
             entry->event.subject + "); it is at " + to_string(place_) +
             ", was owed its own after " + to_string(began_) + why);
    }
}

}  // namespace eventbus::sim
