#include "net/endpoint.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <charconv>

#include "net/ip_address.h"

namespace eventbus {

Result<Endpoint> parse_endpoint(std::string_view text) {
    const auto colon = text.rfind(':');
    const auto wrong = [&](std::string_view why) {
        return Error{ErrorCode::kBadRequest,
                     fmt::format("\"{}\" is no address: {}; give HOST:PORT, such as 127.0.0.1:8080",
                                 text, why)};
    };
    if (colon == std::string_view::npos) return wrong("the port is missing");
    std::string_view host = text.substr(0, colon);
    const std::string_view port_text = text.substr(colon + 1);
    if (host.starts_with('[')) {
        if (!host.ends_with(']')) return wrong("the bracket is not closed");
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return wrong("an IPv6 address stands in brackets");
    }
    if (colon == 0) host = "0.0.0.0";
    if (host != "localhost" && !IpAddress::parse(host)) {
        return wrong("the host is not an IP address of this machine");
    }
    Endpoint endpoint{std::string(host), 0};
    const char* const end = port_text.data() + port_text.size();
    const auto [parsed, why] = std::from_chars(port_text.data(), end, endpoint.port);
    if (why != std::errc() || parsed != end || port_text.empty()) {
        return wrong("the port is no number up to 65535");
    }
    return endpoint;
}

std::string to_string(const Endpoint& endpoint) {
    const bool is_v6 = endpoint.host.find(':') != std::string::npos;
    return is_v6 ? fmt::format("[{}]:{}", endpoint.host, endpoint.port)
                 : fmt::format("{}:{}", endpoint.host, endpoint.port);
}

bool is_loopback(const Endpoint& endpoint) {
    in_addr address{};  // a name such as 127.example.com is no address
    return endpoint.host == "localhost" || endpoint.host == "::1" ||
           (::inet_pton(AF_INET, endpoint.host.c_str(), &address) == 1 &&
            (ntohl(address.s_addr) >> 24U) == 127);
}

}  // namespace eventbus
