#include "base/json_check.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace eventbus {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr const char* kTooDeep = "it is nested too deeply (at most 64 levels)";
constexpr std::size_t kFewKeys = 8;  // up to here comparing each with each is faster than sorting

Error wrong(std::string_view what) {
    return {ErrorCode::kBadRequest, "the JSON is not acceptable: " + std::string(what)};
}

std::string_view reason(simdjson::error_code error) {
    switch (error) {
        case simdjson::DEPTH_ERROR:
            return kTooDeep;
        case simdjson::STRING_ERROR:
            return "a string has a wrong escape, half a surrogate pair or a control character";
        case simdjson::NUMBER_ERROR:
            return "a number is malformed or out of range";
        case simdjson::UTF8_ERROR:
            return "it is not UTF-8";
        case simdjson::EMPTY:
            return "it is empty";
        case simdjson::UNCLOSED_STRING:
            return "a string does not end";
        case simdjson::UNESCAPED_CHARS:
            return "a string has an unescaped control character";
        case simdjson::MEMALLOC:
            return "there is no memory for it";
        default:
            return "it is not well-formed";
    }
}

bool has_repeat(std::vector<std::string_view>& keys, std::size_t first) {
    const auto begin = keys.begin() + static_cast<std::ptrdiff_t>(first);
    if (keys.size() - first > kFewKeys) {
        std::sort(begin, keys.end());
        return std::adjacent_find(begin, keys.end()) != keys.end();
    }
    for (auto key = begin; key != keys.end(); ++key) {
        if (std::find(begin, key, *key) != key) return true;
    }
    return false;
}

// What simdjson lets through, null when there is nothing. `levels` are still allowed; `keys` is
// scratch space: what an object puts there is gone when it is done.
const char* find_fault(element value, std::vector<std::string_view>& keys, std::size_t levels) {
    const element_type type = value.type();
    if (type != element_type::ARRAY && type != element_type::OBJECT) return nullptr;
    if (levels == 0) return kTooDeep;
    if (type == element_type::ARRAY) {
        for (const element item : simdjson::dom::array(value)) {
            if (const char* fault = find_fault(item, keys, levels - 1)) return fault;
        }
        return nullptr;
    }
    const std::size_t first = keys.size();
    for (const auto field : simdjson::dom::object(value)) keys.push_back(field.key);
    if (has_repeat(keys, first)) return "an object has a key twice";
    keys.resize(first);
    for (const auto field : simdjson::dom::object(value)) {
        if (const char* fault = find_fault(field.value, keys, levels - 1)) return fault;
    }
    return nullptr;
}

}  // namespace

struct JsonChecker::Buffers {
    simdjson::dom::parser parser;
    std::string input;  // the text and the bytes behind it that simdjson may read
    std::vector<std::string_view> keys;
};

JsonChecker::JsonChecker() = default;
JsonChecker::JsonChecker(JsonChecker&&) noexcept = default;
JsonChecker& JsonChecker::operator=(JsonChecker&&) noexcept = default;
JsonChecker::~JsonChecker() = default;

Result<> JsonChecker::check(std::string_view text) {
    const Result<element> parsed = parse(text);
    if (!parsed) return parsed.error();
    return {};
}

Result<element> JsonChecker::parse(std::string_view text) {
    if (buffers_ && buffers_->input.capacity() > 2 * kJsonKeptBytes) buffers_.reset();
    if (!buffers_) buffers_ = std::make_unique<Buffers>();
    auto& [parser, input, keys] = *buffers_;

    if (parser.capacity() < text.size()) {
        // One level more than allowed: simdjson counts scalars as a level, but not an empty array.
        const auto error = parser.allocate(std::bit_ceil(text.size() + 256), kJsonDepthMax + 1);
        if (error) return wrong(reason(error));
    }
    input.assign(text);
    input.append(simdjson::SIMDJSON_PADDING, ' ');
    element root;
    const auto error = parser.parse(input.data(), text.size(), false).get(root);
    if (error) return wrong(reason(error));

    keys.clear();
    if (const char* fault = find_fault(root, keys, kJsonDepthMax)) return wrong(fault);
    return root;
}

}  // namespace eventbus
