#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "admission/guest.h"
#include "base/clock.h"
#include "groups/group_key.h"
#include "net/expiries.h"
#include "socketio/server.h"

namespace eventbus {

class Gateway;

// What the bus knows of one socket: a member that speaks Socket.IO.
//
// Thread: reactor. Owned by its Socket.
class BusSocket final : public SocketData, public Guest, public Expiring {
 public:
    BusSocket(Gateway& gateway, Admissions& admissions, const Admitted& admitted,
              MemberId group_member);

    static BusSocket& of(Socket& socket) { return static_cast<BusSocket&>(*socket.data); }

    // Begins to receive; `socket` owns this.
    void attach(Socket& socket, const Admitted& admitted, Encoder& encoder);
    // Receives nothing any more; as Guest::end().
    void detach(bool left);

    Socket& socket() { return *socket_; }
    bool is_attached() const { return socket_ != nullptr; }
    MemberId group_member() const { return group_member_; }

    // Receiver
    bool push(const SharedFrame& frame) override;
    void prefetch(int link) const override;
    bool has_room() override;
    bool wants_topics() const override { return tells_place; }
    void on_caught_up(std::uint64_t missed) override;

 private:
    Socket* socket_ = nullptr;  // ahead of all else, since each push() asks for it

 public:
    bool tells_resume = false;   // the client asked to go on from a place
    bool tells_place = false;    // it asked for one, and for the topics of histories
    bool wants_warning = false;  // before its token ends
    bool is_in_groups = false;   // it ever subscribed to one

    // Of a socket that refreshes its token, or is to.
    struct Renewal {
        class Warning final : public Expiring {
         public:
            explicit Warning(BusSocket& socket) : socket_(socket) {}

         private:
            void on_expired() override { socket_.on_warned(); }
            BusSocket& socket_;
        };
        explicit Renewal(BusSocket& socket) : warning(socket) {}

        // Counts a refresh that is asked for; false: one is under way, or `max` were within the
        // time.
        bool may_try(Clock::Time now, std::size_t max, Clock::Time::duration within);

        Warning warning;  // before the token ends
        bool is_under_way = false;

     private:
        Clock::Time since_;  // of `tries_`
        std::size_t tries_ = 0;
    };
    Renewal& renewal();
    void forget_end_of_token();

 private:
    // Guest
    void tell_unknown(const Admitted::Unknown& unknown, Position goes_on) override;
    void tell_ended(std::string_view topic, const Error& error) override;
    void tell_gap(Position from, Position to) override;
    void close_for_take_over() override;
    void want_receipt() override;

    void on_refreshed() override;

    void on_expired() override;
    void on_warned();

    Gateway& gateway_;
    const MemberId group_member_;
    std::unique_ptr<Renewal> renewal_;  // once it is needed
};

}  // namespace eventbus
