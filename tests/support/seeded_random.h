#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>

#include "base/random.h"

namespace eventbus {

// The same numbers for the same seed, on every machine.
class SeededRandom final : public Random {
 public:
    explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}

    void fill(std::span<std::byte> bytes) override {
        while (!bytes.empty()) {
            const std::uint64_t number = engine_();
            const std::size_t count = std::min(bytes.size(), sizeof(number));
            std::memcpy(bytes.data(), &number, count);
            bytes = bytes.subspan(count);
        }
    }

 private:
    std::mt19937_64 engine_;
};

}  // namespace eventbus
