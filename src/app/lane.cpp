#include "app/lane.h"

#include <chrono>
#include <utility>

#include "app/descriptors.h"
#include "base/assert.h"
#include "base/diagnostics.h"
#include "net/http_message.h"

namespace eventbus {
namespace {

constexpr std::string_view kEnginePath = "/socket.io/";
// Socket.IO clients may leave the slash out; proxies sometimes do.
// Of a body where none is taken, such as the `{}` that many clients send with each POST.
constexpr std::size_t kIgnoredBytesMax = 1'024;

bool is_engine_path(std::string_view path) {
    return path == kEnginePath || path == kEnginePath.substr(0, kEnginePath.size() - 1);
}

// Nobody stands before the admin address, and whoever looks after the server gets through to it
// when clients have taken all descriptors that there are for them.
HttpSettings for_operators(HttpSettings settings) {
    settings.proxy_protocol = false;
    settings.trusted_proxies = {};
    settings.budget = std::make_shared<ConnectionBudget>(kOperatorsConnectionsMax);
    return settings;
}

std::unique_ptr<BatchSender> batch_sender(std::size_t index, bool is_wanted) {
    Result<std::unique_ptr<BatchSender>> opened =
        is_wanted ? BatchSender::open() : Error{ErrorCode::kUnavailable, "io_uring: off"};
    if (index == 0) {  // all reactors get the same answer
        opened ? diagnostics::info("writes share system calls by io_uring")
               : diagnostics::info("each write is a system call of its own",
                                   {{"why", opened.error().detail}});
    }
    return opened ? std::move(*opened) : nullptr;
}

}  // namespace

class Lane::AdminHandler final : public HttpHandler {
 public:
    explicit AdminHandler(Api& api) : api_(api) {}
    std::size_t body_bytes_max(const HttpRequest&) override { return 0; }
    void on_request(SharedExchange exchange) override { api_.on_admin_request(exchange); }
    void complete(const HttpRequest* head, HttpResponse& response) override {
        if (head != nullptr) Api::complete_admin(*head, response);
    }

