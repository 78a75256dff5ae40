#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace eventbus {

// A text with stars, each for any number of bytes. Linear in the value: the pieces between the
// stars are looked for one after the other, each without going back (Knuth, Morris, Pratt).
class Wildcard {
 public:
    // `\*` and `\\` stand for themselves.
    static bool is_valid(std::string_view pattern);  // no star beside a star, no other backslash
    explicit Wildcard(std::string_view pattern);

    bool matches(std::string_view text) const;

 private:
    struct Piece {
        std::string text;
        std::vector<std::uint16_t> fallback;  // of each prefix: the longest that is a suffix of it
    };
    static std::size_t find(const Piece& piece, std::string_view text, std::size_t from);
    std::vector<Piece> pieces_;  // more than one: a star between each
};

// A value of an event as conditions see it.
struct LeafValue {
    enum class Kind : std::uint8_t { kNull, kTrue, kFalse, kNumber, kText };
    Kind kind = Kind::kNull;
    long double number = 0;  // exact for 64-bit integers and doubles, so 2^53 + 1 is not 2^53
    std::string_view text;
};

// One condition on a value.
struct Matcher {
    enum class Op : std::uint8_t {
        kEquals,
        kEqualsIgnoreCase,
        kPrefix,
        kPrefixIgnoreCase,
        kSuffix,
        kSuffixIgnoreCase,
        kWildcard,
        kNumeric,
        kExists,      // any value
        kMissing,     // no value; matches() is always false
        kAnythingBut  // none of `list`
    };
    enum class Relation : std::uint8_t { kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
    struct Bound {
        Relation relation = Relation::kEqual;
        long double number = 0;
    };

    Op op = Op::kEquals;
    LeafValue::Kind kind = LeafValue::Kind::kText;  // of kEquals
    std::string text;
    long double number = 0;
    std::vector<Bound> bounds;       // all must hold
    std::vector<Wildcard> wildcard;  // of kWildcard: one
    std::vector<Matcher> list;

    bool matches(const LeafValue& value) const;
};

}  // namespace eventbus
