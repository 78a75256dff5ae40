#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <sstream>
#include <utility>

#include "base/utf8.h"
#include "catalog/spec.h"

namespace eventbus {
namespace {

constexpr std::size_t kDepthMax = 64;

struct Refusal {
    int line;
    std::string what;
    std::string fix;
};

int line_of(const YAML::Mark& mark) { return mark.line + 1; }

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// A number as JSON writes it; YAML's other forms (0x1f, 1_000, .inf) are text here.
bool is_number(std::string_view text) {
    if (text.starts_with('-')) text.remove_prefix(1);
    const auto whole_end = std::min(text.find_first_of(".eE"), text.size());
    const std::string_view whole = text.substr(0, whole_end);
    if (!is_digits(whole) || (whole.size() > 1 && whole[0] == '0')) return false;
    text.remove_prefix(whole_end);
    if (text.starts_with('.')) {
        const auto fraction_end = std::min(text.find_first_of("eE"), text.size());
        if (!is_digits(text.substr(1, fraction_end - 1))) return false;
        text.remove_prefix(fraction_end);
    }
    if (text.empty()) return true;
    text.remove_prefix(1);  // the e
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return is_digits(text);
}

// What the event's parser takes, too: integers of 64 bits and finite doubles.
bool is_in_range(std::string_view number) {
    const char* const end = number.data() + number.size();
    const auto fits = [&](auto value) {
        const auto read = std::from_chars(number.data(), end, value);
        return read.ec == std::errc() && read.ptr == end;
    };
    if (number.find_first_of(".eE") != std::string_view::npos) return fits(double());
    return fits(std::int64_t()) || fits(std::uint64_t());
}

std::string hex(char byte) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const auto value = static_cast<unsigned char>(byte);
    return {'0', 'x', kDigits[value >> 4U], kDigits[value & 15U]};
}

// The control characters that YAML has no place for; yaml-cpp takes one of them (0x04) for the end
// of the file.
bool is_forbidden(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
}

constexpr const char* kSaveAsUtf8 = "save the file as UTF-8";

// What no text of a catalog may be, before YAML is looked for in it.
void check_bytes(std::string_view text) {
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
        throw Refusal{1, "the file is UTF-16", kSaveAsUtf8};
    int line = 1;
    for (const char c : text) {
        if (is_forbidden(c)) {
            throw Refusal{line, "the line holds the control character " + hex(c),
                          "remove it; in double quotes it can be written as an escape"};
        }
        if (c == '\n') ++line;
    }
}

// What comments hold, too: each text has been checked.
void check_lines(std::string_view text) {
    for (int line = 1; !text.empty(); ++line) {
        const auto end = std::min(text.find('\n'), text.size());
        if (!is_utf8(text.substr(0, end)))
            throw Refusal{line, "the line is not UTF-8", kSaveAsUtf8};
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

// The first line up to `last` that is indented with a tab, which YAML does not take; 0: none.
int tab_line(std::string_view text, int last) {
    for (int line = 1; line <= last && !text.empty(); ++line) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto indent = std::min(text.find_first_not_of(" \t"), end);
        if (text.substr(0, indent).find('\t') != std::string_view::npos) return line;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return 0;
}

// The core schema of YAML 1.2: `yes` and `on` are text.
Spec plain_scalar(const std::string& text, int line) {
    Spec spec;
    spec.line = line;
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
        return spec;
    const bool is_true = text == "true" || text == "True" || text == "TRUE";
    if (is_true || text == "false" || text == "False" || text == "FALSE") {
        spec.kind = Spec::Kind::kBool;
        spec.boolean = is_true;
        return spec;
    }
    spec.kind = is_number(text) ? Spec::Kind::kNumber : Spec::Kind::kString;
    if (spec.is_number() && !is_in_range(text)) {
        throw Refusal{line, "the number " + text + " is beyond 64 bits",
                      "write a smaller one, or put it in quotes if it is text"};
    }
    spec.text = text;
    return spec;
}

std::size_t count_nodes(const Spec& spec) {
    std::size_t count = 1;
    for (const Spec& item : spec.items) count += count_nodes(item);
    for (const SpecField& field : spec.fields) count += count_nodes(field.value);
    return count;
}

// Builds the tree from yaml-cpp's events. Throws Refusal, which spec_from_yaml() catches:
// the parser that calls it can be left in no other way.
class Builder : public YAML::EventHandler {
 public:
    Spec take() { return std::move(root_); }

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        add(mark, plain_scalar("", line_of(mark)), anchor);
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto at = anchors_.find(anchor);
        if (at == anchors_.end())
            throw Refusal{line_of(mark), "an alias names what surrounds it", "write the value out"};
        nodes_ += count_nodes(at->second);
        add(mark, at->second, 0);
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        const int line = line_of(mark);
        check_text(line, value);
        if (tag == "?" || tag.empty()) return add(mark, plain_scalar(value, line), anchor);
        Spec spec;
        spec.kind = Spec::Kind::kString;
        spec.line = line;
        spec.text = value;
        add(mark, std::move(spec), anchor);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(mark, Spec::Kind::kList, anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(mark, Spec::Kind::kMap, anchor);
    }
    void OnMapEnd() override { close(); }

 private:
    struct Open {
        Spec spec;
        YAML::anchor_t anchor;
        bool has_key = false;
        std::string key;
        int key_line = 0;
    };

    void open(const YAML::Mark& mark, Spec::Kind kind, YAML::anchor_t anchor) {
        if (open_.size() == kDepthMax)
            throw Refusal{line_of(mark), "it is nested too deeply",
                          "a catalog needs less than 64 levels"};
        if (!open_.empty() && is_key_next())
            throw Refusal{line_of(mark), kKeyIsText,
                          "write `key: value`, and a template in quotes"};
        Spec spec;
        spec.kind = kind;
        spec.line = line_of(mark);
        open_.push_back({std::move(spec), anchor, false, {}, 0});
    }
    void close() {
        Open closed = std::move(open_.back());
        open_.pop_back();
        place(std::move(closed.spec), closed.anchor);
    }
    void add(const YAML::Mark& mark, Spec spec, YAML::anchor_t anchor) {
        if (open_.empty() || !is_key_next()) return place(std::move(spec), anchor);
        take_key(line_of(mark), spec);
        if (anchor != 0) anchors_[anchor] = std::move(spec);
    }
    void check_text(int line, const std::string& text) {
        if (!is_utf8(text)) throw Refusal{line, what_is_next() + " is not UTF-8", kSaveAsUtf8};
    }
    // What the next text is: "`emit`", or "a key".
    std::string what_is_next() const {
        for (auto open = open_.rbegin(); open != open_.rend(); ++open) {
            if (!open->spec.is_map()) continue;
            return open->has_key ? "`" + open->key + "`" : "a key";
        }
        return "the text";
    }
    void take_key(int line, const Spec& spec) {
        if (spec.kind != Spec::Kind::kString && spec.kind != Spec::Kind::kNumber) {
            throw Refusal{line, kKeyIsText, "write `key: value`, and a template in quotes"};
        }
        Open& map = open_.back();
        for (const SpecField& field : map.spec.fields) {
            if (field.name == spec.text) {
                throw Refusal{line,
                              "the key '" + spec.text + "' stands here twice, first in line " +
                                  std::to_string(field.line),
                              "remove one of them"};
            }
        }
        map.has_key = true;
        map.key = spec.text;
        map.key_line = line;
    }
    void place(Spec spec, YAML::anchor_t anchor) {
        if (++nodes_ > kSpecNodesMax)
            throw Refusal{spec.line, "it has too many values", "use fewer aliases"};
        if (anchor != 0) anchors_[anchor] = spec;
        if (open_.empty()) {
            root_ = std::move(spec);
            return;
        }
        Open& parent = open_.back();
        if (parent.spec.is_list()) {
            parent.spec.items.push_back(std::move(spec));
            return;
        }
        parent.has_key = false;
        parent.spec.fields.push_back({std::move(parent.key), parent.key_line, std::move(spec)});
    }
    bool is_key_next() const { return open_.back().spec.is_map() && !open_.back().has_key; }

    static constexpr const char* kKeyIsText = "a key is text";

    Spec root_;
    std::vector<Open> open_;
    std::map<YAML::anchor_t, Spec> anchors_;
    std::size_t nodes_ = 0;
};

Spec parse(std::string_view text) {
    check_bytes(text);
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder;
    parser.HandleNextDocument(builder);
    Spec root = builder.take();
    Builder rest;
    if (parser.HandleNextDocument(rest)) {
        throw Refusal{rest.take().line, "a second document begins",
                      "a catalog is one: remove the line `---`"};
    }
    check_lines(text);
    return root;
}

}  // namespace

Result<Spec> spec_from_yaml(std::string_view text, YamlFault& fault) {
    try {
        return parse(text);
    } catch (const Refusal& refusal) {
        fault = {refusal.line, refusal.fix};
        return Error{ErrorCode::kBadRequest, refusal.what};
    } catch (const YAML::Exception& error) {
        fault.line = error.mark.is_null() ? 1 : line_of(error.mark);
        if (const int line = tab_line(text, fault.line); line != 0) {
            fault = {line, "indent it with blanks"};
            return Error{ErrorCode::kBadRequest, "it is not YAML: the line is indented with a tab"};
        }
        fault.fix =
            "look for a bracket or quote that is not closed here or above; a template inside of { "
            "} "
            "or [ ] needs quotes";
        return Error{ErrorCode::kBadRequest, "it is not YAML: " + error.msg};
    }
}

}  // namespace eventbus
