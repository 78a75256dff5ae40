#include "auth/jwt.h"

#include <simdjson.h>

#include <array>
#include <optional>
#include <utility>

#include "base/assert.h"

namespace eventbus {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

Error refused(std::string detail) { return Error{ErrorCode::kUnauthorized, std::move(detail)}; }

// header.payload.signature, still encoded.
std::optional<std::array<std::string_view, 3>> split(std::string_view token) {
    const std::size_t first = token.find('.');
    if (first == std::string_view::npos) return std::nullopt;
    const std::size_t second = token.find('.', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    if (token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
    return std::array{token.substr(0, first), token.substr(first + 1, second - first - 1),
                      token.substr(second + 1)};
}

// One part of a token as a JSON object; it lives until the checker's next call.
Result<object> parse_part(JsonChecker& json, std::string_view encoded, const char* part) {
    const auto text = jose::decode_base64url(encoded);
    if (!text) return refused("the token's " + std::string(part) + " is not base64url");
    const Result<element> document = json.parse(*text);
    object parsed;
    if (!document || document->get(parsed) != simdjson::SUCCESS) {
        return refused("the token's " + std::string(part) + " is no acceptable JSON object");
    }
    return parsed;
}

}  // namespace

JwtVerifier::JwtVerifier(std::shared_ptr<const KeySet> keys, ClaimRules rules, const Clock& clock,
                         std::size_t cache_entries_max)
    : keys_(std::move(keys)), rules_(std::move(rules)), clock_(clock), cache_(cache_entries_max) {
    BUS_ASSERT(keys_ != nullptr);
}

Result<SharedPrincipal> JwtVerifier::verify(std::string_view token) {
    if (token.empty()) return refused("there is no token");
    if (token.size() > kTokenBytesMax) {
        return refused("the token is longer than " + std::to_string(kTokenBytesMax) + " bytes");
    }
    if (SharedPrincipal known = cache_.find(token, clock_.wall_now())) return known;
    Result<Principal> verified = verify_anew(token);
    if (!verified) return verified.error();
    auto principal = std::make_shared<const Principal>(std::move(*verified));
    cache_.put(token, principal);
    return SharedPrincipal(std::move(principal));
}

Result<Principal> JwtVerifier::verify_anew(std::string_view token) {
    const auto parts = split(token);
    if (!parts) return refused("this is no JWT: it must have three parts between two dots");
    const auto& [header, payload, signature] = *parts;

    const auto candidates = keys_of_header(header);
    if (!candidates) return candidates.error();
    // The library skips what is not base64url; two texts must not be one token.
    if (!jose::decode_base64url(signature)) {
        return refused("the token's signature is not base64url");
    }
    const Key* signer = nullptr;
    for (const Key* key : *candidates) {
        if (signer == nullptr && jose::is_signed_with(token, *key->material)) signer = key;
    }
    if (signer == nullptr) {
        return refused(
            "the token's signature does not fit; it was signed with another key, or changed");
    }

    const Result<object> claims = parse_part(json_, payload, "payload");
    if (!claims) return claims.error();
    Result<Principal> principal = read_claims(*claims, rules_, clock_.wall_now());
    if (!principal) return principal;
    if (!(principal->is_service() ? signer->signs_services : signer->signs_users)) {
        return refused(std::string("the key that signed this token may not sign for ") +
                       (principal->is_service() ? "services" : "users"));
    }
    return principal;
}

// The keys with which the token may be signed: those that its `kid` names and whose algorithm is
// its `alg`. Anything else that a header can say (jwk, jku, x5c) is never read.
Result<std::vector<const Key*>> JwtVerifier::keys_of_header(std::string_view encoded) {
    const Result<object> header = parse_part(json_, encoded, "header");
    if (!header) return header.error();
    element value;
    if (header->at_key("crit").get(value) == simdjson::SUCCESS) {
        return refused("the token's header has `crit`; no extension is understood here");
    }
    std::string_view algorithm;
    if (header->at_key("alg").get(algorithm) != simdjson::SUCCESS) {
        return refused("the token's header has no `alg`");
    }
    std::string_view id;
    if (header->at_key("kid").get(value) == simdjson::SUCCESS &&
        value.get(id) != simdjson::SUCCESS) {
        return refused("the token's `kid` is no string");
    }

    std::vector<const Key*> keys = keys_->candidates(id);
    if (keys.empty()) return refused("the token's `kid` names no key that is known here");
    std::erase_if(keys,
                  [&](const Key* key) { return jose::to_string(key->algorithm) != algorithm; });
    if (keys.empty()) {
        return refused("the token's `alg` is not accepted here; sign with " + keys_->algorithms());
    }
    return keys;
}

}  // namespace eventbus
