#include "catalog/transform.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/json_text.h"
#include "catalog/field.h"
#include "catalog/json_write.h"
#include "catalog/spec.h"
#include "catalog/template.h"
#include "event/nearest.h"

namespace eventbus {
namespace {

using simdjson::dom::element;

constexpr std::array<std::string_view, 4> kVerbs{"pick", "omit", "rename", "set"};

Error bad(std::string detail) { return {ErrorCode::kBadRequest, std::move(detail)}; }

// A line of `set`: a constant, or a template.
struct SetField {
    std::string name;
    std::string constant;  // as JSON; empty: the template
    std::optional<Template> value;

    // The value as JSON, empty if a reference has none. A reference alone keeps its type,
    // and is as it was written.
    std::string json(const Scope& scope) const {
        if (!value) return constant;
        const auto& pieces = value->pieces();
        if (pieces.size() == 1 && pieces[0].source == Template::Source::kData) {
            return std::string(find_field(scope.event.data, pieces[0].path));
        }
        const Result<std::string> text = value->render(scope);
        return text ? json_string(*text) : std::string();
    }
};

}  // namespace

// What becomes of the fields of one object.
struct Transform::Node {
    struct Child {
        std::string name;
        bool drop = false;
        std::string rename;           // empty: keeps its name
        std::unique_ptr<Node> inner;  // null: the whole value stays
    };
    bool keep_rest = true;  // fields that no child names: `omit` keeps them, `pick` does not
    std::vector<Child> children;

    Child* find(std::string_view name) {
        const auto at = std::find_if(children.begin(), children.end(),
                                     [&](const Child& child) { return child.name == name; });
        return at == children.end() ? nullptr : &*at;
    }
    const Child* find(std::string_view name) const { return const_cast<Node*>(this)->find(name); }
};

struct Transform::Program {
    Node root;
    std::vector<SetField> sets;

    class Compiler;
    class Writer;
};

class Transform::Program::Compiler {
 public:
    Compiler(Program& program, int& line) : program_(program), line_(line) {}

    Result<> compile(const Spec& spec) {
        if (!spec.is_map() || spec.fields.empty()) {
            return fail(
                spec.line,
                "a transform is a map of pick or omit, rename, set, such as { omit: [gps] }");
        }
        for (const SpecField& field : spec.fields) {
            if (std::find(kVerbs.begin(), kVerbs.end(), field.name) == kVerbs.end()) {
                return fail(field.line, "a transform has no '" + field.name + "'" +
                                            did_you_mean(field.name, kVerbs,
                                                         "known are pick, omit, rename and set"));
            }
        }
        const Spec* pick = spec.find("pick");
        const Spec* omit = spec.find("omit");
        if (pick && omit) return fail(omit->line, "pick and omit exclude each other; take one");
        picks_ = pick != nullptr;
        program_.root.keep_rest = !picks_;
        if (pick || omit) {
            if (Result<> read = read_paths(pick ? *pick : *omit); !read) return read;
        }
        if (const Spec* rename = spec.find("rename")) {
            if (Result<> read = read_renames(*rename); !read) return read;
        }
        if (const Spec* set = spec.find("set")) return read_sets(*set);
        return {};
    }

 private:
    Result<> read_paths(const Spec& list) {
        const char* const verb = picks_ ? "pick" : "omit";
        if (!list.is_list() || list.items.empty()) {
            return fail(list.line,
                        std::string(verb) + " is a list of fields, such as [gps, owner.email]");
        }
        for (const Spec& item : list.items) {
            const Result<FieldPath> path = read_path(item.line, item.is_string() ? item.text : "");
            if (!path) return path.error();
            Node::Child* child = descend(*path);
            if (!child || child->drop || child->inner || is_taken_) {
                return fail(item.line,
                            "'" + item.text + "' is named already, itself or what it is part of");
            }
            child->drop = !picks_;
        }
        return {};
    }

