#include "app/event_data.h"

#include <boost/json.hpp>

#include <string_view>

namespace eventbus {
namespace {

namespace json = boost::json;

constexpr std::size_t kLevelsMax = 16;  // of one key; nobody types more

Error wrong(const std::string& word, std::string_view why) {
    return Error{ErrorCode::kBadRequest, "\"" + word + "\" " + std::string(why)};
}

json::value value_of(std::string_view text) {
    json::error_code error;
    json::value value = json::parse(text, error);
    if (error) return json::value(json::string(text));
    // An id of thirty digits must not become 1.2e30.
    if (value.is_double() && text.find_first_of(".eE") == std::string_view::npos) {
        return json::value(json::string(text));
    }
    return value;
}

Result<> set(json::object& data, const std::string& word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
        return wrong(word, "is not key=value, as photoId=123 or exif.iso=200");
    }
    std::string_view rest = std::string_view(word).substr(0, equals);
    json::object* object = &data;
    for (std::size_t level = 0; level < kLevelsMax; ++level) {
        const std::size_t dot = rest.find('.');
        const std::string_view key = rest.substr(0, dot);
        if (key.empty()) return wrong(word, "has an empty key");
        const auto place = object->find(key);
        if (dot == std::string_view::npos) {
            if (place != object->end()) return wrong(word, "sets a key that is set already");
            object->emplace(key, value_of(std::string_view(word).substr(equals + 1)));
            return {};
        }
        json::value& inner = place == object->end()
                                 ? object->emplace(key, json::object()).first->value()
                                 : place->value();
        if (!inner.is_object()) return wrong(word, "goes into what is no object");
        object = &inner.get_object();
        rest.remove_prefix(dot + 1);
    }
    return wrong(word, "is nested too deeply");
}

}  // namespace

Result<std::string> data_of_words(std::span<const std::string> words) {
    json::object data;
    for (const std::string& word : words) {
        if (const Result<> done = set(data, word); !done) return done.error();
    }
    return json::serialize(data);
}

}  // namespace eventbus
