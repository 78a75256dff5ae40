#include "admission/guest.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "admission/admissions.h"
#include "admission/resume_rule.h"
#include "base/assert.h"
#include "bus/access.h"

namespace eventbus {
namespace {

constexpr auto kPause = std::chrono::seconds(1);  // before a right is asked for again

Error role_is_gone() {
    return {ErrorCode::kForbidden, "the token of the refresh does not have this role"};
}

}  // namespace

// What the changes of its rooms need of the world. Answers that come after the member has gone find
// no port.
class Guest::Port final : public RoomChanges::Port, public std::enable_shared_from_this<Port> {
 public:
    explicit Port(Guest& member)
        : member_(member),
          changes_(std::make_shared<RoomChanges>(*this, admissions().settings_.rooms_max,
                                                 hub().room_count(id()))) {}

    RoomChanges& changes() { return *changes_; }

    // Whose histories were asked for, or of which the client was told that its right began late:
    // what the session's record says of that, until the client has shown that it came.
    struct Owed {
        std::optional<Position> after = {};         // a history
        std::optional<Position> hidden_after = {};  // a notice
        std::optional<Position> at = {};  // where it joined, should it not know of an end since
        std::optional<Position> entered_at = {};  // and behind that end
        std::size_t under_way = 0;                // histories that are not given whole yet
    };
    std::map<Room, Owed> owed;

    Position received;                       // as SessionRecord says
    std::optional<Position> unknown_behind;  // as SessionRecord says
    Position asked_at;                       // Place::given, when a receipt was last asked for
    bool owes_gap = false;                   // the client may not know of one that it was told

    // The rooms that have ended which the session's record still has, the oldest first; rooms_max
    // at most, past which the oldest is given up: it was told long ago.
    // Not a deque, which takes 600 bytes of each socket while it is empty.
    std::vector<JoinedRoom> ended;

    // Empty: the client knows of no end of the room, or has shown that it heard of it.
    std::optional<JoinedRoom> take_ended(const Room& room) {
        const auto found = std::ranges::find(ended, room, &JoinedRoom::room);
        if (found == ended.end()) return std::nullopt;
        JoinedRoom taken = std::move(*found);
        ended.erase(found);
        return taken;
    }

    Owed& owe(const Room& room, Position after) {
        Owed& owes = owed[room];
        owes.after = std::min(owes.after.value_or(after), after);
        return owes;
    }
    // To what the session's record says of a room.
    void add_owed(JoinedRoom& joined) const {
        const auto owes = owed.find(joined.room);
        if (owes == owed.end()) return;
        joined.owed_after = owes->second.after;
        joined.hidden_after = owes->second.hidden_after;
        joined.entered_at = owes->second.entered_at;
        joined.at = std::min({joined.at, owes->second.at.value_or(joined.at),
                              joined.owed_after.value_or(joined.at)});
    }
    // A room that it enters could not be written, so nothing was promised.
    void owe_not(const Room& room, bool has_history, std::optional<JoinedRoom> unheard) {
        if (has_history) --owed.at(room).under_way;
        if (!joined_at(room)) owed.erase(room);
        if (unheard) ended.insert(ended.begin(), std::move(*unheard));
    }

