#include "catalog/filter.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "catalog/filter_node.h"

namespace eventbus {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// What a field holds: nothing, an attribute of the event, or a value of its data.
struct Found {
    enum class Kind : std::uint8_t { kNothing, kText, kValue };
    Kind kind = Kind::kNothing;
    std::string_view text;
    element value;
};

Found found(std::string_view text) {
    if (text.empty()) return {};  // an attribute that the event does not have
    return {Found::Kind::kText, text, {}};
}
Found found(element value) { return {Found::Kind::kValue, {}, value}; }

Found find_in_event(const Scope& scope, std::string_view name) {
    const Event& event = scope.event;
    if (name == "data") return found(scope.data);
    if (name == "type") return found(event.type);
    if (name == "subject") return found(event.subject);
    if (name == "source") return found(event.source);
    if (name == "id") return found(event.id);
    if (name == "time") return found(event.time);
    if (name == "traceparent") return found(event.traceparent);
    return {};
}

LeafValue leaf_of(element value) {
    using Kind = LeafValue::Kind;
    switch (value.type()) {
        case element_type::STRING:
            return {Kind::kText, 0, std::string_view(value)};
        case element_type::INT64:
            return {Kind::kNumber, static_cast<long double>(std::int64_t(value)), {}};
        case element_type::UINT64:
            return {Kind::kNumber, static_cast<long double>(std::uint64_t(value)), {}};
        case element_type::DOUBLE:
            return {Kind::kNumber, static_cast<long double>(double(value)), {}};
        case element_type::BOOL:
            return {bool(value) ? Kind::kTrue : Kind::kFalse, 0, {}};
        default:
            return {};
    }
}

bool any_matches(const std::vector<Matcher>& matchers, const LeafValue& value) {
    return std::any_of(matchers.begin(), matchers.end(),
                       [&](const Matcher& matcher) { return matcher.matches(value); });
}

// Whether a leaf of `value` matches: the value itself, or one in its arrays. `has_leaf` is set if
// there was one.
bool leaf_matches(const std::vector<Matcher>& matchers, element value, bool& has_leaf) {
    simdjson::dom::array array;
    if (value.get(array) == simdjson::SUCCESS) {
        for (const element item : array) {
            if (leaf_matches(matchers, item, has_leaf)) return true;
        }
        return false;
    }
    if (value.type() == element_type::OBJECT) return false;
    has_leaf = true;
    return any_matches(matchers, leaf_of(value));
}

bool accepts_missing(const std::vector<Matcher>& matchers) {
    return std::any_of(matchers.begin(), matchers.end(),
                       [](const Matcher& matcher) { return matcher.op == Matcher::Op::kMissing; });
}

bool conditions_match(const std::vector<Matcher>& matchers, const Found& field) {
    bool has_leaf = false;
    if (field.kind == Found::Kind::kText) {
        return any_matches(matchers, {LeafValue::Kind::kText, 0, field.text});
    }
    if (field.kind == Found::Kind::kValue && leaf_matches(matchers, field.value, has_leaf))
        return true;
    return !has_leaf && accepts_missing(matchers);
}

// Patterns and what is in the event at their place: templates only over how a field is looked up.
struct Evaluation {
    template <class Node, class Lookup>
    static bool node_matches(const Node& node, const Lookup& lookup) {
        for (const auto& field : node.fields) {
            const Found value = lookup(std::string_view(field.name));
            if (!(field.inner ? inner_matches(*field.inner, value)
                              : conditions_match(field.any, value))) {
                return false;
            }
        }
        return std::all_of(node.ors.begin(), node.ors.end(), [&](const auto& alternatives) {
            return std::any_of(alternatives.begin(), alternatives.end(),
                               [&](const Node& one) { return node_matches(one, lookup); });
        });
    }

    // A pattern inside of a field: on the object there, or on one object of an array. Where there
    // is no object all fields of the pattern are missing, which `exists: false` accepts.
    template <class Node>
    static bool inner_matches(const Node& node, const Found& field) {
        bool has_object = false;
        if (field.kind == Found::Kind::kValue && object_matches(node, field.value, has_object)) {
            return true;
        }
        return !has_object && node_matches(node, [](std::string_view) { return Found(); });
    }

    template <class Node>
    static bool object_matches(const Node& node, element value, bool& has_object) {
        simdjson::dom::array array;
        if (value.get(array) == simdjson::SUCCESS) {
            for (const element item : array) {
                if (object_matches(node, item, has_object)) return true;
            }
            return false;
        }
        simdjson::dom::object object;
        if (value.get(object) != simdjson::SUCCESS) return false;
        has_object = true;
        return node_matches(node, [&](std::string_view name) {
            element inner;
            return object.at_key(name).get(inner) == simdjson::SUCCESS ? found(inner) : Found();
        });
    }
};

}  // namespace

bool Filter::matches(const Scope& scope) const {
    return Evaluation::node_matches(
        *root_, [&](std::string_view name) { return find_in_event(scope, name); });
}

bool Filter::reads_data() const { return reads_data_; }

}  // namespace eventbus
