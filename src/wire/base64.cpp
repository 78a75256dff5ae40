#include "wire/base64.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <limits>

#include "base/assert.h"

namespace eventbus {
namespace {

bool is_base64_character(unsigned char c) { return std::isalnum(c) || c == '+' || c == '/'; }

const unsigned char* unsigned_bytes(std::string_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

void append_base64(std::string& out, std::string_view bytes) {
    BUS_ASSERT(bytes.size() <= std::numeric_limits<int>::max() / 2);
    const std::size_t before = out.size();
    const std::size_t size = (bytes.size() + 2) / 3 * 4;
    out.resize(before + size + 1);  // OpenSSL ends it with a NUL
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data() + before), unsigned_bytes(bytes),
                    static_cast<int>(bytes.size()));
    out.resize(before + size);
}

bool append_decoded_base64(std::string& out, std::string_view text) {
    // OpenSSL's decoder trims spaces and takes = anywhere, so the text is judged before it.
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    if (text.size() % 4 != 0 || text.size() > std::numeric_limits<int>::max()) return false;
    if (!std::all_of(text.begin(), text.end() - static_cast<std::ptrdiff_t>(padding),
                     is_base64_character)) {
        return false;
    }
    const std::size_t before = out.size();
    out.resize(before + text.size() / 4 * 3);
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data() + before),
                                     unsigned_bytes(text), static_cast<int>(text.size()));
    BUS_ASSERT(size >= 0);
    out.resize(before + static_cast<std::size_t>(size) - padding);
    return true;
}

}  // namespace eventbus
