#include "catalog/matcher.h"

#include <algorithm>

#include "base/assert.h"
#include "base/text.h"

namespace eventbus {
namespace {

bool holds(const Matcher::Bound& bound, long double number) {
    switch (bound.relation) {
        case Matcher::Relation::kEqual:
            return number == bound.number;
        case Matcher::Relation::kLess:
            return number < bound.number;
        case Matcher::Relation::kLessOrEqual:
            return number <= bound.number;
        case Matcher::Relation::kGreater:
            return number > bound.number;
        case Matcher::Relation::kGreaterOrEqual:
            return number >= bound.number;
    }
    return false;
}

bool text_matches(const Matcher& matcher, std::string_view text) {
    const std::string_view wanted = matcher.text;
    switch (matcher.op) {
        case Matcher::Op::kEqualsIgnoreCase:
            return equals_ignoring_case(text, wanted);
        case Matcher::Op::kPrefix:
            return text.starts_with(wanted);
        case Matcher::Op::kPrefixIgnoreCase:
            return equals_ignoring_case(text.substr(0, wanted.size()), wanted);
        case Matcher::Op::kSuffix:
            return text.ends_with(wanted);
        case Matcher::Op::kSuffixIgnoreCase:
            return text.size() >= wanted.size() &&
                   equals_ignoring_case(text.substr(text.size() - wanted.size()), wanted);
        case Matcher::Op::kWildcard:
            return matcher.wildcard.front().matches(text);
        default:
            BUS_ASSERT(!"an operator on text");
            return false;
    }
}

}  // namespace

bool Wildcard::is_valid(std::string_view pattern) {
    bool behind_star = false;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const bool is_star = pattern[i] == '*';
        if (is_star && behind_star) return false;
        behind_star = is_star;
        if (pattern[i] != '\\') continue;
        if (++i == pattern.size() || (pattern[i] != '*' && pattern[i] != '\\')) return false;
    }
    return true;
}

Wildcard::Wildcard(std::string_view pattern) : pieces_(1) {
    BUS_ASSERT(is_valid(pattern));
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] == '*') {
            pieces_.emplace_back();
            continue;
        }
        if (pattern[i] == '\\') ++i;
        pieces_.back().text += pattern[i];
    }
    for (Piece& piece : pieces_) {
        piece.fallback.resize(piece.text.size());
        std::uint16_t length = 0;
        for (std::size_t i = 1; i < piece.text.size(); ++i) {
            while (length > 0 && piece.text[i] != piece.text[length]) {
                length = piece.fallback[length - 1U];
            }
            if (piece.text[i] == piece.text[length]) ++length;
            piece.fallback[i] = length;
        }
    }
}

// Where `piece` ends at its first place in `text` from `from` on, or npos.
std::size_t Wildcard::find(const Piece& piece, std::string_view text, std::size_t from) {
    if (piece.text.empty()) return from;
    std::size_t length = 0;
    for (std::size_t i = from; i < text.size(); ++i) {
        while (length > 0 && text[i] != piece.text[length]) length = piece.fallback[length - 1];
        if (text[i] == piece.text[length]) ++length;
        if (length == piece.text.size()) return i + 1;
    }
    return std::string_view::npos;
}

bool Wildcard::matches(std::string_view text) const {
    if (pieces_.size() == 1) return text == pieces_[0].text;
    const std::string& first = pieces_.front().text;
    const std::string& last = pieces_.back().text;
    if (text.size() < first.size() + last.size() || !text.starts_with(first) ||
        !text.ends_with(last)) {
        return false;
    }
    const std::string_view middle = text.substr(0, text.size() - last.size());
    std::size_t at = first.size();
    for (std::size_t i = 1; i + 1 < pieces_.size(); ++i) {
        at = find(pieces_[i], middle, at);
        if (at == std::string_view::npos) return false;
    }
    return true;
}

bool Matcher::matches(const LeafValue& value) const {
    switch (op) {
        case Op::kExists:
            return true;
        case Op::kMissing:
            return false;
        case Op::kAnythingBut:
            return std::none_of(list.begin(), list.end(),
                                [&](const Matcher& one) { return one.matches(value); });
        case Op::kNumeric:
            return value.kind == LeafValue::Kind::kNumber &&
                   std::all_of(bounds.begin(), bounds.end(),
                               [&](const Bound& bound) { return holds(bound, value.number); });
        case Op::kEquals:
            if (value.kind != kind) return false;
            if (kind == LeafValue::Kind::kText) return value.text == text;
            return kind != LeafValue::Kind::kNumber || value.number == number;
        default:
            return value.kind == LeafValue::Kind::kText && text_matches(*this, value.text);
    }
}

}  // namespace eventbus
