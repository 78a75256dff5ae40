#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
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

// The kernel's generator; good for secrets. Small requests are served from a block that was read
// before, since a system call for each would cost more than the event that it names. Bytes are
// given out once, and are wiped from the block as they are. A forked child would be given the
// parent's: the server forks nothing.
//
// Thread:  any.
// Bounded: one block of kBlockBytes.
class SystemRandom final : public Random {
 public:
    void fill(std::span<std::byte> bytes) override;

 private:
    static constexpr std::size_t kBlockBytes = 4096;

    std::mutex mutex_;
    std::array<std::byte, kBlockBytes>
        block_{};                     // under mutex_; given out up to next_, and zero there
    std::size_t next_ = kBlockBytes;  // under mutex_
};

// An unguessable name of `length` characters of [A-Za-z0-9_-], 6 bits each.
std::string random_token(Random& random, std::size_t length);

}  // namespace eventbus
