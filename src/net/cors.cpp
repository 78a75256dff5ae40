#include "net/cors.h"

#include <algorithm>

#include "base/text.h"

namespace eventbus {
namespace {

constexpr std::string_view kExposed = "Event-Bus-Offset, Retry-After";

bool is_loopback(std::string_view origin) {
    const auto scheme_end = origin.find("://");
    if (scheme_end == std::string_view::npos) return false;
    std::string_view host = origin.substr(scheme_end + 3);
    host = host.substr(0, host.find(':', host.starts_with('[') ? host.find(']') : 0));
    return host == "[::1]" || host == "localhost" || host == "127.0.0.1" ||
           host.ends_with(".localhost");
}

}  // namespace

bool is_own_origin(std::string_view origin, std::string_view host) {
    const auto scheme_end = origin.find("://");
    return scheme_end != std::string_view::npos && !host.empty() &&
           equals_ignoring_case(origin.substr(scheme_end + 3), host);
}

bool CorsPolicy::allows_any() const {
    return std::find(settings_.origins.begin(), settings_.origins.end(), "*") !=
           settings_.origins.end();
}

bool CorsPolicy::allows_credentials(std::string_view origin) const {
    if (origin.empty() || origin == "*") return false;
    if (settings_.loopback_origins && is_loopback(origin)) return true;
    return std::find(settings_.origins.begin(), settings_.origins.end(), origin) !=
           settings_.origins.end();
}

bool CorsPolicy::allows(std::string_view origin) const {
    return allows_any() || allows_credentials(origin);
}

void CorsPolicy::apply(const HttpRequest& request, HttpResponse& response) const {
    const auto origin = request.headers.find("Origin");
    if (!origin) return;
    if (allows_credentials(*origin)) {
        response.headers.set("Access-Control-Allow-Origin", std::string(*origin));
        response.headers.set("Access-Control-Allow-Credentials", "true");
        response.headers.append("Vary", "Origin");
    } else if (allows_any()) {
        response.headers.set("Access-Control-Allow-Origin", "*");
    } else {
        response.headers.append("Vary", "Origin");
        return;
    }
    response.headers.set("Access-Control-Expose-Headers", std::string(kExposed));
}

void CorsPolicy::apply_unread(HttpResponse& response) const {
    if (!allows_any()) return;
    response.headers.set("Access-Control-Allow-Origin", "*");
    response.headers.set("Access-Control-Expose-Headers", std::string(kExposed));
}

HttpResponse CorsPolicy::preflight(const HttpRequest& request) const {
    HttpResponse response;
    response.status = 204;
    apply(request, response);
    response.headers.set("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    const std::string asked = request.headers.joined("Access-Control-Request-Headers");
    response.headers.set("Access-Control-Allow-Headers",
                         asked.empty() ? "Authorization, Content-Type" : asked);
    response.headers.set("Access-Control-Max-Age", "600");
    return response;
}

}  // namespace eventbus
