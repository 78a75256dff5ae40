#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/server_url.h"
#include "base/result.h"

namespace eventbus {

struct ClientRequest {
    std::string method;
    std::string target;  // "/v1/events?x=1"
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
};
struct ClientResponse {
    int status = 0;
    std::string media_type;  // in lower case, without parameters; 64 bytes of it at most
    std::string body;
};

// A blocking HTTP/1.1 client for the command line: one connection a request.
// Errors of both: those of ClientConnection; kBadRequest, HTTP was spoken to a port of TLS;
// kInternal, what answers is not an HTTP server, or broke off.
//
// Bounded: a body is cut behind kResponseBytesMax, and the rest is not read: no answer to a command
// is that long. `timeout` for connecting and for each wait for bytes.
inline constexpr std::size_t kResponseBytesMax = 64U << 10U;

Result<ClientResponse> send_request(const ServerUrl& server, const ClientRequest& request,
                                    std::chrono::milliseconds timeout);

// The same for a stream of events: the bytes of a text/event-stream with status 200 go to `take` as
// they come, none with the head perhaps, until the server ends it or `take` returns false. It may
// be silent for any time; a server that is gone is noticed by TCP's keepalive. Another answer with
// status 200 ends it at once, without its body.
inline constexpr std::string_view kEventStreamType = "text/event-stream";
Result<ClientResponse> stream_request(const ServerUrl& server, const ClientRequest& request,
                                      std::chrono::milliseconds timeout,
                                      const std::function<bool(std::string_view)>& take);

}  // namespace eventbus
