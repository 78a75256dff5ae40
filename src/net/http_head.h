#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "net/http_message.h"
#include "net/http_reader.h"

namespace eventbus {

// Our own strict reading of a request's head (RFC 9112), before any byte of the body. Whatever two
// readers could understand differently is refused, because a balancer in front may be the other
// one: body lengths above all, folded lines, `Name :`, bare LF, paths that are not what they seem.

struct HttpHead {
    HttpRequest request;  // without the body
    bool is_chunked = false;
    std::uint64_t content_length = 0;
    bool expects_continue = false;
};

// Where a head ends that begins at the front of `bytes`, of which the first `known` were looked at
// before. 0: not there yet; nothing: it cannot be one (a bare LF, a wrong first byte).
std::optional<std::size_t> find_head_end(std::string_view bytes, std::size_t known);

// `head`: all up to and with the empty line.
std::variant<HttpHead, HttpFailure> parse_http_head(std::string_view head,
                                                    const HttpLimits& limits);

}  // namespace eventbus
