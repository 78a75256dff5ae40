#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string_view>
#include <unordered_map>

#include "auth/principal.h"
#include "base/clock.h"
#include "base/owner_thread.h"
#include "base/sharded.h"

namespace eventbus {

// Whose the tokens of late are, by their SHA-256: a reconnect storm costs a hash a token instead of
// a signature check.
//
// Thread:  reactor (asserted).
// Bounded: `entries_max` principals; the oldest goes first.
// Invariants:
//   (1) An entry is found only before its principal's expires_at.
//   (2) order_ names each key of entries_ once, oldest first.
class TokenCache {
 public:
    explicit TokenCache(std::size_t entries_max);

    // The principal of this token, or null.
    SharedPrincipal find(std::string_view token, Clock::WallTime now);

    // `principal` is not null.
    void put(std::string_view token, SharedPrincipal principal);

    std::size_t size() const { return entries_.size(); }

 private:
    using Key = std::array<std::uint8_t, 32>;
    // The key is a good hash already; noexcept, so that no node keeps it a second time.
    struct KeyHash {
        std::size_t operator()(const Key& key) const noexcept {
            std::size_t hash = 0;
            std::memcpy(&hash, key.data(), sizeof hash);
            return hash;
        }
    };
    static Key key_of(std::string_view token);

    const std::size_t entries_max_;
    Sharded<std::unordered_map<Key, SharedPrincipal, KeyHash>> entries_;
    std::deque<const Key*> order_;
    OwnerThread owner_;
};

}  // namespace eventbus
