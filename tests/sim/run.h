#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/chance.h"
#include "sim/clock.h"
#include "sim/device.h"
#include "sim/machine.h"
#include "sim/server.h"
#include "sim/witness.h"
#include "sim/worker.h"

namespace eventbus::sim {

// A platform with its clients, over many lives of the server, from one seed.
class Run {
 public:
    Run(std::uint64_t seed, bool is_embedded, Faults faults);
    ~Run();

    void step();
    // Lets everything come to rest, a server that works and every client there, and judges it.
    void rest();

    std::string summary() const;

 private:
    // A publish that was not answered for good: it is tried again with the same id.
    struct Publish {
        Event event;
        bool is_durable = true;
        bool is_under_way = false;
    };

    // What an event says.
    struct Values {
        std::string photo;
        std::string user;
        std::string with;
        std::size_t large = 0;  // so many bytes more
    };

    static constexpr std::uint64_t kUsers = 4;
    static constexpr std::uint64_t kPhotos = 12;

    // run.cpp
    void begin_life();
    void kill(bool restores);
    void trouble();
    void trouble_with_clients();
    void cut(Device& device);
    void retain(std::uint64_t positions);
    void reload();
    void let_long_time_pass();
    void act();
    void connect(Device& device);
    SharedPrincipal any_token(const Device& device);
    void move_something();
    std::vector<std::string> any_topics(const Device& device);
    std::string any_photo(const Device& device);
    Device& any_device() { return *devices_[chance_.below(devices_.size())]; }
    Worker& any_worker() { return *workers_[chance_.below(workers_.size())]; }
    Lane& any_lane() { return server_->lane(chance_.below(Server::kLanes)); }

    // publish.cpp
    void publish_something();
    void publish(Lane& lane, const std::string& type, const Values& values);
    void fill_the_tail();
    void send(const std::string& id, Lane& lane);
    void answered(const std::string& id, const Result<std::vector<Receipt>>& receipts);

    // rest.cpp
    void judge();
    void come_and_go();
    void lose_what_came();
    void take_and_give_again();
    bool move_server();
    bool move_all();
    std::string unsettled();
    void come_to_rest();
    bool pass_time_to(Clock::Time until);
    void check_sockets();
    void check_log();

    const Faults faults_;
    Chance chance_;
    SimClock clock_;
    Witness witness_;
    GroupAccount group_{witness_};
    std::unique_ptr<Machine> machine_;
    const Coalesce coalesce_;
    std::unique_ptr<Server> server_;
    std::vector<std::unique_ptr<Device>> devices_;
    std::vector<std::unique_ptr<Worker>> workers_;

    int cuts_left_ = 0;  // of connections, in move_all(): one in so many messages is lost
    std::uint64_t cut_one_in_ = 1;
    bool is_slow_ = false;
    bool is_full_ = false;
    bool is_broken_ = false;
    Position copied_through_;  // what was visible when the copy was made
    Position copy_lost_through_;
    std::uint64_t life_ = 0;
    std::uint64_t next_event_ = 0;
    std::map<std::string, Publish> unanswered_;
    std::set<std::string> given_up_;                // longer ago than the log looks for repeats
    std::map<std::string, Position> acknowledged_;  // durable ones
};

}  // namespace eventbus::sim
