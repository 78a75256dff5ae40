#include "auth/seal.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <span>

#include "auth/base64url.h"
#include "base/assert.h"

namespace eventbus {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

Cipher new_cipher() {
    Cipher cipher(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    BUS_ASSERT(cipher != nullptr);
    return cipher;
}

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes_of(const SealKey& key) {
    return reinterpret_cast<const unsigned char*>(key.bytes.data());
}

}  // namespace

std::string seal(const SealKey& key, Random& random, std::string_view text) {
    std::array<std::byte, kNonceBytes> nonce;
    random.fill(nonce);
    std::string sealed(kNonceBytes + text.size() + kTagBytes, '\0');
    std::copy(nonce.begin(), nonce.end(), reinterpret_cast<std::byte*>(sealed.data()));
    const Cipher cipher = new_cipher();
    int length = 0;
    const bool is_sealed =
        EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key),
                           bytes_of(sealed)) == 1 &&
        EVP_EncryptUpdate(cipher.get(), bytes_of(sealed) + kNonceBytes, &length, bytes_of(text),
                          static_cast<int>(text.size())) == 1 &&
        EVP_EncryptFinal_ex(cipher.get(), bytes_of(sealed) + kNonceBytes + length, &length) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                            bytes_of(sealed) + kNonceBytes + text.size()) == 1;
    BUS_ASSERT(is_sealed);
    return to_base64url(sealed);
}

std::optional<std::string> unseal(const SealKey& key, std::string_view sealed) {
    std::optional<std::string> bytes = from_base64url(sealed);
    if (!bytes || bytes->size() < kNonceBytes + kTagBytes) return {};
    if (to_base64url(*bytes) != sealed) return {};  // bits of its last character that say nothing
    std::string text(bytes->size() - kNonceBytes - kTagBytes, '\0');
    const Cipher cipher = new_cipher();
    int length = 0;
    const bool is_ours =
        EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key),
                           bytes_of(*bytes)) == 1 &&
        EVP_DecryptUpdate(cipher.get(), bytes_of(text), &length, bytes_of(*bytes) + kNonceBytes,
                          static_cast<int>(text.size())) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes,
                            bytes_of(*bytes) + kNonceBytes + text.size()) == 1 &&
        EVP_DecryptFinal_ex(cipher.get(), bytes_of(text) + length, &length) == 1;
    if (!is_ours) return {};
    return text;
}

}  // namespace eventbus
