#pragma once

#include <string>

#include "event/event.h"

namespace simdjson::dom {
class element;
}

namespace eventbus {

// Who publishes, as far as templates and bindings may see it.
struct PublisherView {
    std::string key;       // "service:api", "user:ID"
    bool is_user = false;  // else a service
    std::string id;        // the user's id, or the service's name
};

// What filters, templates and transforms of one event read. Borrowed for the length of a call.
struct Scope {
    const Event& event;
    const simdjson::dom::element& data;  // of event.data, parsed if EventRule::reads_document
    const PublisherView& publisher;
};

}  // namespace eventbus
