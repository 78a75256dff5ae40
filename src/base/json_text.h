#pragma once

#include <string>
#include <string_view>

namespace eventbus {

// Appends `text` as a JSON string with its quotes. What is not UTF-8 goes through as it is: check
// what comes from outside before.
void append_json_string(std::string& out, std::string_view text);

// The same without the quotes.
void append_json_text(std::string& out, std::string_view text);

std::string json_string(std::string_view text);

// Whether a string of JSON holds escapes: else what stands between its quotes is what it says.
bool has_json_escapes(std::string_view string);

// What a string of well-formed JSON says; `string` has its quotes. Half of a surrogate pair, which
// JsonChecker lets nobody write, becomes U+FFFD.
std::string json_unescaped(std::string_view string);

}  // namespace eventbus
