// Sign-in over Socket.IO: what the client says of itself, the admission's answer to it, and its
// end.

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "auth/credentials.h"
#include "base/diagnostics.h"
#include "event/topic.h"
#include "gateway/gateway.h"
#include "gateway/notices.h"

namespace eventbus {
namespace {

// Of auth.topics. The first one past it is told with what it means for those behind: a CONNECT may
// list a hundred thousand, and each would be told in a longer text.
constexpr std::size_t kTopicsMax = 1'024;

// What a client says of itself at CONNECT.
struct Auth {
    std::string token;
    std::string pid;
    std::string offset;  // Socket.IO's own recovery sends it with the pid
    std::optional<std::string> since;
    std::vector<Topic> topics;
    std::string principal;       // whose fingerprint: `pid`, `since` and `topics` are of that one
    bool wants_place = false;    // resume.done with its first place, and topics of histories
    bool wants_warning = false;  // token.expiring
    // What could not be read. The sign-in stands: a client is told, and has the rest.
    std::string since_unread;
    std::vector<std::pair<std::string, Error>> ended;
};

void take_topic(Auth& auth, std::string_view text) {
    Result<Topic> topic = parse_topic(text);
    if (topic) {
        auth.topics.push_back(std::move(*topic));
    } else {
        auth.ended.emplace_back(text, topic.error());
    }
}

void take_list(Auth& auth, const simdjson::dom::array& topics) {
    for (const simdjson::dom::element topic : topics) {
        std::string_view text;
        const bool is_text = topic.get_string().get(text) == simdjson::SUCCESS;
        const auto leave_out = [&](Error error) {
            auth.ended.emplace_back(is_text ? std::string(text) : simdjson::minify(topic),
                                    std::move(error));
        };
        if (auth.topics.size() + auth.ended.size() >= kTopicsMax) {
            return leave_out({ErrorCode::kTooManyRooms,
                              "auth.topics lists " + std::to_string(topics.size()) +
                                  " topics, of " + std::to_string(kTopicsMax) +
                                  " that it may; this one and all behind it were left out"});
        }
        if (is_text) {
            take_topic(auth, text);
        } else {
            leave_out({ErrorCode::kBadTopic, "a topic in auth.topics must be a string"});
        }
    }
}

// A list of topics, or a text (some clients can send nothing else): a topic, or a JSON list.
void take_topics(Auth& auth, const simdjson::dom::element& given) {
    simdjson::dom::array list;
    std::string_view text;
    if (given.get_array().get(list) == simdjson::SUCCESS) return take_list(auth, list);
    if (given.get_string().get(text) != simdjson::SUCCESS) {
        auth.ended.emplace_back(simdjson::minify(given),
                                Error{ErrorCode::kBadTopic,
                                      "auth.topics must be a list of topics, or text: a topic or "
                                      "a JSON list of them"});
        return;
    }
    if (!text.starts_with('[')) return take_topic(auth, text);
    simdjson::dom::parser parser;
    if (parser.parse(text).get_array().get(list) == simdjson::SUCCESS) return take_list(auth, list);
    auth.ended.emplace_back(text, Error{ErrorCode::kBadTopic, "auth.topics is not a JSON list"});
}

Result<Auth> read_auth(JsonChecker& json, const std::string& text) {
    Auth auth;
    if (text.empty()) return auth;
    const Result<simdjson::dom::element> parsed = json.parse(text);
    if (!parsed) return parsed.error();
    const auto take = [&](const char* name, auto& into) {
        const auto given = (*parsed)[name];
        std::string_view value;
        if (given.get_string().get(value) == simdjson::SUCCESS) {
            into = std::string(value);
            return true;
        }
        return given.error() != simdjson::SUCCESS || given.is_null();
    };
    const auto is_true = [&](const char* name) {
        bool value = false;
        return (*parsed)[name].get_bool().get(value) == simdjson::SUCCESS && value;
    };
    take("token", auth.token);
    take("pid", auth.pid);
    take("offset", auth.offset);
    take("principal", auth.principal);
    if (!take("since", auth.since)) {
        auth.since_unread = "'since' must be a string: the offset or the place of an event";
    }
    auth.wants_place = is_true("place");
    auth.wants_warning = is_true("refresh");
    const auto topics = (*parsed)["topics"];
    if (topics.error() == simdjson::SUCCESS && !topics.is_null()) {
        take_topics(auth, topics.value_unsafe());
    }
    return auth;
}

}  // namespace

void Gateway::on_connect(const std::shared_ptr<Connecting>& connecting) {
    Result<Auth> auth = read_auth(json_, connecting->auth());
    if (!auth) return refuse(*connecting, auth.error());

    const Result<std::string> token = token_of(*connecting, auth->token);
    if (!token) {
        if (may_have_cookie_later(connecting->request()) && connecting->wait_for_upgrade()) return;
        return refuse(*connecting, token.error());
    }
    Result<SharedPrincipal> principal = context_.tokens.verify(*token);
    if (!principal) return refuse(*connecting, principal.error());
    if (!auth->principal.empty() && auth->principal != (*principal)->fingerprint()) {
        return refuse(*connecting,
                      Error{ErrorCode::kPrincipalChanged,
                            "somebody else is signed in than the one whom auth.principal names; "
                            "forget what you keep of that one, and connect without it"});
    }

    Arrival arrival{.principal = std::move(*principal),
                    .pid = settings_.recovery ? std::move(auth->pid) : std::string(),
                    .offset = std::move(auth->offset),
                    .since = std::move(auth->since),
                    .since_unread = std::move(auth->since_unread),
                    .topics = std::move(auth->topics),
                    .wants_session = settings_.recovery};
    context_.admissions.sign_in(
        std::move(arrival),
        [this, connecting, ended = std::move(auth->ended), wants_place = auth->wants_place,
         wants_warning = auth->wants_warning](Result<Admitted> admitted) mutable {
            if (!admitted) return come_again(*connecting, admitted.error());
            admitted->wants_place = wants_place;
            std::move(ended.begin(), ended.end(), std::back_inserter(admitted->ended));
            admit(*connecting, *admitted, wants_warning);
        });
}

void Gateway::admit(Connecting& connecting, const Admitted& admitted, bool wants_warning) {
    auto data = std::make_unique<BusSocket>(
        *this, context_.admissions, admitted,
        MemberId{(next_group_member_++ << 8U) | context_.reactor.index()});
    BusSocket& member = *data;
    member.wants_warning = wants_warning;
    const std::shared_ptr<Socket> socket =
        connecting.accept(admitted.record.sid, admitted.record.pid, std::move(data));
    if (!socket) return context_.admissions.forget(admitted);
    probe_.sign_ins.add();
    if (admitted.is_resumed) probe_.resumes.add();
    if (!admitted.unknown.empty()) probe_.unknown_sessions.add();
    member.attach(*socket, admitted, encoder_of(socket->nsp()));
    if (member.is_attached()) await_end_of_token(member);
}

// What may pass is no answer to CONNECT: a Socket.IO client does not come back from that by itself.
void Gateway::come_again(Connecting& connecting, const Error& error) {
    probe_.sign_in_delays.add();
    if (!connecting.is_open()) return;
    diagnostics::debug("a sign-in could not be served now, and its connection was closed",
                       {{"client", connecting.request().client.text()}, {"why", error.detail}});
    connecting.close(CloseReason::kServer);
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

Result<std::string> Gateway::token_of(const Connecting& connecting, std::string_view from_auth) {
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
    if (!token) {
        return no_token(credentials,
                        "give it as auth.token, as a bearer, or as a cookie of an allowed origin");
    }
    return std::string(*token);
}

void Gateway::on_disconnect(Socket& socket, CloseReason reason) {
    BusSocket& member = BusSocket::of(socket);
    if (!member.is_attached()) return;
    if (member.is_in_groups) seats_.remove(socket);
    member.detach(reason == CloseReason::kLeft);
}

}  // namespace eventbus
