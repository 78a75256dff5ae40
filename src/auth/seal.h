#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace eventbus {

// Text that the server gives out and later takes back: others can neither read nor change it.
//
//   base64url( nonce (12) | AES-256-GCM of the text | tag (16) )
//
// Any thread; pure but for `random`. A nonce is drawn for each, so a key is good for 2^32 of them
// (NIST SP 800-38D, 8.3).
struct SealKey {
    static constexpr std::size_t kBytes = 32;
    std::array<std::byte, kBytes> bytes{};
};

std::string seal(const SealKey& key, Random& random, std::string_view text);

// Nothing: it was not made with this key, or was changed.
std::optional<std::string> unseal(const SealKey& key, std::string_view sealed);

}  // namespace eventbus
