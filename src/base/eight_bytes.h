#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace eventbus {

// Eight bytes of text, looked at together without a loop and without a call: for short texts, where
// memchr() costs more to call than to run. Each question gives marks, which can be joined by `|`;
// of joined marks the first one is right, those behind it may not be.
class EightBytes {
 public:
    explicit EightBytes(const char* text) { std::memcpy(&bytes_, text, sizeof bytes_); }

    using Marks = std::uint64_t;  // 0: none
    Marks equal_to(char wanted) const {
        return zeros(bytes_ ^ (kOnes * static_cast<unsigned char>(wanted)));
    }
    // Bytes below `bound`, which is at most 0x80.
    Marks below(unsigned char bound) const { return (bytes_ - kOnes * bound) & ~bytes_ & kHighs; }

    // The place of the first mark, 0 to 7; there is one.
    static std::size_t first(Marks marks) {
        static_assert(std::endian::native == std::endian::little);
        return static_cast<std::size_t>(std::countr_zero(marks)) / 8;
    }

 private:
    static constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101U;
    static constexpr std::uint64_t kHighs = 0x80 * kOnes;

    // A borrow goes only into bytes above one that is zero, or below the bound, itself.
    static Marks zeros(std::uint64_t bytes) { return (bytes - kOnes) & ~bytes & kHighs; }

    std::uint64_t bytes_ = 0;
};

}  // namespace eventbus
