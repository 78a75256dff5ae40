#include "sim/device.h"

#include <algorithm>
#include <utility>

namespace eventbus::sim {
namespace {

constexpr std::size_t kUnderWayMax = 24;

}  // namespace

Device::Device(std::string name, std::string user, bool is_admin)
    : name_(std::move(name)), user_(std::move(user)), is_admin_(is_admin) {}

void Device::connect(Reactor& reactor) {
    reactor_ = &reactor;
    ++connection_;
    is_caught_up_ = false;
    if (!has_session_) {
        has_session_ = true;
        place_ = std::max(place_, reactor.hub().cursor());
        for (const Room& room : {Room::user(user_), Room::everyone()}) stay(room, place_);
        if (is_admin_) stay(Room::role("admin"), place_);
    }
    // Whether it may still watch is asked again at every resume.
    for (const auto& [key, at] : session_rooms_) {
        const Room room = Room::from_key(key);
        if (room.is_subject()) asked_.insert(std::string(room.name()));
    }
    if (asked_.empty()) return admit();
    for (const std::string& subject : std::set<std::string>(asked_)) ask(subject, true);
}

void Device::drop(bool server_lives) {
    if (server_lives && receiver_) reactor_->run([&] { reactor_->hub().remove(*receiver_); });
    receiver_.reset();
    reactor_ = nullptr;
    ++connection_;
    asked_.clear();
    allowed_.clear();
    under_way_.clear();
    is_too_slow_ = false;
}

void Device::watch(const std::string& subject) {
    if (receiver_) ask(subject, false);
}

void Device::unwatch(const std::string& subject) {
    if (!receiver_) return;
    reactor_->hub().leave(*receiver_, Room::subject(subject));
    leave_now(Room::subject(subject));
}

void Device::take_frame() {
    const Position position = under_way_.front();
    under_way_.pop_front();
    if (position <= place_) {
        fail(name_ + " at " + to_string(place_) + " was given " + to_string(position));
    }
    seen_.push_back(position);
    place_ = position;
    if (under_way_.empty() && receiver_) {
        reactor_->run([&] { reactor_->hub().drained(*receiver_); });
    }
}

// ---- rights
// ---------------------------------------------------------------------------------------

void Device::ask(const std::string& subject, bool is_resume) {
    WatchQuestion question{.subject = subject, .rule = {.owner = true, .roles = {}}, .user = user_};
    reactor_->run([&] {
        reactor_->watches().ask(
            std::move(question), *reactor_,
            [this, subject, is_resume, connection = connection_](Result<WatchAnswer> answer) {
                if (connection == connection_) on_answer(subject, is_resume, answer);
            });
    });
}

void Device::on_answer(const std::string& subject, bool is_resume,
                       const Result<WatchAnswer>& answer) {
    if (answer && answer->right_since > reactor_->frontier()) {
        fail(name_ + " may watch " + subject + " by an entry that a crash could take back");
    }
    const Room room = Room::subject(subject);
    if (is_resume) {
        asked_.erase(subject);
        if (answer) {
            allowed_[subject] = answer->at;
            const Position joined = session_rooms_.at(room.key());
            if (answer->right_since > joined) {
                leave_now(room);
                stay(room, answer->right_since);
            }
        } else {
            leave_now(room);
        }
        if (asked_.empty()) admit();
        return;
    }
    if (answer) enter_when_written(subject, *answer);
}

// A subscribe is answered once the session was written, which takes a while.
void Device::enter_when_written(const std::string& subject, WatchAnswer answer) {
    reactor_->post([this, subject, answer, connection = connection_] {
        if (connection != connection_ || !receiver_) return;
        const Room room = Room::subject(subject);
        Hub& hub = reactor_->hub();
        if (hub.joined_at(*receiver_, room)) return;
        const Position from = std::max(answer.at, hub.cursor());  // from now on
        hub.join(*receiver_, room, from);
        stay(room, from);
        hub.evict_if_late(*receiver_, subject, answer.at);
    });
}

void Device::admit() {
    Hub& hub = reactor_->hub();
    receiver_ = hub.add(*this, reactor_->encoder());
    for (const auto& [key, at] : session_rooms_) {
        hub.join(*receiver_, Room::from_key(key), at);
    }
    hub.resume(*receiver_, place_);
    for (const auto& [subject, as_of] : std::exchange(allowed_, {})) {
        hub.evict_if_late(*receiver_, subject, as_of);
    }
}

// A reactor that is behind another evicts by entries that the device has seen there, with a right
// that it had left.
void Device::on_evicted(std::string_view subject, Position at) {
    const Room room = Room::subject(subject);
    leave(room, std::max(at, place_ + 1));
    reactor_->hub().leave(*receiver_, room);
    reactor_->hub().release(*receiver_);
}

// ---- rooms
// ----------------------------------------------------------------------------------------

void Device::stay(const Room& room, Position from) {
    session_rooms_[room.key()] = from;
    stays_.push_back({room, from});
}

void Device::leave(const Room& room, Position at) {
    session_rooms_.erase(room.key());
    if (Stay* const left = stay_in(room)) left->until = at;
}

// What it was given so far was given in this room. The reactor may be behind what another has
// shown.
void Device::leave_now(const Room& room) {
    leave(room, std::max(reactor_->hub().cursor(), place_) + 1);
}

Device::Stay* Device::stay_in(const Room& room) {
    for (Stay& one : stays_) {
        if (one.room == room && !one.until) return &one;
    }
    return nullptr;
}

bool Device::push(const SharedFrame& frame) {
    if (under_way_.size() >= kUnderWayMax) is_too_slow_ = true;
    if (is_too_slow_) return false;
    under_way_.push_back(Position(std::stoull(frame->bytes)));
    return true;
}

bool Device::is_settled() const {
    return receiver_ && asked_.empty() && under_way_.empty() && is_caught_up_;
}

std::vector<std::string> Device::watched() const {
    std::vector<std::string> subjects;
    for (const auto& [key, at] : session_rooms_) {
        const Room room = Room::from_key(key);
        if (room.is_subject()) subjects.emplace_back(room.name());
    }
    return subjects;
}

// ---- the judgement
// ----------------------------------------------------------------------------------

bool Device::covers(const Stay& stay, const Entry& entry, const Witness& witness) const {
    if (entry.position <= stay.from || !witness.goes_to(entry, stay.room)) return false;
    if (stay.until && entry.position >= *stay.until) return false;
    if (!stay.room.is_subject()) return true;
    // The right itself, whatever the server did: it ends where an entry ended it.
    const auto ended = witness.right_ended(std::string(stay.room.name()), user_, stay.from);
    return !ended || entry.position < *ended;
}

// The stays in the rooms that an entry goes to, for the message.
std::string Device::stays_for(const Entry& entry, const Witness& witness) const {
    std::string text;
    for (const Stay& one : stays_) {
        if (!witness.goes_to(entry, one.room)) continue;
        text += ' ' + one.room.key() + " after " + to_string(one.from);
        if (one.until) text += " before " + to_string(*one.until);
        if (!one.room.is_subject()) continue;
        const auto ended = witness.right_ended(std::string(one.room.name()), user_, one.from);
        if (ended) text += " with a right that ended at " + to_string(*ended);
    }
    return text.empty() ? " none of its rooms" : text;
}

bool Device::is_excused(Position position) const {
    return std::any_of(gaps_.begin(), gaps_.end(), [&](const auto& gap) {
        return position > gap.first && position <= gap.second;
    });
}

void Device::check(const Witness& witness, bool all_is_quiet) const {
    std::set<Position> seen;
    for (const Position position : seen_) {
        if (!seen.insert(position).second) {
            fail(name_ + " saw " + to_string(position) + " twice");
        }
        const auto entry = witness.entries().find(position);
        if (entry == witness.entries().end()) {
            fail(name_ + " saw " + to_string(position) + ", which is no entry");
        }
        const bool might = std::any_of(stays_.begin(), stays_.end(), [&](const Stay& one) {
            return covers(one, *entry->second, witness);
        });
        if (!might) {
            fail(name_ + " saw " + to_string(position) + " (" + entry->second->event.type + " of " +
                 entry->second->event.subject + "), which it may not; it was in" +
                 stays_for(*entry->second, witness));
        }
    }
    if (!all_is_quiet) return;
    for (const Stay& one : stays_) {
        if (one.until) continue;
        const std::string subject(one.room.name());
        if (one.room.is_subject() && !witness.may_watch(subject, user_)) {
            fail(name_ + " still watches " + subject + ", which it may no longer");
        }
        for (const auto& [position, entry] : witness.entries()) {
            if (entry->durability != Durability::kDurable || seen.contains(position)) continue;
            if (covers(one, *entry, witness) && !is_excused(position)) {
                fail(name_ + " missed " + to_string(position) + " (" + entry->event.type +
                     ") for the room " + one.room.key());
            }
        }
    }
}

}  // namespace eventbus::sim