 private:
    Api& api_;
};

Lane::Lane(std::size_t index, Shared shared, LaneSettings settings,
           std::shared_ptr<const Catalog> catalog, std::vector<StoredGroup> stored_groups)
    : shared_(std::move(shared)),
      settings_(std::move(settings)),
      reactor_(index, shared_.clock, batch_sender(index, settings_.uses_io_uring)),
      waker_(reactor_),
      reader_({shared_.log, reactor_, shared_.clock, waker_}, settings_.tail_entries_max),
      groups_reader_({shared_.log, reactor_, shared_.clock, waker_}, settings_.tail_entries_max),
      hub_(reactor_, shared_.clock, shared_.log, reader_, settings_.coalesce),
      tokens_(shared_.keys, shared_.claims, shared_.clock),
      sign_in_(tokens_, shared_.cors, settings_.gateway.cookie_name),
      refused_origins_(shared_.cors, shared_.clock),
      publisher_({.log = shared_.log,
                  .reactor = reactor_,
                  .clock = shared_.clock,
                  .random = shared_.random},
                 catalog, settings_.events_per_batch_max),
      groups_(std::make_unique<Groups>(
          Groups::Context{
              .log = shared_.log,
              .reader = groups_reader_,
              .store = shared_.group_store,
              .clock = shared_.clock,
              .random = shared_.random,
              .reactor = reactor_,
              .on_listed = [this](GroupProbes probes) { list(std::move(probes)); },
              .on_exists = [this](const GroupKey& group,
                                  bool exists) { directory_->post_exists(group, exists); }},
          settings_.groups, std::move(stored_groups))),
      admissions_(
          {.reactor = reactor_,
           .clock = shared_.clock,
           .random = shared_.random,
           .log = shared_.log,
           .hub = hub_,
           .watches = shared_.watches,
           .sessions = shared_.sessions,
           .post_at = [this](Clock::Time at, Task task) { reactor_.post_at(at, std::move(task)); }},
          settings_.admission, catalog),
      api_({.reactor = reactor_,
            .clock = shared_.clock,
            .log = shared_.log,
            .publisher = publisher_,
            .admissions = admissions_,
            .sign_in = sign_in_,
            .cors = shared_.cors,
            .metrics = shared_.metrics,
            .is_ready = shared_.is_ready,
            .resume_retention = shared_.resume_retention,
            .random = shared_.random,
            .ticket_key = shared_.ticket_key,
            .reactors = settings_.lanes,
            .hand_over = shared_.hand_over},
           settings_.gateway.read_limits, settings_.admission.rooms_max),
      strangers_(settings_.strangers_max, shared_.random),
      http_(reactor_, *this, settings_.http, &strangers_),
      admin_handler_(std::make_unique<AdminHandler>(api_)),
      admin_http_(reactor_, *admin_handler_, for_operators(settings_.http)),
      sockets_(reactor_, settings_.socket),
      engine_(reactor_, shared_.random, sockets_, shared_.cors, settings_.engine),
      catalog_(std::move(catalog)),
      type_counts_{publisher_.type_counts()} {
    engine_.set_hand_over(settings_.lanes, shared_.hand_over);
    reactor_.add_turn_hook([this] { return run_views(); });
}

Lane::~Lane() { BUS_ASSERT(!thread_.joinable()); }

void Lane::begin(GroupsDirectory& directory) {
    directory_ = &directory;
    api_.set_groups(directory);
    gateway_ = std::make_unique<Gateway>(Gateway::Context{.reactor = reactor_,
                                                          .clock = shared_.clock,
                                                          .random = shared_.random,
                                                          .log = shared_.log,
                                                          .publisher = publisher_,
                                                          .admissions = admissions_,
                                                          .groups = directory,
                                                          .tokens = tokens_,
                                                          .cors = shared_.cors},
                                         settings_.gateway, catalog_);
    gateway_->serve(sockets_);
}

void Lane::listen(ListenSocket socket, bool is_admin) {
    HttpServer& server = is_admin ? admin_http_ : http_;
    listeners_.push_back(
        std::make_unique<Listener>(reactor_, std::move(socket),
                                   [&server](Stream stream) { server.serve(std::move(stream)); }));
}

void Lane::start_thread() {
    thread_ = std::thread([this] { reactor_.run(); });
}

void Lane::join_thread() {
    reactor_.post([this] {
        engine_.close_all();
        http_.connections().close_all();
        admin_http_.connections().close_all();
    });
    reactor_.stop();
    thread_.join();
}

void Lane::drain() {
    for (const auto& listener : listeners_) listener->stop();
    is_draining_ = true;
    http_.stop_keeping_alive();
    engine_.close_all();
    api_.close_streams();
}

void Lane::set_catalog(const std::shared_ptr<const Catalog>& catalog,
                       const Completion& completion) {
    catalog_ = catalog;
    publisher_.set_catalog(catalog);
    {
        const std::lock_guard lock(type_counts_mutex_);
        type_counts_.push_back(publisher_.type_counts());
    }
    gateway_->set_catalog(catalog);
    admissions_.set_catalog(catalog, completion);
}

std::size_t Lane::body_bytes_max(const HttpRequest& head) {
    const bool takes_bodies = is_engine_path(head.path) || Api::takes_bodies(head.path);
    return takes_bodies ? settings_.engine.payload_bytes_max : kIgnoredBytesMax;
}

std::unique_ptr<BodyWatch> Lane::watch_body(const HttpRequest& head) {
    return is_engine_path(head.path) ? engine_.watch_body(head) : nullptr;
}

bool Lane::is_known(const HttpRequest& head) {
    return !is_engine_path(head.path) && api_.is_known(head);
}

void Lane::complete(const HttpRequest* head, HttpResponse& response) {
    if (head != nullptr) api_.complete(*head, response);
    engine_.complete(head, response);
}

void Lane::on_request(SharedExchange exchange) {
    if (!exchange->is_handed_over) refused_origins_.look_at(exchange->request);
    if (is_draining_) {
        HttpResponse response =
            problem_response(Error{ErrorCode::kUnavailable, "this server is about to stop"});
        response.close = true;
        complete(&exchange->request, response);
        exchange->respond(response);
        return;
    }
    if (is_engine_path(exchange->request.path)) {
        engine_.on_request(std::move(exchange));
    } else {
        api_.on_request(exchange);
    }
}

Lane::Probes Lane::probes() const {
    return {.http = http_.probe(),
            .queued_bytes = http_.connections().queued_bytes(),
            .compressed_frames = engine_.compressed_frames(),
            .refused_origins = refused_origins_.count(),
            .engine = engine_.probe(),
            .strangers = strangers_,
            .stranger_sessions = engine_.strangers(),
            .sockets = sockets_.probe(),
            .delivery = hub_.probe(),
            .live_view = reader_.probe(),
            .groups_view = groups_reader_.probe(),
            .admission = admissions_.probe(),
            .gateway = gateway_->probe(),
            .groups = groups_->probe(),
            .held_deliveries = gateway_->seats().held(),
            .api = api_.probe(),
            .reactor = reactor_};
}

void Lane::add_type_counts(std::map<std::string, std::uint64_t>& sums) const {
    const std::lock_guard lock(type_counts_mutex_);
    for (const auto& counts : type_counts_) {
        counts->each([&](const std::string& entry, std::uint64_t count) { sums[entry] += count; });
    }
}

Reactor::Again Lane::run_views() {
    const View::Next next = both(hub_.deliver(), groups_->deliver());
    if (next.at) wake_at(*next.at);
    switch (next.more) {
        case View::More::kNo:
            return Reactor::Again::kNo;
        case View::More::kAfterWrites:
            return Reactor::Again::kAfterFlush;
        case View::More::kBeforeWrites:
            return Reactor::Again::kBeforeFlush;
    }
    return Reactor::Again::kNo;
}

// A turn at that time. A timer that comes for nothing does no harm; one that is missing would.
void Lane::wake_at(Clock::Time at) {
    if (!wakes_at_.empty() && *wakes_at_.begin() <= at) return;
    wakes_at_.insert(at);
    reactor_.post_at(at, [this, at] { wakes_at_.erase(at); });
}

void Lane::list(GroupProbes probes) {
    const std::lock_guard lock(group_probes_mutex_);
    group_probes_ = std::move(probes);
}

GroupProbes Lane::group_probes() const {
    const std::lock_guard lock(group_probes_mutex_);
    return group_probes_;
}

}  // namespace eventbus
