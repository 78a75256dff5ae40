#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/scope.h"

namespace eventbus {

// The way to a field inside of an event's data: {"gps", "lat"}. Empty: the data itself.
using FieldPath = std::vector<std::string>;

// `a.b.c` without the leading `data.`: names of [A-Za-z0-9_-], at most kFieldPathMax of them.
// Errors: kBadRequest.
inline constexpr std::size_t kFieldPathMax = 16;
Result<FieldPath> parse_field_path(std::string_view text);

// Text with references: `photo:{data.photoId}`. `{{` and `}}` stand for braces.
//
// Thread:  any; immutable.
// Bounded: kTemplateBytesMax of text; what a reference may name is a closed list: data.FIELD, id,
//          type, source, subject, time, principal.id.
class Template {
 public:
    static constexpr std::size_t kTemplateBytesMax = 1024;
    static constexpr std::size_t kValueBytesMax = 256;

    enum class Source : std::uint8_t {
        kText,
        kData,
        kId,
        kType,
        kSource,
        kSubject,
        kTime,
        kPrincipalId
    };
    struct Piece {
        Source source = Source::kText;
        std::string text;  // of kText
        FieldPath path;    // of kData
        std::string name;  // as it is written, for messages
    };

    // Errors: kBadRequest; the detail says what is wrong and how it is written right.
    static Result<Template> compile(std::string_view text);

    // Each referenced value must be a string or an integer, not empty, at most kValueBytesMax and
    // without control characters. Errors: kBadSubject, naming the reference.
    Result<std::string> render(const Scope& scope) const;

    const std::vector<Piece>& pieces() const { return pieces_; }
    bool reads(Source source) const;

 private:
    std::vector<Piece> pieces_;
};

}  // namespace eventbus
