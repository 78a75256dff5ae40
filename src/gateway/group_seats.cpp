#include "gateway/group_seats.h"

#include <utility>
#include <vector>

#include "base/assert.h"
#include "bus/access.h"
#include "gateway/bus_socket.h"
#include "gateway/notices.h"

namespace eventbus {

GroupSeats::GroupSeats(Context context, std::shared_ptr<const Catalog> catalog)
    : context_(std::move(context)), catalog_(std::move(catalog)) {}

void GroupSeats::join(Socket& socket, const GroupKey& group, MemberTerms terms,
                      Callback<Result<GroupJoined>> done) {
    const BusSocket& member = BusSocket::of(socket);
    const Principal& principal = member.principal();
    if (const Result<> may = check_may_consume(*catalog_, principal, group.topic); !may) {
        return done(may.error());
    }
    Seat& seat = seats_[member.group_member()];
    seat.socket = &socket;
    if (!seat.groups.contains(group) && seat.groups.size() >= context_.groups_max) {
        return done(Error{ErrorCode::kTooManyRooms, "a socket may be in " +
                                                        std::to_string(context_.groups_max) +
                                                        " groups; unsubscribe from some"});
    }
    Membership& membership = seat.groups[group];
    ++membership.asked;
    membership.is_admitted = catalog_->admits(group.name, principal.id);
    context_.groups.post_subscribe({.id = member.group_member(),
                                    .group = group,
                                    .service = principal.id,
                                    .is_admitted = membership.is_admitted,
                                    .terms = terms,
                                    .way = {&context_.reactor, this}},
                                   context_.reactor,
                                   [this, id = member.group_member(), group,
                                    done = std::move(done)](Result<GroupJoined> joined) mutable {
                                       on_joined(id, group, std::move(joined), std::move(done));
                                   });
}

void GroupSeats::on_joined(MemberId id, const GroupKey& group, Result<GroupJoined> joined,
                           Callback<Result<GroupJoined>> done) {
    const auto seat = seats_.find(id);
    if (seat == seats_.end()) return;  // member_gone follows the subscribe
    const auto membership = seat->second.groups.find(group);
    BUS_ASSERT(membership != seat->second.groups.end() && membership->second.asked > 0);
    --membership->second.asked;
    if (joined) {
        // The catalog may be another one than when it asked.
        const Result<> may = check_right(*seat->second.socket, group, joined->owner);
        if (!may) {
            context_.groups.post_end_membership(id, group);
            joined = may.error();
        }
    }
    if (joined) {
        membership->second.is_in = true;
        membership->second.owner = joined->owner;
    } else if (!membership->second.is_in && membership->second.asked == 0) {
        seat->second.groups.erase(membership);
    }
    done(std::move(joined));
}

Result<> GroupSeats::check_right(Socket& socket, const GroupKey& group,
                                 const std::string& owner) const {
    const Principal& principal = BusSocket::of(socket).principal();
    if (owner != principal.id && !catalog_->admits(group.name, principal.id)) {
        return Error{ErrorCode::kForbidden,
                     "the group name '" + group.name + "' belongs to service:" + owner +
                         ", and the catalog's `groups` does not let service:" + principal.id +
                         " join it"};
    }
    return check_may_consume(*catalog_, principal, group.topic);
}

void GroupSeats::leave(Socket& socket, const GroupKey& group, Callback<Result<>> done) {
    const MemberId id = BusSocket::of(socket).group_member();
    const auto seat = seats_.find(id);
    if (seat == seats_.end()) return done({});
    const auto membership = seat->second.groups.find(group);
    if (membership == seat->second.groups.end()) return done({});
    ++membership->second.asked;  // it is in until the answer: what it was given comes first
    context_.groups.post_unsubscribe(
        id, group, context_.reactor,
        [this, id, group, done = std::move(done)](Result<> left) mutable {
            on_left(id, group);
            done(std::move(left));
        });
}

void GroupSeats::on_left(MemberId id, const GroupKey& group) {
    const auto seat = seats_.find(id);
    if (seat == seats_.end()) return;
    const auto membership = seat->second.groups.find(group);
    BUS_ASSERT(membership != seat->second.groups.end() && membership->second.asked > 0);
    membership->second.is_in = false;
    if (--membership->second.asked == 0) seat->second.groups.erase(membership);
}

void GroupSeats::remove(Socket& socket) {
    const MemberId id = BusSocket::of(socket).group_member();
    const auto seat = seats_.find(id);
    if (seat == seats_.end()) return;
    held_.subtract(seat->second.held.size());
    seats_.erase(seat);
    context_.groups.post_member_gone(id);
}

void GroupSeats::drained(Socket& socket) {
    if (!seats_.empty()) push(BusSocket::of(socket).group_member());
}

void GroupSeats::set_catalog(std::shared_ptr<const Catalog> catalog) {
    catalog_ = std::move(catalog);
    std::vector<Ended> ended;
    for (auto& [id, seat] : seats_) {
        const std::string& service = BusSocket::of(*seat.socket).principal().id;
        for (auto& [group, membership] : seat.groups) {
            const bool is_admitted = catalog_->admits(group.name, service);
            if (std::exchange(membership.is_admitted, is_admitted) != is_admitted) {
                context_.groups.post_admitted(id, group, is_admitted);
            }
        }
        find_ended(id, seat, ended);
    }
    end(ended);
}

void GroupSeats::recheck(Socket& socket) {
    const auto seat = seats_.find(BusSocket::of(socket).group_member());
    if (seat == seats_.end()) return;
    std::vector<Ended> ended;
    find_ended(seat->first, seat->second, ended);
    end(ended);
}

void GroupSeats::find_ended(MemberId id, const Seat& seat, std::vector<Ended>& ended) const {
    for (const auto& [group, membership] : seat.groups) {
        if (!membership.is_in) continue;
        const Result<> may = check_right(*seat.socket, group, membership.owner);
        if (!may) ended.push_back({id, group, may.error()});
    }
}

// Whoever is told may go, and take its seat with it.
void GroupSeats::end(const std::vector<Ended>& ended) {
    for (const Ended& one : ended) {
        context_.groups.post_end_membership(one.member, one.group);
        on_membership_ended(one.member, one.group, one.reason);
    }
}

void GroupSeats::on_membership_ended(MemberId member, const GroupKey& group, const Error& reason) {
    const auto seat = seats_.find(member);
    if (seat == seats_.end()) return;
    const auto membership = seat->second.groups.find(group);
    if (membership == seat->second.groups.end() || !membership->second.is_in) return;
    membership->second.is_in = false;
    if (membership->second.asked == 0) seat->second.groups.erase(membership);
    held_.subtract(std::erase_if(seat->second.held, [&](const GroupDelivery& delivery) {
        return *delivery.group == group;
    }));
    seat->second.socket->emit(notices::membership_ended(group.name, group.topic, reason));
}

void GroupSeats::deliver(const GroupDelivery& delivery) {
    const auto seat = seats_.find(delivery.member);
    if (seat == seats_.end()) return;
    const auto membership = seat->second.groups.find(*delivery.group);
    if (membership == seat->second.groups.end() || !membership->second.is_in) return;
    seat->second.held.push_back(delivery);
    held_.add();
    push(delivery.member);
}

void GroupSeats::push(MemberId id) {
    for (;;) {
        const auto seat = seats_.find(id);  // a push may end it
        if (seat == seats_.end() || seat->second.held.empty()) return;
        Socket& socket = *seat->second.socket;
        if (!socket.has_room()) return;  // drained() follows
        const GroupDelivery delivery = std::move(seat->second.held.front());
        seat->second.held.pop_front();
        held_.subtract();
        socket.push(context_.encoder_of(socket.nsp())
                        .encode_group(*delivery.entry, {.delivery = delivery.delivery,
                                                        .group = delivery.group->name,
                                                        .topic = delivery.group->topic,
                                                        .attempt = delivery.attempt}));
    }
}

// A timer waits until all was seen that had come before it was due.
void GroupSeats::when_seen(Clock::Time until, Task done) {
    context_.reactor.post_at(until, std::move(done));
}

}  // namespace eventbus
