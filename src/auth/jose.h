#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

// Signatures of compact JWS (RFC 7515). jose.cpp alone knows the library; what a token says and
// whether it may is claims.h. Any thread: keys are not changed once made.
namespace eventbus::jose {

enum class Algorithm : std::uint8_t { kHs256 };
std::string_view to_string(Algorithm algorithm);  // as in the `alg` of a header

inline constexpr std::size_t kSecretBytesMin = 32;   // RFC 7518, 3.2: as long as the hash
inline constexpr std::size_t kSecretBytesMax = 512;  // longer is a wrong file

// A key as the library wants it, for exactly one algorithm.
class Material;
using SharedMaterial = std::shared_ptr<const Material>;

// Errors: kBadRequest, the secret is too short or too long.
Result<SharedMaterial> import_secret(std::string_view secret);

// Whether `compact`, a header.payload.signature of base64url, was signed with `key`. The caller has
// pinned the header's `alg` to the key's before.
bool is_signed_with(std::string_view compact, const Material& key);

// header.payload.signature.
std::string sign(std::string_view payload, Algorithm algorithm, const Material& key);

// Nothing if `text` is not base64url without padding (RFC 7515, 2).
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace eventbus::jose
