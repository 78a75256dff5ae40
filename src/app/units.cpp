#include "app/units.h"

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <span>

namespace eventbus {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

// The first of a size is how it is shown; the largest unit comes last.
constexpr auto kDurations = std::to_array<Unit>(
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}});
constexpr auto kSizes = std::to_array<Unit>({{"", 1},
                                             {"B", 1},
                                             {"kB", 1'000},
                                             {"KB", 1'000},
                                             {"KiB", 1U << 10U},
                                             {"k", 1U << 10U},
                                             {"K", 1U << 10U},
                                             {"MB", 1'000'000},
                                             {"MiB", 1U << 20U},
                                             {"M", 1U << 20U},
                                             {"GB", 1'000'000'000},
                                             {"GiB", 1U << 30U},
                                             {"G", 1U << 30U}});

// Milliseconds and bytes stay far below what their types hold.
constexpr std::uint64_t kValueMax = std::numeric_limits<std::int64_t>::max() / 2;

Error wrong(std::string_view text, std::string_view form) {
    return Error{ErrorCode::kBadRequest,
                 "\"" + std::string(text) + "\" is not " + std::string(form)};
}

std::optional<std::uint64_t> parse(std::string_view text, std::span<const Unit> units) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (unit.starts_with(' ')) unit.remove_prefix(1);
    for (const Unit& known : units) {
        if (known.name != unit) continue;
        if (number > kValueMax / known.factor) return std::nullopt;
        return number * known.factor;
    }
    return std::nullopt;
}

std::string format(std::uint64_t value, std::span<const Unit> units) {
    const Unit* best = &units.front();
    for (const Unit& unit : units) {
        if (value != 0 && value % unit.factor == 0 && unit.factor > best->factor) best = &unit;
    }
    return std::to_string(value / best->factor) + std::string(best->name);
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
    const auto value = parse(text, kDurations);
    if (!value) return wrong(text, "a time; write 500ms, 25s, 10m, 24h or 7d");
    return std::chrono::milliseconds(*value);
}

std::string format_duration(std::chrono::milliseconds time) {
    if (time.count() == 0) return "0s";
    return format(static_cast<std::uint64_t>(time.count()), kDurations);
}

Result<std::uint64_t> parse_size(std::string_view text) {
    const auto value = parse(text, kSizes);
    if (!value) return wrong(text, "a size; write 65536, 64KiB, 1MB or 10GiB");
    return *value;
}

std::string format_size(std::uint64_t bytes) { return format(bytes, kSizes); }

Result<std::uint64_t> parse_count(std::string_view text) {
    std::string digits;
    for (const char c : text) {
        if (c != '_' && c != '\'') digits += c;
    }
    constexpr auto kNone = std::to_array<Unit>({{"", 1}});
    const auto value = parse(digits, kNone);
    if (!value) return wrong(text, "a whole number");
    return *value;
}

}  // namespace eventbus
