#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/subjects.h"
#include "log/memory_log.h"
#include "sim/chance.h"
#include "sim/device.h"
#include "sim/reactor.h"
#include "sim/witness.h"
#include "support/fake_clock.h"

namespace eventbus::sim {

// One life of the server: what a crash ends.
class Server {
 public:
    static constexpr std::size_t kReactors = 3;

    Server(MemoryDisk& disk, const Clock& clock, Random& random, Witness& witness);

    MemoryLog& log() { return log_; }
    Reactor& reactor(std::size_t i) { return *reactors_[i]; }
    void look();  // the witness sees what is visible

 private:
    class NoWaker final : public Tail::Waker {
        void wake_if_asleep() override {}
    };

    Witness& witness_;
    Subjects subjects_{{}};
    MemoryLog log_;
    NoWaker waker_;
    TailReader reader_;
    std::vector<std::unique_ptr<Reactor>> reactors_;
};

// A platform with its devices, over many lives of the server, in one thread and from one seed.
class Run {
 public:
    Run(std::uint64_t seed, Faults faults);

    void step();
    // Lets everything come to rest: a server that works, every device connected and caught up.
    void come_to_rest();
    void check(bool all_is_quiet) const;

    std::string summary() const;

 private:
    // A publish that was not answered for good: it is tried again with the same id.
    struct Publish {
        Principal principal;
        Event event;
        bool is_durable = true;
        bool is_under_way = false;
    };

    void start_server();
    void crash();
    void fault();
    void act();
    void publish_something();
    void send(const std::string& id);
    void answered(const std::string& id, const Result<std::vector<Receipt>>& receipts);
    void move_something();
    Device& any_device() { return *devices_[chance_.below(devices_.size())]; }
    Reactor& any_reactor() { return server_->reactor(chance_.below(Server::kReactors)); }
    std::string any_user();
    std::string any_photo();

    const Faults faults_;
    Chance chance_;
    FakeClock clock_;
    MemoryDisk disk_;
    Witness witness_;
    std::unique_ptr<Server> server_;
    std::vector<std::unique_ptr<Device>> devices_;
    bool holds_syncs_ = false;
    bool has_failed_ = false;
    std::uint64_t life_ = 0;
    std::uint64_t next_event_ = 0;
    std::map<std::string, Publish> unanswered_;
    std::map<std::string, Position> acknowledged_;  // durable ones
};

}  // namespace eventbus::sim
