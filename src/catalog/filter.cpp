#include "catalog/filter.h"

#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "catalog/filter_field.h"

namespace eventbus {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

std::string_view attribute(const Event& event, std::string_view name) {
    if (name == "type") return event.type;
    if (name == "subject") return event.subject;
    if (name == "source") return event.source;
    if (name == "id") return event.id;
    if (name == "time") return event.time;
    if (name == "traceparent") return event.traceparent;
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

// Whether a leaf of `value` matches: the value itself, or one in its lists. `has_leaf` is set if
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

std::optional<element> field_of(element value, const std::string& name) {
    simdjson::dom::object object;
    element inner;
    if (value.get(object) != simdjson::SUCCESS || object.at_key(name).get(inner)) return {};
    return inner;
}

// Whether there is a leaf at `path`, in any element of the lists on the way.
bool has_leaf_at(element value, std::span<const std::string> path) {
    simdjson::dom::array array;
    if (value.get(array) == simdjson::SUCCESS) {
        return std::any_of(array.begin(), array.end(),
                           [&](element item) { return has_leaf_at(item, path); });
    }
    if (path.empty()) return value.type() != element_type::OBJECT;
    const std::optional<element> inner = field_of(value, path.front());
    return inner && has_leaf_at(*inner, path.subspan(1));
}

// Fields of a branch and what is in the event at their place: templates only because a field is
// the filter's own.
struct Evaluation {
    // `fields` have the first `depth` steps of their paths in common, which lead to `value`.
    template <class Fields>
    static bool fields_match(const Fields& fields, std::size_t depth, element value) {
        if (value.type() == element_type::ARRAY) return one_element_matches(fields, depth, value);
        for (auto from = fields.begin(); from != fields.end();) {
            const std::string& name = (*from)->path[depth];
            const bool is_leaf = (*from)->path.size() == depth + 1;
            const auto to = std::find_if(from + 1, fields.end(), [&](const auto& field) {
                return is_leaf || field->path.size() == depth + 1 || field->path[depth] != name;
            });
            const std::optional<element> inner = field_of(value, name);
            const Fields below(from, to);
            const bool well = !inner    ? all_accept_missing(below)
                              : is_leaf ? conditions_match(**from, *inner)
                                        : fields_match(below, depth + 1, *inner);
            if (!well) return false;
            from = to;
        }
        return true;
    }

    // Which element of a list the fields are about, says the first of them that is in any: those
    // before it are missing in the whole list, and for those behind it the others do not count.
    template <class Fields>
    static bool one_element_matches(const Fields& fields, std::size_t depth, element list) {
        const auto has = [&](const auto& field, element value) {
            return has_leaf_at(value, std::span(field->path).subspan(depth));
        };
        const auto first = std::find_if(fields.begin(), fields.end(), [&](const auto& field) {
            return !field->accepts_missing || has(field, list);
        });
        if (first == fields.end()) return true;
        const simdjson::dom::array elements = list;
        return std::any_of(elements.begin(), elements.end(), [&](element item) {
            return has(*first, item) && fields_match(fields, depth, item);
        });
    }

    template <class Fields>
    static bool all_accept_missing(const Fields& fields) {
        return std::all_of(fields.begin(), fields.end(),
                           [](const auto& field) { return field->accepts_missing; });
    }

    template <class Field>
    static bool conditions_match(const Field& field, element value) {
        bool has_leaf = false;
        return leaf_matches(field.any, value, has_leaf) || (!has_leaf && field.accepts_missing);
    }

    template <class Field>
    static bool attribute_matches(const Field& field, std::string_view text) {
        if (text.empty()) return field.accepts_missing;  // the event does not have it
        return any_matches(field.any, {LeafValue::Kind::kText, 0, text});
    }

    template <class Fields>
    static bool branch_matches(const Fields& fields, const Scope& scope) {
        const auto is_of_data = [](const auto& field) { return field->path[0] == "data"; };
        const auto data = std::find_if(fields.begin(), fields.end(), is_of_data);
        const auto data_end = std::find_if_not(data, fields.end(), is_of_data);
        const auto attributes_match = [&](auto from, auto to) {
            return std::all_of(from, to, [&](const auto& field) {
                return attribute_matches(*field, attribute(scope.event, field->path[0]));
            });
        };
        return attributes_match(fields.begin(), data) && attributes_match(data_end, fields.end()) &&
               (data == data_end || fields_match(Fields(data, data_end), 1, scope.data));
    }
};

}  // namespace

bool Filter::matches(const Scope& scope) const {
    return std::any_of(branches_->begin(), branches_->end(), [&](const Branch& branch) {
        return Evaluation::branch_matches(std::span(branch), scope);
    });
}

bool Filter::reads_data() const { return reads_data_; }

}  // namespace eventbus
