#pragma once

#include <string>
#include <string_view>

#include "event/event.h"

namespace eventbus {

// What goes beside an event's data on every wire:
// {"id":…,"type":…,"source":…,"subject":…,"time":…,"offset":…,"traceparent":…}; what the event does
// not have (subject, traceparent) is left out, and so is an empty offset.
std::string encode_meta(const Event& event, std::string_view offset);
void append_meta(std::string& out, const Event& event, std::string_view offset);

}  // namespace eventbus
