#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "log/position.h"

namespace eventbus {

// A position that can be shown: it names the log that it belongs to. Clients take it as opaque.
struct Offset {
    std::string epoch;  // [a-z0-9]{1,16}; changes when the log was replaced
    Position position;

    friend bool operator==(const Offset&, const Offset&) = default;
};

// "epoch.position".
std::string to_string(const Offset& offset);

// Errors: kBadOffset, the text is not of that form.
Result<Offset> parse_offset(std::string_view text);

}  // namespace eventbus
