#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace eventbus {

// Where a server is: http://HOST[:PORT][/PATH], or https.
struct ServerUrl {
    std::string host;
    std::string port;
    std::string path;  // before every target; empty or "/…" without a slash at its end
    std::string text;  // as it was written
    bool is_tls = false;
    std::string ca_file;          // that names the authorities to trust; empty: the system's
    std::string ca_certificates;  // what it holds, PEM
};
// Errors: kBadRequest.
Result<ServerUrl> parse_server_url(std::string_view text);

}  // namespace eventbus
