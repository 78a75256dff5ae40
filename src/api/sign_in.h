#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "auth/token_verifier.h"
#include "base/result.h"
#include "net/cors.h"
#include "net/http_message.h"

namespace eventbus {

// Whose an HTTP request is: by its bearer, or by the cookie of an allowed page. One a reactor.
class SignIn {
 public:
    // `cookie_name` empty: cookies sign nobody in.
    SignIn(TokenVerifier& tokens, const CorsPolicy& cors, std::string cookie_name)
        : tokens_(tokens), cors_(cors), cookie_name_(std::move(cookie_name)) {}

    // Errors: kUnauthorized, kTokenExpired.
    Result<SharedPrincipal> operator()(const HttpRequest& request) const;

    // In its two steps: the token that the request brings, and whose it is.
    Result<std::string> token_of(const HttpRequest& request) const;
    Result<SharedPrincipal> verify(std::string_view token, const HttpRequest& request) const;

 private:
    TokenVerifier& tokens_;
    const CorsPolicy& cors_;
    const std::string cookie_name_;
};

}  // namespace eventbus
