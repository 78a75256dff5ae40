#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "sim/lane.h"
#include "sim/witness.h"

namespace eventbus::sim {

// The catalog: one that lets friends watch all photos and services consume all types, and one that
// does not.
std::shared_ptr<const Catalog> catalog(bool gives);

// One life of the server: what a kill ends.
class Server {
 public:
    static constexpr std::size_t kLanes = 3;

    Server(Machine& machine, SimClock& clock, Random& random, Coalesce coalesce, Witness& witness);
    ~Server();

    Lane& lane(std::size_t i) { return *lanes_[i]; }
    void look();  // the witness sees what is visible
    std::uint64_t lost_transient() const;
    bool groups_rest() const;

 private:
    class NoWaker final : public Tail::Waker {
        void wake_if_asleep() override {}
    };

    Machine& machine_;
    Witness& witness_;
    NoWaker waker_;
    std::unique_ptr<TailReader> reader_;
    std::vector<std::unique_ptr<Lane>> lanes_;
    std::unique_ptr<GroupsDirectory> directory_;
};

}  // namespace eventbus::sim
