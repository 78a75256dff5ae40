#pragma once

#include <boost/static_string/static_string.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/principal.h"
#include "delivery/hub.h"
#include "delivery/receiver.h"
#include "delivery/session_store.h"
#include "groups/group_key.h"
#include "net/expiries.h"
#include "socketio/server.h"

namespace eventbus {

class Gateway;

// What the bus knows of one socket: who it is, what it is in, and how it goes on after a drop.
//
// Thread: reactor. Owned by its Socket.
class BusSocket final : public SocketData, public Receiver, public Expiring {
 public:
    BusSocket(Gateway& gateway, SharedPrincipal principal, std::string_view pid,
              MemberId group_member);
    ~BusSocket() override;

    static BusSocket& of(Socket& socket) { return static_cast<BusSocket&>(*socket.data); }

    // Begins to receive; `socket` owns this.
    void attach(Socket& socket);
    // Receives nothing any more.
    void detach();

    Socket& socket() { return *socket_; }
    bool is_attached() const { return socket_ != nullptr; }
    ReceiverId receiver() const { return *receiver_; }
    const Principal& principal() const { return *principal_; }
    std::string_view pid() const { return {pid_.data(), pid_.size()}; }
    MemberId group_member() const { return group_member_; }

    // Its session as it is now, with `joining` as one room more.
    SessionRecord record(const SessionRecord::Joined* joining = nullptr) const;

    // Receiver
    bool push(const SharedFrame& frame) override;
    void prefetch(int step) const override;
    bool has_room() override;
    void on_caught_up(std::uint64_t missed) override;
    void on_gap(Position from, Position to) override;
    void on_history_given(const Room&) override {}
    void on_evicted(std::string_view subject, Position at) override;

 private:
    Socket* socket_ = nullptr;  // ahead of all else, since each push() asks for it

 public:
    Position started_at;        // SessionRecord::started_at
    bool tells_resume = false;  // the client asked to go on from a place
    bool is_in_groups = false;  // it ever subscribed to one
    bool was_taken_over = false;

 private:
    void on_expired() override;

    Gateway& gateway_;
    const SharedPrincipal principal_;
    const boost::static_string<kPidBytesMax> pid_;
    const MemberId group_member_;
    std::optional<ReceiverId> receiver_;
};

}  // namespace eventbus
