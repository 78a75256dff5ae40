#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http_message.h"

namespace eventbus {

// Whether the origin of a request is that of the server, as its Host names it. The scheme does not
// count: a proxy in front may speak TLS for us.
bool is_own_origin(std::string_view origin, std::string_view host);

// Which pages of other origins may talk to us (WHATWG Fetch, 3.2). Immutable; any thread.
class CorsPolicy {
 public:
    struct Settings {
        std::vector<std::string> origins;  // "https://example.org"; "*": any, without cookies
        bool loopback_origins = false;     // pages of this machine, for development
    };
    explicit CorsPolicy(Settings settings) : settings_(std::move(settings)) {}

    // May a page of `origin` send credentials (cookies) with its requests?
    bool allows_credentials(std::string_view origin) const;

    // May a page of `origin` read answers, with credentials or without?
    bool allows(std::string_view origin) const;

    // Adds what lets the page read the answer; to every answer, errors too.
    void apply(const HttpRequest& request, HttpResponse& response) const;

    // The same for an answer to a request whose head could not be read: only what holds for every
    // origin can be said.
    void apply_unread(HttpResponse& response) const;

    // The answer to a preflight (OPTIONS).
    HttpResponse preflight(const HttpRequest& request) const;

 private:
    bool allows_any() const;

    Settings settings_;
};

}  // namespace eventbus
