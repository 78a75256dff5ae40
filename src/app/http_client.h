#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace eventbus {

// Where a server is: http://HOST[:PORT][/PATH].
struct ServerUrl {
    std::string host;
    std::string port;
    std::string path;  // before every target; empty or "/…" without a slash at its end
    std::string text;  // as it was written
};
// Errors: kBadRequest; https is refused with what to do instead.
Result<ServerUrl> parse_server_url(std::string_view text);

struct ClientRequest {
    std::string method;
    std::string target;  // "/v1/events?x=1"
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
};
struct ClientResponse {
    int status = 0;
    std::string body;
};

// A blocking HTTP/1.1 client for the command line: one connection a request, no TLS.
// Errors of both: kUnavailable, no server answers there (`detail` says how to start one);
// kTimeout; kInternal, what answers is no HTTP server, or broke off.
//
// Bounded: kResponseBytesMax; `timeout` for connecting and for each wait for bytes.
inline constexpr std::size_t kResponseBytesMax = 16U << 20U;

Result<ClientResponse> send_request(const ServerUrl& server, const ClientRequest& request,
                                    std::chrono::milliseconds timeout);

// The same for an answer that goes on: the bytes of a body with status 200 go to `take` as they
// come, none with the head perhaps, until the server ends it or `take` returns false. It may be
// silent for any time; a server that is gone is noticed by TCP's keepalive.
Result<ClientResponse> stream_request(const ServerUrl& server, const ClientRequest& request,
                                      std::chrono::milliseconds timeout,
                                      const std::function<bool(std::string_view)>& take);

}  // namespace eventbus
