#include "api/sign_in.h"

#include <optional>

#include "auth/credentials.h"
#include "base/diagnostics.h"

namespace eventbus {

Result<SharedPrincipal> SignIn::operator()(const HttpRequest& request) const {
    const Result<std::string> token = token_of(request);
    if (!token) return token.error();
    return verify(*token, request);
}

Result<std::string> SignIn::token_of(const HttpRequest& request) const {
    const HttpHeaders& headers = request.headers;
    const std::string_view origin = headers.find("Origin").value_or("");
    const std::string cookies = headers.joined("Cookie");
    Credentials credentials{
        .authorization = headers.find("Authorization").value_or(""),
        .origin = origin,
        .fetch_site = headers.find("Sec-Fetch-Site").value_or(""),
        .is_get = request.method == HttpMethod::kGet || request.method == HttpMethod::kHead,
        .origin_may_use_cookie = cors_.allows_credentials(origin),
    };
    if (!cookie_name_.empty()) {
        credentials.cookie = cookie_value(cookies, cookie_name_).value_or("");
    }
    const std::optional<std::string_view> token = find_token(credentials);
    if (!token) {
        return no_token(credentials,
                        "send 'Authorization: Bearer TOKEN', or the cookie from a page of an "
                        "allowed origin");
    }
    return std::string(*token);
}

Result<SharedPrincipal> SignIn::verify(std::string_view token, const HttpRequest& request) const {
    Result<SharedPrincipal> principal = tokens_.verify(token);
    if (!principal) {
        diagnostics::debug(
            "a request's token was refused",
            {{"client", request.client.text()}, {"why", std::string(principal.error().name())}});
    }
    return principal;
}

}  // namespace eventbus
