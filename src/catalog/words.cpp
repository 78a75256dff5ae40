#include "catalog/words.h"

#include <algorithm>
#include <charconv>

#include "event/subject.h"

namespace eventbus {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};
constexpr Unit kAgeUnits[] = {
    {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86'400}, {"w", 604'800},
};
constexpr Unit kByteUnits[] = {
    {"", 1},
    {"KB", 1000},
    {"MB", 1'000'000},
    {"GB", 1'000'000'000},
    {"TB", 1'000'000'000'000},
    {"KiB", 1ULL << 10U},
    {"MiB", 1ULL << 20U},
    {"GiB", 1ULL << 30U},
    {"TiB", 1ULL << 40U},
};
constexpr std::uint64_t kAgeMax = 10ULL * 365 * 86'400;
constexpr std::uint64_t kBytesMax = 1ULL << 60U;

constexpr std::string_view kReserved[] = {
    "connect",        "connect_error", "disconnect",     "disconnecting", "newListener",
    "removeListener", "resume.done",   "resume.unknown", "resume.gap",    "watch.ended",
    "token.expired",  "error",         "open",
};

template <std::size_t N>
std::optional<std::uint64_t> parse_amount(std::string_view text, const Unit (&units)[N],
                                          std::uint64_t most) {
    std::uint64_t count = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
    if (read.ec != std::errc() || count == 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
    for (const Unit& unit : units) {
        if (unit.name == text && count <= most / unit.factor) return count * unit.factor;
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::chrono::seconds> parse_age(std::string_view text) {
    const auto seconds = parse_amount(text, kAgeUnits, kAgeMax);
    if (!seconds) return std::nullopt;
    return std::chrono::seconds(*seconds);
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
    return parse_amount(text, kByteUnits, kBytesMax);
}

std::string name_fault(std::string_view name) {
    if (name.ends_with('\n')) {
        return "it ends with a line break; write it on one line, or `>-` and `|-` instead of `>` "
               "and `|`";
    }
    if (has_control_characters(name)) {
        return "it holds a line break or another control character; write it on one line";
    }
    if (name.starts_with(' ') || name.ends_with(' '))
        return "it begins or ends with a blank; remove the blank";
    std::size_t bytes = name.size();
    for (std::size_t open = name.find('{'); open != std::string_view::npos;
         open = name.find('{', open)) {
        const auto close = std::min(name.find('}', open), name.size());
        bytes -= close - open;  // of a reference one byte counts at least
        open = close;
    }
    if (bytes > kSubjectIdBytesMax) return "it has more than 256 bytes; write a shorter one";
    return {};
}

std::span<const std::string_view> reserved_names() { return kReserved; }

bool is_reserved_name(std::string_view name) {
    return std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved);
}

}  // namespace eventbus