    // The child at the end of the path, made if need be; null if a part of the path is a leaf.
    Node::Child* descend(const FieldPath& path) {
        Node* node = &program_.root;
        Node::Child* child = nullptr;
        for (std::size_t i = 0; i < path.size(); ++i) {
            child = node->find(path[i]);
            is_taken_ = child != nullptr;
            if (!child) {
                child = &node->children.emplace_back();
                child->name = path[i];
            } else if (i + 1 < path.size() && !child->inner) {
                return nullptr;
            }
            if (i + 1 == path.size()) return child;
            if (!child->inner) {
                child->inner = std::make_unique<Node>();
                child->inner->keep_rest = !picks_;
            }
            node = child->inner.get();
        }
        return child;
    }

    Result<> read_renames(const Spec& map) {
        if (!map.is_map() || map.fields.empty()) {
            return fail(map.line, "rename is a map of old and new names, such as { photoId: id }");
        }
        for (const SpecField& field : map.fields) {
            const Result<FieldPath> from = read_path(field.line, field.name);
            if (!from) return from.error();
            const Result<FieldPath> to =
                read_path(field.value.line, field.value.is_string() ? field.value.text : "");
            if (!to) return to.error();
            if (to->size() != 1) {
                return fail(field.value.line,
                            "a field keeps its place when renamed: the new name has no dot");
            }
            if (Result<> renamed = rename(field, *from, to->front()); !renamed) return renamed;
        }
        return {};
    }

    Result<> rename(const SpecField& field, const FieldPath& from, const std::string& to) {
        Node* node = &program_.root;
        for (std::size_t i = 0; i + 1 < from.size(); ++i) {
            Node::Child* child = node->find(from[i]);
            if (child && child->drop) return not_there(field);
            if (child && !child->inner) {
                child->inner = std::make_unique<Node>();  // a whole value: of it all stays
            } else if (!child) {
                if (!node->keep_rest) return not_there(field);
                child = &node->children.emplace_back();
                child->name = from[i];
                child->inner = std::make_unique<Node>();
            }
            node = child->inner.get();
        }
        for (const Node::Child& child : node->children) {
            if (child.rename == to)
                return fail(field.line, "two fields are renamed to '" + to + "'");
        }
        Node::Child* child = node->find(from.back());
        if (child ? child->drop : !node->keep_rest) return not_there(field);
        if (!child) {
            child = &node->children.emplace_back();
            child->name = from.back();
        }
        child->rename = to;
        return {};
    }

    Result<> not_there(const SpecField& field) {
        return fail(field.line, "rename names '" + field.name + "', which " +
                                    (picks_ ? "pick does not name" : "omit takes away"));
    }

    Result<> read_sets(const Spec& map) {
        if (!map.is_map() || map.fields.empty()) {
            return fail(map.line,
                        "set is a map of fields and values, such as { by: \"{principal.id}\" }");
        }
        for (const SpecField& field : map.fields) {
            const Result<FieldPath> path = read_path(field.line, field.name);
            if (!path) return path.error();
            if (path->size() != 1) return fail(field.line, "set takes fields of the first level");
            SetField made;
            made.name = field.name;
            if (Result<> value = read_value(field.value, made); !value) return value;
            program_.sets.push_back(std::move(made));
        }
        return {};
    }

    Result<> read_value(const Spec& spec, SetField& out) {
        switch (spec.kind) {
            case Spec::Kind::kNull:
                out.constant = "null";
                return {};
            case Spec::Kind::kBool:
                out.constant = spec.boolean ? "true" : "false";
                return {};
            case Spec::Kind::kNumber:
                out.constant = spec.text;
                return {};
            case Spec::Kind::kString: {
                Result<Template> value = Template::compile(spec.text);
                if (!value) return fail(spec.line, value.error().detail);
                if (value->pieces().empty()) {
                    out.constant = "\"\"";
                } else {
                    out.value = std::move(*value);
                }
                return {};
            }
            default:
                return fail(spec.line, "set takes text, numbers, true, false and null, not " +
                                           std::string(spec.kind_name()));
        }
    }

    Result<FieldPath> read_path(int line, std::string_view text) {
        if (++fields_ > kFieldsMax) {
            line_ = line;
            return bad("a transform names at most 256 fields");
        }
        Result<FieldPath> path = parse_field_path(text);
        if (path) return path;
        line_ = line;
        return bad("'" + std::string(text) +
                   "' is no field of the data; name it by letters, digits, "
                   "'_' and '-', with dots between the levels (gps.lat), without 'data.'");
    }

