#include "app/server_url.h"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace eventbus {

Result<ServerUrl> parse_server_url(std::string_view text) {
    using boost::urls::scheme;
    const Error wrong{ErrorCode::kBadRequest, "\"" + std::string(text) +
                                                  "\" is no address of a server; write "
                                                  "http://127.0.0.1:8080, or https:// for TLS"};
    const auto url = boost::urls::parse_uri(boost::urls::string_view(text.data(), text.size()));
    if (url.has_error() || url->host().empty()) return wrong;
    const bool is_tls = url->scheme_id() == scheme::https;
    if ((!is_tls && url->scheme_id() != scheme::http) || url->has_userinfo() || url->has_query()) {
        return wrong;
    }
    // A number of 0 stands for one that is none.
    if (url->has_port() && url->port_number() == 0) return wrong;
    ServerUrl server{.host = url->host_address(),
                     .port = url->has_port() ? std::string(url->port())
                             : is_tls        ? "443"
                                             : "80",
                     .path = std::string(url->encoded_path()),
                     .text = std::string(text),
                     .is_tls = is_tls};
    while (server.path.ends_with('/')) server.path.pop_back();
    return server;
}

}  // namespace eventbus
