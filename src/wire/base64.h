#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace eventbus {

// RFC 4648, 4: with padding, the alphabet with + and /.
void append_base64(std::string& out, std::string_view bytes);

// Appends what `text` stands for; false, and nothing appended, when it is not base64.
bool append_decoded_base64(std::string& out, std::string_view text);

}  // namespace eventbus
