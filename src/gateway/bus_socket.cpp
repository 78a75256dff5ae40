#include "gateway/bus_socket.h"

#include <utility>

#include "base/assert.h"
#include "gateway/gateway.h"
#include "gateway/notices.h"

namespace eventbus {

BusSocket::BusSocket(Gateway& gateway, Admissions& admissions, const Admitted& admitted,
                     MemberId group_member)
    : Guest(admissions, admitted), gateway_(gateway), group_member_(group_member) {}

void BusSocket::attach(Socket& socket, const Admitted& admitted, Encoder& encoder) {
    socket_ = &socket;
    tells_resume = admitted.is_resumed || admitted.had_since;
    tells_place = admitted.wants_place;
    begin(admitted, encoder);
}

void BusSocket::detach(bool left) {
    forget_end_of_token();
    socket_ = nullptr;
    end(left);
}

bool BusSocket::push(const SharedFrame& frame) {
    return socket_ != nullptr && socket_->push(frame);
}

void BusSocket::prefetch(int link) const {
    if (socket_ != nullptr) socket_->prefetch(link);
}

bool BusSocket::has_room() { return socket_ != nullptr && socket_->has_room(); }

void BusSocket::on_caught_up(std::uint64_t missed) {
    if (socket_ == nullptr) return;
    if (tells_place) {
        socket_->emit(gateway_.resume_done(missed, principal(), show_place()));
    } else if (tells_resume) {
        socket_->emit(notices::resume_done(missed));
    }
}

void BusSocket::tell_gap(Position from, Position to) {
    if (socket_ == nullptr) return;
    socket_->emit(notices::resume_gap(gateway_.offset(from), gateway_.offset(to)));
}

void BusSocket::tell_unknown(const Admitted::Unknown& unknown, Position goes_on) {
    socket_->emit(notices::resume_unknown(unknown, gateway_.offset(goes_on)));
}

void BusSocket::tell_ended(std::string_view topic, const Error& error) {
    socket_->emit(notices::watch_ended(topic, error));
}

void BusSocket::close_for_take_over() { socket_->close(CloseReason::kServer); }

void BusSocket::want_receipt() {
    if (socket_ != nullptr) socket_->want_receipt();
}

BusSocket::Renewal& BusSocket::renewal() {
    if (!renewal_) renewal_ = std::make_unique<Renewal>(*this);
    return *renewal_;
}

bool BusSocket::Renewal::may_try(Clock::Time now, std::size_t max, Clock::Time::duration within) {
    if (is_under_way) return false;
    if (tries_ == 0 || now >= since_ + within) {
        since_ = now;
        tries_ = 0;
    }
    if (tries_ == max) return false;
    ++tries_;
    return true;
}

void BusSocket::forget_end_of_token() {
    disarm();
    if (renewal_) renewal_->warning.disarm();
}

void BusSocket::on_refreshed() { gateway_.on_refreshed(*this); }

void BusSocket::on_warned() { gateway_.tell_that_token_ends(*this); }

void BusSocket::on_expired() { gateway_.end_with_token(*socket_); }

}  // namespace eventbus
