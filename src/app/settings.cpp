#include "app/settings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "app/units.h"
#include "base/assert.h"
#include "base/text.h"
#include "base/utf8.h"
#include "event/nearest.h"
#include "event/subject.h"
#include "net/endpoint.h"

namespace eventbus {
namespace {

using Kind = Setting::Kind;

constexpr std::uint64_t kKiB = 1U << 10U;
constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kGiB = 1U << 30U;
constexpr std::uint64_t kSecond = 1'000;
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;
constexpr std::uint64_t kMillion = 1'000'000;

constexpr auto kServer = "Server";
constexpr auto kTls = "TLS";
constexpr auto kProxies = "Proxies";
constexpr auto kDiagnostics = "Diagnostics";
constexpr auto kTokens = "Tokens";
constexpr auto kConnections = "Connections";
constexpr auto kHttp = "HTTP";
constexpr auto kResume = "Resume";
constexpr auto kLog = "Log";
constexpr auto kGroups = "Consumer groups";

// clang-format off
constexpr auto kTable = std::to_array<Setting>({
    {kServer, "listen", Kind::kAddress, &Config::listen, 0, 0, "",
     "Where clients connect, HOST:PORT; with dev 127.0.0.1:8080 by default, and loopback only."},
    {kServer, "admin_listen", Kind::kAddressOrOff, &Config::admin_listen, 0, 0, "",
     "Where metrics and administration are served, or off."},
    {kServer, "data", Kind::kPath, &Config::data, 0, 0, "",
     "Directory of the log; made when missing, used by one server at a time."},
    {kServer, "catalog", Kind::kPath, &Config::catalog, 0, 0, "",
     "The catalog file: what each event type is and who gets it."},
    {kServer, "dev", Kind::kSwitch, &Config::dev, 0, 0, "",
     "For development: loopback only, pages of this machine allowed, a secret made in the data directory."},
    {kServer, "reactors", Kind::kCount, &Config::reactors, 0, 64, "",
     "Threads that serve connections; 0 is one for each core that the process may use."},
    {kServer, "shutdown_timeout", Kind::kDuration, &Config::shutdown_timeout, 0, 10 * kMinute, "",
     "How long a shutdown waits for what is being sent before it closes connections hard."},

    {kTls, "tls_certificate_file", Kind::kPath, &Config::tls_certificate_file, 0, 0, "",
     "The certificate in PEM, those that lead to its authority behind it; with it listen speaks TLS only."},
    {kTls, "tls_key_file", Kind::kPath, &Config::tls_key_file, 0, 0, "",
     "Its private key in PEM, without a passphrase."},

    {kProxies, "trusted_proxies", Kind::kList, &Config::trusted_proxies, 0, 0, "",
     "Balancers whose word on who the client is counts, as addresses or ranges: 10.0.0.0/8, 2001:db8::1."},
    {kProxies, "proxy_protocol", Kind::kSwitch, &Config::proxy_protocol, 0, 0, "",
     "Connections to listen begin with the PROXY protocol, 1 or 2, of a trusted proxy; all others are closed."},

    {kDiagnostics, "log_level", Kind::kWord, &Config::log_level, 0, 0, "debug|info|warn|error|off",
     "The least important lines that the process writes to standard error."},
    {kDiagnostics, "log_format", Kind::kWord, &Config::log_format, 0, 0, "text|json",
     "Lines for people, or one JSON object a line."},

    {kTokens, "jwt_secret", Kind::kSecret, &Config::jwt_secret, 0, 0, "",
     "The HS256 secret that signs tokens, 32 bytes or more; no flag, as others can read a command line."},
    {kTokens, "jwt_secret_file", Kind::kPath, &Config::jwt_secret_file, 0, 0, "",
     "A file that holds that secret instead; a line break at its end does not count."},
    {kTokens, "jwt_issuer", Kind::kText, &Config::jwt_issuer, 0, 0, "",
     "What a token's iss must be; empty: not asked."},
    {kTokens, "jwt_audience", Kind::kText, &Config::jwt_audience, 0, 0, "",
     "What a token's aud must be or hold; empty: not asked."},
    {kTokens, "jwt_clock_skew", Kind::kDuration, &Config::jwt_clock_skew, 0, kHour, "",
     "By how much the clocks of those who sign tokens may differ from ours."},
    {kTokens, "jwt_user_claim", Kind::kText, &Config::jwt_user_claim, 0, 0, "",
     "The claim that holds a user's id."},
    {kTokens, "jwt_roles_claim", Kind::kText, &Config::jwt_roles_claim, 0, 0, "",
     "The claim that lists a user's roles."},
    {kTokens, "jwt_permissions_claim", Kind::kText, &Config::jwt_permissions_claim, 0, 0, "",
     "The claim that lists permissions, each verb:pattern."},
    {kTokens, "jwt_service_claim", Kind::kText, &Config::jwt_service_claim, 0, 0, "",
     "The claim that names a service; a token that has it is not a user's."},
    {kTokens, "cookie_name", Kind::kText, &Config::cookie_name, 0, 0, "",
     "The cookie that may hold the token of a page of an allowed origin, or off."},
    {kTokens, "allowed_origins", Kind::kList, &Config::allowed_origins, 0, 0, "",
     "Origins whose pages may connect, as https://app.example.com; * is any, but then without cookies."},

    {kConnections, "connections_max", Kind::kCount, &Config::connections_max, 1, 10 * kMillion, "",
     "Connections at once that have brought a token, shared out evenly over the reactors; one more is answered 503."},
    {kConnections, "unauthenticated_max", Kind::kCount, &Config::unauthenticated_max, 0, kMillion, "",
     "Connections that have brought no token, and as many sessions that have joined no namespace, in addition to those that have; one more takes the place of an older one. 0: a tenth of connections_max, at most 10000."},
    {kConnections, "namespaces", Kind::kList, &Config::namespaces, 0, 0, "",
     "Socket.IO namespaces beside /, as /app; each serves the same, and any other is refused."},
    {kConnections, "sticky_cookie", Kind::kText, &Config::sticky_cookie, 0, 0, "",
     "The cookie that tells a balancer which session a polling client has, as io, or off."},
    {kConnections, "ping_interval", Kind::kDuration, &Config::ping_interval, 100, kHour, "",
     "How often the server asks whether a client is there."},
    {kConnections, "ping_timeout", Kind::kDuration, &Config::ping_timeout, 100, kHour, "",
     "How long it waits for the answer before it closes the connection."},
    {kConnections, "connect_timeout", Kind::kDuration, &Config::connect_timeout, 100, 10 * kMinute, "",
     "How long a connection may stay without having joined the namespace."},
    {kConnections, "upgrade_timeout", Kind::kDuration, &Config::upgrade_timeout, 100, 10 * kMinute, "",
     "How long the change from polling to WebSocket may take."},
    {kConnections, "message_bytes_max", Kind::kBytes, &Config::message_bytes_max, kKiB, 64 * kMiB, "",
     "The largest message or HTTP body from a client; Socket.IO's maxPayload."},
    {kConnections, "events_per_batch_max", Kind::kCount, &Config::events_per_batch_max, 1, 100'000, "",
     "Events in one publish."},
    {kConnections, "rooms_per_socket_max", Kind::kCount, &Config::rooms_per_socket_max, 8, 65'536, "",
     "Rooms of one socket: its user, its roles, and what it watches."},
    {kConnections, "queue_bytes_per_socket_max", Kind::kBytes, &Config::queue_bytes_per_socket_max,
     16 * kKiB, kGiB, "",
     "What may wait for one slow client before it is closed, to come back and resume; at least message_bytes_max."},
    {kConnections, "compress_bytes_min", Kind::kBytes, &Config::compress_bytes_min, 0, kGiB, "",
     "From which size on an event is compressed (permessage-deflate), once for all clients that agreed to it; 0: none is."},
    {kConnections, "coalesce", Kind::kDuration, &Config::coalesce, 0, kSecond, "",
     "How long an event may wait for others, to leave with them in one write; the first after a silence never waits."},
    {kConnections, "coalesce_latest", Kind::kDuration, &Config::coalesce_latest, 0, kSecond, "",
     "The same for events of types that are latest, if that is longer; a newer one replaces one that waits."},
    {kConnections, "io_uring", Kind::kWord, &Config::io_uring, 0, 0, "auto|off",
     "Whether many writes share a system call where kernel and sandbox allow it; /metrics says if they do."},

    {kHttp, "header_bytes_max", Kind::kBytes, &Config::header_bytes_max, kKiB, kMiB, "",
     "The head of a request, in bytes."},
    {kHttp, "header_timeout", Kind::kDuration, &Config::header_timeout, 100, 10 * kMinute, "",
     "How long the head of a request may take to arrive."},
    {kHttp, "body_timeout", Kind::kDuration, &Config::body_timeout, 100, kHour, "",
     "How long the body of a request may take to arrive."},
    {kHttp, "http_idle_timeout", Kind::kDuration, &Config::http_idle_timeout, 100, kHour, "",
     "How long a connection between two requests is kept."},

    {kResume, "recovery", Kind::kSwitch, &Config::recovery, 0, 0, "",
     "Whether clients get a pid and can resume their session; without, since is what is left to them."},
    {kResume, "session_ttl", Kind::kDuration, &Config::session_ttl, kSecond, 30 * kDay, "",
     "How long after a drop a client can resume its session."},
    {kResume, "sessions_max", Kind::kCount, &Config::sessions_max, 1, 100 * kMillion, "",
     "Sessions that are kept, those of connected clients included; beyond it a new one pushes out the oldest that is not connected."},
    {kResume, "sessions_per_principal_max", Kind::kCount, &Config::sessions_per_principal_max, 1, kMillion, "",
     "Sessions of one user that are not connected, and a tenth of those of one service; beyond it a new one pushes out its oldest."},
    {kResume, "tail_entries_max", Kind::kCount, &Config::tail_entries_max, 512, 16 * kMillion, "",
     "Events that each reactor keeps in memory for resumes; older ones are read from disk."},
    {kResume, "tail_bytes_max", Kind::kBytes, &Config::tail_bytes_max, 8 * kMiB, 1024 * kGiB, "",
     "Memory of these events, of all reactors together; beyond it the oldest are read from disk, too."},

    {kLog, "log_bytes_max", Kind::kBytes, &Config::log_bytes_max, 16 * kMiB, 64 * 1024 * kGiB, "",
     "The log on disk; beyond it the oldest events go, whatever their retention says."},
    {kLog, "retention_hold", Kind::kDuration, &Config::retention_hold, 0, 365 * kDay, "",
     "How long nothing is deleted for its age after a jump of the clock, in time that a server ran; 0: not at all."},
    {kLog, "dedupe_window", Kind::kDuration, &Config::dedupe_window, kSecond, 7 * kDay, "",
     "How long a repeated publish of the same source and id is recognised, in time that the server runs."},
    {kLog, "dedupe_max", Kind::kCount, &Config::dedupe_max, 1'000, 1'000 * kMillion, "",
     "Ids that are remembered for that; beyond it the oldest of the publisher that has most goes."},
    {kLog, "owners_max", Kind::kCount, &Config::owners_max, 1'000, 1'000 * kMillion, "",
     "Subjects whose owner is known; beyond it events that name a new one are refused (503); warnings come from 80 % on."},
    {kLog, "owner_ttl", Kind::kDuration, &Config::owner_ttl, 0, 36'600 * kDay, "",
     "How long a subject's owner and grants last after the last event that names the owner or grants, in time that a server ran; 0: for good."},

    {kGroups, "group_ack_wait", Kind::kDuration, &Config::group_ack_wait, 100, kDay, "",
     "How long a member has to acknowledge an event before another one gets it."},
    {kGroups, "group_in_flight_default", Kind::kCount, &Config::group_in_flight_default, 1, 1'000, "",
     "Unacknowledged events of a member that does not say how many it takes."},
    {kGroups, "groups_max", Kind::kCount, &Config::groups_max, 1, 100'000, "",
     "Consumer groups of each reactor; a new one beyond it is refused."},
    {kGroups, "groups_per_service_max", Kind::kCount, &Config::groups_per_service_max, 1, 100'000, "",
     "Consumer groups that belong to one service; a new one beyond it is refused."},
    {kGroups, "group_idle_ttl", Kind::kDuration, &Config::group_idle_ttl, 0, 3'660 * kDay, "",
     "How long a group without a member is kept, in time that a server ran; 0: for good."},
});
// clang-format on

Error wrong(std::string detail) { return Error{ErrorCode::kBadRequest, std::move(detail)}; }

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const std::string_view part = take_part(text, separator);
        if (!part.empty()) parts.emplace_back(part);
    }
    return parts;
}

