#include "event/encode.h"

#include <cstddef>

#include "base/json_text.h"

namespace eventbus {
namespace {

// `opening` ends the value before, and begins this one.
void append_field(std::string& out, std::string_view opening, std::string_view value) {
    out += opening;
    append_json_text(out, value);
}

}  // namespace

void append_meta(std::string& out, const Event& event, std::string_view offset) {
    append_field(out, R"({"id":")", event.id);
    append_field(out, R"(","type":")", event.type);
    append_field(out, R"(","source":")", event.source);
    if (!event.subject.empty()) append_field(out, R"(","subject":")", event.subject);
    append_field(out, R"(","time":")", event.time);
    if (!offset.empty()) append_field(out, R"(","offset":")", offset);
    if (!event.traceparent.empty()) append_field(out, R"(","traceparent":")", event.traceparent);
    out += R"("})";
}

std::string encode_meta(const Event& event, std::string_view offset) {
    constexpr std::size_t kNamesAndQuotes = 96;
    std::string out;
    out.reserve(kNamesAndQuotes + event.id.size() + event.type.size() + event.source.size() +
                event.subject.size() + event.time.size() + offset.size() +
                event.traceparent.size());
    append_meta(out, event, offset);
    return out;
}

}  // namespace eventbus
