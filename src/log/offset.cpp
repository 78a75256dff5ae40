#include "log/offset.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace eventbus {
namespace {

constexpr std::size_t kEpochBytesMax = 16;

bool is_epoch(std::string_view text) {
    return !text.empty() && text.size() <= kEpochBytesMax &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

}  // namespace

std::string to_string(const Offset& offset) {
    return offset.epoch + '.' + to_string(offset.position);
}

Result<Offset> parse_offset(std::string_view text) {
    const Error wrong{ErrorCode::kBadOffset,
                      "this is no offset of an event; give one as it came, such as k3q9.42"};
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos || !is_epoch(text.substr(0, dot))) return wrong;
    const std::string_view digits = text.substr(dot + 1);
    // One place has one form: no sign, no leading zero.
    if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) return wrong;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
    if (error != std::errc{} || end != digits.end()) return wrong;
    return Offset{std::string(text.substr(0, dot)), Position(number)};
}

}  // namespace eventbus