    void wait_for(const Room& room, Position since, std::uint64_t wait) override {
        await_visible(context().log, context().clock, context().post_at, since,
                      context().clock.now() + kAheadMax,
                      [weak = weak_from_this(), room, since, wait] {
                          const auto self = weak.lock();
                          if (!self) return;
                          const bool is_visible = since <= self->context().log.frontier();
                          self->changes_->came(room, wait, is_visible);
                      });
    }
    void ask(const Room& room) override {
        const std::string topic(room.name());
        if (room.is_pattern()) {
            const Result<> may =
                check_may_consume(*admissions().catalog_, member_.principal(), topic);
            const WatchAnswer now{.at = context().log.frontier(), .right_since = {}};
            return changes_->answered(room, may ? Result<WatchAnswer>(now) : may.error());
        }
        context().watches.ask(questions().about(topic), context().reactor,
                              [weak = weak_from_this(), room](const Result<WatchAnswer>& right) {
                                  if (const auto self = weak.lock())
                                      self->changes_->answered(room, right);
                              });
    }
    void write(const Room& room, SessionChange change) override {
        bool has_history = false;
        std::optional<JoinedRoom> unheard;
        for (JoinedRoom& put : change.put) {
            unheard = take_ended(put.room);
            if (put.ended_behind) {
                ended.push_back(put);
                member_.ask_for_receipt();
                continue;
            }
            has_history = put.owed_after.has_value();
            if (has_history) ++owe(put.room, *put.owed_after).under_way;
            if (unheard) {
                // To a client that hears of neither it is one room that it never left.
                Owed& owes = owe(put.room, owed_of_ended(*unheard));
                owes.at = std::min(owes.at.value_or(unheard->at), unheard->at);
                owes.hidden_after = unheard->hidden_after;
                owes.entered_at = put.at;
                if (!has_history) put.given_behind = unheard->ended_behind;
            }
            add_owed(put);
        }
        if (ended.size() > admissions().settings_.rooms_max) {
            change.gone.push_back(std::move(ended.front().room));
            ended.erase(ended.begin());
        }
        if (!member_.claim_) return changes_->written(room, Written::kYes);
        if (!change.put.empty()) change.at = member_.written_at();
        const bool is_leave = change.put.empty();
        context().sessions.change(
            member_.pid(), *member_.claim_, std::move(change), admissions(),
            [weak = weak_from_this(), room, has_history, unheard, is_leave](Written how) {
                const auto self = weak.lock();
                if (!self) return;
                if (how != Written::kYes && (has_history || unheard))
                    self->owe_not(room, has_history, unheard);
                // The client wants nothing of it, whether it has heard of an end or not.
                if (how == Written::kYes && is_leave) self->take_ended(room);
                self->changes_->written(room, how);
            });
    }
    void pause(const Room& room) override {
        context().post_at(context().clock.now() + kPause, [weak = weak_from_this(), room] {
            if (const auto self = weak.lock()) self->changes_->paused(room);
        });
    }
    Position reached() const override { return hub().place(id()).clear; }
    std::optional<Position> joined_at(const Room& room) const override {
        return hub().joined_at(id(), room);
    }
    JoinedRoom joined(const Room& room) const override {
        JoinedRoom joined{.room = room, .at = *joined_at(room)};
        add_owed(joined);
        return joined;
    }
    Position now() const override { return context().log.frontier(); }
    void join(const Room& room, Position at, Position as_of) override {
        if (!hub().join(id(), room, at)) hub().join_earlier(id(), room, at);
        if (room.is_subject()) hub().evict_if_late(id(), room.name(), as_of);
    }
    void send_history(const Room& room, Position after) override {
        if (!hub().send_history(id(), room, after)) --owed.at(room).under_way;
    }
    void leave(const Room& room) override {
        hub().leave(id(), room);
        owed.erase(room);
    }
    void keep(const Room& room, Position since, Position as_of) override {
        const std::optional<Position> stands = hub().history_at(id(), room);
        hub().keep(id(), room, since);
        if (stands && *stands < since) member_.on_gap(*stands, since);
        if (room.is_subject()) hub().evict_if_late(id(), room.name(), as_of);
    }
    void release() override { hub().release(id()); }
    Position tell_ended(const Room& room, const Error& error) override {
        admissions().probe_.ended.add();
        const Position given = member_.place().given;
        member_.tell_ended(room.name(), error);
        return given;
    }
    void on_taken_over() override { member_.take_over(); }

