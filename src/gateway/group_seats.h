#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/counters.h"
#include "catalog/catalog.h"
#include "gateway/encode.h"
#include "groups/groups_directory.h"
#include "net/reactor.h"
#include "socketio/server.h"

namespace eventbus {

// The sockets of one reactor that are members of consumer groups: what they may be in, and the
// deliveries that wait until they have room.
//
// Thread:  reactor.
// Bounded: groups_max for each socket; what waits is what its groups give a member that does not
//          answer (MemberTerms), the entries of the tail or of a page, and no frame of it is made.
class GroupSeats final : public GroupReceiver {
 public:
    struct Context {
        Reactor& reactor;
        GroupsDirectory& groups;
        std::function<SocketEncoder&(const Namespace&)> encoder_of;
        std::size_t groups_max;  // of one socket
    };
    GroupSeats(Context context, std::shared_ptr<const Catalog> catalog);

    // The socket, a service's, wants to be in the group. `done` is not called if it goes meanwhile.
    // Errors: as GroupsDirectory::post_subscribe; kTooManyRooms; those of check_may_consume.
    void join(Socket& socket, const GroupKey& group, MemberTerms terms,
              Callback<Result<GroupJoined>> done);
    // What the member was given comes before `done`, unless it waits for room.
    void leave(Socket& socket, const GroupKey& group, Callback<Result<>> done);

    // The socket is gone.
    void remove(Socket& socket);

    // It has taken all that was sent.
    void drained(Socket& socket);

    // Asks again for each socket and group whether it may be in it; if not, it is told and put out.
    // The groups learn whom the catalog admits now: to whom a name belongs may change.
    void set_catalog(std::shared_ptr<const Catalog> catalog);

    // The socket has another token: asks for each of its groups again, as set_catalog() does.
    void recheck(Socket& socket);

    // GroupReceiver
    void deliver(const GroupDelivery& delivery) override;
    void on_membership_ended(MemberId member, const GroupKey& group, const Error& reason) override;
    void when_seen(Clock::Time until, Task done) override;

    // Deliveries that wait for room.
    const Counter& held() const { return held_; }

 private:
    struct Membership {
        std::size_t asked = 0;     // subscribes and unsubscribes that are not answered
        bool is_in = false;        // if not, what is on its way is another's by now
        bool is_admitted = false;  // what its group knows
        std::string owner;
    };
    struct Seat {
        Socket* socket = nullptr;
        std::map<GroupKey, Membership> groups;
        std::deque<GroupDelivery> held;
    };

    // Memberships to which the right has ended.
    struct Ended {
        MemberId member;
        GroupKey group;
        Error reason;
    };
    void find_ended(MemberId id, const Seat& seat, std::vector<Ended>& ended) const;
    void end(const std::vector<Ended>& ended);

    void on_joined(MemberId id, const GroupKey& group, Result<GroupJoined> joined,
                   Callback<Result<GroupJoined>> done);
    void on_left(MemberId id, const GroupKey& group);
    Result<> check_right(Socket& socket, const GroupKey& group, const std::string& owner) const;
    void push(MemberId id);

    Context context_;
    std::shared_ptr<const Catalog> catalog_;
    std::unordered_map<MemberId, Seat> seats_;
    Counter held_;
};

}  // namespace eventbus
