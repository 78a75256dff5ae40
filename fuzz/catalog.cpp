#include <simdjson.h>

#include <string>

#include "base/json_check.h"
#include "catalog/filter.h"
#include "catalog/loader.h"
#include "catalog/planner.h"
#include "event/event_reader.h"
#include "event/pattern.h"
#include "event/topic.h"
#include "fuzz_input.h"

namespace eventbus {
namespace {

// The data of events that are tried on whatever loaded.
constexpr std::string_view kData[] = {
    "{}",
    R"({"photoId":"1","userId":"u","with":"b","id":7,"a":{"b":[1,{"c":null}]},"x":"abc"})",
    R"({"x":[1,[2],{"y":"z"}],"n":-1.5,"visibility":"private","gps":{"lat":1.0},"photoId":""})",
};

Event event_of(std::string type, std::string_view data) {
    return {.id = "1",
            .type = std::move(type),
            .source = "service:api",
            .subject = {},
            .time = "2024-05-01T12:00:00Z",
            .traceparent = {},
            .data = std::string(data)};
}

// Whatever a catalog says, what it makes of an event is whole.
void plan_all(const std::shared_ptr<const Catalog>& catalog) {
    JsonChecker checker;
    Planner planner(catalog);
    for (const EventRule& rule : catalog->events()) {
        for (const std::string_view data : kData) {
            for (const bool is_user : {false, true}) {
                const PublisherView publisher{is_user ? "user:u" : "service:api", is_user,
                                              is_user ? "u" : "api"};
                const std::string type = rule.is_pattern ? "audit.login" : rule.type;
                const Result<Plan> plan =
                    planner.plan(event_of(type, data), publisher, {true, true});
                if (!plan) continue;
                BUS_ASSERT(plan->event.data == data && !plan->name.empty());
                for (const std::string& variant : plan->variants)
                    BUS_ASSERT(checker.check(variant));
                for (const Target& target : plan->audience) {
                    BUS_ASSERT(target.variant <= plan->variants.size());
                }
            }
        }
    }
}

void read_catalog(std::string_view text) {
    const Loaded loaded = parse_catalog(text, "fuzz");
    bool has_error = false;
    for (const Problem& problem : loaded.problems) {
        BUS_ASSERT(!problem.what.empty() && !problem.fix.empty());
        has_error |= !problem.warning;
    }
    BUS_ASSERT(has_error == (loaded.catalog == nullptr));
    if (loaded.catalog) plan_all(loaded.catalog);
}

void read_filter(std::string_view text) {
    const Result<Filter> filter = Filter::compile(text);
    if (!filter) {
        BUS_ASSERT(!filter.error().detail.empty());
        return;
    }
    const PublisherView publisher{"service:api", false, "api"};
    simdjson::dom::parser parser;
    for (const std::string_view data : kData) {
        const Event event = event_of("photo.uploaded", data);
        const simdjson::dom::element parsed = parser.parse(event.data);
        BUS_ASSERT(filter->matches({event, parsed, publisher}) ==
                   filter->matches({event, parsed, publisher}));
    }
}

// An event that was read can be read again from what was made of it.
void read_events(std::string_view text) {
    EventReader reader;
    const auto read = reader.read(text);
    if (!read) return;
    JsonChecker checker;
    for (const Event& event : read->events) {
        BUS_ASSERT(checker.check(event.data));
        BUS_ASSERT(event.data.front() == '{' && event.data.back() == '}');
        const auto again =
            reader.read_event(R"({"type":")" + event.type + R"(","data":)" + event.data + "}");
        BUS_ASSERT(again && again->data == event.data);
    }
}

void read_topic(std::string_view text) {
    const Result<Topic> topic = parse_topic(text);
    if (!topic) {
        BUS_ASSERT(topic.error().code == ErrorCode::kBadTopic);
        return;
    }
    BUS_ASSERT(covers(topic->text, topic->text));
    BUS_ASSERT(matches("**", topic->text) && covers("**", topic->text));
}

}  // namespace
}  // namespace eventbus

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace eventbus;
    FuzzInput input(data, size);
    switch (input.number() % 4) {
        case 0:
            read_filter(input.rest());
            break;
        case 1:
            read_events(input.rest());
            break;
        case 2:
            read_topic(input.rest());
            break;
        default:
            read_catalog(input.rest());
    }
    return 0;
}
