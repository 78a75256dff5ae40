#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bus/watch.h"
#include "delivery/hub.h"
#include "delivery/receiver.h"
#include "sim/reactor.h"
#include "sim/witness.h"

namespace eventbus::sim {

// The phone or laptop of a user, with what the server keeps for it: a session that outlives both
// the connection and the server, as its store does.
class Device final : public Receiver {
 public:
    Device(std::string name, std::string user, bool is_admin);

    // ---- what the user and the network do
    // --------------------------------------------------------

    void connect(Reactor& reactor);
    // Everything under way to it is lost. `server_lives`: else there is nobody to say goodbye to.
    void drop(bool server_lives);
    void watch(const std::string& subject);
    void unwatch(const std::string& subject);
    void take_frame();  // the oldest that is under way

    bool is_connected() const { return reactor_ != nullptr; }
    bool is_settled() const;
    bool has_frames() const { return !under_way_.empty(); }
    bool must_drop() const { return is_too_slow_; }
    std::vector<std::string> watched() const;

    // ---- the judgement
    // ------------------------------------------------------------------------------

    // Every place that it saw was one that it might see; and once all is quiet, it has seen every
    // retained durable entry that it had to.
    void check(const Witness& witness, bool all_is_quiet) const;
    std::size_t seen() const { return seen_.size(); }

    // ---- Receiver
    // ---------------------------------------------------------------------------------

    bool push(const SharedFrame& frame) override;
    bool has_room() override { return under_way_.size() < 8; }
    void on_caught_up(std::uint64_t) override { is_caught_up_ = true; }
    void on_gap(Position from, Position to) override { gaps_.emplace_back(from, to); }
    void on_history_given(const Room&) override {}
    void on_evicted(std::string_view subject, Position at) override;

 private:
    // That it was in a room: from a place on, and until it left; none: it is there still.
    struct Stay {
        Room room;
        Position from;
        std::optional<Position> until = {};
    };

    void ask(const std::string& subject, bool is_resume);
    void on_answer(const std::string& subject, bool is_resume, const Result<WatchAnswer>& answer);
    void enter_when_written(const std::string& subject, WatchAnswer answer);
    void admit();
    void stay(const Room& room, Position from);
    void leave(const Room& room, Position at);
    void leave_now(const Room& room);
    Stay* stay_in(const Room& room);
    bool covers(const Stay& stay, const Entry& entry, const Witness& witness) const;
    std::string stays_for(const Entry& entry, const Witness& witness) const;
    bool is_excused(Position position) const;

    const std::string name_;
    const std::string user_;
    const bool is_admin_;

    // The client's.
    std::vector<Position> seen_;
    Position place_;
    std::vector<std::pair<Position, Position>> gaps_;

    // The session's: rooms and the places at which they were joined.
    bool has_session_ = false;
    std::map<std::string, Position> session_rooms_;  // by Room::key()

    // For the judgement.
    std::vector<Stay> stays_;

    // The connection's.
    Reactor* reactor_ = nullptr;
    std::uint64_t connection_ = 0;  // answers for an earlier one are let fall
    std::optional<ReceiverId> receiver_;
    std::set<std::string> asked_;              // on the way in
    std::map<std::string, Position> allowed_;  // the answers, and as of where they hold
    std::deque<Position> under_way_;
    bool is_too_slow_ = false;
    bool is_caught_up_ = false;
};

}  // namespace eventbus::sim
