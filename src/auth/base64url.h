#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace eventbus {

// RFC 4648, 5, without padding.
std::string to_base64url(std::string_view bytes);

// Nothing if `text` is not base64url.
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace eventbus
