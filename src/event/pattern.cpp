#include "event/pattern.h"

#include <algorithm>

#include "event/subject.h"

namespace eventbus {
namespace {

bool is_type_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

bool is_name(std::string_view segment) {
    return !segment.empty() && std::all_of(segment.begin(), segment.end(), is_type_character);
}

// The segments of a text, one after the other.
class Segments {
 public:
    explicit Segments(std::string_view text) : rest_(text) {}

    bool is_done() const { return done_; }
    std::string_view current() const { return rest_.substr(0, rest_.find('.')); }
    void advance() {
        const auto dot = rest_.find('.');
        done_ = dot == std::string_view::npos;
        if (!done_) rest_.remove_prefix(dot + 1);
    }

 private:
    std::string_view rest_;
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

}  // namespace eventbus
