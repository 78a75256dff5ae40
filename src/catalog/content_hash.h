#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace eventbus {

// A hash of several texts, each with its bounds, the same on every machine: logs store it, so it
// must not change. It tells apart what was published by mistake under one id; it is no defence.
// Eight bytes a step: stable_hash() of 250 bytes would cost as much as all the rest of plan().
class ContentHash {
 public:
    void add(std::string_view text) {
        step(text.size());
        for (; text.size() >= 8; text.remove_prefix(8)) step(word(text.data(), 8));
        if (!text.empty()) step(word(text.data(), text.size()));
    }
    std::uint64_t value() const { return state_ ^ (state_ >> 29U); }

 private:
    // Little-endian, whatever the machine.
    static std::uint64_t word(const char* bytes, std::size_t count) {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
        }
        return value;
    }
    void step(std::uint64_t value) {
        state_ = (state_ ^ value) * 0x9e3779b97f4a7c15U;
        state_ ^= state_ >> 32U;
    }

    std::uint64_t state_ = 0xcbf29ce484222325U;
};

}  // namespace eventbus
