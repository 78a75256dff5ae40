#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "catalog/template.h"

namespace eventbus {

// The field of an event's data, through objects only, as it was written; empty: there is none.
// It is looked for in the text: an event of which only a name or two are read needs no document.
std::string_view find_field(std::string_view data, const FieldPath& path);

// What a field names: a string's text, or an integer's digits. Nothing: it is neither.
std::optional<std::string> name_in(std::string_view field);

}  // namespace eventbus
