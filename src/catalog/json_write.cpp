#include "catalog/json_write.h"

#include <simdjson.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "base/json_text.h"

namespace eventbus {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

template <class Number>
void append_number(std::string& out, Number number) {
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    BUS_ASSERT(end.ec == std::errc());
    out.append(digits.data(), end.ptr);
}

void append_array(std::string& out, simdjson::dom::array array) {
    char before = '[';
    for (const element item : array) {
        out += before;
        append_json(out, item);
        before = ',';
    }
    out += before == '[' ? "[]" : "]";
}

void append_object(std::string& out, simdjson::dom::object object) {
    char before = '{';
    for (const auto field : object) {
        out += before;
        append_json_string(out, field.key);
        out += ':';
        append_json(out, field.value);
        before = ',';
    }
    out += before == '{' ? "{}" : "}";
}

}  // namespace

void append_json(std::string& out, const element& value) {
    switch (value.type()) {
        case element_type::NULL_VALUE:
            out += "null";
            return;
        case element_type::BOOL:
            out += bool(value) ? "true" : "false";
            return;
        case element_type::STRING:
            append_json_string(out, std::string_view(value));
            return;
        case element_type::INT64:
            append_number(out, std::int64_t(value));
            return;
        case element_type::UINT64:
            append_number(out, std::uint64_t(value));
            return;
        case element_type::DOUBLE:
            append_number(out, double(value));
            return;
        case element_type::ARRAY:
            append_array(out, simdjson::dom::array(value));
            return;
        case element_type::OBJECT:
            append_object(out, simdjson::dom::object(value));
            return;
    }
}

}  // namespace eventbus
