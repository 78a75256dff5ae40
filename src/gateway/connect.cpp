// Sign-in: who it is, which session it goes on with, what it may still be in.
//
//   CONNECT ─► token ─► session of its pid ─► may it still watch its subjects? ─► session written
//           ─► answer ─► what it missed ─► live
//
// The answer leaves after the session was written, since a node that is killed can write nothing.

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "auth/credentials.h"
#include "base/assert.h"
#include "base/diagnostics.h"
#include "bus/access.h"
#include "event/topic.h"
#include "gateway/gateway.h"
#include "gateway/notices.h"

namespace eventbus {
namespace {

// What a client says of itself at CONNECT; whatever has another type is as if it was not there.
struct Auth {
    std::string token;
    std::string pid;
    std::string offset;  // Socket.IO's own recovery sends it with the pid
    std::string since;
    std::vector<std::string> topics;
};

Result<Auth> read_auth(JsonChecker& json, const std::string& text, std::size_t topics_max) {
    Auth auth;
    if (text.empty()) return auth;
    const Result<simdjson::dom::element> parsed = json.parse(text);
    if (!parsed) return parsed.error();
    const auto take = [&](const char* name, std::string& into) {
        std::string_view value;
        if ((*parsed)[name].get_string().get(value) == simdjson::SUCCESS) into = value;
    };
    take("token", auth.token);
    take("pid", auth.pid);
    take("offset", auth.offset);
    take("since", auth.since);
    simdjson::dom::array topics;
    if ((*parsed)["topics"].get_array().get(topics) == simdjson::SUCCESS) {
        for (const simdjson::dom::element topic : topics) {
            std::string_view value;
            if (topic.get_string().get(value) != simdjson::SUCCESS) continue;
            if (auth.topics.size() == topics_max) break;  // the others would be refused anyway
            auth.topics.emplace_back(value);
        }
    }
    return auth;
}

}  // namespace

struct Gateway::Arrival {
    std::shared_ptr<Connecting> connecting;
    SharedPrincipal principal;
    Auth auth;
    SessionRecord record;  // that it will have
    bool is_resumed = false;
    std::vector<SessionRecord::Joined> subjects;  // to be asked for
    std::size_t to_ask = 0;
    Position asked_at = kEndOfTime;    // the answers hold as of here, the oldest of them
    std::vector<std::string> notices;  // after the answer
    Position resume_after;
};

void Gateway::on_connect(const std::shared_ptr<Connecting>& connecting) {
    Result<Auth> auth = read_auth(json_, connecting->auth(), settings_.rooms_per_socket_max);
    if (!auth) return refuse(*connecting, auth.error());
    auto arrival = std::make_shared<Arrival>();
    arrival->connecting = connecting;
    arrival->auth = std::move(*auth);

    const std::optional<std::string> token = token_of(*connecting, arrival->auth.token);
    if (!token) {
        if (may_have_cookie_later(connecting->request()) && connecting->wait_for_upgrade()) return;
        return refuse(
            *connecting,
            Error{ErrorCode::kUnauthorized,
                  "a token is missing: give it as auth.token, as a bearer, or as a cookie "
                  "of an allowed origin"});
    }
    Result<SharedPrincipal> principal = context_.tokens.verify(*token);
    if (!principal) return refuse(*connecting, principal.error());
    arrival->principal = std::move(*principal);

    if (arrival->auth.pid.empty() || !settings_.recovery)
        return on_session(arrival, std::optional<SessionRecord>());
    context_.sessions.find(arrival->auth.pid, context_.reactor,
                           [this, arrival](Result<std::optional<SessionRecord>> found) {
                               on_session(arrival, std::move(found));
                           });
}

void Gateway::on_session(const SharedArrival& arrival, Result<std::optional<SessionRecord>> found) {
    if (!arrival->connecting->is_open()) return;
    const Position now = hub().cursor();
    const std::string principal = arrival->principal->key();
    SessionRecord& record = arrival->record;

    const Result<Position> since = visible_position(context_.log, arrival->auth.since);
    // A pid is bound to whom it was given to: for anybody else it is as unknown as a made-up one.
    arrival->is_resumed = found && *found && (**found).principal == principal &&
                          (**found).sid.size() <= Socket::kSidBytesMax;
    if (arrival->is_resumed) {
        record = std::move(**found);
        probe_.resumes.add();
        close_for_take_over(record.pid);
        context_.take_over_elsewhere(record.pid);
        const Result<Position> seen = visible_position(context_.log, arrival->auth.offset);
        arrival->resume_after = seen ? *seen : record.started_at;
    } else {
        if (settings_.recovery) record.pid = random_token(context_.random, kPidBytesMax);
        record.sid = random_token(context_.random, Socket::kSidBytesMax);
        record.principal = principal;
        record.started_at = now;
        if (!arrival->auth.pid.empty()) {
            probe_.unknown_sessions.add();
            arrival->notices.push_back(
                notices::resume_unknown("the session is not known here (any more)"));
        }
        if (since) record.started_at = *since;
        if (!since && !arrival->auth.since.empty()) {
            arrival->notices.push_back(notices::resume_unknown(since.error().detail));
        }
        arrival->resume_after = record.started_at;
    }
    record.expires_at = session_expiry();

    // Identity is asked again: rooms of people come from the token, at the place where the session
    // had joined them.
    std::vector<SessionRecord::Joined> before = std::exchange(record.rooms, {});
    for (Room& room : rooms_of(*arrival->principal)) {
        const auto known = std::find_if(before.begin(), before.end(),
                                        [&](const auto& joined) { return joined.room == room; });
        const Position at = known != before.end() ? known->at
                            : arrival->is_resumed ? now
                                                  : record.started_at;
        record.rooms.push_back({std::move(room), at});
    }
    for (SessionRecord::Joined& joined : before) {
        if (joined.room.is_subject() || joined.room.is_pattern()) {
            arrival->subjects.push_back(std::move(joined));
        }
    }
    for (const std::string& text : arrival->auth.topics) {
        const Result<Topic> topic = parse_topic(text);
        if (!topic) {
            arrival->notices.push_back(notices::watch_ended(text, topic.error()));
            continue;
        }
        Room room = topic->is_subject() ? Room::subject(topic->text) : Room::pattern(topic->text);
        const bool known = std::any_of(arrival->subjects.begin(), arrival->subjects.end(),
                                       [&](const auto& joined) { return joined.room == room; });
        // One that the session does not hold was not confirmed before the drop.
        const Position at = since ? *since : now;
        if (!known) arrival->subjects.push_back({std::move(room), at});
    }
    ask_for_rooms(arrival);
}

void Gateway::ask_for_rooms(const SharedArrival& arrival) {
    arrival->to_ask = 1;  // this loop itself: answers may come at once
    for (const SessionRecord::Joined& joined : std::exchange(arrival->subjects, {})) {
        const std::string topic(joined.room.name());
        const auto settle = [this, arrival, joined, topic](const Result<Position>& since) {
            if (since) {
                arrival->record.rooms.push_back({joined.room, std::max(joined.at, *since)});
            } else {
                arrival->notices.push_back(notices::watch_ended(topic, since.error()));
            }
            if (--arrival->to_ask == 0) on_rooms_asked(arrival);
        };
        ++arrival->to_ask;
        if (arrival->record.rooms.size() >= settings_.rooms_per_socket_max) {
            settle(Error{ErrorCode::kTooManyRooms, "the socket is in as many rooms as it may"});
        } else if (joined.room.is_pattern()) {
            const Result<> may = check_may_consume(*catalog_, *arrival->principal, topic);
            settle(may ? Result<Position>(Position()) : Result<Position>(may.error()));
        } else {
            context_.watches.ask(watch_question(*catalog_, *arrival->principal, topic),
                                 context_.reactor, [arrival, settle](Result<WatchAnswer> answer) {
                                     if (answer) {
                                         arrival->asked_at =
                                             std::min(arrival->asked_at, answer->at);
                                     }
                                     settle(answer ? Result<Position>(answer->right_since)
                                                   : Result<Position>(answer.error()));
                                 });
        }
    }
    if (--arrival->to_ask == 0) on_rooms_asked(arrival);
}

void Gateway::on_rooms_asked(const SharedArrival& arrival) {
    keep_session(arrival->record, [this, arrival](const Result<>& written) {
        if (!written) return refuse(*arrival->connecting, written.error());
        admit(arrival);
    });
}

void Gateway::admit(const SharedArrival& arrival) {
    const SessionRecord& record = arrival->record;
    auto data = std::make_unique<BusSocket>(
        *this, std::move(arrival->principal), record.pid,
        MemberId{(next_group_member_++ << 8U) | context_.reactor.index()});
    BusSocket& member = *data;
    member.started_at = record.started_at;
    const std::shared_ptr<Socket> socket =
        arrival->connecting->accept(record.sid, record.pid, std::move(data));
    if (!socket) return;
    probe_.sign_ins.add();
    if (!member.pid().empty()) {
        // Another socket with this pid may have been admitted since the session was found. The key
        // of the table lies in that socket, so it has to go before this one comes in.
        close_for_take_over(record.pid);
        BUS_ASSERT(by_pid_.find(member.pid()) == nullptr);
        by_pid_[member.pid()] = socket.get();
    }
    member.attach(*socket);
    for (const SessionRecord::Joined& joined : record.rooms) {
        hub().join(member.receiver(), joined.room, joined.at);
    }
    for (const std::string& notice : arrival->notices) {
        if (!socket->emit(notice)) return;
    }
    member.tells_resume = arrival->is_resumed || !arrival->auth.since.empty();
    if (member.tells_resume || arrival->resume_after < hub().cursor()) {
        hub().resume(member.receiver(), arrival->resume_after);
    }
    for (const SessionRecord::Joined& joined : record.rooms) {
        if (!socket->is_connected()) return;
        if (!joined.room.is_subject()) continue;
        hub().evict_if_late(member.receiver(), joined.room.name(), arrival->asked_at);
    }
    if (member.is_attached()) expiries_.add(member, member.principal().expires_at);
}

void Gateway::refuse(Connecting& connecting, const Error& error) {
    probe_.sign_in_refusals.add();
    if (connecting.is_open()) {
        diagnostics::debug("a sign-in was refused", {{"client", connecting.request().client.text()},
                                                     {"why", std::string(error.name())}});
    }
    connecting.refuse(error.detail.empty() ? error_info(error.code).title : error.detail,
                      notices::error_object(error));
}

// A page of another origin polls first, and its browser sends the cookie with the WebSocket only.
bool Gateway::may_have_cookie_later(const HttpRequest& request) const {
    const std::string_view origin = request.headers.find("Origin").value_or("");
    return !settings_.cookie_name.empty() && context_.cors.allows_credentials(origin) &&
           !is_own_origin(origin, request.headers.find("Host").value_or(""));
}

std::optional<std::string> Gateway::token_of(const Connecting& connecting,
                                             std::string_view from_auth) {
    if (!from_auth.empty()) return std::string(from_auth);
    const HttpHeaders& headers = connecting.request().headers;
    const std::string_view origin = headers.find("Origin").value_or("");
    Credentials credentials{
        .authorization = headers.find("Authorization").value_or(""),
        .origin = origin,
        .fetch_site = headers.find("Sec-Fetch-Site").value_or(""),
        .origin_may_use_cookie = context_.cors.allows_credentials(origin),
    };
    const std::string cookies = headers.joined("Cookie");
    if (!settings_.cookie_name.empty()) {
        credentials.cookie = cookie_value(cookies, settings_.cookie_name).value_or("");
    }
    const std::optional<std::string_view> token = find_token(credentials);
    if (!token) return std::nullopt;
    return std::string(*token);
}

void Gateway::end_with_token(Socket& socket) {
    probe_.expired_tokens.add();
    socket.emit(notices::token_expired());
    socket.close(CloseReason::kServer);
}

void Gateway::on_disconnect(Socket& socket, CloseReason reason) {
    BusSocket& member = BusSocket::of(socket);
    if (!member.is_attached()) return;
    const auto* const found = by_pid_.find(member.pid());
    if (found != nullptr && found->second == &socket) by_pid_.erase(member.pid());
    if (member.is_in_groups) {
        by_group_member_.erase(member.group_member());
        context_.groups.post_member_gone(member.group_member());
    }
    // Who leaves in order does not come back; the session of who was taken over is another's.
    if (reason == CloseReason::kLeft && !member.was_taken_over && settings_.recovery) {
        context_.sessions.erase(member.pid());
    }
    member.detach();
}

// The records of sockets that stay connected for long must not expire under them. A part at a time,
// each of them once in a third of their life.
void Gateway::refresh_sessions(std::size_t part) {
    const auto all =
        std::chrono::duration_cast<std::chrono::milliseconds>(settings_.session_ttl) / 3;
    const auto every =
        std::max(all / static_cast<int>(by_pid_.kShards), std::chrono::milliseconds(1));
    context_.reactor.post_at(context_.reactor.now() + every, [this, part] {
        for (const auto& [pid, socket] : by_pid_.part(part)) {
            keep_session(BusSocket::of(*socket).record(), [](const Result<>&) {});
        }
        refresh_sessions((part + 1) % by_pid_.kShards);
    });
}

}  // namespace eventbus
