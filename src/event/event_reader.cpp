#include "event/event_reader.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/assert.h"
#include "base/json_text.h"
#include "base/json_walk.h"
#include "base/text.h"
#include "event/attributes.h"
#include "event/nearest.h"
#include "event/subject.h"

namespace eventbus {
namespace {

struct AttributeField {
    std::string_view name;
    std::string Event::*member;
};
constexpr AttributeField kAttributes[] = {
    {"id", &Event::id},           {"type", &Event::type}, {"source", &Event::source},
    {"subject", &Event::subject}, {"time", &Event::time}, {"traceparent", &Event::traceparent},
};
constexpr std::string_view kNull = "null";
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

std::string on_one_line(std::string_view data) {
    std::string line(data);
    for (const char line_break : {'\n', '\r'}) {  // find() of one character is the fast one
        if (line.find(line_break) != std::string::npos) {
            std::replace(line.begin(), line.end(), line_break, ' ');
        }
    }
    return line;
}

// The text of a string, of which most have no escape; nothing: `json` is no string.
std::optional<std::string> text_of(std::string_view json) {
    if (!json.starts_with('"')) return std::nullopt;
    if (has_json_escapes(json)) return json_unescaped(json);
    return std::string(json.substr(1, json.size() - 2));
}

Result<> read_string(std::string_view json, std::string_view name, std::string& out) {
    if (json == kNull) return {};
    std::optional<std::string> text = text_of(json);
    if (!text) return bad("`" + std::string(name) + "` is text");
    if (text->empty()) return bad("`" + std::string(name) + "` is empty; leave it out instead");
    out = std::move(*text);
    return {};
}

bool is_json_type(std::string_view content_type) {
    const std::string type = to_lower_case(take_part(content_type, ';'));
    return type == "application/json" || type == "text/json" ||
           (type.starts_with("application/") && type.ends_with("+json"));
}

// The attributes of CloudEvents that are about the event's form and not about the fact.
struct CloudForm {
    bool has_version = false;

