#include "event/event_reader.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/assert.h"
#include "event/attributes.h"
#include "event/nearest.h"
#include "event/subject.h"

namespace eventbus {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

struct AttributeField {
    std::string_view name;
    std::string Event::*member;
};
constexpr AttributeField kAttributes[] = {
    {"id", &Event::id},           {"type", &Event::type}, {"source", &Event::source},
    {"subject", &Event::subject}, {"time", &Event::time}, {"traceparent", &Event::traceparent},
};
constexpr std::array<std::string_view, 7> kOwnNames{"type",    "data", "id",         "source",
                                                    "subject", "time", "traceparent"};

Error bad(std::string detail) { return {ErrorCode::kBadEvent, std::move(detail)}; }

std::string quoted(std::string_view text) {
    constexpr std::size_t kShownMax = 64;  // a message is no echo of what somebody sends
    return "'" + std::string(text.substr(0, kShownMax)) + (text.size() > kShownMax ? "…'" : "'");
}

std::string Event::*member_of(std::string_view name) {
    for (const AttributeField& attribute : kAttributes) {
        if (attribute.name == name) return attribute.member;
    }
    return nullptr;
}

// Finds where values begin and end in JSON that has been checked.
class Slicer {
 public:
    explicit Slicer(std::string_view text) : text_(text) { skip_space(); }

    void enter() { step(); }  // past the { or [ that comes next
    void skip_key() {
        skip_string();
        skip_space();
        step();  // the colon
    }
    // The value that comes next, without space around it; then past the comma behind it.
    std::string_view take_value() {
        const std::size_t begin = at_;
        skip_value();
        const std::string_view value = text_.substr(begin, at_ - begin);
        skip_space();
        if (at_ < text_.size() && text_[at_] == ',') step();
        return value;
    }

 private:
    void step() {
        ++at_;
        skip_space();
    }
    static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
    void skip_space() {
        while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    }
    void skip_string() {
        do {
            at_ = text_.find('"', at_ + 1);  // the text is checked: there is one
        } while (is_escaped(at_));
        ++at_;
    }
    // Whether an odd number of backslashes stands before `at`.
    bool is_escaped(std::size_t at) const {
        bool escaped = false;
        while (text_[--at] == '\\') escaped = !escaped;
        return escaped;
    }
    void skip_value() {
        std::size_t depth = 0;
        do {
            const char c = text_[at_];
            if (c == '"') {
                skip_string();
            } else if (c == '{' || c == '[') {
                ++depth;
                ++at_;
            } else if (c == '}' || c == ']') {
                --depth;
                ++at_;
            } else if (depth == 0) {
                at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
            } else {
                ++at_;
            }
        } while (depth > 0);
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

std::string on_one_line(std::string_view data) {
    std::string line(data);
    for (const char line_break : {'\n', '\r'}) {  // find() of one character is the fast one
        if (line.find(line_break) != std::string::npos) {
            std::replace(line.begin(), line.end(), line_break, ' ');
        }
    }
    return line;
}

Result<> read_string(element value, std::string_view name, std::string& out) {
    if (value.type() == element_type::NULL_VALUE) return {};
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return bad("`" + std::string(name) + "` is text");
    if (text.empty()) return bad("`" + std::string(name) + "` is empty; leave it out instead");
    out = text;
    return {};
}

bool is_json_type(std::string_view content_type) {
    const std::string_view type = content_type.substr(0, content_type.find_first_of("; "));
    return type == "application/json" || type == "text/json" ||
           (type.starts_with("application/") && type.ends_with("+json"));
}

// The attributes of CloudEvents that are about the event's form and not about the fact.
struct CloudForm {
    bool has_version = false;

    Result<> read(std::string_view name, element value) {
        std::string_view text;
        const bool is_text = value.get(text) == simdjson::SUCCESS;
        if (name == "specversion") return read_version(is_text ? text : std::string_view());
        if (name == "datacontenttype" && value.type() != element_type::NULL_VALUE &&
            (!is_text || !is_json_type(text))) {
            return bad("`datacontenttype` is application/json here, as data is a JSON object");
        }
        if (name == "data_base64") {
            return bad("`data_base64` is not supported: data is a JSON object in `data`");
        }
        return {};
    }
    Result<> read_version(std::string_view version) {
        has_version = true;
        if (version != "1.0") return bad("`specversion` is \"1.0\"");
        return {};
    }
};

Result<> check_cloud(const Event& event, bool has_version) {
    if (!has_version) return bad("`specversion` is missing: a CloudEvent says \"1.0\"");
    if (event.id.empty()) return bad("`id` is missing: a CloudEvent has one");
    if (event.source.empty()) return bad("`source` is missing: a CloudEvent has one");
    return {};
}

Result<> check_event(const Event& event) {
    if (event.type.empty()) return bad("`type` is missing, such as photo.uploaded");
    return check_attributes(event);
}

std::optional<unsigned char> hex_pair(std::string_view digits) {
    unsigned value = 0;
    if (digits.size() != 2) return std::nullopt;
    for (const char c : digits) {
        const auto at = std::string_view("0123456789abcdef").find(static_cast<char>(c | 0x20));
        if (at == std::string_view::npos) return std::nullopt;
        value = value * 16 + static_cast<unsigned>(at);
    }
    return static_cast<unsigned char>(value);
}

// CloudEvents HTTP binding, 3.1.3.2: what is no printable ASCII comes percent-encoded.
Result<std::string> decode_header(std::string_view name, std::string_view value) {
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
        value = value.substr(1, value.size() - 2);
    }
    std::string text;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const auto byte = value[i] == '%' ? hex_pair(value.substr(i + 1, 2)) : std::nullopt;
        if (byte) i += 2;
        text += byte ? static_cast<char>(*byte) : value[i];
    }
    if (!simdjson::validate_utf8(text)) {
        return bad("the header ce-" + std::string(name) + " is no UTF-8 when percent-decoded");
    }
    return text;
}

std::string in_lower_case(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lower;
}

}  // namespace

