#include "app/serve.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "app/access.h"
#include "app/certificate.h"
#include "app/data_directory.h"
#include "app/descriptors.h"
#include "app/lane.h"
#include "app/secret.h"
#include "app/server_metrics.h"
#include "app/signals.h"
#include "app/ticket_key.h"
#include "backplane/embedded/embedded_log.h"
#include "backplane/embedded/group_store.h"
#include "backplane/embedded/session_store.h"
#include "base/assert.h"
#include "base/diagnostics.h"
#include "base/thread_usage.h"
#include "base/write_line.h"
#include "bus/subject_watches.h"
#include "bus/subjects.h"
#include "catalog/loader.h"
#include "ops/metrics.h"

namespace eventbus {
namespace {

// ---- small steps of the start ----

std::size_t cores_we_may_use() {
    cpu_set_t cores;
    if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
    return static_cast<std::size_t>(std::max(CPU_COUNT(&cores), 1));
}

void set_up_diagnostics(const Config& config) {
    using diagnostics::Level;
    const std::string& level = config.log_level;
    diagnostics::set_level(level == "debug"   ? Level::kDebug
                           : level == "warn"  ? Level::kWarn
                           : level == "error" ? Level::kError
                           : level == "off"   ? Level::kOff
                                              : Level::kInfo);
    diagnostics::use_json(config.log_format == "json");
}

// Each error is said by `say_error`; none: there is no catalog.
std::shared_ptr<const Catalog> load(const std::string& path,
                                    const std::function<void(const std::string&)>& say_error) {
    const Loaded loaded = load_catalog(path);
    for (const Problem& problem : loaded.problems) {
        if (problem.warning) {
            diagnostics::warn("the catalog has a warning", {{"at", problem.text()}});
        } else {
            say_error(problem.text());
        }
    }
    return loaded.catalog;
}

CorsPolicy cors_of(const Config& config) {
    return CorsPolicy({.origins = config.allowed_origins, .loopback_origins = config.dev});
}

TrustedProxies trusted_proxies(const Config& config) {
    std::vector<IpRange> ranges;
    ranges.reserve(config.trusted_proxies.size());
    for (const std::string& text : config.trusted_proxies) {
        const auto range = IpRange::parse(text);
        BUS_ASSERT(range);  // the loader has checked them
        ranges.push_back(*range);
    }
    return TrustedProxies(std::move(ranges));
}

LaneSettings lane_settings(const Config& config, std::size_t lanes, std::size_t descriptors) {
    const auto share_of_lane = [lanes](std::size_t max) {
        return std::max<std::size_t>(max / lanes, 1);
    };
    const std::size_t connections = share_of_lane(config.connections_max);
    const std::size_t strangers = config.unauthenticated_max != 0
                                      ? config.unauthenticated_max
                                      : std::min<std::size_t>(config.connections_max / 10, 10'000);
    LaneSettings settings;
    settings.lanes = lanes;
    settings.strangers_max = share_of_lane(strangers);
    settings.tail_entries_max = config.tail_entries_max;
    settings.events_per_batch_max = config.events_per_batch_max;
    settings.admission = {.rooms_max = config.rooms_per_socket_max,
                          .sid_bytes = Socket::kSidBytesMax};
    settings.gateway = {.read_limits = {.events_max = config.events_per_batch_max,
                                        .data_bytes_max = config.message_bytes_max},
                        .cookie_name = config.takes_cookie() ? config.cookie_name : std::string(),
                        .group_in_flight_default = config.group_in_flight_default,
                        .dedupe_window = config.dedupe_window,
                        .clock_skew = config.jwt_clock_skew,
                        .recovery = config.recovery,
                        .namespaces = config.namespaces};
    settings.groups.ack_wait = config.group_ack_wait;
    settings.groups.groups_max = config.groups_max;
    settings.groups.idle_ttl = config.group_idle_ttl;
    settings.gateway.rooms_per_socket_max = config.rooms_per_socket_max;
    settings.gateway.queue_bytes_max = config.queue_bytes_per_socket_max;
    settings.engine = {
        .ping_interval = config.ping_interval,
        .ping_timeout = config.ping_timeout,
        .upgrade_timeout = config.upgrade_timeout,
        .payload_bytes_max = config.message_bytes_max,
        .queue_bytes_max = config.queue_bytes_per_socket_max,
        .compress_bytes_min = config.compress_bytes_min,
        .sessions_max = connections,
        .strangers_max = settings.strangers_max,
        .sticky_cookie = config.sets_cookie() ? config.sticky_cookie : std::string()};
    settings.socket = {.connect_timeout = config.connect_timeout,
                       .message_bytes_max = config.message_bytes_max};
    settings.http.limits.head_bytes_max = config.header_bytes_max;
    settings.http.head_timeout = config.header_timeout;
    settings.http.body_timeout = config.body_timeout;
    settings.http.idle_timeout = config.http_idle_timeout;
    settings.http.queue_bytes_max = config.queue_bytes_per_socket_max;
    settings.http.connections_max = connections;
    settings.http.budget = std::make_shared<ConnectionBudget>(descriptors);
    settings.http.proxy_protocol = config.proxy_protocol;
    settings.http.trusted_proxies = trusted_proxies(config);
    settings.coalesce = {.all = config.coalesce, .latest = config.coalesce_latest};
    settings.uses_io_uring = config.io_uring == "auto";
    return settings;
}

// Errors name the setting that `endpoint` is.
Result<ListenSocket> open_listener(std::string_view setting, const Endpoint& endpoint,
                                   bool is_first) {
    Result<ListenSocket> socket = ListenSocket::open(endpoint, is_first);
    if (socket) return socket;
    return Error{socket.error().code, fmt::format("`{}`: {}", setting, socket.error().detail)};
}

// Of a stop that does not end by itself within `shutdown_timeout`: then the process is ended.
constexpr auto kStopReserve = std::chrono::seconds(2);

// ---- the server ----

// All parts of the process, in the order in which they are made.
class Server {
 public:
    Server(const Config& config, std::size_t reactors, const Descriptors& descriptors)
        : config_(config), reactors_(reactors), descriptors_(descriptors), cors_(cors_of(config)) {}

    Result<> start(const std::shared_ptr<const Catalog>& catalog, const std::string& secret,
                   Signals& signals);
    void reload(Signals& signals);
    void stop(Signals& signals);
    std::string ready_line() const;

 private:
    Result<> open_stores(const std::filesystem::path& data, Signals& signals);
    void enter_tls(Signals& signals, const char* stage) const;
    void make_lanes(const std::shared_ptr<const Catalog>& catalog, KeySet keys,
                    std::vector<StoredGroup> stored);
    Result<> listen();
    std::array<const Database*, 3> stores() const;
    Result<> is_ready() const;
    void reload_catalog();
    void reload_tls();

    const Config& config_;
    const std::size_t reactors_;
    const Descriptors descriptors_;
    SystemClock clock_;
    SystemRandom random_;
    CorsPolicy cors_;
    std::unique_ptr<Subjects> subjects_;
    std::unique_ptr<EmbeddedLog> log_;
    std::unique_ptr<SubjectWatches> watches_;
    std::unique_ptr<EmbeddedSessionStore> sessions_;
    std::unique_ptr<EmbeddedGroupStore> group_store_;
    Certificate certificate_{clock_};
    Metrics metrics_;
    std::vector<std::unique_ptr<Lane>> lanes_;
    std::unique_ptr<GroupsDirectory> directory_;
    std::string address_;
    std::string admin_address_;
};

Result<> Server::open_stores(const std::filesystem::path& data, Signals& signals) {
    subjects_ = std::make_unique<Subjects>(Subjects::Settings{
        .owners_max = config_.owners_max, .owner_ttl = config_.owner_ttl, .clock = &clock_});
    // Of the tables that all may hold open, most are the log's. RocksDB takes ten for each at
    // least.
    const auto tables = [this](std::size_t sixths) {
        return static_cast<int>(descriptors_.table_files * sixths / 6);
    };
    EmbeddedLogSettings settings{.data_dir = data,
                                 .bytes_max = config_.log_bytes_max,
                                 .tail_entries_max = config_.tail_entries_max,
                                 .tail_bytes_max = config_.tail_bytes_max,
                                 .open_files_max = tables(4),
                                 .retention_hold = config_.retention_hold};
    settings.dedupe = {.window = config_.dedupe_window, .keys_max = config_.dedupe_max};
    signals.enter("while the log is opened");
    auto log = EmbeddedLog::open(std::move(settings), *subjects_, clock_, random_);
    if (!log) return log.error();
    log_ = std::move(*log);
    watches_ = std::make_unique<SubjectWatches>(*log_, *subjects_);
    signals.enter("while the sessions are opened");
    auto sessions = EmbeddedSessionStore::open(
        {.data_dir = data,
         .index = {.sessions_max = config_.sessions_max,
                   .per_user_max = config_.sessions_per_principal_max,
                   .per_service_max = 10 * config_.sessions_per_principal_max,
                   .ttl = config_.session_ttl},
         .open_files_max = tables(1)},
        clock_,
        {.epochs = log_->epochs(),
         .last_open_in = log_->sessions_open_in(),
         .is_epoch_stored = [log = log_.get()] { return log->is_epoch_stored(); }});
    if (!sessions) return sessions.error();
    sessions_ = std::move(*sessions);
    signals.enter("while the groups are opened");
    auto groups = EmbeddedGroupStore::open({.data_dir = data, .open_files_max = tables(1)});
    if (!groups) return groups.error();
    group_store_ = std::move(*groups);
    return {};
}

std::array<const Database*, 3> Server::stores() const {
    return {&log_->database(), &sessions_->database(), &group_store_->database()};
}

Result<> Server::start(const std::shared_ptr<const Catalog>& catalog, const std::string& secret,
                       Signals& signals) {
    Result<KeySet> keys = keys_of_secret(secret);
    if (!keys) return keys.error();
    std::shared_ptr<const TlsContext> tls;
    if (config_.speaks_tls()) {
        enter_tls(signals, "while the TLS certificate is read");
        const auto read = certificate_.read(tls_files(config_));
        if (!read) return read.error();
        tls = *read;
    }
    if (const Result<> opened = open_stores(config_.data, signals); !opened) return opened.error();
    Result<std::vector<StoredGroup>> stored = group_store_->load(log_->epochs());
    if (!stored) return stored.error();
    signals.enter("while it begins to serve");
    make_lanes(catalog, std::move(*keys), std::move(*stored));
    for (const auto& lane : lanes_) lane->use_tls(tls);
    if (const Result<> listening = listen(); !listening) return listening.error();
    log_->start(sessions_->database().is_writable());  // after the readers are there
    for (const auto& lane : lanes_) lane->start_thread();
    return {};
}

void Server::make_lanes(const std::shared_ptr<const Catalog>& catalog, KeySet keys,
                        std::vector<StoredGroup> stored) {
    const std::size_t count = reactors_;
    const Shared shared{
        .clock = clock_,
        .random = random_,
        .log = *log_,
        .watches = *watches_,
        .sessions = *sessions_,
        .group_store = *group_store_,
        .cors = cors_,
        .keys = std::make_shared<const KeySet>(std::move(keys)),
        .claims = claim_rules(config_),
        .ticket_key = ticket_key(config_.data, random_),
        .metrics = [this] { return metrics_.render(); },
        .is_ready = [this] { return is_ready(); },
        .resume_retention =
            [this](Executor& reply_to, Callback<Result<bool>> done) {
                log_->resume_retention(reply_to, std::move(done));
            },
        .hand_over =
            [this](std::size_t to, HttpExchange::Released released) {
                Lane& home = *lanes_[to];
                home.reactor().post([&home, released = std::move(released)]() mutable {
                    home.http().adopt(std::move(released));
                });
            },
    };
    const LaneSettings settings = lane_settings(config_, count, descriptors_.connections);
    GroupNames names(config_.groups_per_service_max);
    for (const StoredGroup& group : stored) names.restore(group);
    auto split = GroupsDirectory::split(std::move(stored), count);
    std::vector<GroupsDirectory::Home> homes;
    for (std::size_t i = 0; i < count; ++i) {
        lanes_.push_back(std::make_unique<Lane>(i, shared, settings, catalog, std::move(split[i])));
        homes.push_back({&lanes_[i]->reactor(), &lanes_[i]->groups()});
    }
    directory_ = std::make_unique<GroupsDirectory>(std::move(homes), std::move(names));
    for (const auto& lane : lanes_) lane->begin(*directory_);
    add_server_metrics(metrics_, lanes_, log_->probe(), *log_);
    add_store_metrics(metrics_, {{"log", &log_->database()},
                                 {"sessions", &sessions_->database()},
                                 {"groups", &group_store_->database()}});
    add_subject_metrics(metrics_, subjects_->probe());
    add_session_metrics(metrics_, sessions_->probe());
    if (config_.speaks_tls()) add_tls_metrics(metrics_, lanes_, certificate_);
}

Result<> Server::listen() {
    Result<Endpoint> endpoint = parse_endpoint(config_.listen);
    if (!endpoint) return endpoint.error();
    for (const auto& lane : lanes_) {
        const bool is_first = lane == lanes_.front();
        Result<ListenSocket> socket = open_listener("listen", *endpoint, is_first);
        if (!socket) return socket.error();
        endpoint->port = socket->port();  // of port 0, the others take the same
        lane->listen(std::move(*socket), false);
    }
    address_ = (config_.speaks_tls() ? "https://" : "http://") + to_string(*endpoint);
    if (!config_.serves_admin()) return {};

    Result<Endpoint> admin = parse_endpoint(config_.admin_listen);
    if (!admin) return admin.error();
    Result<ListenSocket> socket = open_listener("admin_listen", *admin, true);
    if (!socket && config_.admin_listen == Config().admin_listen) {
        // Nobody chose this port: a second server on the machine takes any other.
        diagnostics::warn("the default admin address is in use, so a free port is taken",
                          {{"why", socket.error().detail}});
        admin->port = 0;
        socket = open_listener("admin_listen", *admin, true);
    }
    if (!socket) return socket.error();
    admin->port = socket->port();
    admin_address_ = "http://" + to_string(*admin);
    lanes_.front()->listen(std::move(*socket), true);
    return {};
}

Result<> Server::is_ready() const {
    std::string closed;
    for (const Database* const store : stores()) {
        if (const std::string why = store->refusal(); !why.empty()) {
            closed += (closed.empty() ? "" : "; ") + why;
        }
    }
    if (!closed.empty()) return Error{ErrorCode::kReadOnly, closed};
    for (const Database* const store : stores()) {
        const auto stalled =
            std::chrono::duration_cast<std::chrono::seconds>(store->disk().stalled_for());
        if (stalled.count() == 0) continue;
        return Error{ErrorCode::kUnavailable,
                     fmt::format("the disk of {} has not answered for {} s; look at the disk",
                                 store->name(), stalled.count())};
    }
    for (const auto& lane : lanes_) {
        if (lane->groups().is_writable()) continue;
        return Error{ErrorCode::kReadOnly,
                     "a write to the store of groups failed; it is tried again within 5 s"};
    }
    return {};
}

std::string Server::ready_line() const {
    return fmt::format("eventbus is ready on {} ({} reactor{}, data in {}{})", address_,
                       lanes_.size(), lanes_.size() == 1 ? "" : "s", config_.data,
                       admin_address_.empty() ? "" : ", admin on " + admin_address_);
}

void Server::reload(Signals& signals) {
    signals.enter("while the catalog is loaded again", config_.catalog);
    reload_catalog();
    if (!config_.speaks_tls()) return;
    enter_tls(signals, "while the TLS certificate is read again");
    reload_tls();
}

void Server::enter_tls(Signals& signals, const char* stage) const {
    signals.enter(stage, config_.tls_certificate_file + " and " + config_.tls_key_file);
}

void Server::reload_tls() {
    const std::shared_ptr<const TlsContext> tls = certificate_.read_again(tls_files(config_));
    if (!tls) return;
    for (const auto& lane : lanes_) {
        lane->reactor().post([&lane = *lane, tls] { lane.use_tls(tls); });
    }
    diagnostics::info("the TLS certificate was read again; new connections get it",
                      {{"file", config_.tls_certificate_file}});
}

void Server::reload_catalog() {
    const std::shared_ptr<const Catalog> catalog =
        load(config_.catalog, [](const std::string& error) {
            diagnostics::error("the catalog has an error", {{"at", error}});
        });
    if (!catalog) {
        return diagnostics::error("the catalog has errors, so the old one stays",
                                  {{"file", config_.catalog}});
    }
    // What is published after this line goes by the new catalog, and to nobody by a right of the
    // old one.
    const Completion completion = when_done([file = config_.catalog] {
        diagnostics::info("the catalog was loaded again", {{"file", file}});
    });
    for (const auto& lane : lanes_) {
        lane->reactor().post(
            [&lane = *lane, catalog, completion] { lane.set_catalog(catalog, completion); });
    }
}

void Server::stop(Signals& signals) {
    for (const auto& lane : lanes_) {
        lane->reactor().post([&lane = *lane] { lane.drain(); });
    }
    // What was asked is still answered; then the last bytes go out.
    signals.enter("while the log writes what is left");
    log_->stop();
    signals.enter("while connections are closed");
    std::this_thread::sleep_for(std::min<std::chrono::milliseconds>(
        config_.shutdown_timeout / 4, std::chrono::milliseconds(300)));
    for (const auto& lane : lanes_) lane->join_thread();
    signals.enter("while sessions and groups are written and the stores are closed");
    sessions_.reset();
    group_store_.reset();
    lanes_.clear();
}

}  // namespace

int serve(const Config& config) {
    watch_process_stops();
    Signals signals(config.shutdown_timeout + kStopReserve, config.data);
    set_up_diagnostics(config);
    const auto fail = [](const Error& error) {
        write_line(STDERR_FILENO, "eventbus: " + error.detail);
        return 1;
    };
    const std::size_t reactors = config.reactors > 0 ? config.reactors : cores_we_may_use();
    const Result<Descriptors> descriptors = take_descriptors(reactors, config.connections_max);
    if (!descriptors) return fail(descriptors.error());
    signals.enter("while the data directory is made");
    std::error_code why;
    std::filesystem::create_directories(config.data, why);
    if (why) return fail(data_directory_error(config.data, "made", why.value()));
    const Result<DataDirectory> directory = DataDirectory::take(config.data);
    if (!directory) return fail(directory.error());
    signals.enter("while the JWT secret is read", config.jwt_secret_file);
    SystemRandom random;
    bool made_secret = false;
    const Result<Secret> secret = find_or_make_secret(config, random, made_secret);
    if (!secret) return fail(secret.error());
    if (const std::string oddity = oddity_of(*secret); !oddity.empty()) {
        diagnostics::warn("the JWT secret " + oddity + "; " + kOddSecretMend,
                          {{"secret", secret->from}});
    }
    if (config.dev) {
        diagnostics::warn(made_secret ? "--dev: a secret was made; do not use this in production"
                                      : "--dev: do not use this in production",
                          {{"secret", secret->from}});
    }
    signals.enter("while the catalog is read", config.catalog);
    std::shared_ptr<const Catalog> catalog =
        load(config.catalog, [](const std::string& error) { write_line(STDERR_FILENO, error); });
    if (!catalog) {
        return fail({ErrorCode::kBadRequest,
                     fmt::format("the catalog {} has errors, see above; check it with: eventbus "
                                 "check-config --catalog {}",
                                 config.catalog, config.catalog)});
    }
    Server server(config, reactors, *descriptors);
    if (const Result<> started = server.start(catalog, secret->bytes, signals); !started) {
        return fail(started.error());
    }
    write_line(STDOUT_FILENO, server.ready_line());

    while (signals.wait() == Signals::Asked::kReload) server.reload(signals);
    diagnostics::info("stopping");
    server.stop(signals);
    return 0;
}

}  // namespace eventbus
