// POST /v1/events: one event, a list, or CloudEvents 1.0 (structured, batch, binary).

#include <string>
#include <vector>

#include "api/api.h"
#include "base/text.h"

namespace eventbus {
namespace {

constexpr std::string_view kAttributePrefix = "ce-";

bool is_attribute(std::string_view header) {
    return header.size() > kAttributePrefix.size() &&
           equals_ignoring_case(header.substr(0, kAttributePrefix.size()), kAttributePrefix);
}

}  // namespace

void Api::publish(const SharedExchange& exchange) {
    probe_.publishes.add();
    const Result<SharedPrincipal> principal = context_.sign_in(exchange->request);
    if (!principal) {
        probe_.unauthorized.add();
        return refuse(*exchange, principal.error());
    }
    if (has_content_coding(exchange->request.headers)) {
        probe_.publish_refusals.add();
        return respond(*exchange, content_coding_refusal());
    }
    Result<EventReader::Events> read = read_events(exchange->request);
    if (!read) {
        probe_.publish_refusals.add();
        return refuse(*exchange, read.error());
    }
    context_.publisher.publish(
        **principal, std::move(read->events),
        [this, exchange, is_list = read->is_list](Result<std::vector<Receipt>> receipts) {
            if (!receipts) {
                probe_.publish_refusals.add();
                return refuse(*exchange, receipts.error());
            }
            std::string json;
            if (is_list) json += '[';
            for (const Receipt& receipt : *receipts) {
                json += json.size() > 1 ? ",{" : "{";
                append_receipt(json, receipt, context_.log);
                json += '}';
            }
            if (is_list) json += ']';
            respond(*exchange, json_response(200, std::move(json)));
        });
}

Result<EventReader::Events> Api::read_events(const HttpRequest& request) {
    const auto one = [](Result<Event> event) -> Result<EventReader::Events> {
        if (!event) return event.error();
        EventReader::Events events;
        events.events.push_back(std::move(*event));
        return events;
    };
    // CloudEvents' HTTP binding, 3: the type alone says which mode it is, whatever `ce-` headers
    // a proxy or a library has left there.
    const std::string type = media_type(request.headers);
    if (type == "application/cloudevents+json") return one(reader_.read_cloud_event(request.body));
    if (type == "application/cloudevents-batch+json") {
        return reader_.read_cloud_batch(request.body);
    }
    const bool is_cloud = type.starts_with("application/cloudevents");
    if (!is_cloud && request.headers.contains("ce-specversion")) {
        std::vector<EventReader::Attribute> attributes;
        for (const HttpHeader& header : request.headers) {
            if (!is_attribute(header.name)) continue;
            attributes.push_back(
                {std::string_view(header.name).substr(kAttributePrefix.size()), header.value});
        }
        return one(reader_.read_binary(attributes, request.body));
    }
    if (type.empty() || type == "application/json" || type == "text/json") {
        return reader_.read(request.body);
    }
    return Error{ErrorCode::kUnsupportedMedia,
                 "send application/json, application/cloudevents+json, "
                 "application/cloudevents-batch+json, or CloudEvents' binary mode"};
}

}  // namespace eventbus
