#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "auth/token_verifier.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/sharded.h"
#include "bus/publish.h"
#include "bus/watch.h"
#include "catalog/catalog.h"
#include "delivery/hub.h"
#include "delivery/session_store.h"
#include "event/event_reader.h"
#include "gateway/bus_socket.h"
#include "gateway/encode.h"
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
    Counter take_overs;        // a second socket with one pid
    Counter expired_tokens;    // sockets closed for it
    Counter subscribes;
    Counter subscribe_refusals;
    Counter publishes;  // commands
    Counter publish_refusals;
};

// What the bus says over Socket.IO, in each namespace of one reactor: sign-in and resume
// (connect.cpp), subscribe and unsubscribe (subscribe.cpp), publish (publish.cpp), ack and nack
// (group_commands.cpp).
//
// Thread:  reactor.
// Bounded: rooms a socket by rooms_per_socket_max; sockets by the server's sessions.
class Gateway final : public GroupReceiver {
 public:
    struct Context {
        Reactor& reactor;
        const Clock& clock;
        Random& random;
        Log& log;
        Hub& hub;
        Publisher& publisher;
        Watches& watches;
        GroupsDirectory& groups;
        SessionStore& sessions;
        TokenVerifier& tokens;
        const CorsPolicy& cors;
        // Has every other reactor's gateway close its socket with this pid.
        std::function<void(const std::string& pid)> take_over_elsewhere;
    };

    Gateway(Context context, GatewaySettings settings, std::shared_ptr<const Catalog> catalog);

    // Puts its handlers into the server's main namespace, and those of the settings.
    void serve(SocketServer& server);

    // The catalog of a reload, for what is asked from now on.
    void set_catalog(std::shared_ptr<const Catalog> catalog) { catalog_ = std::move(catalog); }

    // Another socket goes on with this session.
    void close_for_take_over(const std::string& pid);

    // GroupReceiver
    void deliver(const GroupDelivery& delivery) override;

    // For BusSocket.
    Hub& hub() { return context_.hub; }
    SocketEncoder& encoder_of(const Namespace& nsp);
    std::string offset(Position position) const;
    Clock::WallTime session_expiry() const;
    // An entry took away one right of the socket to watch `subject`; it stays if it has another.
    void ask_again(BusSocket& member, const std::string& subject);
    void end_with_token(Socket& socket);

    const GatewayProbe& probe() const { return probe_; }

 private:
    struct Arrival;  // a client that signs in (connect.cpp)
    using SharedArrival = std::shared_ptr<Arrival>;
    using SharedAck = std::shared_ptr<Ack>;

    void serve(Namespace& nsp);
    // Without recovery there is nothing to keep, and that has been done at once.
    void keep_session(SessionRecord record, Callback<Result<>> done);

    // connect.cpp
    void on_connect(const std::shared_ptr<Connecting>& connecting);
    void on_session(const SharedArrival& arrival, Result<std::optional<SessionRecord>> found);
    void ask_for_rooms(const SharedArrival& arrival);
    void on_rooms_asked(const SharedArrival& arrival);
    void admit(const SharedArrival& arrival);
    void refuse(Connecting& connecting, const Error& error);
    bool may_have_cookie_later(const HttpRequest& request) const;
    std::optional<std::string> token_of(const Connecting& connecting, std::string_view from_auth);
    void on_disconnect(Socket& socket, CloseReason reason);
    void refresh_sessions(std::size_t part);

    // subscribe.cpp
    void on_subscribe(Socket& socket, const Arguments& arguments, Ack ack);
    void on_unsubscribe(Socket& socket, const Arguments& arguments, Ack ack);
    void watch_subject(Socket& socket, const std::string& subject, std::optional<Position> since,
                       SharedAck ack);
    void watch_pattern(Socket& socket, const std::string& pattern, std::optional<Position> since,
                       SharedAck ack);
    void join_group(Socket& socket, const GroupKey& group, std::size_t max_in_flight,
                    SharedAck ack);
    // The place from which a room is joined, and the one as of which the right to it was told.
    struct Entering {
        Position from;
        Position as_of;
    };
    void enter(const std::shared_ptr<Socket>& socket, const Room& room, const std::string& topic,
               Entering entering, SharedAck ack);

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
    Expiries expiries_;                                              // of sockets, by their tokens
    Sharded<std::unordered_map<std::string_view, Socket*>> by_pid_;  // keys: BusSocket::pid()
    std::unordered_map<MemberId, Socket*> by_group_member_;          // those that are in groups
    std::uint64_t next_group_member_ = 0;
    GatewayProbe probe_;
};

}  // namespace eventbus
