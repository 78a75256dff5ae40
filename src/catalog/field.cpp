#include "catalog/field.h"

#include "base/json_text.h"
#include "base/json_walk.h"

namespace eventbus {
namespace {

bool is_key(std::string_view key, std::string_view name) {
    if (key.size() == name.size() + 2) return key.substr(1, name.size()) == name;
    // One with escapes is longer than what it says.
    return key.size() > name.size() + 2 && has_json_escapes(key) && json_unescaped(key) == name;
}

std::string_view find_key(std::string_view object, std::string_view name) {
    JsonWalk walk(object);
    for (walk.enter(); !walk.is_at_end();) {
        const std::string_view key = walk.take_key();
        const std::string_view value = walk.take_value();
        if (is_key(key, name)) return value;
    }
    return {};
}

}  // namespace

std::string_view find_field(std::string_view data, const FieldPath& path) {
    for (const std::string& name : path) {
        if (!data.starts_with('{')) return {};
        data = find_key(data, name);
    }
    return data;
}

std::optional<std::string> name_in(std::string_view field) {
    if (field.starts_with('"')) return json_unescaped(field);
    if (field == "-0") return "0";
    // Integers beyond 64 bits are no checked JSON; true, false and null have none of the digits.
    if (field.empty() || field.find_first_not_of("-0123456789") != std::string_view::npos) {
        return std::nullopt;
    }
    return std::string(field);
}

}  // namespace eventbus
