#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <utility>

#include "catalog/filter.h"
#include "catalog/filter_field.h"
#include "catalog/spec.h"
#include "event/nearest.h"

namespace eventbus {
namespace {

using Op = Matcher::Op;

constexpr std::array<std::string_view, 7> kAttributes{"data", "type", "subject",    "source",
                                                      "id",   "time", "traceparent"};
constexpr std::array<std::string_view, 8> kOperators{"prefix",   "suffix", "anything-but",
                                                     "numeric",  "exists", "equals-ignore-case",
                                                     "wildcard", "$or"};
constexpr std::array<std::string_view, 4> kOperatorsOfAnythingBut{"prefix", "suffix",
                                                                  "equals-ignore-case", "wildcard"};

constexpr const char* kTooMany = "a filter has at most 256 conditions";

struct RelationName {
    std::string_view name;
    Matcher::Relation relation;
};
constexpr RelationName kRelations[] = {
    {"=", Matcher::Relation::kEqual},           {"<", Matcher::Relation::kLess},
    {"<=", Matcher::Relation::kLessOrEqual},    {">", Matcher::Relation::kGreater},
    {">=", Matcher::Relation::kGreaterOrEqual},
};

// As block scalars leave it, which few values of events have.
bool ends_with_line_break(const Spec& spec) {
    return spec.text.ends_with('\n') ||
           std::any_of(spec.items.begin(), spec.items.end(), ends_with_line_break) ||
           std::any_of(spec.fields.begin(), spec.fields.end(),
                       [](const SpecField& field) { return ends_with_line_break(field.value); });
}

// What went wrong first.
struct Failure {
    bool has_failed = false;
    int line = 0;
    std::string what;
};

// Makes conditions of a list: `[ jpeg, { prefix: im } ]`. Each function says whether it went well.
class ConditionCompiler {
 public:
    ConditionCompiler(Failure& failure, const std::string& place, std::size_t& conditions)
        : failure_(failure), place_(place), conditions_(conditions) {}

    bool condition(const Spec& spec, Matcher& out) {
        if (spec.is_map()) return operation(spec, out);
        if (spec.is_list()) {
            return fail(spec, "a list in a list; write the alternatives in one list");
        }
        return exact(spec, out);
    }

 private:
    bool exact(const Spec& spec, Matcher& out) {
        out.op = Op::kEquals;
        switch (spec.kind) {
            case Spec::Kind::kNull:
                out.kind = LeafValue::Kind::kNull;
                return true;
            case Spec::Kind::kBool:
                out.kind = spec.boolean ? LeafValue::Kind::kTrue : LeafValue::Kind::kFalse;
                return true;
            case Spec::Kind::kNumber:
                out.kind = LeafValue::Kind::kNumber;
                out.number = spec_number(spec);
                return true;
            default:
                out.kind = LeafValue::Kind::kText;
                return text(spec, out);
        }
    }

    bool operation(const Spec& spec, Matcher& out) {
        if (spec.fields.size() != 1) {
            return fail(spec,
                        "a condition has one operator; write two as two conditions of the list, "
                        "or `numeric` with two bounds");
        }
        const std::string& name = spec.fields[0].name;
        const Spec& value = spec.fields[0].value;
        if (name == "exists") return exists(value, out);
        if (name == "numeric") return numeric(value, out);
        if (name == "anything-but") return anything_but(value, out);
        if (is_text_operator(name)) return text_operator(name, value, out);
        if (name == "$or")
            return fail(spec, "`$or` stands beside fields and not in a list of conditions");
        return fail(spec, "there is no operator '" + name + "'" +
                              did_you_mean(name, kOperators,
                                           "known are prefix, suffix, anything-but, numeric, "
                                           "exists, equals-ignore-case and wildcard"));
    }

    static bool is_text_operator(std::string_view name) {
        return std::find(kOperatorsOfAnythingBut.begin(), kOperatorsOfAnythingBut.end(), name) !=
               kOperatorsOfAnythingBut.end();
    }

