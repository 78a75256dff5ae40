#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http_message.h"

namespace eventbus {

// A browser's EventSource gives up for good at every status but 200, and shows its page nothing of
// the answer (WHATWG HTML, 9.2.3). So it is refused by a stream that ends, from which it comes
// back:
//
//   retry: 2000                                what may pass soon: it just comes back
//   : unavailable: the log takes no writes now
//
//   retry: 60000                               what cannot pass: its page is told
//   event: stream.refused
//   data: {"code":"forbidden","message":"…"}
//
// A token that has expired is told by `token.expired`, as on an open stream: the page may renew its
// cookie. Any thread; pure.

// Whether the request is one of an EventSource, which can set no Authorization; a program that does
// reads statuses.
bool is_of_event_source(const HttpRequest& request);

HttpResponse event_source_refusal(const Error& error);

// An event of the server's own: {"code","message"}.
std::string notice_event(std::string_view name, const Error& error);

}  // namespace eventbus