    Result<> fail(int line, std::string what) {
        line_ = line;
        return bad(std::move(what));
    }

    Program& program_;
    int& line_;
    std::size_t fields_ = 0;
    bool picks_ = false;
    bool is_taken_ = false;
};

// Writes the payload. No key is written twice: a set field replaces one of the data, and a renamed
// one replaces one that has its new name already.
class Transform::Program::Writer {
 public:
    Writer(const Program& program, const Scope& scope) : program_(program), scope_(scope) {}

    std::string write() {
        out_.reserve(scope_.event.data.size() + 64);
        std::vector<std::string> values;
        for (const SetField& field : program_.sets) values.push_back(field.json(scope_));

        out_ += '{';
        bool is_first = true;
        write_fields(simdjson::dom::object(scope_.data), program_.root, is_first,
                     [&](std::string_view name) { return is_set(name, values); });
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (values[i].empty()) continue;
            write_key(program_.sets[i].name, is_first);
            out_ += values[i];
        }
        out_ += '}';
        return std::move(out_);
    }

 private:
    bool is_set(std::string_view name, const std::vector<std::string>& values) const {
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (program_.sets[i].name == name) return !values[i].empty();
        }
        return false;
    }

    template <class IsTaken>
    void write_fields(simdjson::dom::object object, const Node& node, bool& is_first,
                      IsTaken is_taken) {
        for (const auto field : object) {
            const Node::Child* child = node.find(field.key);
            if (child ? child->drop : !node.keep_rest) continue;
            if (child && child->inner && !child->inner->keep_rest && is_scalar(field.value))
                continue;
            const bool is_renamed = child && !child->rename.empty();
            const std::string_view name = is_renamed ? std::string_view(child->rename) : field.key;
            if (is_taken(name) || (!is_renamed && is_rename_target(node, object, name))) continue;
            write_key(name, is_first);
            write_value(field.value, child ? child->inner.get() : nullptr);
        }
    }

    // Whether another field of the object gets this name.
    static bool is_rename_target(const Node& node, simdjson::dom::object object,
                                 std::string_view name) {
        return std::any_of(node.children.begin(), node.children.end(),
                           [&](const Node::Child& child) {
                               return child.rename == name && !child.drop &&
                                      object.at_key(child.name).error() == simdjson::SUCCESS;
                           });
    }

    static bool is_scalar(element value) { return !value.is_object() && !value.is_array(); }

    void write_value(element value, const Node* node) {
        simdjson::dom::object object;
        simdjson::dom::array array;
        if (!node) {
            append_json(out_, value);
        } else if (value.get(object) == simdjson::SUCCESS) {
            out_ += '{';
            bool is_first = true;
            write_fields(object, *node, is_first, [](std::string_view) { return false; });
            out_ += '}';
        } else if (value.get(array) == simdjson::SUCCESS) {
            write_array(array, *node);
        } else {
            append_json(out_, value);
        }
    }

    void write_array(simdjson::dom::array array, const Node& node) {
        out_ += '[';
        bool is_first = true;
        for (const element item : array) {
            if (!node.keep_rest && is_scalar(item)) continue;
            if (!std::exchange(is_first, false)) out_ += ',';
            write_value(item, &node);
        }
        out_ += ']';
    }

    void write_key(std::string_view name, bool& is_first) {
        if (!std::exchange(is_first, false)) out_ += ',';
        append_json_string(out_, name);
        out_ += ':';
    }

    const Program& program_;
    const Scope& scope_;
    std::string out_;
};

Result<Transform> Transform::compile(const Spec& spec, int& line) {
    auto program = std::make_shared<Program>();
    if (const Result<> compiled = Program::Compiler(*program, line).compile(spec); !compiled) {
        return compiled.error();
    }
    Transform transform;
    transform.program_ = std::move(program);
    return transform;
}

std::string Transform::apply(const Scope& scope) const {
    return Program::Writer(*program_, scope).write();
}

}  // namespace eventbus
