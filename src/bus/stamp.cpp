#include "bus/stamp.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace eventbus {
namespace {

// The two digits of each byte.
constexpr auto kHexDigits = [] {
    std::array<std::array<char, 2>, 256> digits{};
    for (std::size_t byte = 0; byte < 256; ++byte) {
        digits[byte] = {"0123456789abcdef"[byte / 16], "0123456789abcdef"[byte % 16]};
    }
    return digits;
}();

// The last `digits` digits of `value`, before `end`.
void put_digits(std::string& text, std::size_t end, std::size_t digits, unsigned value) {
    for (; digits > 0; --digits, value /= 10) text[--end] = static_cast<char>('0' + value % 10);
}

}  // namespace

std::string make_event_id(Random& random, Clock::WallTime now) {
    const auto since = std::chrono::floor<std::chrono::milliseconds>(now).time_since_epoch();
    std::array<std::uint64_t, 2> bits{};
    random.fill(std::as_writable_bytes(std::span(bits)));
    constexpr std::uint64_t kVersion = 0x7000U;
    constexpr std::uint64_t kVariant = 0x8000'0000'0000'0000U;
    const std::uint64_t first =
        static_cast<std::uint64_t>(since.count()) << 16U | kVersion | (bits[0] & 0xfffU);
    const std::uint64_t second = kVariant | bits[1] >> 2U;

    std::string id(36, '-');
    std::size_t at = 0;
    for (const std::uint64_t half : {first, second}) {
        for (unsigned shift = 64; shift > 0;) {
            if (at == 8 || at == 13 || at == 18 || at == 23) ++at;
            shift -= 8;
            const std::array<char, 2>& digits = kHexDigits[half >> shift & 0xffU];
            id[at++] = digits[0];
            id[at++] = digits[1];
        }
    }
    return id;
}

std::string make_event_time(Clock::WallTime now) {
    const auto day = std::chrono::floor<std::chrono::days>(now);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::milliseconds>(now - day));

    std::string text = "0000-00-00T00:00:00.000Z";
    put_digits(text, 4, 4, static_cast<unsigned>(static_cast<int>(date.year())));
    put_digits(text, 7, 2, static_cast<unsigned>(date.month()));
    put_digits(text, 10, 2, static_cast<unsigned>(date.day()));
    put_digits(text, 13, 2, static_cast<unsigned>(clock.hours().count()));
    put_digits(text, 16, 2, static_cast<unsigned>(clock.minutes().count()));
    put_digits(text, 19, 2, static_cast<unsigned>(clock.seconds().count()));
    put_digits(text, 23, 3, static_cast<unsigned>(clock.subseconds().count()));
    return text;
}

}  // namespace eventbus
