#include "app/config_loader.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string_view>
#include <utility>

#include "app/settings.h"
#include "base/settings_file.h"
#include "base/text.h"
#include "net/endpoint.h"
#include "net/ip_address.h"

namespace eventbus {
namespace {

constexpr std::string_view kPrefix = "EVENTBUS_";
constexpr std::string_view kFileVariable = "EVENTBUS_CONFIG";
constexpr std::size_t kFileBytesMax = 1U << 20U;
constexpr auto kDevListen = "127.0.0.1:8080";
constexpr std::size_t kNamespacesMax =
    16;  // each has frames of its own: an event is encoded for it
constexpr std::size_t kNamespaceBytesMax = 64;

// RFC 6265, 4.1.1.
bool is_cookie_name(std::string_view name) {
    static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
               kMarks.find(c) != std::string_view::npos;
    });
}

std::string quoted(std::string_view text) { return "`" + std::string(text) + "`"; }

// Collects what is said about each setting, and what is wrong.
class Loader {
 public:
    void find_file(const ConfigSources& sources);
    void read_environment(const std::map<std::string, std::string>& variables);
    void read_flags(const std::map<std::string, std::string>& flags);
    LoadedConfig finish();

 private:
    void read_file(const std::string& path);
    void read_entry(const std::string& path, const YAML::Node& key, const YAML::Node& value);
    void read_list(const Setting& setting, const std::string& path, const YAML::Node& list,
                   std::string where);
    void assign(const Setting& setting, std::string_view text, std::string where);
    void fail(std::string where, std::string what, std::string fix) {
        loaded_.problems.push_back({std::move(where), std::move(what), std::move(fix)});
    }

    void check_dev();
    void check_tls();
    void check_proxies();
    void check_tokens();
    void check_namespaces();
    void check_origins();
    void check_sizes();
    // Where a key was set, or its name if it has its default.
    std::string place_of(std::string_view key) const;

    LoadedConfig loaded_;
    std::map<std::string, std::string, std::less<>> places_;  // of what was set
};

std::string at_line(const std::string& path, const YAML::Mark& mark) {
    return path + ":" + std::to_string(mark.line + 1);
}

void Loader::find_file(const ConfigSources& sources) {
    if (!sources.file.empty()) return read_file(sources.file);
    const auto named = sources.environment.find(std::string(kFileVariable));
    if (named == sources.environment.end()) return;
    if (!named->second.empty()) return read_file(named->second);
    fail(named->first, "the value is empty; write a path", "it is for: the file of settings");
}

void Loader::read_file(const std::string& path) {
    const Result<std::string> text = read_settings_file(path, kFileBytesMax);
    if (!text) {
        return fail(path, "the file of settings " + text.error().detail,
                    "name another with --config or EVENTBUS_CONFIG");
    }
    try {
        const YAML::Node root = YAML::Load(*text);
        if (root.IsNull()) return;
        if (!root.IsMap()) {
            return fail(at_line(path, root.Mark()), "this is no list of settings",
                        "write `key: value` lines, as `listen: 0.0.0.0:8080`");
        }
        std::set<std::string> seen;
        for (const auto& entry : root) {
            if (entry.first.IsScalar() && !seen.insert(entry.first.Scalar()).second) {
                fail(at_line(path, entry.first.Mark()),
                     quoted(entry.first.Scalar()) + " is set twice", "remove one of both");
                continue;
            }
            read_entry(path, entry.first, entry.second);
        }
    } catch (const YAML::Exception& error) {
        fail(at_line(path, error.mark), error.msg, "this is not YAML; fix the line");
    }
}

void Loader::read_entry(const std::string& path, const YAML::Node& key, const YAML::Node& value) {
    const std::string where = at_line(path, key.Mark());
    if (!key.IsScalar()) return fail(where, "a key is no word", "write `key: value`");
    const std::string& name = key.Scalar();
    const Setting* setting = find_setting(name);
    if (setting == nullptr) {
        const std::string near = nearest_setting(name);
        return fail(where, quoted(name) + " is no setting",
                    near.empty() ? "`eventbus serve --help` lists them"
                                 : "did you mean " + quoted(near) + "?");
    }
    if (value.IsScalar()) return assign(*setting, value.Scalar(), where);
    if (setting->kind == Setting::Kind::kList && value.IsSequence()) {
        return read_list(*setting, path, value, where);
    }
    fail(where, quoted(name) + (value.IsNull() ? " has no value" : " is not one value"),
         value.IsNull() ? "give it one, or remove the line" : "write `" + name + ": value`");
}

