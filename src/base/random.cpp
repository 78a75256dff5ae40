#include "base/random.h"

#include <sys/random.h>

#include <algorithm>
#include <vector>

#include "base/assert.h"

namespace eventbus {
namespace {

constexpr std::size_t kSmallBytes = 64;  // what is larger asks the kernel itself

void read_kernel(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
        if (got < 0) continue;  // EINTR; the pool is always ready once a process runs
        bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
}

}  // namespace

std::uint64_t Random::below(std::uint64_t bound) {
    BUS_ASSERT(bound > 0);
    std::uint64_t value = 0;
    fill(std::as_writable_bytes(std::span(&value, 1)));
    return value % bound;  // the bias is below 2^-32 for every bound that is used here
}

void SystemRandom::fill(std::span<std::byte> bytes) {
    if (bytes.size() > kSmallBytes) return read_kernel(bytes);
    const std::lock_guard lock(mutex_);
    if (kBlockBytes - next_ < bytes.size()) {
        read_kernel(block_);
        next_ = 0;
    }
    const auto given = std::span(block_).subspan(next_, bytes.size());
    std::copy(given.begin(), given.end(), bytes.begin());
    std::fill(given.begin(), given.end(), std::byte{0});
    next_ += bytes.size();
}

std::string random_token(Random& random, std::size_t length) {
    constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    std::vector<std::byte> bytes(length);
    random.fill(bytes);
    std::string token(length, '\0');
    for (std::size_t i = 0; i < length; ++i) {
        token[i] = kAlphabet[std::to_integer<unsigned>(bytes[i]) & 63U];
    }
    return token;
}

}  // namespace eventbus
