#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/assert.h"

namespace eventbus {

// What a fuzzer made up, taken apart: a few numbers that steer the harness, and the bytes to read.
class FuzzInput {
 public:
    FuzzInput(const std::uint8_t* data, std::size_t size)
        : rest_(reinterpret_cast<const char*>(data), size) {}

    // The next byte; 0 at the end.
    unsigned number() {
        if (rest_.empty()) return 0;
        const auto byte = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return byte;
    }

    std::string_view rest() const { return rest_; }

 private:
    std::string_view rest_;
};

// `bytes` in pieces whose sizes follow from `seed`; most are small.
inline std::vector<std::string_view> cut(std::string_view bytes, unsigned seed) {
    std::vector<std::string_view> pieces;
    while (!bytes.empty()) {
        seed = seed * 1664525U + 1013904223U;
        const std::size_t size = 1 + (seed >> 24) % ((seed >> 16) % 8 == 0 ? 200 : 7);
        pieces.push_back(bytes.substr(0, size));
        bytes.remove_prefix(std::min(size, bytes.size()));
    }
    return pieces;
}

}  // namespace eventbus