void Loader::read_list(const Setting& setting, const std::string& path, const YAML::Node& list,
                       std::string where) {
    if (list.size() == 0) return;  // as by default, and meant so: `[]`
    std::string text;
    for (const YAML::Node& item : list) {
        if (!item.IsScalar() || item.Scalar().empty()) {
            return fail(at_line(path, item.Mark()), quoted(setting.key) + " holds what is no text",
                        "write one value a line, each after `- `");
        }
        text += item.Scalar() + ",";
    }
    assign(setting, text, std::move(where));
}

void Loader::read_environment(const std::map<std::string, std::string>& variables) {
    for (const auto& [name, value] : variables) {
        if (!name.starts_with(kPrefix) || name == kFileVariable) continue;
        std::string key = name.substr(kPrefix.size());
        std::transform(key.begin(), key.end(), key.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        if (const Setting* setting = find_setting(key)) {
            assign(*setting, value, name);
            continue;
        }
        // No error: Kubernetes sets EVENTBUS_SERVICE_HOST and others for a service of that name.
        const std::string near = nearest_setting(key);
        if (near.empty()) continue;
        loaded_.problems.push_back({name, "this is no setting, and is ignored",
                                    "did you mean " + find_setting(near)->environment() + "?",
                                    true});
    }
}

void Loader::read_flags(const std::map<std::string, std::string>& flags) {
    for (const auto& [key, value] : flags) {
        const Setting* setting = find_setting(key);
        if (setting != nullptr) assign(*setting, value, setting->flag());
    }
}

void Loader::assign(const Setting& setting, std::string_view text, std::string where) {
    if (setting.kind == Setting::Kind::kSecret && without_line_end(text).size() < text.size()) {
        text = without_line_end(text);
        loaded_.problems.push_back({where, "the secret ends with a line break, which is left out",
                                    "write it without, as in `printf %s` and not `echo`", true});
    }
    const Result<> assigned = setting.assign(loaded_.config, text);
    if (!assigned) {
        const std::string range = setting.range_text();
        return fail(
            std::move(where),
            quoted(setting.key) + ": " +
                (setting.kind == Setting::Kind::kSecret && !text.empty() ? "the value is wrong"
                                                                         : assigned.error().detail),
            "it is for: " + std::string(setting.sentence));
    }
    places_[std::string(setting.key)] = std::move(where);
}

std::string Loader::place_of(std::string_view key) const {
    const auto place = places_.find(key);
    return place == places_.end() ? std::string(key) : place->second;
}

LoadedConfig Loader::finish() {
    check_dev();
    check_tls();
    check_proxies();
    check_tokens();
    check_namespaces();
    check_origins();
    check_sizes();
    return std::move(loaded_);
}

void Loader::check_dev() {
    Config& config = loaded_.config;
    if (!config.dev) return;
    if (!places_.contains("listen")) config.listen = kDevListen;
    for (const auto& [key, text] :
         {std::pair("listen", config.listen), std::pair("admin_listen", config.admin_listen)}) {
        const auto address = parse_endpoint(text);
        if (!address || is_loopback(*address)) continue;
        fail(place_of(key), "with dev the server listens on loopback only, not on " + text,
             "write 127.0.0.1:PORT, or set a jwt_secret and leave dev away");
    }
}

void Loader::check_tls() {
    const Config& config = loaded_.config;
    if (config.tls_certificate_file.empty() == config.tls_key_file.empty()) return;
    const bool has_key = config.tls_certificate_file.empty();
    fail(
        place_of(has_key ? "tls_key_file" : "tls_certificate_file"),
        has_key ? "there is a TLS key and no certificate" : "there is a certificate and no TLS key",
        has_key ? "set tls_certificate_file too" : "set tls_key_file too");
}

void Loader::check_proxies() {
    const Config& config = loaded_.config;
    for (const std::string& range : config.trusted_proxies) {
        if (IpRange::parse(range)) continue;
        fail(place_of("trusted_proxies"), "\"" + range + "\" is no address and no range of them",
             "write 192.0.2.1, or a range whose bits behind the prefix are 0: 10.0.0.0/8");
    }
    if (config.proxy_protocol && config.trusted_proxies.empty()) {
        fail(place_of("proxy_protocol"), "nobody may speak the PROXY protocol",
             "name the balancers in trusted_proxies");
    }
}

void Loader::check_tokens() {
    const Config& config = loaded_.config;
    if (!config.jwt_secret.empty() && !config.jwt_secret_file.empty()) {
        fail(place_of("jwt_secret_file"), "both jwt_secret and jwt_secret_file are set",
             "set one of both");
    }
    const auto claims =
        std::to_array({std::pair("jwt_user_claim", &config.jwt_user_claim),
                       std::pair("jwt_roles_claim", &config.jwt_roles_claim),
                       std::pair("jwt_permissions_claim", &config.jwt_permissions_claim),
                       std::pair("jwt_service_claim", &config.jwt_service_claim)});
    std::set<std::string> names = {"exp", "nbf", "iat", "iss", "aud"};
    for (const auto& [key, name] : claims) {
        if (names.insert(*name).second) continue;
        fail(place_of(key), quoted(key) + " is a claim with another meaning",
             "name a claim of its own");
    }
    for (const auto& [key, cookie] : {std::pair("cookie_name", config.cookie_name),
                                      std::pair("sticky_cookie", config.sticky_cookie)}) {
        if (is_cookie_name(cookie)) continue;
        fail(place_of(key), "\"" + cookie + "\" is no name of a cookie",
             "use letters, digits, - and _, or `off`");
    }
    if (config.sets_cookie() && config.sticky_cookie == config.cookie_name) {
        fail(place_of("sticky_cookie"), "it would overwrite the token's cookie, cookie_name",
             "give it another name, such as io");
    }
}

void Loader::check_namespaces() {
    std::set<std::string> names;
    for (const std::string& name : loaded_.config.namespaces) {
        const bool is_good =
            name.size() > 1 && name.size() <= kNamespaceBytesMax && name.front() == '/' &&
            std::all_of(name.begin(), name.end(), [](unsigned char c) {
                return std::isalnum(c) != 0 || c == '/' || c == '-' || c == '_' || c == '.';
            });
        if (!is_good) {
            fail(
                place_of("namespaces"), "\"" + name + "\" is no namespace",
                "write / and letters, digits, -, _, . or /: /app; the namespace / is always there");
        } else if (!names.insert(name).second) {
            fail(place_of("namespaces"), "\"" + name + "\" stands there twice", "name it once");
        }
    }
    if (names.size() > kNamespacesMax) {
        fail(place_of("namespaces"), "there are more than 16 namespaces", "name 16 or fewer");
    }
}

void Loader::check_origins() {
    for (const std::string& origin : loaded_.config.allowed_origins) {
        if (origin == "*") continue;
        const bool has_scheme = origin.starts_with("https://") || origin.starts_with("http://");
        const std::size_t host = origin.find("://") + 3;
        if (has_scheme && host < origin.size() &&
            origin.find_first_of("/?#@*", host) == std::string::npos) {
            continue;
        }
        fail(place_of("allowed_origins"), "\"" + origin + "\" is no origin",
             "write scheme, host and perhaps port, without a path: https://app.example.com");
    }
}

void Loader::check_sizes() {
    const Config& config = loaded_.config;
    if (config.queue_bytes_per_socket_max < config.message_bytes_max) {
        fail(place_of("queue_bytes_per_socket_max"),
             "queue_bytes_per_socket_max is below message_bytes_max: the largest event could never "
             "be sent",
             "raise it, or lower message_bytes_max");
    }
    const auto listen = parse_endpoint(config.listen);
    if (listen && listen->port != 0 && config.listen == config.admin_listen) {
        fail(place_of("admin_listen"), "listen and admin_listen are the same address",
             "give admin_listen another port, or `off`");
    }
}

}  // namespace

std::string ConfigProblem::text() const {
    return where + ": " + (warning ? "warning: " : "") + what + "; " + fix;
}

bool LoadedConfig::is_good() const {
    return std::all_of(problems.begin(), problems.end(),
                       [](const ConfigProblem& problem) { return problem.warning; });
}

LoadedConfig load_config(const ConfigSources& sources) {
    Loader loader;
    loader.find_file(sources);
    loader.read_environment(sources.environment);
    loader.read_flags(sources.flags);
    return loader.finish();
}

std::map<std::string, std::string> eventbus_environment() {
    std::map<std::string, std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string_view text(*variable);
        const std::size_t equals = text.find('=');
        const bool is_ours = text.starts_with(kPrefix) || text.starts_with("EVENT_BUS_");
        if (!is_ours || equals == std::string_view::npos) continue;
        variables.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return variables;
}

}  // namespace eventbus
