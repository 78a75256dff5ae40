#include "gateway/bus_socket.h"

#include <utility>

#include "base/assert.h"
#include "gateway/gateway.h"
#include "gateway/notices.h"

namespace eventbus {

BusSocket::BusSocket(Gateway& gateway, SharedPrincipal principal, std::string_view pid,
                     MemberId group_member)
    : gateway_(gateway),
      principal_(std::move(principal)),
      pid_(pid.data(), pid.size()),
      group_member_(group_member) {}

BusSocket::~BusSocket() { BUS_ASSERT(!is_attached()); }

void BusSocket::attach(Socket& socket) {
    socket_ = &socket;
    receiver_ = gateway_.hub().add(*this, gateway_.encoder_of(socket.nsp()));
}

void BusSocket::detach() {
    disarm();  // of its token
    socket_ = nullptr;
    gateway_.hub().remove(*std::exchange(receiver_, std::nullopt));
}

SessionRecord BusSocket::record(const SessionRecord::Joined* joining) const {
    SessionRecord record;
    record.pid = pid();
    record.principal = principal_->key();
    record.sid = socket_->sid();
    record.started_at = started_at;
    record.rooms = gateway_.hub().rooms_of(*receiver_);
    if (joining != nullptr) record.rooms.push_back(*joining);
    record.expires_at = gateway_.session_expiry();
    return record;
}

bool BusSocket::push(const SharedFrame& frame) {
    return socket_ != nullptr && socket_->push(frame);
}

void BusSocket::prefetch(int step) const {
    if (socket_ != nullptr) socket_->prefetch(step);
}

bool BusSocket::has_room() { return socket_ != nullptr && socket_->has_room(); }

void BusSocket::on_caught_up(std::uint64_t missed) {
    if (socket_ != nullptr && tells_resume) socket_->emit(notices::resume_done(missed));
}

void BusSocket::on_gap(Position from, Position to) {
    if (socket_ == nullptr) return;
    socket_->emit(notices::resume_gap(gateway_.offset(from), gateway_.offset(to)));
}

void BusSocket::on_evicted(std::string_view subject, Position) {
    if (socket_ != nullptr) gateway_.ask_again(*this, std::string(subject));
}

void BusSocket::on_expired() { gateway_.end_with_token(*socket_); }

}  // namespace eventbus
