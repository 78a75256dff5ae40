#include "event/pattern.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "event/subject.h"

namespace eventbus {
namespace {

constexpr auto kIsTypeCharacter = [] {
    std::array<bool, 256> is{};
    for (unsigned char c = 0; c < 26; ++c) is['a' + c] = is['A' + c] = true;
    for (unsigned char c = '0'; c <= '9'; ++c) is[c] = true;
    is['_'] = is['-'] = true;
    return is;
}();

bool is_type_character(char c) { return kIsTypeCharacter[static_cast<unsigned char>(c)]; }

bool is_name(std::string_view segment) {
    return !segment.empty() &&
           std::all_of(segment.begin(), segment.end(), [](char c) { return is_type_character(c); });
}

// The segments of a text, one after the other.
class Segments {
 public:
    explicit Segments(std::string_view text) : rest_(text), dot_(text.find('.')) {}

    bool is_done() const { return done_; }
    std::string_view current() const { return rest_.substr(0, dot_); }
    void advance() {
        done_ = dot_ == std::string_view::npos;
        if (done_) return;
        rest_.remove_prefix(dot_ + 1);
        dot_ = rest_.find('.');
    }

 private:
    std::string_view rest_;
    std::size_t dot_;  // that ends the current one; npos: it is the last
    bool done_ = false;
};

// `one` says whether a segment of the pattern that is not `**` covers a segment of the text. A
// later `**` can do all that an earlier one can, so only the last is gone back to.
template <class One>
bool match_segments(std::string_view pattern_text, std::string_view text, One one) {
    Segments pattern(pattern_text);
    Segments what(text);
    Segments behind_star = pattern;  // where to go on if `**` takes one segment more
    Segments star_took = what;
    bool has_star = false;
    while (!what.is_done()) {
        if (!pattern.is_done() && pattern.current() == "**") {
            pattern.advance();
            behind_star = pattern;
            star_took = what;
            has_star = true;
        } else if (!pattern.is_done() && one(pattern.current(), what.current())) {
            pattern.advance();
            what.advance();
        } else if (has_star) {
            star_took.advance();
            what = star_took;
            pattern = behind_star;
        } else {
            return false;
        }
    }
    while (!pattern.is_done() && pattern.current() == "**") pattern.advance();
    return pattern.is_done();
}

bool is_subject_like(std::string_view text) { return text.find(':') != std::string_view::npos; }

template <class OnePart>
bool match_subject(std::string_view pattern, std::string_view what, OnePart one) {
    if (pattern == "**") return true;
    if (!is_subject_like(pattern)) return false;
    return one(subject_kind(pattern), subject_kind(what)) &&
           one(subject_id(pattern), subject_id(what));
}

bool covers_text(std::string_view segment, std::string_view text) {
    return segment == "*" || segment == text;
}

bool covers_segment(std::string_view outer, std::string_view inner) {
    return inner != "**" && covers_text(outer, inner);
}

bool overlaps_part(std::string_view a, std::string_view b) {
    return a == "*" || b == "*" || a == b;
}

bool covers_part(std::string_view outer, std::string_view inner) {
    return outer == "*" || outer == inner;
}

template <class Predicate>
bool all_segments(std::string_view text, Predicate predicate) {
    if (text.empty() || text.size() > kTypeBytesMax) return false;
    for (Segments segments(text); !segments.is_done(); segments.advance()) {
        if (!predicate(segments.current())) return false;
    }
    return true;
}

}  // namespace

bool is_type(std::string_view text) { return all_segments(text, is_name); }

bool is_type_pattern(std::string_view text) {
    return all_segments(text, [](std::string_view segment) {
        return segment == "*" || segment == "**" || is_name(segment);
    });
}

bool has_wildcard(std::string_view pattern) { return pattern.find('*') != std::string_view::npos; }

bool matches(std::string_view pattern, std::string_view what) {
    if (is_subject_like(what)) return match_subject(pattern, what, covers_text);
    return match_segments(pattern, what, covers_text);
}

bool covers(std::string_view outer, std::string_view inner) {
    if (is_subject_like(inner)) return match_subject(outer, inner, covers_part);
    return match_segments(outer, inner, covers_segment);
}

bool overlaps(std::string_view a, std::string_view b) {
    if (is_subject_like(a) || is_subject_like(b)) {
        if (a == "**" || b == "**") return true;
        return is_subject_like(a) && is_subject_like(b) &&
               overlaps_part(subject_kind(a), subject_kind(b)) &&
               overlaps_part(subject_id(a), subject_id(b));
    }
    // can[j]: some segments are covered by what was taken of `a` and by the first j of `b`.
    constexpr std::size_t kSegmentsMax = kTypeBytesMax / 2 + 1;
    std::array<bool, kSegmentsMax + 1> can{};
    if (a.size() > kTypeBytesMax || b.size() > kTypeBytesMax) return true;  // no such type; careful
    can[0] = true;
    std::size_t count = 0;
    for (Segments of_b(b); !of_b.is_done(); of_b.advance()) {
        ++count;
        can[count] = can[count - 1] && of_b.current() == "**";
    }
    for (Segments of_a(a); !of_a.is_done(); of_a.advance()) {
        const bool is_any = of_a.current() == "**";
        bool diagonal = can[0];
        can[0] = can[0] && is_any;
        std::size_t j = 0;
        for (Segments of_b(b); !of_b.is_done(); of_b.advance()) {
            ++j;
            const bool above = can[j];
            const bool b_is_any = of_b.current() == "**";
            const bool both = diagonal && overlaps_part(of_a.current(), of_b.current());
            const bool by_a = is_any && (above || can[j - 1]);
            const bool by_b = b_is_any && (above || can[j - 1]);
            can[j] = both || by_a || by_b;
            diagonal = above;
        }
    }
    return can[count];
}

}  // namespace eventbus
