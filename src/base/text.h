#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace eventbus {

// Pieces of text as lists and fields of HTTP are written. Any thread; views live as long as the
// text they are of.

// Without the spaces and tabs around it.
std::string_view trim(std::string_view text);

// Without the one line break, LF or CR LF, that it may end with.
std::string_view without_line_end(std::string_view text);

// Its first bytes, `bytes_max` at most, without a character of UTF-8 that would be cut in two.
std::string_view cut(std::string_view text, std::size_t bytes_max);

// Takes the part up to `separator`, or all, off the front of `list`, and the separator; returns it
// trimmed.
std::string_view take_part(std::string_view& list, char separator);

// Of letters of ASCII; all else stays as it is.
std::string to_lower_case(std::string_view text);

// Of letters of ASCII; all else must be the same.
bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace eventbus