// One event of a text: what the document says, and where its values lie in the text.
class EventReader::Source {
 public:
    Source(element value, std::string_view text, Dialect dialect, std::size_t data_bytes_max)
        : value_(value), text_(text), dialect_(dialect), data_bytes_max_(data_bytes_max) {}

    Result<Event> read() {
        simdjson::dom::object object;
        if (value_.get(object) != simdjson::SUCCESS) {
            return bad(
                "an event is a JSON object, such as {\"type\":\"photo.uploaded\",\"data\":{}}");
        }
        Slicer slicer(text_);
        slicer.enter();
        for (const auto field : object) {
            slicer.skip_key();
            const Result<> taken = read_field(field.key, field.value, slicer.take_value());
            if (!taken) return taken.error();
        }
        if (const Result<> complete = check(); !complete) return complete.error();
        return std::move(event_);
    }

 private:
    Result<> read_field(std::string_view name, element value, std::string_view slice) {
        if (name == "data") return read_data(value, slice);
        if (const auto member = member_of(name)) return read_string(value, name, event_.*member);
        if (dialect_ == Dialect::kCloud) return form_.read(name, value);
        return bad("an event has no attribute " + quoted(name) +
                   did_you_mean(name, kOwnNames, "what belongs to the fact goes into `data`"));
    }

    Result<> read_data(element value, std::string_view slice) {
        if (dialect_ == Dialect::kCloud && value.type() == element_type::NULL_VALUE) return {};
        if (value.type() != element_type::OBJECT) {
            return bad("`data` is a JSON object, such as {\"photoId\":\"123\"}");
        }
        if (slice.size() > data_bytes_max_) {
            return Error{ErrorCode::kTooLarge, "`data` has " + std::to_string(slice.size()) +
                                                   " bytes, the limit is " +
                                                   std::to_string(data_bytes_max_) +
                                                   "; publish a reference to what is large"};
        }
        event_.data = on_one_line(slice);
        return {};
    }

