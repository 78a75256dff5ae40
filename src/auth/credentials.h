#pragma once

#include <optional>
#include <string_view>

#include "base/error.h"

namespace eventbus {

// What a request says of who it is from. Empty: it says nothing.
struct Credentials {
    std::string_view authorization;      // the Authorization field
    std::string_view cookie;             // the value of our cookie
    std::string_view origin;             // the Origin field
    std::string_view fetch_site;         // Sec-Fetch-Site
    bool is_get = true;                  // GET or HEAD
    bool origin_may_use_cookie = false;  // the operator has listed this origin
};

// The token of a request: the bearer's, else the cookie's. A cookie counts only if the page that
// sends it is one of ours, since a browser adds it to requests of any page: its Origin is allowed,
// or (a GET without one) the browser says that it comes from the same origin.
std::optional<std::string_view> find_token(const Credentials& credentials);

// Why there is none: where a cookie came and does not count, its page's origin and the setting.
// `ways`: how a token can be given here, as a clause.
Error no_token(const Credentials& credentials, std::string_view ways);

}  // namespace eventbus