    void refresh(SharedPrincipal principal, Callback<Result<>> done) {
        Refresh refresh{std::move(principal), {}, {}, std::move(done)};
        SessionChange change;
        // Rooms that are new begin here: what lies before was another token's.
        const Position now = this->now();
        const std::vector<Room> rooms = rooms_of(*refresh.principal);
        for (const Room& room : rooms) {
            const bool is_named_twice =
                std::ranges::find(refresh.joins, room) != refresh.joins.end();
            if (joined_at(room) || is_named_twice) continue;
            change.put.push_back({.room = room, .at = now});
            refresh.joins.push_back(room);
        }
        for (Room& room : hub().rooms_of(id())) {
            if (!room.is_of_people() || std::ranges::find(rooms, room) != rooms.end()) continue;
            change.gone.push_back(room);
            refresh.leaves.push_back(std::move(room));
        }
        if (!member_.claim_ || (change.put.empty() && change.gone.empty())) {
            return on_refresh_written(std::move(refresh), Written::kYes);
        }
        change.at = member_.written_at();
        context().sessions.change(
            member_.pid(), *member_.claim_, std::move(change), admissions(),
            [weak = weak_from_this(), refresh = std::move(refresh)](Written how) mutable {
                if (const auto self = weak.lock())
                    self->on_refresh_written(std::move(refresh), how);
            });
    }

 private:
    // One that is under way.
    struct Refresh {
        SharedPrincipal principal;
        std::vector<Room> joins;
        std::vector<Room> leaves;
        Callback<Result<>> done;
    };

    void on_refresh_written(Refresh refresh, Written how) {
        if (!member_.is_begun()) return;
        const auto keep = shared_from_this();
        if (how == Written::kTakenOver) return member_.take_over();
        if (how == Written::kNotNow) return refresh.done(cannot_be_kept());
        member_.principal_ = refresh.principal;
        questions_.reset();
        for (const Room& room : refresh.leaves) hub().leave(id(), room);
        for (const Room& room : refresh.joins) hub().join(id(), room, now());
        changes_->note_rooms(refresh.joins.size(), refresh.leaves.size());
        member_.on_refreshed();
        for (const Room& room : refresh.leaves) {
            if (!member_.is_begun()) return;
            admissions().probe_.ended.add();
            member_.tell_ended("role:" + std::string(room.name()), role_is_gone());
        }
        if (!member_.is_begun()) return;
        // Not within the last answer: whoever is told may ask for more.
        member_.recheck_rooms(when_done([&reactor = context().reactor, weak = weak_from_this(),
                                         done = std::move(refresh.done)]() mutable {
            reactor.post([weak, done = std::move(done)]() mutable {
                const auto self = weak.lock();
                if (self && self->member_.is_begun()) done({});
            });
        }));
    }

    Admissions& admissions() const { return member_.admissions_; }
    Admissions::Context& context() const { return admissions().context_; }
    Hub& hub() const { return context().hub; }
    WatchQuestions& questions() {
        const std::shared_ptr<const Catalog>& catalog = admissions().catalog_;
        if (!questions_ || questions_->catalog() != catalog) {
            questions_.emplace(catalog, member_.principal_);
        }
        return *questions_;
    }
    ReceiverId id() const { return *member_.receiver_; }

