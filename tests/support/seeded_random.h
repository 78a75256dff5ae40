#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

#include "base/random.h"

namespace eventbus {

// The same numbers for the same seed, on every machine.
class SeededRandom final : public Random {
 public:
    explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}

    void fill(std::span<std::byte> bytes) override {
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(engine_() & 0xffU);
    }

 private:
    std::mt19937_64 engine_;
};

}  // namespace eventbus
