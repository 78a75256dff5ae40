#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/frame.h"

namespace eventbus {

// Frames of Engine.IO packets: a whole WebSocket frame whose payload, from payload_at on, is what
// polling sends. Any thread; pure.

// `packet` is an Engine.IO packet as text: 42["name",…].
SharedFrame text_frame(std::string_view packet, LatestKey latest_key = LatestKey::kNone);

// A binary message; polling sends it as base64.
SharedFrame binary_frame(std::string_view bytes);

// The begin of an event's packet, with room for its JSON, which is appended; text_frame() takes it.
std::string begin_event(std::string_view nsp, std::size_t json_bytes);

// An event of a namespace: `json` is the whole array.
SharedFrame event_frame(std::string_view nsp, std::string_view json,
                        LatestKey latest_key = LatestKey::kNone);

// Appends the frame's packet to a polling answer.
void append_to_poll(std::string& payload, const Frame& frame);

}  // namespace eventbus
