#include "log/offset.h"

#include <algorithm>
#include <charconv>

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
    return offset.epoch + '.' + std::to_string(offset.position);
}

Result<Offset> parse_offset(std::string_view text) {
    const Error wrong{
        ErrorCode::kBadOffset,
        "the offset is malformed; give one as it came with an event, such as k3f9.42"};
    const auto dot = text.find('.');
    if (dot == std::string_view::npos || !is_epoch(text.substr(0, dot))) return wrong;
    Offset offset{std::string(text.substr(0, dot)), 0};
    const std::string_view digits = text.substr(dot + 1);
    const auto [end, why] =
        std::from_chars(digits.data(), digits.data() + digits.size(), offset.position);
    if (why != std::errc() || end != digits.data() + digits.size()) return wrong;
    return offset;
}

}  // namespace eventbus
