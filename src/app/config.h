#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace eventbus {

// Every setting of the process, with its default. Ranges, units and sentences are the rows of
// settings.cpp; load_config() fills it from flags, environment and file, and checks it whole, so
// that who gets a Config may trust it.
struct Config {
    using Milliseconds = std::chrono::milliseconds;

    // What it serves, and where.
    std::string listen = "0.0.0.0:8080";
    std::string admin_listen = "127.0.0.1:9090";  // or "off"
    std::string data = "./data";
    std::string catalog = "catalog.yaml";
    bool dev = false;
    std::size_t reactors = 0;  // 0: one for each core that the process may use
    Milliseconds shutdown_timeout = std::chrono::seconds(10);

    // TLS on `listen`: both or none.
    std::string tls_certificate_file;
    std::string tls_key_file;

    // Who is in front of it.
    bool proxy_protocol = false;
    std::vector<std::string> trusted_proxies;  // "10.0.0.0/8", "2001:db8::1"

    // What it says about itself.
    std::string log_level = "info";  // debug, info, warn, error, off
    std::string log_format = "text";

    // Tokens.
    std::string jwt_secret;  // never printed
    std::string jwt_secret_file;
    std::string jwt_issuer;    // empty: not checked
    std::string jwt_audience;  // empty: not checked
    Milliseconds jwt_clock_skew = std::chrono::seconds(30);
    std::string jwt_user_claim = "sub";
    std::string jwt_roles_claim = "roles";
    std::string jwt_permissions_claim = "permissions";
    std::string jwt_service_claim = "service";
    std::string cookie_name = "eventbus_token";  // or "off"
    std::vector<std::string> allowed_origins;    // "https://app.example.com", or "*" (no cookies)

    // Connections.
    std::size_t connections_max = 100'000;
    std::size_t unauthenticated_max = 0;  // 0: a tenth of connections_max, 10,000 at most
    std::vector<std::string> namespaces;  // beside "/"
    std::string sticky_cookie = "off";    // or a name
    Milliseconds ping_interval = std::chrono::seconds(25);
    Milliseconds ping_timeout = std::chrono::seconds(20);
    Milliseconds connect_timeout = std::chrono::seconds(10);
    Milliseconds upgrade_timeout = std::chrono::seconds(10);
    std::size_t message_bytes_max = 1'000'000;
    std::size_t events_per_batch_max = 1'000;
    std::size_t rooms_per_socket_max = 256;
    std::size_t queue_bytes_per_socket_max = 1U << 20U;
    std::size_t compress_bytes_min = 1024;  // 0: nothing is compressed
    std::string io_uring = "auto";          // or off
    Milliseconds coalesce{0};
    Milliseconds coalesce_latest{1};

    // HTTP.
    std::size_t header_bytes_max = 16U << 10U;
    Milliseconds header_timeout = std::chrono::seconds(10);
    Milliseconds body_timeout = std::chrono::seconds(30);
    Milliseconds http_idle_timeout = std::chrono::seconds(75);

    // Resume.
    bool recovery = true;
    Milliseconds session_ttl = std::chrono::hours(24);
    std::size_t sessions_max = 200'000;
    std::size_t sessions_per_principal_max = 100;  // not connected; of a service ten times as many
    std::size_t tail_entries_max = 65'536;         // of each reactor
    std::size_t tail_bytes_max = 128U << 20U;      // of all

    // The log.
    std::size_t log_bytes_max = 10ULL << 30U;
    Milliseconds retention_hold = std::chrono::hours(24);  // 0: none
    Milliseconds dedupe_window = std::chrono::minutes(10);
    std::size_t dedupe_max = 1'000'000;
    std::size_t owners_max = 10'000'000;
    Milliseconds owner_ttl{0};  // 0: for good

    // Consumer groups.
    Milliseconds group_ack_wait = std::chrono::seconds(30);
    std::size_t group_in_flight_default = 64;  // of a member that names none
    std::size_t groups_max = 1'000;
    std::size_t groups_per_service_max = 100;
    Milliseconds group_idle_ttl = std::chrono::hours(24 * 30);

    bool serves_admin() const { return admin_listen != "off"; }
    bool speaks_tls() const { return !tls_certificate_file.empty(); }
    bool takes_cookie() const { return cookie_name != "off"; }
    bool sets_cookie() const { return sticky_cookie != "off"; }
};

}  // namespace eventbus
