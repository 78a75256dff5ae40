#pragma once

#include <cstdint>
#include <string>

#include "support/seeded_random.h"

namespace eventbus::sim {

// What happens, and how often: of a thousand steps.
struct Faults {
    std::uint64_t kill = 2;
    std::uint64_t failed_sync = 1;
    std::uint64_t full_disk = 2;  // begins or ends
    std::uint64_t slow_disk = 8;  // the same
    std::uint64_t drop = 12;      // of a connection; the server notices later
    std::uint64_t slow_client = 4;
    std::uint64_t reload = 3;  // of another catalog
    std::uint64_t retention = 4;
    std::uint64_t copy = 1;     // of the data is made
    std::uint64_t restore = 1;  // a kill, and the copy takes the place of the data
    std::uint64_t long_time = 1;
};

// All of a run follows from its seed.
class Chance {
 public:
    explicit Chance(std::uint64_t seed) : random_(seed) {}

    std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    bool happens(std::uint64_t of_a_thousand) { return below(1'000) < of_a_thousand; }
    std::string any(const char* kind, std::uint64_t count) {
        return kind + std::to_string(below(count));
    }
    SeededRandom& random() { return random_; }

 private:
    SeededRandom random_;
};

}  // namespace eventbus::sim
