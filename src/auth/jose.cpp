#include "auth/jose.h"

#include <cjose/cjose.h>

#include <cstdlib>

#include "base/assert.h"

namespace eventbus::jose {
namespace {

struct Free {
    void operator()(cjose_jwk_t* key) const { cjose_jwk_release(key); }
    void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
    void operator()(cjose_header_t* header) const { cjose_header_release(header); }
    void operator()(std::uint8_t* bytes) const { std::free(bytes); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

const std::uint8_t* bytes_of(std::string_view text) {
    return reinterpret_cast<const std::uint8_t*>(text.data());
}

bool is_base64url(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

}  // namespace

class Material {
 public:
    explicit Material(Owned<cjose_jwk_t> jwk) : jwk_(std::move(jwk)) {}
    const cjose_jwk_t* jwk() const { return jwk_.get(); }

 private:
    Owned<cjose_jwk_t> jwk_;
};

std::string_view to_string(Algorithm algorithm) {
    BUS_ASSERT(algorithm == Algorithm::kHs256);
    return "HS256";
}

Result<SharedMaterial> import_secret(std::string_view secret) {
    if (secret.size() < kSecretBytesMin) {
        return Error{ErrorCode::kBadRequest,
                     "the secret has " + std::to_string(secret.size()) + " bytes, HS256 needs " +
                         std::to_string(kSecretBytesMin) +
                         " or more; make one with `openssl rand -base64 48`"};
    }
    if (secret.size() > kSecretBytesMax) {
        return Error{ErrorCode::kBadRequest, "the secret has more than " +
                                                 std::to_string(kSecretBytesMax) +
                                                 " bytes; is it the right file?"};
    }
    cjose_err error{};
    Owned<cjose_jwk_t> jwk(cjose_jwk_create_oct_spec(bytes_of(secret), secret.size(), &error));
    BUS_ASSERT(jwk != nullptr);  // memory alone can fail
    return SharedMaterial(std::make_shared<const Material>(std::move(jwk)));
}

bool is_signed_with(std::string_view compact, const Material& key) {
    cjose_err error{};
    const Owned<cjose_jws_t> jws(cjose_jws_import(compact.data(), compact.size(), &error));
    return jws != nullptr && cjose_jws_verify(jws.get(), key.jwk(), &error);
}

std::string sign(std::string_view payload, Algorithm algorithm, const Material& key) {
    cjose_err error{};
    const Owned<cjose_header_t> header(cjose_header_new(&error));
    const std::string name(to_string(algorithm));
    const bool has_header = header != nullptr &&
                            cjose_header_set(header.get(), CJOSE_HDR_ALG, name.c_str(), &error) &&
                            cjose_header_set(header.get(), "typ", "JWT", &error);
    BUS_ASSERT(has_header);
    const Owned<cjose_jws_t> jws(
        cjose_jws_sign(key.jwk(), header.get(), bytes_of(payload), payload.size(), &error));
    const char* compact = nullptr;  // belongs to jws
    const bool exported = jws != nullptr && cjose_jws_export(jws.get(), &compact, &error);
    BUS_ASSERT(exported);
    return compact;
}

std::optional<std::string> decode_base64url(std::string_view text) {
    for (const char c : text) {
        if (!is_base64url(c)) return std::nullopt;
    }
    if (text.empty()) return std::string();
    cjose_err error{};
    std::uint8_t* decoded = nullptr;
    std::size_t size = 0;
    if (!cjose_base64url_decode(text.data(), text.size(), &decoded, &size, &error)) {
        return std::nullopt;
    }
    const Owned<std::uint8_t> owned(decoded);
    return std::string(reinterpret_cast<const char*>(decoded), size);
}

}  // namespace eventbus::jose
