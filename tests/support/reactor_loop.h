#pragma once

#include <sched.h>

#include <chrono>
#include <initializer_list>
#include <vector>

#include "net/reactor.h"
#include "support/fake_clock.h"
#include "support/raw_client.h"

namespace eventbus {

// Reactors and their clients on the thread of a test, with a clock that the test moves.
class ReactorLoop {
 public:
    explicit ReactorLoop(std::initializer_list<Reactor*> reactors) : reactors_(reactors) {}

    void add(RawClient& client) { clients_.push_back(&client); }
    void forget(const RawClient& client) {
        std::erase_if(clients_, [&](const RawClient* known) { return known == &client; });
    }

    // One turn of each reactor; true if a client saw or sent something.
    bool turn() {
        bool moved = false;
        for (Reactor* const reactor : reactors_) reactor->run_once();
        for (RawClient* const client : clients_) moved = client->tick() || moved;
        return moved;
    }

    // Turns until `is_done`. False: it never was, which real time tells; a wait that ends well
    // takes a few turns.
    template <class IsDone>
    bool run_until(IsDone&& is_done) {
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        while (!is_done()) {
            if (!turn()) ::sched_yield();
            if (std::chrono::steady_clock::now() > give_up) return false;
        }
        return true;
    }

    // Turns until nothing moves any more: what was not there after it does not come.
    void settle() {
        for (int quiet = 0; quiet < 8;) quiet = turn() ? 0 : quiet + 1;
    }

 private:
    std::vector<Reactor*> reactors_;
    std::vector<RawClient*> clients_;
};

}  // namespace eventbus
