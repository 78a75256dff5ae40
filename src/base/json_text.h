#pragma once

#include <string>
#include <string_view>

namespace eventbus {

// Appends `text` as a JSON string with its quotes. What is not UTF-8 goes through as it is: check
// what comes from outside before.
void append_json_string(std::string& out, std::string_view text);

std::string json_string(std::string_view text);

}  // namespace eventbus