    bool text_operator(std::string_view name, const Spec& value, Matcher& out) {
        if (name == "equals-ignore-case") return text_as(Op::kEqualsIgnoreCase, value, out);
        if (name == "wildcard") return wildcard(value, out);
        const bool is_prefix = name == "prefix";
        if (!value.is_map()) return text_as(is_prefix ? Op::kPrefix : Op::kSuffix, value, out);
        if (value.fields.size() != 1 || value.fields[0].name != "equals-ignore-case") {
            return fail(value,
                        "`" + std::string(name) + "` takes text, or { equals-ignore-case: text }");
        }
        return text_as(is_prefix ? Op::kPrefixIgnoreCase : Op::kSuffixIgnoreCase,
                       value.fields[0].value, out);
    }

    bool wildcard(const Spec& value, Matcher& out) {
        if (!text_as(Op::kWildcard, value, out)) return false;
        if (!Wildcard::is_valid(out.text)) {
            return fail(value,
                        "a wildcard has no two stars side by side, and a backslash only before "
                        "a star or a backslash");
        }
        out.wildcard.emplace_back(out.text);
        return true;
    }

    bool exists(const Spec& value, Matcher& out) {
        if (value.kind != Spec::Kind::kBool) return fail(value, "`exists` is true or false");
        out.op = value.boolean ? Op::kExists : Op::kMissing;
        return true;
    }

    bool numeric(const Spec& value, Matcher& out) {
        out.op = Op::kNumeric;
        constexpr const char* kForm =
            "`numeric` is a list of one or two bounds, such as [\">\", 0, \"<=\", 5]";
        if (!value.is_list() || (value.items.size() != 2 && value.items.size() != 4)) {
            return fail(value, kForm);
        }
        for (std::size_t i = 0; i < value.items.size(); i += 2) {
            const auto* relation = std::find_if(
                std::begin(kRelations), std::end(kRelations),
                [&](const RelationName& known) { return known.name == value.items[i].text; });
            if (relation == std::end(kRelations) || !value.items[i].is_string() ||
                !value.items[i + 1].is_number()) {
                return fail(value.items[i], kForm);
            }
            out.bounds.push_back({relation->relation, spec_number(value.items[i + 1])});
        }
        return true;
    }

    bool anything_but(const Spec& value, Matcher& out) {
        out.op = Op::kAnythingBut;
        if (!value.is_map()) {
            return for_each(value, [&](const Spec& one) { return but_value(one, out); });
        }
        const bool has_operator =
            value.fields.size() == 1 && is_text_operator(value.fields[0].name);
        if (!has_operator) {
            return fail(value,
                        "`anything-but` takes a value, a list of values, or one of prefix, "
                        "suffix, equals-ignore-case, wildcard");
        }
        return for_each(value.fields[0].value, [&](const Spec& one) {
            return text_operator(value.fields[0].name, one, out.list.emplace_back());
        });
    }

    bool but_value(const Spec& one, Matcher& out) {
        if (!one.is_string() && !one.is_number()) {
            return fail(one, "`anything-but` takes text and numbers");
        }
        return exact(one, out.list.emplace_back());
    }

    template <class Each>
    bool for_each(const Spec& value, Each each) {
        if (!value.is_list()) return each(value);
        if (value.items.empty())
            return fail(value, "an empty list matches everything; leave it out");
        conditions_ += value.items.size();
        if (conditions_ > Filter::kConditionsMax) return fail(value, kTooMany);
        return std::all_of(value.items.begin(), value.items.end(), each);
    }

    bool text_as(Op op, const Spec& spec, Matcher& out) {
        out.op = op;
        if (!spec.is_string()) {
            return fail(spec, "this operator takes text, not " + std::string(spec.kind_name()));
        }
        if (spec.text.empty() && op != Op::kEqualsIgnoreCase) {
            return fail(
                spec,
                "this operator takes text that is not empty; `exists: true` matches any value");
        }
        return text(spec, out);
    }

    bool text(const Spec& spec, Matcher& out) {
        if (spec.text.size() > Filter::kTextBytesMax)
            return fail(spec, "a text has at most 256 bytes");
        out.text = spec.text;
        return true;
    }

