#pragma once

#include "catalog/template.h"

namespace eventbus {

// Finds the field of a document, through objects only. False: there is none.
bool find_field(const simdjson::dom::element& data, const FieldPath& path,
                simdjson::dom::element& out);

}  // namespace eventbus
