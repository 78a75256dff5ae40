#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "delivery/session_store.h"

namespace eventbus {

// A session as bytes (log/bytes.h says what a number and a string are); its pid is the key.
//
//   version     1 byte, 1
//   expires     8 bytes, ms since 1970
//   strings     principal, sid
//   started_at  a number
//   rooms       their count, then each room's key as a string, and the place as a number
std::string encode_session(const SessionRecord& record);

// None: no session of a version that is known.
std::optional<SessionRecord> decode_session(std::string_view pid, std::string_view bytes);

std::int64_t expires_ms(const SessionRecord& record);

}  // namespace eventbus