    bool fail(const Spec& spec, std::string what) {
        if (failure_.has_failed) return false;
        failure_ = {true, spec.line, "`" + place_ + "`: " + std::move(what)};
        return false;
    }

    Failure& failure_;
    const std::string& place_;
    std::size_t& conditions_;
};

// In the order in which EventBridge looks at fields (its engine sorts `a.b` by its bytes), which
// decides what `exists: false` sees of a list. The fields below one field follow each other.
bool is_before(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    const auto step = [](const std::vector<std::string>& path, std::size_t i) {
        return i + 1 == path.size() ? path[i] : path[i] + ".";
    };
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
        if (const int order = step(a, i).compare(step(b, i)); order != 0) return order < 0;
    }
    return a.size() < b.size();
}

// Makes the branches of a pattern: one for each choice among the alternatives of its `$or`s.
template <class Field, class Branch>
class BranchCompiler {
 public:
    bool compile(const Spec& spec) {
        if (!object(spec, "", 0, branches)) return false;
        for (Branch& branch : branches) {
            std::stable_sort(branch.begin(), branch.end(), [](const auto& a, const auto& b) {
                return is_before(a->path, b->path);
            });
        }
        return true;
    }

    std::vector<Branch> branches{1};
    Failure failure;
    std::vector<Filter::Surprise> surprises;

 private:
    // What the map asks for comes to each branch of `out`.
    bool object(const Spec& spec, const std::string& place, std::size_t depth,
                std::vector<Branch>& out) {
        if (!spec.is_map()) {
            return fail(spec, place,
                        "a pattern is a map of fields, such as data: { kind: [jpeg] }");
        }
        if (depth == Filter::kDepthMax) return fail(spec, place, "a pattern has at most 16 levels");
        if (spec.fields.empty()) return fail(spec, place, "the pattern is empty; leave it out");
        for (const SpecField& field : spec.fields) {
            const bool well = field.name == "$or" ? alternatives(field.value, place, depth, out)
                                                  : one_field(field, place, depth, out);
            if (!well) return false;
        }
        return true;
    }

    bool one_field(const SpecField& field, const std::string& parent, std::size_t depth,
                   std::vector<Branch>& out) {
        const std::string place = parent.empty() ? field.name : parent + "." + field.name;
        if (parent.empty() && !is_attribute(field.name)) {
            return fail(field.value, place,
                        "an event has no such attribute" +
                            did_you_mean(field.name, kAttributes,
                                         "fields of the data are written under data:"));
        }
        if (is_misplaced_operator(field)) {
            return fail(field.value, parent,
                        "an operator stands in a list of conditions: [{ " + field.name + ": … }]");
        }
        path_.push_back(field.name);
        const bool well = field_value(field, place, depth, out);
        path_.pop_back();
        return well;
    }

    bool field_value(const SpecField& field, const std::string& place, std::size_t depth,
                     std::vector<Branch>& out) {
        if (field.value.is_map()) {
            if (depth == 0 && field.name != "data" && path_.size() == 1) {
                return fail(field.value, place, "an attribute is text; write a list of conditions");
            }
            return object(field.value, place, depth + 1, out);
        }
        if (place == "data") return fail(field.value, place, "write a map of the data's fields");
        if (!field.value.is_list()) {
            return fail(field.value, place, "conditions are a list: [" + shown(field.value) + "]");
        }
        return conditions(field.value, place, out);
    }