std::string number_text(Kind kind, std::uint64_t value) {
    if (kind == Kind::kBytes) return format_size(value);
    if (kind == Kind::kDuration) {
        return format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(value)));
    }
    return std::to_string(value);
}

Result<std::uint64_t> parse_number(Kind kind, std::string_view text) {
    if (kind == Kind::kBytes) return parse_size(text);
    if (kind == Kind::kCount) return parse_count(text);
    BUS_ASSERT(kind == Kind::kDuration);
    const auto time = parse_duration(text);
    if (!time) return time.error();
    return static_cast<std::uint64_t>(time->count());
}

Result<bool> parse_switch(std::string_view text) {
    for (const char* on : {"true", "yes", "on", "1"}) {
        if (text == on) return true;
    }
    for (const char* off : {"false", "no", "off", "0"}) {
        if (text == off) return false;
    }
    return wrong("\"" + std::string(text) + "\" is neither true nor false");
}

// Texts reach clients in messages and headers; paths and secrets are the system's, and may be
// bytes.
bool is_for_the_wire(Kind kind) { return kind != Kind::kPath && kind != Kind::kSecret; }

}  // namespace

std::string Setting::flag() const {
    std::string name = "--" + std::string(key);
    std::replace(name.begin(), name.end(), '_', '-');
    return name;
}