    Result<> check() {
        if (dialect_ == Dialect::kCloud) {
            if (const Result<> cloud = check_cloud(event_, form_.has_version); !cloud) return cloud;
            if (event_.data.empty()) event_.data = "{}";
        }
        if (const Result<> attributes = check_event(event_); !attributes) return attributes;
        if (event_.data.empty())
            return bad("`data` is missing: a JSON object, {} if there is none");
        return {};
    }

    element value_;
    std::string_view text_;
    Dialect dialect_;
    std::size_t data_bytes_max_;
    Event event_;
    CloudForm form_;
};

Result<EventReader::Events> EventReader::read_any(std::string_view json, Dialect dialect,
                                                  bool allow_one, bool allow_list) {
    const Result<element> root = checker_.parse(json);
    if (!root) return root.error();

    Events read;
    simdjson::dom::array list;
    read.is_list = (*root).get(list) == simdjson::SUCCESS;
    if (read.is_list ? !allow_list : !allow_one) {
        return bad(read.is_list ? "one event is expected, and no list"
                                : "a list of events is expected");
    }
    if (!read.is_list) {
        Result<Event> event = Source(*root, json, dialect, limits_.data_bytes_max).read();
        if (!event) return event.error();
        read.events.push_back(std::move(*event));
        return read;
    }
    Slicer slicer(json);
    slicer.enter();
    for (const element item : list) {
        if (read.events.size() == limits_.events_max) {
            return Error{ErrorCode::kTooLarge, "a list has at most " +
                                                   std::to_string(limits_.events_max) +
                                                   " events; publish the rest in another"};
        }
        Result<Event> event =
            Source(item, slicer.take_value(), dialect, limits_.data_bytes_max).read();
        if (!event) {
            return Error{event.error().code, "event " + std::to_string(read.events.size()) + ": " +
                                                 event.error().detail};
        }
        read.events.push_back(std::move(*event));
    }
    return read;
}

Result<EventReader::Events> EventReader::read(std::string_view json) {
    return read_any(json, Dialect::kOwn, true, true);
}

Result<Event> EventReader::read_event(std::string_view json) {
    Result<Events> read = read_any(json, Dialect::kOwn, true, false);
    if (!read) return read.error();
    BUS_ASSERT(read->events.size() == 1);
    return std::move(read->events.front());
}

Result<Event> EventReader::read_cloud_event(std::string_view json) {
    Result<Events> read = read_any(json, Dialect::kCloud, true, false);
    if (!read) return read.error();
    BUS_ASSERT(read->events.size() == 1);
    return std::move(read->events.front());
}

Result<EventReader::Events> EventReader::read_cloud_batch(std::string_view json) {
    return read_any(json, Dialect::kCloud, false, true);
}

Result<Event> EventReader::read_binary(std::span<const Attribute> attributes,
                                       std::string_view body) {
    Event event;
    CloudForm form;
    for (const Attribute& attribute : attributes) {
        const std::string name = in_lower_case(attribute.name);
        Result<std::string> value = decode_header(name, attribute.value);
        if (!value) return value.error();
        if (name == "specversion") {
            if (const Result<> version = form.read_version(*value); !version)
                return version.error();
        } else if (const auto member = member_of(name)) {
            if (value->empty())
                return bad("the header ce-" + name + " is empty; leave it out instead");
            event.*member = std::move(*value);
        }
    }
    if (const Result<> cloud = check_cloud(event, form.has_version); !cloud) return cloud.error();
    if (const Result<> checked = check_event(event); !checked) return checked.error();

    if (body.size() > limits_.data_bytes_max) {
        return Error{ErrorCode::kTooLarge, "the body has " + std::to_string(body.size()) +
                                               " bytes, the limit for data is " +
                                               std::to_string(limits_.data_bytes_max)};
    }
    if (body.empty()) {
        event.data = "{}";
        return event;
    }
    const Result<element> data = checker_.parse(body);
    if (!data) return data.error();
    if ((*data).type() != element_type::OBJECT)
        return bad("the body, the event's data, is a JSON object");
    event.data = on_one_line(Slicer(body).take_value());
    return event;
}

}  // namespace eventbus
