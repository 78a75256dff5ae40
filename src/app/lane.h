#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "admission/admissions.h"
#include "api/api.h"
#include "auth/jwt.h"
#include "backplane/embedded/embedded_log.h"
#include "base/clock.h"
#include "base/random.h"
#include "bus/publish.h"
#include "delivery/hub.h"
#include "gateway/gateway.h"
#include "groups/groups.h"
#include "log/log_reader.h"
#include "log/view.h"
#include "net/cors.h"
#include "net/http_server.h"
#include "net/listener.h"
#include "net/reactor.h"
#include "net/refused_origins.h"
#include "socketio/engine.h"
#include "socketio/server.h"

namespace eventbus {

// Wakes a reactor when the tail has something for it.
class ReactorWaker final : public Tail::Waker {
 public:
    explicit ReactorWaker(Reactor& reactor) : reactor_(reactor) {}
    void wake_if_asleep() override { reactor_.wake_if_asleep(); }

 private:
    Reactor& reactor_;
};

// What the lanes share.
struct Shared {
    Clock& clock;
    Random& random;
    Log& log;
    Watches& watches;
    SessionStore& sessions;
    GroupStore& group_store;
    const CorsPolicy& cors;
    std::shared_ptr<const KeySet> keys;
    ClaimRules claims;
    SealKey ticket_key;
    std::function<std::string()> metrics;
    std::function<Result<>()> is_ready;
    std::function<void(Executor& reply_to, Callback<Result<bool>> done)> resume_retention;
    std::function<void(std::size_t reactor, HttpExchange::Released)> hand_over;
};

struct LaneSettings {
    std::size_t lanes = 1;
    std::size_t tail_entries_max = 65'536;
    std::size_t events_per_batch_max = 1'000;
    Admissions::Settings admission;
    GatewaySettings gateway;
    GroupSettings groups;
    EngineSettings engine;
    SocketSettings socket;
    HttpSettings http;
    std::size_t strangers_max = 10'000;  // connections
    bool uses_io_uring = true;
    Coalesce coalesce;
};

// Everything that runs on one reactor: a connection lives its whole life on one lane, and lanes
// share nothing but what Shared names.
//
// Thread: made and destroyed by the wiring while no reactor runs; else the reactor.
class Lane final : public HttpHandler {
 public:
    Lane(std::size_t index, Shared shared, LaneSettings settings,
         std::shared_ptr<const Catalog> catalog, std::vector<StoredGroup> stored_groups);
    ~Lane() override;

    // Once all lanes are there.
    void begin(GroupsDirectory& directory);

    // Accepts on `socket`; for the admin address too.
    void listen(ListenSocket socket, bool is_admin);

    // New connections to the public address speak TLS with `context`.
    void use_tls(std::shared_ptr<const TlsContext> context) { http_.use_tls(std::move(context)); }

    void start_thread();
    void join_thread();

    // On the reactor: takes no connection more, and closes all in a way that clients come back
    // from.
    void drain();

    void set_catalog(const std::shared_ptr<const Catalog>& catalog, const Completion& completion);

    Reactor& reactor() { return reactor_; }
    Groups& groups() { return *groups_; }
    Gateway& gateway() { return *gateway_; }
    HttpServer& http() { return http_; }

    // HttpHandler: the public address.
    std::size_t body_bytes_max(const HttpRequest& head) override;
    std::unique_ptr<BodyWatch> watch_body(const HttpRequest& head) override;
    bool is_known(const HttpRequest& head) override;
    void on_request(SharedExchange exchange) override;
    void complete(const HttpRequest* head, HttpResponse& response) override;

    struct Probes {
        const HttpProbe& http;
        const Counter& queued_bytes;
        const Counter& compressed_frames;
        const Counter& refused_origins;
        const EngineProbe& engine;
        const Strangers& strangers;
        const Strangers& stranger_sessions;
        const SocketProbe& sockets;
        const DeliveryProbe& delivery;
        const ViewProbe& live_view;
        const ViewProbe& groups_view;
        const AdmissionProbe& admission;
        const GatewayProbe& gateway;
        const GroupsProbe& groups;
        const Counter& held_deliveries;
        const ApiProbe& api;
        const Reactor& reactor;
    };
    Probes probes() const;

    // What each group of this lane counts. Any thread.
    GroupProbes group_probes() const;

    // Events published here, by the entries of the catalogs so far. Any thread.
    void add_type_counts(std::map<std::string, std::uint64_t>& sums) const;

 private:
    class AdminHandler;
    Reactor::Again run_views();
    void wake_at(Clock::Time at);
    void list(GroupProbes probes);

    const Shared shared_;
    const LaneSettings settings_;
    Reactor reactor_;
    ReactorWaker waker_;
    LogReader reader_;         // the hub's
    LogReader groups_reader_;  // those two views wait for nobody but themselves
    Hub hub_;
    JwtVerifier tokens_;
    SignIn sign_in_;
    RefusedOrigins refused_origins_;
    Publisher publisher_;
    mutable std::mutex group_probes_mutex_;
    GroupProbes group_probes_;
    std::unique_ptr<Groups> groups_;
    GroupsDirectory* directory_ = nullptr;  // once there is one
    Admissions admissions_;
    Api api_;
    Strangers strangers_;  // of the public address
    HttpServer http_;
    std::unique_ptr<AdminHandler> admin_handler_;
    HttpServer admin_http_;
    SocketServer sockets_;
    std::unique_ptr<Gateway> gateway_;  // outlives the sessions that engine_ ends
    EngineServer engine_;
    std::shared_ptr<const Catalog> catalog_;
    mutable std::mutex type_counts_mutex_;
    std::vector<std::shared_ptr<const TypeCounts>> type_counts_;  // one for each catalog
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::set<Clock::Time> wakes_at_;  // timers that run for the views
    bool is_draining_ = false;
    std::thread thread_;
};

}  // namespace eventbus