std::string Setting::flag_off() const { return "--no-" + flag().substr(2); }

std::string Setting::environment() const {
    std::string name = "EVENTBUS_" + std::string(key);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return name;
}

std::string Setting::default_text() const {
    const Config defaults;
    if (const auto* text = std::get_if<std::string Config::*>(&member)) return defaults.**text;
    if (const auto* on = std::get_if<bool Config::*>(&member)) {
        return defaults.**on ? "true" : "false";
    }
    if (const auto* number = std::get_if<std::size_t Config::*>(&member)) {
        return number_text(kind, defaults.**number);
    }
    if (const auto* time = std::get_if<Config::Milliseconds Config::*>(&member)) {
        return format_duration(defaults.**time);
    }
    return {};  // lists are empty
}

std::string Setting::range_text() const {
    if (!words.empty()) {
        std::string text;
        const auto all = split(words, '|');
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (i > 0) text += i + 1 == all.size() ? " or " : ", ";
            text += all[i];
        }
        return text;
    }
    if (max == 0) return {};
    return number_text(kind, min) + " to " + number_text(kind, max);
}

Result<> Setting::assign(Config& config, std::string_view text) const {
    if (is_for_the_wire(kind) && (!is_utf8(text) || has_control_characters(text))) {
        return wrong("the value is not UTF-8, or holds a line break or another control character");
    }
    if (const auto* on = std::get_if<bool Config::*>(&member)) {
        const auto value = parse_switch(text);
        if (!value) return value.error();
        config.** on = *value;
        return {};
    }
    if (const auto* list = std::get_if<std::vector<std::string> Config::*>(&member)) {
        std::vector<std::string> values = split(text, ',');
        if (values.empty())
            return wrong("the list is empty; write values with commas between them");
        config.** list = std::move(values);
        return {};
    }
    if (const auto* plain = std::get_if<std::string Config::*>(&member)) {
        const bool is_off = kind == Kind::kAddressOrOff && text == "off";
        if (!is_off && (kind == Kind::kAddress || kind == Kind::kAddressOrOff)) {
            if (const auto address = parse_endpoint(text); !address) return address.error();
        }
        const auto known = split(words, '|');
        if (kind == Kind::kWord && std::find(known.begin(), known.end(), text) == known.end()) {
            return wrong("\"" + std::string(text) + "\" is not " + range_text());
        }
        if (text.empty() && !may_be_empty()) {
            return wrong(kind == Kind::kPath ? "the value is empty; write a path"
                                             : "the value is empty; write one");
        }
        config.** plain = text;
        return {};
    }
    const auto value = parse_number(kind, text);
    if (!value) return value.error();
    if (*value < min || *value > max) {
        return wrong("\"" + std::string(text) + "\" is out of range; allowed is " + range_text());
    }
    if (const auto* number = std::get_if<std::size_t Config::*>(&member)) {
        config.** number = *value;
    } else {
        config.*std::get<Config::Milliseconds Config::*>(member) =
            Config::Milliseconds(static_cast<std::int64_t>(*value));
    }
    return {};
}

std::span<const Setting> settings() { return kTable; }

const Setting* find_setting(std::string_view key) {
    const auto found = std::find_if(kTable.begin(), kTable.end(),
                                    [&](const Setting& setting) { return setting.key == key; });
    return found == kTable.end() ? nullptr : &*found;
}

std::string nearest_setting(std::string_view key) {
    std::vector<std::string_view> keys;
    keys.reserve(kTable.size());
    for (const Setting& setting : kTable) keys.push_back(setting.key);
    return std::string(nearest(key, keys));
}

}  // namespace eventbus
