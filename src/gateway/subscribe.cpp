// subscribe and unsubscribe: a subject's room, a type pattern's room, a consumer group.

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "base/json_text.h"
#include "bus/access.h"
#include "event/topic.h"
#include "gateway/gateway.h"
#include "gateway/notices.h"

namespace eventbus {
namespace {

constexpr std::size_t kInFlightMax = 1000;

// What a client may say beside the topic.
struct Options {
    std::optional<std::string> since;
    std::optional<std::string> group;  // a name
    bool group_is_null = false;
    std::size_t max_in_flight = 0;  // 0: not said
};

// `topic, options?`, whatever the client sent.
struct Request {
    std::string topic;
    Options options;
};

Error wrong(std::string_view what) { return {ErrorCode::kBadRequest, std::string(what)}; }

Result<Options> read_options(JsonChecker& json, std::string_view text) {
    Options options;
    const Result<simdjson::dom::element> parsed = json.parse(text);
    if (!parsed) return parsed.error();
    if (parsed->is_null()) return options;
    simdjson::dom::object object;
    if (parsed->get_object().get(object) != simdjson::SUCCESS) {
        return wrong("the options are no object; they are {since?, group?, max_in_flight?}");
    }
    for (const auto [name, value] : object) {
        std::string_view string;
        std::uint64_t number = 0;
        if (name == "since") {
            if (value.get_string().get(string) != simdjson::SUCCESS) {
                return wrong("'since' is no string; it is the offset or the place of an event");
            }
            options.since = string;
        } else if (name == "group") {
            options.group_is_null = value.is_null();
            if (options.group_is_null) continue;
            if (value.get_string().get(string) != simdjson::SUCCESS) {
                return wrong("'group' is neither a name nor null");
            }
            options.group = string;
        } else if (name == "max_in_flight") {
            if (value.get_uint64().get(number) != simdjson::SUCCESS || number < 1 ||
                number > kInFlightMax) {
                return wrong("'max_in_flight' is no number from 1 to 1000");
            }
            options.max_in_flight = static_cast<std::size_t>(number);
        } else {
            return wrong(fmt::format("'{}' is no option; there are since, group and max_in_flight",
                                     name.substr(0, 64)));
        }
    }
    return options;
}

Result<Request> read_request(JsonChecker& json, const Arguments& arguments) {
    if (arguments.json.empty()) {
        return wrong("the topic is missing; give one such as photo:123 or photo.uploaded");
    }
    Request request;
    const Result<simdjson::dom::element> topic = json.parse(arguments.json[0]);
    if (!topic) return topic.error();
    std::string_view text;
    if (topic->get_string().get(text) != simdjson::SUCCESS) {
        return wrong("the topic is no string; give one such as photo:123 or photo.uploaded");
    }
    request.topic = text;
    if (arguments.json.size() > 1) {
        const Result<Options> options = read_options(json, arguments.json[1]);
        if (!options) return options.error();
        request.options = *options;
    }
    return request;
}

std::string subscribed(std::string_view topic, std::string_view offset, std::string_view group) {
    std::string json =
        fmt::format(R"([{{"ok":true,"topic":{},"offset":"{}")", json_string(topic), offset);
    if (!group.empty()) json.append(",\"group\":").append(json_string(group));
    return json += "}]";
}

std::string unsubscribed(std::string_view topic) {
    return fmt::format(R"([{{"ok":true,"topic":{}}}])", json_string(topic));
}

}  // namespace

void Gateway::on_subscribe(Socket& socket, const Arguments& arguments, Ack given) {
    probe_.subscribes.add();
    auto ack = std::make_shared<Ack>(std::move(given));
    const auto refuse = [&](const Error& error) {
        probe_.subscribe_refusals.add();
        (*ack)(notices::refusal(error));
    };
    const Result<Request> request = read_request(json_, arguments);
    if (!request) return refuse(request.error());
    const Result<Topic> topic = parse_topic(request->topic);
    if (!topic) return refuse(topic.error());
    const Options& options = request->options;

    if (topic->is_subject() && (options.group || options.max_in_flight > 0)) {
        return refuse(wrong("'group' and 'max_in_flight' go with a type pattern, not a subject"));
    }
    const Principal& principal = BusSocket::of(socket).principal();
    if (options.group && principal.is_user()) {
        return refuse(Error{ErrorCode::kForbidden, "groups are for services; leave 'group' out"});
    }
    if (topic->is_subject() || options.group_is_null || principal.is_user()) {
        return enter(socket, *topic, options.since, std::move(ack));
    }
    const Result<> may = check_may_consume(*catalog_, principal, topic->text);
    if (!may) return refuse(may.error());
    if (options.since) {
        return refuse(wrong("a group keeps its own place; 'since' goes with group: null"));
    }
    join_group(
        socket, GroupKey{options.group.value_or(principal.id), topic->text},
        options.max_in_flight == 0 ? settings_.group_in_flight_default : options.max_in_flight,
        std::move(ack));
}

void Gateway::enter(Socket& socket, const Topic& topic, std::optional<std::string_view> since,
                    SharedAck ack) {
    BusSocket::of(socket).enter(
        topic, since, [this, topic = topic.text, ack](Result<RoomChanges::Entered> entered) {
            if (entered) return (*ack)(subscribed(topic, offset(entered->from), {}));
            probe_.subscribe_refusals.add();
            (*ack)(notices::refusal(entered.error()));
        });
}

void Gateway::join_group(Socket& socket, const GroupKey& group, std::size_t max_in_flight,
                         SharedAck ack) {
    BusSocket& member = BusSocket::of(socket);
    member.is_in_groups = true;
    seats_.join(socket, group,
                {.max_in_flight = max_in_flight, .bytes_max = settings_.queue_bytes_max / 2},
                [this, group, ack = std::move(ack)](const Result<GroupJoined>& joined) {
                    if (joined) {
                        return (*ack)(subscribed(group.topic, offset(joined->cursor), group.name));
                    }
                    probe_.subscribe_refusals.add();
                    (*ack)(notices::refusal(joined.error()));
                });
}

void Gateway::on_unsubscribe(Socket& socket, const Arguments& arguments, Ack given) {
    auto ack = std::make_shared<Ack>(std::move(given));
    const Result<Request> request = read_request(json_, arguments);
    if (!request) return (*ack)(notices::refusal(request.error()));
    const Result<Topic> topic = parse_topic(request->topic);
    if (!topic) return (*ack)(notices::refusal(topic.error()));

    BusSocket& member = BusSocket::of(socket);
    const bool is_group =
        !topic->is_subject() && member.principal().is_service() && !request->options.group_is_null;
    if (is_group) {
        const GroupKey group{request->options.group.value_or(member.principal().id), topic->text};
        return seats_.leave(socket, group, [ack, topic = *topic](const Result<>& left) {
            (*ack)(left ? unsubscribed(topic.text) : notices::refusal(left.error()));
        });
    }
    member.leave(*topic, [ack, topic = topic->text](const Result<>& left) {
        (*ack)(left ? unsubscribed(topic) : notices::refusal(left.error()));
    });
}

}  // namespace eventbus
