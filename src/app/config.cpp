#include "app/config.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace eventbus {
namespace {

bool is_loopback_host(std::string_view host) {
    in_addr address{};  // a name such as 127.example.com is no address
    return host == "localhost" || host == "::1" ||
           (::inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 &&
            (ntohl(address.s_addr) >> 24U) == 127);
}

// "http://localhost:5173" → "localhost"; empty: no origin.
std::string_view host_of_origin(std::string_view origin) {
    const std::size_t scheme = origin.find("://");
    if (scheme == std::string_view::npos) return {};
    std::string_view host = origin.substr(scheme + 3);
    if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
    return host.substr(0, host.find(':'));
}

}  // namespace

bool Config::allows_origin(std::string_view origin) const {
    return allows_cookie_of(origin) ||
           std::find(allowed_origins.begin(), allowed_origins.end(), "*") != allowed_origins.end();
}

bool Config::allows_cookie_of(std::string_view origin) const {
    if (origin == "*") return false;
    if (dev && is_loopback_host(host_of_origin(origin))) return true;
    return std::find(allowed_origins.begin(), allowed_origins.end(), origin) !=
           allowed_origins.end();
}

bool HostPort::is_loopback() const { return is_loopback_host(host); }

Result<HostPort> parse_host_port(std::string_view text) {
    const Error wrong{ErrorCode::kBadRequest,
                      "\"" + std::string(text) +
                          "\" is no address; write HOST:PORT, as 127.0.0.1:8080 or [::1]:8080"};
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return wrong;
    std::string_view host = text.substr(0, colon);
    const std::string_view digits = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return wrong;  // an IPv6 address without brackets
    }
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (host.empty() || error != std::errc() || end != digits.data() + digits.size()) return wrong;
    return HostPort{std::string(host), port};
}

}  // namespace eventbus
