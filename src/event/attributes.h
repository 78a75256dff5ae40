#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "event/event.h"

namespace eventbus {

inline constexpr std::size_t kEventIdBytesMax = 256;
inline constexpr std::size_t kSourceBytesMax = 256;

// What each attribute of an event may be. Errors: kBadEvent, for the subject kBadSubject; the
// detail names the attribute and how it is written right.
Result<> check_type(std::string_view type);      // photo.uploaded
Result<> check_id(std::string_view id);          // 1 to 256 bytes, no control characters
Result<> check_source(std::string_view source);  // a URI reference or service:NAME; no spaces
Result<> check_time(std::string_view time);      // RFC 3339 with zone: 2024-05-01T12:00:00.5Z
Result<> check_traceparent(std::string_view traceparent);  // W3C Trace Context, version 00

// All of them that are not empty, and that there is a type.
Result<> check_attributes(const Event& event);

}  // namespace eventbus
