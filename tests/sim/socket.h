#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "admission/guest.h"
#include "groups/group_key.h"
#include "sim/lane.h"

namespace eventbus::sim {

// The server's end of a connection: a Guest whose frames and notices go into a pipe.
class Socket final : public Guest {
 public:
    Socket(Lane& lane, const Admitted& admitted, SharedPipe pipe, MemberId id)
        : Guest(lane.admissions_, admitted), member(id), lane_(lane), pipe_(std::move(pipe)) {}

    void send(Message message) {
        if (!pipe_->is_closed) pipe_->messages.push_back(std::move(message));
    }
    // Ends it in a way that the client comes back from. It stays until the turn's end, as it may be
    // on the way through one of its calls.
    void close(bool left) {
        if (!is_begun()) return;
        pipe_->is_closed = true;
        end(left);
        lane_.let_go(pipe_);
    }

    // Receiver
    bool push(const SharedFrame& frame) override;
    bool has_room() override { return pipe_->messages.size() < Pipe::kRoom; }
    bool wants_topics() const override { return pipe_->wants_place; }
    void on_caught_up(std::uint64_t) override {
        if (!pipe_->wants_place) return;
        const Position at = show_place();
        send(CaughtUp{at, lane_.place(at)});
    }

    // Its client has answered a ping: it has all that was sent before.
    void on_pong(std::uint64_t number) {
        if (number == pings_) on_receipt();
    }

    const MemberId member;
    bool is_in_group = false;

 private:
    // Guest
    void tell_unknown(const Admitted::Unknown& unknown, Position goes_on) override {
        send(Unknown{unknown.reason, goes_on});
    }
    void tell_ended(std::string_view topic, const Error& error) override {
        send(Ended{std::string(topic), error});
    }
    void tell_gap(Position from, Position to) override { send(Gap{from, to}); }
    void close_for_take_over() override { close(false); }
    void want_receipt() override { lane_.ping_later(pipe_, ++pings_); }

    Lane& lane_;
    const SharedPipe pipe_;
    std::uint64_t pings_ = 0;
};

}  // namespace eventbus::sim
