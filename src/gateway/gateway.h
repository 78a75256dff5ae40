#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "admission/admissions.h"
#include "auth/token_verifier.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/hash.h"
#include "base/random.h"
#include "bus/publish.h"
#include "catalog/catalog.h"
#include "event/event_reader.h"
#include "gateway/bus_socket.h"
#include "gateway/encode.h"
#include "gateway/group_seats.h"
#include "gateway/settings.h"
#include "groups/groups_directory.h"
#include "net/cors.h"
#include "net/expiries.h"
#include "net/reactor.h"
#include "socketio/server.h"

namespace eventbus {

struct GatewayProbe {
    Counter sign_ins;
    Counter sign_in_refusals;
    Counter resumes;           // sessions that went on
    Counter unknown_sessions;  // a pid that was not known
    Counter sign_in_delays;    // closed, since they could not be served at that moment
    Counter expired_tokens;    // sockets closed for it
    Counter refreshes;
    Counter refresh_refusals;
    Counter subscribes;
    Counter subscribe_refusals;
    Counter publishes;  // commands
    Counter publish_refusals;
};

// What the bus says over Socket.IO, in each namespace of one reactor: sign-in and resume
// (connect.cpp), another token (refresh.cpp), subscribe and unsubscribe (subscribe.cpp), publish
// (publish.cpp), ack and nack (group_commands.cpp).
//
// Thread:  reactor.
// Bounded: sockets by the server's sessions, what each is in by its admission.
class Gateway final {
 public:
    struct Context {
        Reactor& reactor;
        const Clock& clock;
        Random& random;
        Log& log;
        Publisher& publisher;
        Admissions& admissions;
        GroupsDirectory& groups;
        TokenVerifier& tokens;
        const CorsPolicy& cors;
    };

    Gateway(Context context, GatewaySettings settings, std::shared_ptr<const Catalog> catalog);

    // Puts its handlers into the server's main namespace, and those of the settings.
    void serve(SocketServer& server);

    // The catalog of a reload, for what is asked from now on.
    void set_catalog(std::shared_ptr<const Catalog> catalog) {
        catalog_ = catalog;
        seats_.set_catalog(std::move(catalog));
    }

    // For BusSocket.
    SocketEncoder& encoder_of(const Namespace& nsp);
    std::string offset(Position position) const;
    std::string resume_done(std::uint64_t missed, const Principal& who, Position place) const;
    void end_with_token(Socket& socket);
    void tell_that_token_ends(BusSocket& member);
    void on_refreshed(BusSocket& member);

    const GatewayProbe& probe() const { return probe_; }
    const GroupSeats& seats() const { return seats_; }

 private:
    using SharedAck = std::shared_ptr<Ack>;

    void serve(Namespace& nsp);

    // connect.cpp
    void on_connect(const std::shared_ptr<Connecting>& connecting);
    void admit(Connecting& connecting, const Admitted& admitted, bool wants_warning);
    void come_again(Connecting& connecting, const Error& error);
    void refuse(Connecting& connecting, const Error& error);
    bool may_have_cookie_later(const HttpRequest& request) const;
    Result<std::string> token_of(const Connecting& connecting, std::string_view from_auth);
    void on_disconnect(Socket& socket, CloseReason reason);

    // refresh.cpp
    void on_refresh(Socket& socket, const Arguments& arguments, Ack ack);
    void await_end_of_token(BusSocket& member);

    // subscribe.cpp
    void on_subscribe(Socket& socket, const Arguments& arguments, Ack ack);
    void on_unsubscribe(Socket& socket, const Arguments& arguments, Ack ack);
    void enter(Socket& socket, const Topic& topic, std::optional<std::string_view> since,
               SharedAck ack);
    void join_group(Socket& socket, const GroupKey& group, std::size_t max_in_flight,
                    SharedAck ack);

    // publish.cpp
    void on_publish(Socket& socket, const Arguments& arguments, Ack ack);

    // group_commands.cpp
    void on_ack(Socket& socket, const Arguments& arguments, Ack ack);
    void on_nack(Socket& socket, const Arguments& arguments, Ack ack);

    Context context_;
    const GatewaySettings settings_;
    std::shared_ptr<const Catalog> catalog_;
    StringMap<SocketEncoder> encoders_;  // by namespace
    EventReader reader_;
    JsonChecker json_;
    Expiries expiries_;  // of sockets, by their tokens
    GroupSeats seats_;
    std::uint64_t next_group_member_ = 0;
    GatewayProbe probe_;
};

}  // namespace eventbus
