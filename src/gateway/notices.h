#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "admission/arriving.h"
#include "base/error.h"

namespace eventbus::notices {

// What the server says by itself, as arrays for Socket::emit (docs/wire.md). But for a FirstPlace
// none ends in a string: the client takes that for its place.
std::string resume_done(std::uint64_t missed);
// The same for a client that asked for a place.
struct FirstPlace {
    std::string principal;  // Principal::fingerprint()
    std::chrono::milliseconds dedupe_window;
    std::string place;
};
std::string resume_done(std::uint64_t missed, const FirstPlace& first);
std::string resume_unknown(const Admitted::Unknown& unknown, std::string_view to);
std::string resume_gap(std::string_view from, std::string_view to);
std::string watch_ended(std::string_view topic, const Error& error);
// The same of a consumer group, whose member the socket is no more.
std::string membership_ended(std::string_view group, std::string_view topic, const Error& error);
std::string token_expiring(std::chrono::milliseconds expires_in);
std::string token_expired();

// {"code":…,"message":…,"retryAfterMs":…}
std::string error_object(const Error& error);

// [{"ok":false,"error":{…}}]: the arguments of an acknowledgement.
std::string refusal(const Error& error);

}  // namespace eventbus::notices
