#pragma once

#include <simdjson.h>

#include <string>
#include <utility>

#include "catalog/scope.h"

namespace eventbus {

// An event and what belongs to its scope, for tests of filters, templates and transforms. Link
// simdjson.
class EventScope {
 public:
    explicit EventScope(std::string data, PublisherView publisher = {"service:api", false, "api"})
        : event_{.id = "id-1",
                 .type = "photo.uploaded",
                 .source = "service:api",
                 .subject = "photo:1",
                 .time = "2024-05-01T12:00:00Z",
                 .traceparent = {},
                 .data = std::move(data)},
          publisher_(std::move(publisher)),
          data_(parser_.parse(event_.data)) {}

    Event& event() { return event_; }
    Scope scope() const { return {event_, data_, publisher_}; }

 private:
    Event event_;
    PublisherView publisher_;
    simdjson::dom::parser parser_;
    simdjson::dom::element data_;
};

}  // namespace eventbus
