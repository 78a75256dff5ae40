#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace eventbus {

// FNV-1a with a final mix: the same on every node and in every run, for what is stored or compared
// across processes. Not for tables that clients fill: those use std::hash.
constexpr std::uint64_t stable_hash(std::string_view bytes) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : bytes) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001b3U;
    }
    hash ^= hash >> 32;
    hash *= 0x9e3779b97f4a7c15U;
    return hash ^ (hash >> 29);
}

// The same for what clients choose: nobody who does not know `key` can choose bytes whose hashes
// collide.
constexpr std::uint64_t keyed_hash(std::uint64_t key, std::string_view bytes) {
    const auto mix = [](std::uint64_t hash) {
        hash ^= hash >> 32;
        hash *= 0xd6e8feb86659fd93U;
        hash ^= hash >> 32;
        hash *= 0xd6e8feb86659fd93U;
        return hash ^ (hash >> 32);
    };
    std::uint64_t hash = mix(key ^ bytes.size());
    while (!bytes.empty()) {
        std::uint64_t part = 0;
        const std::size_t size = bytes.size() < 8 ? bytes.size() : 8;
        for (std::size_t i = 0; i < size; ++i) {
            part = (part << 8U) | static_cast<unsigned char>(bytes[i]);
        }
        hash = mix((hash ^ part) + key);
        bytes.remove_prefix(size);
    }
    return hash;
}

// Lets a map of strings be searched by string_view.
struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
        return std::hash<std::string_view>{}(key);
    }
};
template <class T>
using StringMap = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

}  // namespace eventbus