    Result<> read(std::string_view name, std::string_view json) {
        const std::optional<std::string> text = text_of(json);
        if (name == "specversion") return read_version(text.value_or(""));
        if (name == "datacontenttype" && json != kNull && (!text || !is_json_type(*text))) {
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

}  // namespace

// Reads the event that comes next in checked JSON into `event`.
class EventReader::Source {
 public:
    Source(JsonWalk& walk, Dialect dialect, std::size_t data_bytes_max, Event& event)
        : walk_(walk), dialect_(dialect), data_bytes_max_(data_bytes_max), event_(event) {}

    Result<> read() {
        if (walk_.peek() != '{') {
            return bad(
                "an event is a JSON object, such as {\"type\":\"photo.uploaded\",\"data\":{}}");
        }
        for (walk_.enter(); !walk_.is_at_end();) {
            const std::string_view key = walk_.take_key();
            if (Result<> taken = read_field(key, walk_.take_value()); !taken) return taken;
        }
        walk_.leave();
        return check();
    }

 private:
    Result<> read_field(std::string_view key, std::string_view json) {
        if (has_json_escapes(key)) return read_named(json_unescaped(key), json);
        return read_named(key.substr(1, key.size() - 2), json);
    }

    Result<> read_named(std::string_view name, std::string_view json) {
        if (name == "data") return read_data(json);
        if (const auto member = member_of(name)) return read_string(json, name, event_.*member);
        if (dialect_ == Dialect::kCloud) return form_.read(name, json);
        return bad("an event has no attribute " + quoted(name) +
                   did_you_mean(name, kOwnNames, "what belongs to the fact goes into `data`"));
    }

    Result<> read_data(std::string_view json) {
        if (dialect_ == Dialect::kCloud && json == kNull) return {};
        if (!json.starts_with('{')) {
            return bad("`data` is a JSON object, such as {\"photoId\":\"123\"}");
        }
        if (json.size() > data_bytes_max_) {
            return Error{ErrorCode::kTooLarge, "`data` has " + std::to_string(json.size()) +
                                                   " bytes, the limit is " +
                                                   std::to_string(data_bytes_max_) +
                                                   "; publish a reference to what is large"};
        }
        event_.data = on_one_line(json);
        return {};
    }

    Result<> check() {
        if (dialect_ == Dialect::kCloud) {
            if (Result<> cloud = check_cloud(event_, form_.has_version); !cloud) return cloud;
            if (event_.data.empty()) event_.data = "{}";
        }
        if (Result<> attributes = check_event(event_); !attributes) return attributes;
        if (event_.data.empty())
            return bad("`data` is missing: a JSON object, {} if there is none");
        return {};
    }

    JsonWalk& walk_;
    Dialect dialect_;
    std::size_t data_bytes_max_;
    Event& event_;
    CloudForm form_;
};

Result<EventReader::Events> EventReader::check_and_read(std::string_view json, Dialect dialect,
                                                        Takes takes) {
    if (const Result<> checked = checker_.check(json); !checked) return checked.error();
    return read_any(json, dialect, takes);
}

Result<EventReader::Events> EventReader::read_any(std::string_view checked, Dialect dialect,
                                                  Takes takes) {
    JsonWalk walk(checked);
    Events read;
    read.is_list = walk.peek() == '[';
    if (takes == (read.is_list ? Takes::kOne : Takes::kList)) {
        return bad(read.is_list ? "one event is expected, and no list"
                                : "a list of events is expected");
    }
    if (!read.is_list) {
        Event& event = read.events.emplace_back();
        const Result<> taken = Source(walk, dialect, limits_.data_bytes_max, event).read();
        if (!taken) return taken.error();
        return read;
    }
    for (walk.enter(); !walk.is_at_end();) {
        if (read.events.size() == limits_.events_max) {
            return Error{ErrorCode::kTooLarge, "a list has at most " +
                                                   std::to_string(limits_.events_max) +
                                                   " events; publish the rest in another"};
        }
        Event& event = read.events.emplace_back();
        const Result<> taken = Source(walk, dialect, limits_.data_bytes_max, event).read();
        if (!taken) {
            return Error{taken.error().code, "event " + std::to_string(read.events.size() - 1) +
                                                 ": " + taken.error().detail};
        }
    }
    return read;
}

Result<EventReader::Events> EventReader::read(std::string_view json) {
    return check_and_read(json, Dialect::kOwn, Takes::kBoth);
}

Result<EventReader::Events> EventReader::read_checked(std::string_view json) {
    return read_any(json, Dialect::kOwn, Takes::kBoth);
}

Result<Event> EventReader::read_event(std::string_view json) {
    Result<Events> read = check_and_read(json, Dialect::kOwn, Takes::kOne);
    if (!read) return read.error();
    BUS_ASSERT(read->events.size() == 1);
    return std::move(read->events.front());
}

Result<Event> EventReader::read_cloud_event(std::string_view json) {
    Result<Events> read = check_and_read(json, Dialect::kCloud, Takes::kOne);
    if (!read) return read.error();
    BUS_ASSERT(read->events.size() == 1);
    return std::move(read->events.front());
}

Result<EventReader::Events> EventReader::read_cloud_batch(std::string_view json) {
    return check_and_read(json, Dialect::kCloud, Takes::kList);
}

Result<Event> EventReader::read_binary(std::span<const Attribute> attributes,
                                       std::string_view body) {
    Event event;
    CloudForm form;
    std::unordered_set<std::string> seen;
    for (const Attribute& attribute : attributes) {
        const std::string name = to_lower_case(attribute.name);
        if (!seen.insert(name).second) return bad("the header ce-" + name + " stands there twice");
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
    if (const Result<> checked = checker_.check(body); !checked) return checked.error();
    const std::string_view data = JsonWalk(body).take_value();
    if (!data.starts_with('{')) return bad("the body, the event's data, is a JSON object");
    event.data = on_one_line(data);
    return event;
}

}  // namespace eventbus
