#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/account.h"
#include "sim/lane.h"
#include "sim/wire.h"

namespace eventbus::sim {

// The phone or laptop of a user, or a service that watches: only a client. It remembers what a
// Socket.IO client remembers (its pid, the last place that it was given), and of its topics what
// its application does.
class Device {
 public:
    Device(const Witness& witness, std::string name, SharedPrincipal principal, bool has_sdk)
        : account_(witness, name, principal),
          name_(std::move(name)),
          principal_(std::move(principal)),
          has_sdk_(has_sdk) {}

    // ---- what the user does
    // ----------------------------------------------------------------------

    // `topics`: with the sign-in, of a client that has no session. `goes_on`: it wants all since it
    // last had one.
    void connect(Lane& lane, std::vector<std::string> topics, bool goes_on);
    // The same, twice at once: one is the client's, and the other nobody's.
    void connect_twice(Lane& lane, Lane& other, bool first_is_own);
    // A CONNECT that it gives up is on its way, and comes once the client is in by a later one.
    void give_up_connect();
    bool has_connect_on_its_way() const { return given_up_ && is_in(); }
    void late_connect_comes(Lane& lane);
    // In one tick. `with_history`: from the place of an event some time ago on.
    void subscribe(const std::vector<std::string>& topics, bool with_history);
    void unsubscribe(const std::vector<std::string>& topics);
    // Another token in place of its own, with these rights.
    void refresh(SharedPrincipal token);
    // One at a time; and a CONNECT that is on its way would come with the token of before.
    bool may_refresh() { return is_in() && !next_token_ && may_change_token(); }
    // The same between two connections.
    void come_as(SharedPrincipal token) {
        given_up_.reset();
        principal_ = std::move(token);
    }
    bool may_change_token();
    void leave();           // a goodbye
    void forget_session();  // as with another browser

    // ---- what the network does
    // -------------------------------------------------------------------

    void take_message();  // the oldest that is under way
    // All that is under way is lost. The server does not know yet.
    void cut();
    // The server has gone, and has told nobody.
    void server_died();
    // What was cut is noticed.
    void let_server_notice();

    bool has_messages() const { return pipe_ && !pipe_->messages.empty(); }
    bool must_drop() const { return pipe_ && pipe_->is_closed && pipe_->messages.empty(); }
    bool is_away() const { return !pipe_; }
    bool is_in() const { return is_in_ && !pipe_->is_closed; }
    // Its sign-in makes a new session, or may.
    bool is_new() const { return pipe_ && !is_in_ && (pid_.empty() || may_be_forgotten); }
    bool is_settled() const { return is_in_ && commands_.empty() && pipe_->messages.empty(); }
    bool has_cut_connections() const { return !cut_.empty(); }
    const std::string& pid() const { return pid_; }
    const std::string& user() const { return principal_->id; }
    const Principal& principal() const { return *principal_; }
    std::vector<std::string> topics() const;
    Account& account() { return account_; }

    // An older copy took the place of the server's data.
    void restored();

    // Its session may be gone for a good reason: that it is unknown is no fault.
    bool may_be_forgotten = false;
    bool is_stuck = false;  // it takes nothing for now

 private:
    struct Connection {
        Lane* lane = nullptr;
        SharedPipe pipe;
    };
    struct Topic {
        std::uint64_t last_command = 0;
        std::uint64_t left_by = 0;  // the last command that left it
        bool is_confirmed = false;
        bool has_ended = false;     // it was told so, and has asked for nothing since
        std::uint64_t anew_by = 0;  // the command that is the first since
    };
    struct Sent {
        std::string topic;
        bool is_subscribe = false;
        bool has_since = false;
        Position asked_at = {};
        bool is_refresh = false;
    };

    void on(const Connected& connected);
    void on(const EventFrame& frame);
    void on(const Answer& answer);
    void on_refreshed(const Answer& answer);
    void on(const CaughtUp& caught_up);
    void on(const Unknown& unknown);
    void on(const Ended& ended);
    void on(const Gap& gap);
    void on(const GroupEvent&) {}
    void on(const Ping& ping);

    Arrival arrival() const;
    void connect_nobody(Lane& lane, Arrival arrival);
    void send(std::vector<Command> commands);
    void move_to(std::string place);
    std::optional<std::string> earlier_place() const;

    Account account_;
    const std::string name_;
    SharedPrincipal principal_;   // by its token
    SharedPrincipal next_token_;  // while a refresh is not answered
    const bool has_sdk_;

    // What a client remembers.
    std::string pid_;
    std::string place_;
    std::deque<std::string> places_;  // before it, kPlaces at most
    bool is_place_lost_ =
        false;  // it may be of another branch: so it is told for as long as it shows it
    std::map<std::string, Topic> topics_;
    std::string left_at_;  // the place at which it gave its last session up

    // The connection's.
    Lane* lane_ = nullptr;
    SharedPipe pipe_;
    bool is_in_ = false;
    Position frontier_;                    // when it came in
    bool takes_over_ = false;              // the server believes in another one
    Position took_over_at_;                // at the latest
    Position unknown_to_;                  // where it went on when it was last told so
    std::vector<std::string> at_sign_in_;  // topics
    std::string since_;                    // of a sign-in without a session; empty: from now on
    std::size_t rooms_kept_ = 0;           // that could not be left
    std::uint64_t last_command_ = 0;
    std::map<std::uint64_t, Sent> commands_;  // not answered

    std::vector<Connection> cut_;  // that the server believes in
    std::optional<Arrival> given_up_;
    // That it has given up, and whose CONNECTs were not answered when last looked at.
    std::vector<SharedPipe> nobodys_;
};

}  // namespace eventbus::sim
