#include "auth/credentials.h"

namespace eventbus {
namespace {

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

}  // namespace eventbus
