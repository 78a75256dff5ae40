#include "catalog/spec.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "base/json_check.h"
#include "catalog/json_write.h"

namespace eventbus {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

Spec make_spec(element value) {
    Spec spec;
    switch (value.type()) {
        case element_type::NULL_VALUE:
            break;
        case element_type::BOOL:
            spec.kind = Spec::Kind::kBool;
            spec.boolean = bool(value);
            break;
        case element_type::STRING:
            spec.kind = Spec::Kind::kString;
            spec.text = std::string_view(value);
            break;
        case element_type::ARRAY:
            spec.kind = Spec::Kind::kList;
            for (const element item : simdjson::dom::array(value)) {
                spec.items.push_back(make_spec(item));
            }
            break;
        case element_type::OBJECT:
            spec.kind = Spec::Kind::kMap;
            for (const auto field : simdjson::dom::object(value)) {
                spec.fields.push_back({std::string(field.key), 0, make_spec(field.value)});
            }
            break;
        default:
            spec.kind = Spec::Kind::kNumber;
            append_json(spec.text, value);
    }
    return spec;
}

}  // namespace

const Spec* Spec::find(std::string_view name) const {
    const auto at = std::find_if(fields.begin(), fields.end(),
                                 [&](const SpecField& field) { return field.name == name; });
    return at == fields.end() ? nullptr : &at->value;
}

std::string_view Spec::kind_name() const {
    switch (kind) {
        case Kind::kNull:
            return "nothing";
        case Kind::kBool:
            return "true or false";
        case Kind::kNumber:
            return "a number";
        case Kind::kString:
            return "text";
        case Kind::kList:
            return "a list";
        case Kind::kMap:
            return "a map";
    }
    return {};
}

Result<Spec> spec_from_json(std::string_view text) {
    JsonChecker checker;
    const Result<element> root = checker.parse(text);
    if (!root) return root.error();
    return make_spec(*root);
}

long double spec_number(const Spec& spec) {
    const char* const begin = spec.text.data();
    const char* const end = begin + spec.text.size();
    std::int64_t integer = 0;
    if (const auto read = std::from_chars(begin, end, integer);
        read.ec == std::errc() && read.ptr == end) {
        return static_cast<long double>(integer);
    }
    std::uint64_t large = 0;
    if (const auto read = std::from_chars(begin, end, large);
        read.ec == std::errc() && read.ptr == end) {
        return static_cast<long double>(large);
    }
    double fraction = 0;  // not a long double: 0.1 must be the 0.1 that the event's parser reads
    std::from_chars(begin, end, fraction);
    return static_cast<long double>(fraction);
}

}  // namespace eventbus
