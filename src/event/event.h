#pragma once

#include <string>

namespace eventbus {

// An immutable fact, with the attributes of CloudEvents 1.0.
struct Event {
    std::string id;           // unique within `source`; empty until the bus makes one
    std::string type;         // photo.processing.progress
    std::string source;       // service:api, user:ID or a URI
    std::string subject;      // kind:id, or empty
    std::string time;         // RFC 3339 with zone
    std::string traceparent;  // W3C Trace Context, or empty
    std::string data;         // one JSON object as text, checked whole (base/json_check.h)
};

}  // namespace eventbus
