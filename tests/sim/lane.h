#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "admission/admissions.h"
#include "bus/publish.h"
#include "delivery/hub.h"
#include "groups/groups_directory.h"
#include "log/log_reader.h"
#include "sim/machine.h"
#include "sim/reactor.h"
#include "sim/wire.h"

namespace eventbus::sim {

class Socket;

// What a client sends when it is in.
struct Command {
    enum class What { kSubscribe, kUnsubscribe, kRefresh, kJoinGroup, kAck, kNack };
    What what = What::kSubscribe;
    std::uint64_t id = 0;
    std::string text;                  // the topic, or the delivery
    std::optional<std::string> since;  // of kSubscribe
    SharedPrincipal token = {};        // of kRefresh
};

// One reactor of the server and what runs on it: all of it the product's own, but for the sockets.
class Lane final : public GroupReceiver {
 public:
    static constexpr std::size_t kRoomsMax = 7;  // of one socket
    // Of one member of a group.
    static constexpr std::size_t kInFlightMax = 6;
    static constexpr std::size_t kMemberBytes = 1'000;

    struct Context {
        std::size_t index;
        Machine& machine;
        SimClock& clock;
        Random& random;
        Coalesce coalesce;
    };
    Lane(Context context, const std::shared_ptr<const Catalog>& catalog,
         std::vector<StoredGroup> groups);
    ~Lane() override;

    // Once all lanes are there.
    void begin(GroupsDirectory& directory) { directory_ = &directory; }
    // The process ends: no socket hears of it.
    void end_all();

    // ---- what the network brings, each as a task
    // -------------------------------------------------

    void connect(const SharedPipe& pipe, Arrival arrival);
    // In one tick.
    void take(const SharedPipe& pipe, std::vector<Command> commands);
    void drained(const SharedPipe& pipe);
    void pong(const SharedPipe& pipe, std::uint64_t number);
    // The connection's end is noticed. `left`: the client said goodbye.
    void close(const SharedPipe& pipe, bool left);

    // ---- what a run looks at
    // ---------------------------------------------------------------------

    Reactor& reactor() { return reactor_; }
    Groups& groups() { return groups_; }
    Publisher& publisher() { return publisher_; }
    void set_catalog(std::shared_ptr<const Catalog> catalog);
    bool is_behind() const { return hub_.probe().behind.get() > 0; }
    std::vector<std::string> pids() const;  // of the sockets that are in

    // ---- GroupReceiver
    // ---------------------------------------------------------------------------

    void deliver(const GroupDelivery& delivery) override;
    void on_membership_ended(MemberId, const GroupKey&, const Error&) override {}
    void when_seen(Clock::Time until, Task done) override {
        reactor_.post_at(until, std::move(done));
    }

    std::string place(Position position) const;

 private:
    friend class Socket;
    struct Connection {
        SharedPipe pipe;
        std::unique_ptr<Socket> socket;  // null: it is arriving
    };
    // What clients get: the position, whether it is a history's, and of which topic.
    class PlaceEncoder final : public Encoder {
        SharedFrame encode(const Entry& entry, std::uint16_t, const As& as) override {
            auto frame = std::make_shared<Frame>();
            frame->bytes = (as.is_history() ? "h" : "o") + to_string(entry.position) + " ";
            frame->bytes += as.topic();
            return frame;
        }
    };

    void admit(const SharedPipe& pipe, Result<Admitted> admitted);
    void run(Socket& socket, const Command& command);
    void join_group(Socket& socket, const Command& command);
    Socket* find(const SharedPipe& pipe);
    void ping_later(const SharedPipe& pipe, std::uint64_t number);
    View::Next deliver_live();
    void let_go(const SharedPipe& pipe);

    const Context context_;
    Reactor reactor_;
    LogReader reader_;
    LogReader groups_reader_;
    Hub hub_;
    Groups groups_;
    Admissions admissions_;
    Publisher publisher_;
    PlaceEncoder encoder_;
    GroupsDirectory* directory_ = nullptr;
    std::map<const Pipe*, Connection> connections_;
    std::unordered_map<MemberId, Socket*> members_;
    std::uint64_t next_member_ = 0;
};

}  // namespace eventbus::sim
