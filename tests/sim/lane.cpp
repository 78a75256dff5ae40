#include "sim/lane.h"

#include <utility>

#include "event/topic.h"
#include "sim/socket.h"
#include "sim/witness.h"

namespace eventbus::sim {

namespace {

constexpr std::size_t kKeptEntries = 300;  // of the tail, by each view
constexpr auto kPingAfter = std::chrono::milliseconds(10);

GroupSettings group_settings() {
    return {.ack_wait = std::chrono::seconds(5),
            .retry_first = std::chrono::milliseconds(100),
            .retry_max = std::chrono::milliseconds(400)};
}

}  // namespace

Lane::Lane(Context context, const std::shared_ptr<const Catalog>& catalog,
           std::vector<StoredGroup> groups)
    : context_(context),
      reactor_(context.clock),
      reader_({context.machine.log(), reactor_, context.clock, reactor_}, kKeptEntries),
      groups_reader_({context.machine.log(), reactor_, context.clock, reactor_}, kKeptEntries),
      hub_(reactor_, context.clock, context.machine.log(), reader_, context.coalesce),
      groups_({.log = context.machine.log(),
               .reader = groups_reader_,
               .store = context.machine.groups(),
               .clock = context.clock,
               .random = context.random,
               .reactor = reactor_,
               .on_exists = [this](const GroupKey& key,
                                   bool exists) { directory_->post_exists(key, exists); }},
              group_settings(), std::move(groups)),
      admissions_(
          {.reactor = reactor_,
           .clock = context.clock,
           .random = context.random,
           .log = context.machine.log(),
           .hub = hub_,
           .watches = context.machine.watches(),
           .sessions = context.machine.sessions(),
           .post_at = [this](Clock::Time at, Task task) { reactor_.post_at(at, std::move(task)); }},
          {.rooms_max = kRoomsMax, .write_places_every = std::chrono::seconds(10)}, catalog),
      publisher_({context.machine.log(), reactor_, context.clock, context.random}, catalog, 10) {
    reactor_.set_views([this] { return both(deliver_live(), groups_.deliver()); });
}

Lane::~Lane() { reactor_.forget(); }

void Lane::end_all() {
    for (auto& [key, connection] : connections_) {
        connection.pipe->is_closed = true;
        if (connection.socket && connection.socket->is_begun()) connection.socket->end(false);
    }
}

// ---- sockets ------------------------------------------------------------------------------------

void Lane::connect(const SharedPipe& pipe, Arrival arrival) {
    reactor_.post([this, pipe, arrival = std::move(arrival)]() mutable {
        connections_[pipe.get()] = {pipe, nullptr};
        admissions_.sign_in(std::move(arrival), [this, pipe](Result<Admitted> admitted) {
            admit(pipe, std::move(admitted));
        });
    });
}

void Lane::admit(const SharedPipe& pipe, Result<Admitted> admitted) {
    const auto found = connections_.find(pipe.get());
    pipe->is_arriving = false;
    if (!admitted) {
        pipe->is_closed = true;
        return let_go(pipe);
    }
    if (found == connections_.end()) return admissions_.forget(*admitted);
    admitted->wants_place = pipe->wants_place;
    found->second.socket = std::make_unique<Socket>(
        *this, *admitted, pipe, MemberId{(++next_member_ << 8U) | context_.index});
    Socket& socket = *found->second.socket;
    socket.send(Connected{admitted->record.pid, context_.machine.log().frontier()});
    socket.begin(*admitted, encoder_);
}

Socket* Lane::find(const SharedPipe& pipe) {
    const auto found = connections_.find(pipe.get());
    if (found == connections_.end() || !found->second.socket) return nullptr;
    return found->second.socket->is_begun() ? found->second.socket.get() : nullptr;
}

void Lane::close(const SharedPipe& pipe, bool left) {
    reactor_.post([this, pipe, left] {
        pipe->is_closed = true;
        if (Socket* const socket = find(pipe)) return socket->close(left);
        connections_.erase(pipe.get());  // it was arriving
    });
}

void Lane::let_go(const SharedPipe& pipe) {
    reactor_.post([this, pipe] {
        const auto found = connections_.find(pipe.get());
        if (found == connections_.end()) return;
        if (const auto& socket = found->second.socket; socket && socket->is_in_group) {
            members_.erase(socket->member);
            directory_->post_member_gone(socket->member);
        }
        connections_.erase(found);
    });
}

void Lane::drained(const SharedPipe& pipe) {
    reactor_.post([this, pipe] {
        if (Socket* const socket = find(pipe)) socket->drained();
    });
}

void Lane::pong(const SharedPipe& pipe, std::uint64_t number) {
    reactor_.post([this, pipe, number] {
        if (Socket* const socket = find(pipe)) socket->on_pong(number);
    });
}

void Lane::ping_later(const SharedPipe& pipe, std::uint64_t number) {
    reactor_.post_at(context_.clock.now() + kPingAfter, [this, pipe, number] {
        if (Socket* const socket = find(pipe)) socket->send(Ping{number});
    });
}

// What it does not read in this turn it reads in the next, or at a time that it names: nothing else
// needs to wake it for that.
View::Next Lane::deliver_live() {
    const Position visible = context_.machine.log().frontier();
    const View::Next next = hub_.deliver();
    const bool is_left = reader_.cursor() < visible && reader_.peek() != nullptr;
    if (is_left && next == View::Next{}) fail("a reactor sleeps in front of what it has not read");
    return next;
}

bool Socket::push(const SharedFrame& frame) {
    if (pipe_->is_closed) return false;
    if (pipe_->messages.size() >= Pipe::kMax) {
        lane_.close(pipe_, false);  // not now: it is amid a run
        pipe_->is_closed = true;
        return false;
    }
    const Position position(std::stoull(frame->bytes.substr(1)));
    send(EventFrame{position, frame->bytes[0] == 'h' ? "" : lane_.place(position),
                    frame->bytes.substr(frame->bytes.find(' ') + 1)});
    return true;
}

std::string Lane::place(Position position) const {
    return offset_text(context_.machine.log(), position);
}

// ---- commands -----------------------------------------------------------------------------------

void Lane::take(const SharedPipe& pipe, std::vector<Command> commands) {
    reactor_.post([this, pipe, commands = std::move(commands)] {
        for (const Command& command : commands) {
            if (Socket* const socket = find(pipe)) run(*socket, command);
        }
    });
}

void Lane::run(Socket& socket, const Command& command) {
    const std::uint64_t id = command.id;
    const auto answer = [&socket, id](const Result<>& result) {
        if (result) return socket.send(Answer{id});
        socket.send(Answer{id, result.error()});
    };
    switch (command.what) {
        case Command::What::kSubscribe:
            return socket.enter(*parse_topic(command.text), command.since,
                                [&socket, id](const Result<RoomChanges::Entered>& entered) {
                                    if (entered) return socket.send(Answer{id, {}, entered->from});
                                    socket.send(Answer{id, entered.error()});
                                });
        case Command::What::kUnsubscribe:
            return socket.leave(*parse_topic(command.text), answer);
        case Command::What::kRefresh:
            return socket.refresh(command.token, [this, &socket, id](const Result<>& refreshed) {
                const Position frontier = context_.machine.log().frontier();
                if (refreshed) return socket.send(Answer{id, {}, frontier});
                socket.send(Answer{id, refreshed.error()});
            });
        case Command::What::kJoinGroup:
            return join_group(socket, command);
        case Command::What::kAck:
        case Command::What::kNack: {
            const auto done = [this, member = socket.member, id](const Result<>& result) {
                const auto found = members_.find(member);
                if (found == members_.end()) return;
                found->second->send(result ? Answer{id} : Answer{id, result.error()});
            };
            if (command.what == Command::What::kAck) {
                return directory_->post_ack(socket.member, command.text, reactor_, done);
            }
            return directory_->post_nack(socket.member, command.text, std::nullopt, reactor_, done);
        }
    }
}

void Lane::join_group(Socket& socket, const Command& command) {
    socket.is_in_group = true;
    members_[socket.member] = &socket;
    directory_->post_subscribe(
        {.id = socket.member,
         .group = {"workers", command.text},
         .service = socket.principal().id,
         .terms = {.max_in_flight = kInFlightMax, .bytes_max = kMemberBytes},
         .way = {&reactor_, this}},
        reactor_, [this, member = socket.member, id = command.id](Result<GroupJoined> joined) {
            const auto found = members_.find(member);
            if (found == members_.end()) return;
            found->second->send(joined ? Answer{id, {}, joined->cursor}
                                       : Answer{id, joined.error()});
        });
}

void Lane::deliver(const GroupDelivery& delivery) {
    const auto found = members_.find(delivery.member);
    if (found == members_.end()) return;
    found->second->send(GroupEvent{delivery.entry->position, delivery.delivery, delivery.attempt});
}

// ---- what a run looks at ------------------------------------------------------------------------

void Lane::set_catalog(std::shared_ptr<const Catalog> catalog) {
    reactor_.post([this, catalog = std::move(catalog)] {
        publisher_.set_catalog(catalog);
        admissions_.set_catalog(catalog, {});
    });
}

std::vector<std::string> Lane::pids() const {
    std::vector<std::string> pids;
    for (const auto& [key, connection] : connections_) {
        if (!connection.socket || !connection.socket->is_begun()) continue;
        if (!connection.socket->pid().empty()) pids.emplace_back(connection.socket->pid());
    }
    return pids;
}

}  // namespace eventbus::sim