    Guest& member_;
    const std::shared_ptr<RoomChanges> changes_;
    std::optional<WatchQuestions> questions_;
};

Guest::Guest(Admissions& admissions, const Admitted& admitted)
    : admissions_(admissions),
      principal_(admitted.principal),
      pid_(admitted.record.pid.data(), admitted.record.pid.size()),
      claim_(admitted.claim),
      base_(admitted.record.place),
      taken_over_at_(admitted.record.taken_over_at) {}

Guest::~Guest() { BUS_ASSERT(!is_begun()); }

void Guest::begin(const Admitted& admitted, Encoder& encoder) {
    Hub& hub = admissions_.context_.hub;
    const SessionRecord& record = admitted.record;
    receiver_ = hub.add(*this, encoder);
    for (const JoinedRoom& joined : record.rooms) {
        if (!joined.ended_behind) hub.join(*receiver_, joined.room, joined.at);
    }
    // Behind that: the port counts the rooms when it is made.
    for (const JoinedRoom& joined : record.rooms) {
        if (joined.ended_behind) port().ended.push_back(joined);
    }
    if (!record.received.is_before_first()) port().received = record.received;
    if (record.unknown_behind) port().unknown_behind = record.unknown_behind;
    // Before anybody can ask for its place(): what it is owed holds that back.
    const bool is_behind = admitted.resume_after < hub.cursor();
    if (admitted.is_resumed || admitted.had_since || admitted.wants_place || is_behind) {
        hub.resume(*receiver_, admitted.resume_after);
    }
    admissions_.add(*this);
    for (const Admitted::Unknown& unknown : admitted.unknown) {
        if (is_begun()) tell_unknown(unknown, admitted.resume_after);
    }
    if (is_begun() && record.unknown_behind) ask_for_receipt();
    for (const auto& [topic, error] : admitted.ended) {
        if (is_begun()) tell_ended(topic, error);
    }
    if (is_begun() && admitted.hidden) tell_gap(admitted.hidden->after, admitted.hidden->through);
    for (const JoinedRoom& joined : record.rooms) {
        if (!is_begun()) return;
        if (joined.hidden_after) port().owed[joined.room].hidden_after = joined.hidden_after;
        if (joined.ended_behind || joined.hidden_after) ask_for_receipt();
        if (joined.ended_behind) continue;
        if (joined.room.is_subject()) {
            hub.evict_if_late(*receiver_, joined.room.name(), admitted.as_of);
        }
        if (is_begun() && joined.owed_after) {
            ++port().owe(joined.room, *joined.owed_after).under_way;
            hub.send_history(*receiver_, joined.room, *joined.owed_after);
        }
    }
    // A reload came while it was on its way.
    if (is_begun() && admitted.catalog != admissions_.catalog_) recheck_rooms(admitted.coming);
}

void Guest::end(bool left) {
    BUS_ASSERT(is_begun());
    Admissions::Context& context = admissions_.context_;
    if (claim_ && left) {
        context.sessions.end(pid(), *claim_);
    } else if (claim_) {
        context.sessions.release(pid(), *claim_, written_at());
    }
    if (port_) port_->changes().close();
    admissions_.remove(*this);
    // Last: it may be on the way through a call of its port.
    context.hub.remove(*std::exchange(receiver_, std::nullopt));
    port_.reset();
}

void Guest::enter(const Topic& topic, std::optional<std::string_view> since,
                  Callback<Result<RoomChanges::Entered>> done) {
    if (!since) return changes().enter(topic.room(), std::nullopt, std::move(done));
    const Result<Offset> offset = parse_offset(*since);
    if (!offset) return done(offset.error());
    const Result<Position> place = position_of(admissions_.context_.log, *offset);
    if (!place) return done(place.error());
    changes().enter(topic.room(), *place, std::move(done));
}

void Guest::leave(const Topic& topic, Callback<Result<>> done) {
    changes().leave(topic.room(), std::move(done));
}

void Guest::recheck_rooms(const Completion& completion) {
    std::vector<Room> rooms = admissions_.context_.hub.rooms_of(*receiver_);
    // Those that it enters were asked about by what was before, too.
    if (port_) {
        for (Room& room : changes().under_way()) rooms.push_back(std::move(room));
    }
    std::ranges::sort(rooms);
    rooms.erase(std::unique(rooms.begin(), rooms.end()), rooms.end());
    for (const Room& room : rooms) {
        if (!is_begun()) return;
        if (room.is_of_people()) continue;
        admissions_.probe_.rechecks.add();
        changes().recheck(room, std::nullopt, completion);
    }
}

void Guest::refresh(SharedPrincipal principal, Callback<Result<>> done) {
    BUS_ASSERT(principal->key() == principal_->key());
    port().refresh(std::move(principal), std::move(done));
}

void Guest::drained() { admissions_.context_.hub.drained(*receiver_); }

void Guest::on_receipt() {
    if (!port_ || !claim_) return;
    SessionChange change;
    const bool knows_more = port_->owes_gap || port_->unknown_behind;
    if (std::exchange(port_->owes_gap, false)) {
        port_->received = std::max(port_->received, port_->asked_at);
    }
    port_->unknown_behind.reset();
    if (knows_more) change.at = written_at();
    take_receipt(change);
    if (!change.at && change.put.empty() && change.gone.empty()) return;
    // Should it not be written, the client is given it once more after a drop.
    admissions_.context_.sessions.change(pid(), *claim_, std::move(change), admissions_, {});
}

// What its rooms owed has come.
void Guest::take_receipt(SessionChange& change) {
    std::erase_if(port_->owed, [&](const auto& entry) {
        const auto& [room, owed] = entry;
        if (owed.under_way > 0) return false;  // and on_history_given() follows
        const std::optional<Position> at = admissions_.context_.hub.joined_at(*receiver_, room);
        if (!at || !changes().is_intended(room)) {
            ask_for_receipt();
            return false;
        }
        change.put.push_back({.room = room, .at = *at});
        return true;
    });
    for (JoinedRoom& ended : port_->ended) change.gone.push_back(std::move(ended.room));
    port_->ended.clear();
}

void Guest::ask_for_receipt() {
    // Of this connection: what an earlier one was given may have been lost with it.
    port().asked_at = admissions_.context_.hub.place(*receiver_).given;
    want_receipt();
}

void Guest::write_place() {
    if (!claim_) return;
    Admissions::Context& context = admissions_.context_;
    context.sessions.change(pid(), *claim_, {.at = written_at()}, admissions_, {});
}

// Goes with every room that is written: a position above the end of the epoch that the record names
// would be taken for one of another log, and the write at the resume may have been refused.
SessionChange::At Guest::written_at() const {
    SessionChange::At at{.epoch = admissions_.context_.log.epochs().current(),
                         .place = place(),
                         .taken_over_at = taken_over_at_};
    if (port_) {
        at.received = port_->received;
        at.unknown_behind = port_->unknown_behind;
    }
    return at;
}

void Guest::take_over() {
    // It is another's, and hears what this one was given until it heard of that.
    if (claim_) admissions_.context_.sessions.release(pid(), *claim_, written_at());
    claim_.reset();
    close_for_take_over();
}

void Guest::on_gap(Position from, Position to) {
    tell_gap(from, to);
    if (!is_begun()) return;
    port().owes_gap = true;
    ask_for_receipt();
}

void Guest::on_history_given(const Room& room) {
    if (!port_) return;
    const auto owed = port_->owed.find(room);
    if (owed == port_->owed.end() || --owed->second.under_way > 0 || !claim_) return;
    ask_for_receipt();
    Admissions::Context& context = admissions_.context_;
    const std::optional<Position> at = context.hub.joined_at(*receiver_, room);
    // A write that is behind the one of a leave would put the room back into the session.
    if (!at || !changes().is_intended(room)) return;
    JoinedRoom given = port_->joined(room);
    given.given_behind = place().given;
    context.sessions.change(pid(), *claim_, {.at = written_at(), .put = {std::move(given)}},
                            admissions_, {});
}

void Guest::on_evicted(std::string_view subject, Position at) {
    admissions_.probe_.rechecks.add();
    changes().recheck(Room::subject(subject), at);
}

Guest::Port& Guest::port() {
    BUS_ASSERT(is_begun());
    if (!port_) port_ = std::make_shared<Port>(*this);
    return *port_;
}

RoomChanges& Guest::changes() { return port().changes(); }

// Not `base_`: another reactor may have been ahead, and the client has not come to that here.
Position Guest::show_place() { return admissions_.context_.hub.show_place(*receiver_); }

Place Guest::place() const {
    const Place now = admissions_.context_.hub.place(*receiver_);
    return {std::max(base_.given, now.given), std::max(base_.clear, now.clear)};
}

}  // namespace eventbus