    bool conditions(const Spec& list, const std::string& place, std::vector<Branch>& out) {
        if (list.items.empty())
            return fail(list, place, "an empty list matches nothing; leave it out");
        auto field = std::make_shared<Field>();
        field->path = path_;
        ConditionCompiler compiler(failure, place, conditions_);
        for (const Spec& item : list.items) {
            if (!count(item, place) || !compiler.condition(item, field->any.emplace_back()))
                return false;
            if (ends_with_line_break(item)) {
                surprises.push_back(
                    {item.line, "a text of `" + place + "` ends with a line break",
                     "write it on one line, or `>-` and `|-` instead of `>` and `|`"});
            }
        }
        const auto has = [&](Op op) {
            return std::any_of(field->any.begin(), field->any.end(),
                               [&](const Matcher& m) { return m.op == op; });
        };
        field->accepts_missing = has(Op::kMissing);
        if (has(Op::kAnythingBut) && !field->accepts_missing) {
            surprises.push_back(
                {list.line,
                 "`anything-but` on `" + place + "` does not match where the field is missing",
                 "add { exists: false } to the list if a missing field should match too"});
        }
        for (Branch& branch : out) branch.push_back(field);
        return is_bounded(list, place, out);
    }

    bool alternatives(const Spec& spec, const std::string& place, std::size_t depth,
                      std::vector<Branch>& out) {
        if (!spec.is_list() || spec.items.size() < 2) {
            return fail(spec, place, "`$or` is a list of at least two patterns");
        }
        const std::vector<Branch> before = std::move(out);
        out.clear();
        for (const Spec& item : spec.items) {
            std::vector<Branch> chosen = before;
            if (!count(item, place) || !object(item, place, depth + 1, chosen)) return false;
            std::move(chosen.begin(), chosen.end(), std::back_inserter(out));
            if (!is_bounded(item, place, out)) return false;
        }
        return true;
    }

    bool count(const Spec& spec, const std::string& place) {
        if (++conditions_ <= Filter::kConditionsMax) return true;
        return fail(spec, place, kTooMany);
    }

    bool is_bounded(const Spec& spec, const std::string& place, const std::vector<Branch>& out) {
        std::size_t fields = 0;
        for (const Branch& branch : out) fields += branch.size();
        if (fields <= Filter::kBranchFieldsMax) return true;
        return fail(spec, place,
                    "the combinations of the alternatives of `$or` have more than 4096 fields; "
                    "write fewer `$or` side by side, or values of one field as one list");
    }

    // `size: { numeric: […] }`, which would be a field `numeric` inside of `size`.
    static bool is_misplaced_operator(const SpecField& field) {
        if (field.name == "numeric" || field.name == "anything-but" ||
            field.name == "equals-ignore-case") {
            return true;
        }
        return (field.name == "prefix" || field.name == "suffix" || field.name == "wildcard" ||
                field.name == "exists") &&
               !field.value.is_list() && !field.value.is_map();
    }
    static bool is_attribute(std::string_view name) {
        return std::find(kAttributes.begin(), kAttributes.end(), name) != kAttributes.end();
    }
    static std::string shown(const Spec& spec) {
        if (spec.kind == Spec::Kind::kBool) return spec.boolean ? "true" : "false";
        return spec.text.empty() ? "…" : spec.text;
    }

    bool fail(const Spec& spec, const std::string& place, std::string what) {
        if (failure.has_failed) return false;
        if (!place.empty()) what = "`" + place + "`: " + what;
        failure = {true, spec.line, std::move(what)};
        return false;
    }

    std::vector<std::string> path_;
    std::size_t conditions_ = 0;
};

}  // namespace

Result<Filter> Filter::compile(const Spec& spec, int& line) {
    BranchCompiler<Field, Branch> compiler;
    if (!compiler.compile(spec)) {
        line = compiler.failure.line;
        return Error{ErrorCode::kBadRequest, compiler.failure.what};
    }
    Filter filter;
    for (const Branch& branch : compiler.branches) {
        filter.reads_data_ =
            filter.reads_data_ || std::any_of(branch.begin(), branch.end(), [](const auto& field) {
                return field->path[0] == "data";
            });
    }
    filter.branches_ = std::make_shared<const std::vector<Branch>>(std::move(compiler.branches));
    filter.surprises_ = std::move(compiler.surprises);
    return filter;
}

Result<Filter> Filter::compile(std::string_view json) {
    const Result<Spec> spec = spec_from_json(json);
    if (!spec) return spec.error();
    int line = 0;
    return compile(*spec, line);
}

}  // namespace eventbus
