#include "catalog/template.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "catalog/field.h"
#include "event/nearest.h"
#include "event/subject.h"

namespace eventbus {
namespace {

using Source = Template::Source;

struct Attribute {
    std::string_view name;
    Source source;
};
constexpr std::array<Attribute, 6> kAttributes{{{"id", Source::kId},
                                                {"type", Source::kType},
                                                {"source", Source::kSource},
                                                {"subject", Source::kSubject},
                                                {"time", Source::kTime},
                                                {"principal.id", Source::kPrincipalId}}};
constexpr std::string_view kData = "data.";

Error bad(std::string detail) { return {ErrorCode::kBadRequest, std::move(detail)}; }

std::string suggestion(std::string_view name) {
    if (name == "data" || name.starts_with("data")) return "; write {data.FIELD}";
    constexpr std::array<std::string_view, 6> kNames{"id",      "type", "source",
                                                     "subject", "time", "principal.id"};
    if (const auto near = nearest(name, kNames); !near.empty()) {
        return "; did you mean {" + std::string(near) + "}?";
    }
    return "; did you mean {data." + std::string(name) + "}?";
}

Result<Template::Piece> parse_reference(std::string_view name) {
    Template::Piece piece;
    piece.name = std::string(name);
    for (const Attribute& attribute : kAttributes) {
        if (attribute.name != name) continue;
        piece.source = attribute.source;
        return piece;
    }
    if (!name.starts_with(kData)) {
        return bad("{" + piece.name + "} names nothing" + suggestion(name));
    }
    Result<FieldPath> path = parse_field_path(name.substr(kData.size()));
    if (!path) return path.error();
    piece.source = Source::kData;
    piece.path = std::move(*path);
    return piece;
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

Error no_value(const Template::Piece& piece, std::string_view why) {
    return {ErrorCode::kBadSubject, "{" + piece.name + "} " + std::string(why)};
}

Result<std::string> text_of(const Template::Piece& piece, std::string_view data) {
    const std::string_view field = find_field(data, piece.path);
    if (field.empty()) return no_value(piece, "has no value in this event");
    std::optional<std::string> name = name_in(field);
    if (!name) return no_value(piece, "is neither text nor an integer in this event");
    return std::move(*name);
}

Result<std::string> value_of(const Template::Piece& piece, const Scope& scope) {
    switch (piece.source) {
        case Source::kText:
            return piece.text;
        case Source::kData:
            return text_of(piece, scope.event.data);
        case Source::kId:
            return scope.event.id;
        case Source::kType:
            return scope.event.type;
        case Source::kSource:
            return scope.event.source;
        case Source::kSubject:
            return scope.event.subject;
        case Source::kTime:
            return scope.event.time;
        case Source::kPrincipalId:
            return scope.publisher.id;
    }
    BUS_ASSERT(!"a source of the list");
    return std::string();
}

}  // namespace

Result<FieldPath> parse_field_path(std::string_view text) {
    FieldPath path;
    while (true) {
        const auto dot = std::min(text.find('.'), text.size());
        const std::string_view name = text.substr(0, dot);
        if (name.empty() || !std::all_of(name.begin(), name.end(), is_name_character)) {
            return bad(
                "a field is named by letters, digits, '_' and '-', with dots between the levels, "
                "such as data.gps.lat");
        }
        if (path.size() == kFieldPathMax) return bad("a field lies at most 16 levels deep");
        path.emplace_back(name);
        if (dot == text.size()) return path;
        text.remove_prefix(dot + 1);
    }
}

Result<Template> Template::compile(std::string_view text) {
    if (text.size() > kTemplateBytesMax) return bad("a template has at most 1024 bytes");
    Template made;
    std::string plain;
    const auto flush = [&] {
        if (plain.empty()) return;
        made.pieces_.push_back({Source::kText, std::exchange(plain, {}), {}, {}});
    };
    while (!text.empty()) {
        const char c = text[0];
        if (c != '{' && c != '}') {
            const auto end = std::min(text.find_first_of("{}"), text.size());
            plain += text.substr(0, end);
            text.remove_prefix(end);
        } else if (text.size() > 1 && text[1] == c) {
            plain += c;
            text.remove_prefix(2);
        } else {
            const auto end = text.find('}');
            if (c == '}' || end == std::string_view::npos) {
                return bad(
                    "a brace has no partner; a reference is {data.FIELD}, and a brace itself "
                    "is written twice");
            }
            Result<Piece> piece = parse_reference(text.substr(1, end - 1));
            if (!piece) return piece.error();
            flush();
            made.pieces_.push_back(std::move(*piece));
            text.remove_prefix(end + 1);
        }
    }
    flush();
    return made;
}

Result<std::string> Template::render(const Scope& scope) const {
    std::string out;
    for (const Piece& piece : pieces_) {
        if (piece.source == Source::kText) {
            out += piece.text;
            continue;
        }
        const Result<std::string> value = value_of(piece, scope);
        if (!value) return value.error();
        if (value->empty()) return no_value(piece, "is empty in this event");
        if (value->size() > kValueBytesMax)
            return no_value(piece, "has over 256 bytes in this event");
        if (has_control_characters(*value)) {
            return no_value(piece, "holds control characters in this event");
        }
        out += *value;
    }
    return out;
}

bool Template::reads(Source source) const {
    return std::any_of(pieces_.begin(), pieces_.end(),
                       [&](const Piece& piece) { return piece.source == source; });
}

}  // namespace eventbus
