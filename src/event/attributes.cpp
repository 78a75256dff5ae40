#include "event/attributes.h"

#include <algorithm>
#include <string>

#include "event/pattern.h"
#include "event/subject.h"

namespace eventbus {
namespace {

Error bad(std::string detail) { return {ErrorCode::kBadEvent, std::move(detail)}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

// Whether `text` has the form of `shape`, in which 0 is a digit, x a small hexadecimal digit, and
// everything else itself.
bool has_shape(std::string_view text, std::string_view shape) {
    return std::equal(text.begin(), text.end(), shape.begin(), shape.end(), [](char c, char s) {
        if (s == '0') return is_digit(c);
        if (s == 'x') return is_hex(c);
        return c == s;
    });
}

int two_digits(std::string_view text, std::size_t at) {
    return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

int days_in_month(int year, int month) {
    if (month == 2) return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

bool is_zone(std::string_view zone) {
    if (zone == "Z" || zone == "z") return true;
    if (zone.empty() || (zone[0] != '+' && zone[0] != '-')) return false;
    zone.remove_prefix(1);
    return has_shape(zone, "00:00") && two_digits(zone, 0) <= 23 && two_digits(zone, 3) <= 59;
}

// RFC 3339, 5.6. A second of 60 is a leap second, and allowed at any minute.
bool is_rfc3339(std::string_view time) {
    constexpr std::string_view kDate = "0000-00-00";
    constexpr std::string_view kClock = "00:00:00";
    constexpr std::size_t kFractionDigitsMax = 9;
    if (time.size() < 20) return false;
    const char between = time[kDate.size()];
    if (!has_shape(time.substr(0, 10), kDate) || (between != 'T' && between != 't') ||
        !has_shape(time.substr(11, 8), kClock)) {
        return false;
    }
    const int year = two_digits(time, 0) * 100 + two_digits(time, 2);
    const int month = two_digits(time, 5);
    const int day = two_digits(time, 8);
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return false;
    if (two_digits(time, 11) > 23 || two_digits(time, 14) > 59 || two_digits(time, 17) > 60) {
        return false;
    }
    std::string_view rest = time.substr(19);
    if (rest[0] == '.') {
        const std::size_t digits =
            std::min(rest.find_first_not_of("0123456789", 1), rest.size()) - 1;
        if (digits == 0 || digits > kFractionDigitsMax) return false;
        rest.remove_prefix(digits + 1);
    }
    return is_zone(rest);
}

bool is_source_character(char c) {
    return static_cast<unsigned char>(c) > ' ' && c != 0x7f && c != '<' && c != '>' && c != '"';
}

}  // namespace

Result<> check_type(std::string_view type) {
    if (is_type(type)) return {};
    return bad(
        "`type` is names of letters, digits, '_' and '-' between dots, at most 256 bytes, such as "
        "photo.uploaded");
}

Result<> check_id(std::string_view id) {
    if (!id.empty() && id.size() <= kEventIdBytesMax && !has_control_characters(id)) return {};
    return bad("`id` is text of 1 to 256 bytes without control characters");
}

Result<> check_source(std::string_view source) {
    if (!source.empty() && source.size() <= kSourceBytesMax &&
        std::all_of(source.begin(), source.end(), is_source_character) &&
        !has_control_characters(source)) {
        return {};
    }
    return bad("`source` is a URI, or service:NAME, of 1 to 256 bytes without spaces");
}

Result<> check_time(std::string_view time) {
    if (is_rfc3339(time)) return {};
    return bad("`time` is written as RFC 3339 says, with a zone, such as 2024-05-01T12:00:00Z");
}

Result<> check_traceparent(std::string_view traceparent) {
    constexpr std::string_view kShape = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    constexpr std::string_view kNoTrace = "00000000000000000000000000000000";
    constexpr std::string_view kNoParent = "0000000000000000";
    if (has_shape(traceparent, kShape) && traceparent.starts_with("00-") &&
        traceparent.substr(3, 32) != kNoTrace && traceparent.substr(36, 16) != kNoParent) {
        return {};
    }
    return bad(
        "`traceparent` is written as W3C Trace Context says: 00-TRACE-PARENT-FLAGS, of 32, 16 and "
        "2 small hexadecimal digits");
}

Result<> check_attributes(const Event& event) {
    struct Check {
        const std::string& value;
        Result<> (*check)(std::string_view);
    };
    const Check checks[] = {
        {event.id, check_id},
        {event.source, check_source},
        {event.subject, check_subject},
        {event.time, check_time},
        {event.traceparent, check_traceparent},
    };
    if (const Result<> type = check_type(event.type); !type) return type;
    for (const Check& c : checks) {
        if (c.value.empty()) continue;
        if (const Result<> checked = c.check(c.value); !checked) return checked;
    }
    return {};
}

}  // namespace eventbus
