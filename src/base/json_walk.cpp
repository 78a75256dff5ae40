#include "base/json_walk.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/eight_bytes.h"

namespace eventbus {
namespace {

// What a byte is between strings.
enum class Mark : std::uint8_t { kNone, kQuote, kOpen, kClose };
constexpr auto kMarks = [] {
    std::array<Mark, 256> marks{};
    marks['"'] = Mark::kQuote;
    marks['{'] = marks['['] = Mark::kOpen;
    marks['}'] = marks[']'] = Mark::kClose;
    return marks;
}();

// From `at` on; at or beyond the end if there is none.
std::size_t find_quote_or_backslash(std::string_view text, std::size_t at) {
    for (; at + 8 <= text.size(); at += 8) {
        const EightBytes eight(text.data() + at);
        const auto marks = eight.equal_to('"') | eight.equal_to('\\');
        if (marks != 0) return at + EightBytes::first(marks);
    }
    while (at < text.size() && text[at] != '"' && text[at] != '\\') ++at;
    return at;
}

}  // namespace

std::string_view JsonWalk::take_key() {
    const std::size_t begin = at_;
    skip_string();
    const std::string_view key = text_.substr(begin, at_ - begin);
    skip_space();
    step();  // the colon
    return key;
}

std::string_view JsonWalk::take_value() {
    if (at_ >= text_.size()) return {};
    const std::size_t begin = at_;
    const char first = text_[at_];
    if (first == '"') {
        skip_string();
    } else if (first == '{' || first == '[') {
        skip_nested();
    } else {
        skip_scalar();
    }
    const std::string_view value = text_.substr(begin, at_ - begin);
    skip_space();
    skip_comma();
    return value;
}

void JsonWalk::skip_string() {
    for (std::size_t at = at_ + 1;;) {
        at = find_quote_or_backslash(text_, at);
        if (at >= text_.size() || text_[at] == '"') {
            at_ = std::min(at + 1, text_.size());
            return;
        }
        at += 2;  // what is escaped ends nothing
    }
}

void JsonWalk::skip_scalar() {
    const auto ends = [](char c) { return c == ',' || c == '}' || c == ']' || is_space(c); };
    while (at_ < text_.size() && !ends(text_[at_])) ++at_;
}

void JsonWalk::skip_nested() {
    std::size_t depth = 0;
    while (at_ < text_.size()) {
        switch (kMarks[static_cast<unsigned char>(text_[at_])]) {
            case Mark::kNone:
                ++at_;
                break;
            case Mark::kQuote:
                skip_string();
                break;
            case Mark::kOpen:
                ++depth;
                ++at_;
                break;
            case Mark::kClose:
                ++at_;
                if (--depth == 0) return;
        }
    }
}

}  // namespace eventbus
