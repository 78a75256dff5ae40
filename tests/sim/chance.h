#pragma once

#include <cstdint>
#include <string>

#include "support/seeded_random.h"

namespace eventbus::sim {

// What happens, and how often: of a thousand steps. All of a run follows from the seed.
struct Faults {
    std::uint64_t crash = 3;
    std::uint64_t failed_sync = 1;
    std::uint64_t full_disk = 2;
    std::uint64_t held_syncs = 10;  // begin or end
    std::uint64_t drop = 12;        // of a connection, with all that was under way to it
    std::uint64_t retention = 2;
};

class Chance {
 public:
    explicit Chance(std::uint64_t seed) : random_(seed) {}

    std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    SeededRandom& random() { return random_; }

 private:
    SeededRandom random_;
};

}  // namespace eventbus::sim
