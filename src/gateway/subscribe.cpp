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
    std::string since;
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

    std::optional<Position> since;
    if (!options.since.empty()) {
        const Result<Position> position = visible_position(context_.log, options.since);
        if (!position) return refuse(position.error());
        since = *position;
    }
    if (topic->is_subject()) {
        if (options.group || options.max_in_flight > 0) {
            return refuse(wrong("'group' and 'max_in_flight' go with a type pattern, no subject"));
        }
        return watch_subject(socket, topic->text, since, std::move(ack));
    }
    const Principal& principal = BusSocket::of(socket).principal();
    if (options.group && principal.is_user()) {
        return refuse(Error{ErrorCode::kForbidden, "groups are for services; leave 'group' out"});
    }
    const Result<> may = check_may_consume(*catalog_, principal, topic->text);
    if (!may) return refuse(may.error());
    if (options.group_is_null || principal.is_user()) {
        return watch_pattern(socket, topic->text, since, std::move(ack));
    }
    if (since) return refuse(wrong("a group keeps its own place; 'since' goes with group: null"));
    join_group(
        socket, GroupKey{options.group.value_or(principal.id), topic->text},
        options.max_in_flight == 0 ? settings_.group_in_flight_default : options.max_in_flight,
        std::move(ack));
}

void Gateway::watch_subject(Socket& socket, const std::string& subject,
                            std::optional<Position> since, SharedAck ack) {
    const std::weak_ptr<Socket> weak = socket.weak_from_this();
    context_.watches.ask(
        watch_question(*catalog_, BusSocket::of(socket).principal(), subject), context_.reactor,
        [this, weak, subject, since, ack = std::move(ack)](Result<WatchAnswer> answer) {
            const auto asker = weak.lock();
            if (!asker || !asker->is_connected()) return;
            if (!answer) {
                probe_.subscribe_refusals.add();
                return (*ack)(notices::refusal(answer.error()));
            }
            const Position from = since ? std::max(*since, answer->right_since) : answer->at;
            enter(asker, Room::subject(subject), subject, {from, answer->at}, ack);
        });
}

void Gateway::watch_pattern(Socket& socket, const std::string& pattern,
                            std::optional<Position> since, SharedAck ack) {
    const Position from = since.value_or(context_.log.frontier());
    enter(socket.shared_from_this(), Room::pattern(pattern), pattern, {from, from}, std::move(ack));
}

// Joins `room`, once the session says so.
void Gateway::enter(const std::shared_ptr<Socket>& socket, const Room& room,
                    const std::string& topic, Entering entering, SharedAck ack) {
    BusSocket& member = BusSocket::of(*socket);
    const bool is_new = !hub().is_in(member.receiver(), room);
    if (is_new && hub().room_count(member.receiver()) >= settings_.rooms_per_socket_max) {
        probe_.subscribe_refusals.add();
        return (*ack)(
            notices::refusal(Error{ErrorCode::kTooManyRooms,
                                   fmt::format("a socket may be in {} rooms; unsubscribe from some",
                                               settings_.rooms_per_socket_max)}));
    }
    const SessionRecord::Joined joined{room, entering.from};
    keep_session(member.record(is_new ? &joined : nullptr),
                 [this, weak = std::weak_ptr<Socket>(socket), room, topic, entering,
                  ack = std::move(ack)](const Result<>& written) {
                     const auto asker = weak.lock();
                     if (!asker || !asker->is_connected()) return;
                     if (!written) return (*ack)(notices::refusal(written.error()));
                     const ReceiverId receiver = BusSocket::of(*asker).receiver();
                     if (!hub().join(receiver, room, entering.from))
                         hub().join_earlier(receiver, room, entering.from);
                     (*ack)(subscribed(topic, offset(entering.from), {}));
                     if (asker->is_connected() && room.is_subject()) {
                         hub().evict_if_late(receiver, room.name(), entering.as_of);
                     }
                     if (!asker->is_connected() || !hub().is_in(receiver, room)) return;
                     hub().send_history(receiver, room, entering.from);
                 });
}

void Gateway::join_group(Socket& socket, const GroupKey& group, std::size_t max_in_flight,
                         SharedAck ack) {
    BusSocket& member = BusSocket::of(socket);
    member.is_in_groups = true;
    by_group_member_[member.group_member()] = &socket;
    context_.groups.post_subscribe(
        GroupMember{.id = member.group_member(),
                    .group = group,
                    .max_in_flight = max_in_flight,
                    .reactor = &context_.reactor,
                    .receiver = this},
        context_.reactor, [this, group, ack = std::move(ack)](Result<GroupJoined> joined) {
            if (joined) {
                (*ack)(subscribed(group.topic, offset(joined->cursor), group.name));
            } else {
                probe_.subscribe_refusals.add();
                (*ack)(notices::refusal(joined.error()));
            }
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
        return context_.groups.post_unsubscribe(
            member.group_member(), group, context_.reactor,
            [ack, topic = *topic](const Result<>& left) {
                (*ack)(left ? unsubscribed(topic.text) : notices::refusal(left.error()));
            });
    }
    hub().leave(member.receiver(),
                topic->is_subject() ? Room::subject(topic->text) : Room::pattern(topic->text));
    keep_session(member.record(), [ack, topic = *topic](const Result<>& written) {
        (*ack)(written ? unsubscribed(topic.text) : notices::refusal(written.error()));
    });
}

void Gateway::ask_again(BusSocket& member, const std::string& subject) {
    const std::weak_ptr<Socket> weak = member.socket().weak_from_this();
    context_.watches.ask(watch_question(*catalog_, member.principal(), subject), context_.reactor,
                         [this, weak, subject](const Result<WatchAnswer>& answer) {
                             const auto socket = weak.lock();
                             if (!socket || !socket->is_connected()) return;
                             BusSocket& asked = BusSocket::of(*socket);
                             const Room room = Room::subject(subject);
                             if (answer) {
                                 hub().keep(asked.receiver(), room, answer->right_since);
                                 return hub().release(asked.receiver());
                             }
                             hub().leave(asked.receiver(), room);
                             hub().release(asked.receiver());
                             socket->emit(notices::watch_ended(subject, answer.error()));
                             if (!socket->is_connected()) return;
                             keep_session(asked.record(), [](const Result<>&) {});
                         });
}

}  // namespace eventbus
