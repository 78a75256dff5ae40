#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace eventbus {

// Seam: unpredictable bytes. Any thread.
class Random {
 public:
    virtual ~Random() = default;
    virtual void fill(std::span<std::byte> bytes) = 0;

    // A number below `bound`; bound > 0.
    std::uint64_t below(std::uint64_t bound);
};

// The kernel's generator, read in blocks; good for secrets.
class SystemRandom final : public Random {
 public:
    void fill(std::span<std::byte> bytes) override;
};

// An unguessable name of `length` characters of [A-Za-z0-9_-], 6 bits each.
std::string random_token(Random& random, std::size_t length);

}  // namespace eventbus
