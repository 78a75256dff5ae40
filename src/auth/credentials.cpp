#include "auth/credentials.h"

#include <string>

namespace eventbus {
namespace {

constexpr std::size_t kShownMax = 256;  // bytes of an origin; a header can hold far more

bool is_bearer(std::string_view field) {
    constexpr std::string_view kScheme = "bearer ";
    if (field.size() <= kScheme.size()) return false;
    for (std::size_t i = 0; i < kScheme.size(); ++i) {
        const char c =
            field[i] >= 'A' && field[i] <= 'Z' ? static_cast<char>(field[i] + 32) : field[i];
        if (c != kScheme[i]) return false;
    }
    return true;
}

}  // namespace

std::optional<std::string_view> find_token(const Credentials& credentials) {
    if (is_bearer(credentials.authorization)) {
        std::string_view token = credentials.authorization.substr(7);
        while (token.starts_with(' ')) token.remove_prefix(1);
        return token;
    }
    if (credentials.cookie.empty()) return std::nullopt;
    const bool is_ours = credentials.origin.empty()
                             ? credentials.is_get && credentials.fetch_site == "same-origin"
                             : credentials.origin_may_use_cookie;
    if (!is_ours) return std::nullopt;
    return credentials.cookie;
}

Error no_token(const Credentials& credentials, std::string_view ways) {
    std::string why = "a token is missing: ";
    if (!credentials.cookie.empty() && credentials.origin.empty()) {
        why = "the cookie signs in only what a browser sends for a page of an allowed origin: ";
    } else if (!credentials.cookie.empty()) {
        why =
            "the cookie does not sign in pages of " +
            std::string(credentials.origin.substr(0, kShownMax)) +
            ": if they are yours, add that origin to allowed_origins ('*' allows no cookies); or ";
    }
    return {ErrorCode::kUnauthorized, why.append(ways)};
}

}  // namespace eventbus
