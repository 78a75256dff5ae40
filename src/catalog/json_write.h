#pragma once

#include <string>

namespace simdjson::dom {
class element;
}

namespace eventbus {

// Appends a value of a checked document as JSON without space.
void append_json(std::string& out, const simdjson::dom::element& value);

}  // namespace eventbus
