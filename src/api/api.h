#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>

#include "admission/admissions.h"
#include "api/sign_in.h"
#include "api/sse.h"
#include "api/tickets.h"
#include "auth/seal.h"
#include "base/clock.h"
#include "base/counters.h"
#include "bus/publish.h"
#include "event/event_reader.h"
#include "groups/groups_directory.h"
#include "net/cors.h"
#include "net/due_list.h"
#include "net/expiries.h"
#include "net/http_server.h"

namespace eventbus {

struct ApiProbe {
    Counter publishes;  // requests
    Counter publish_refusals;
    Counter streams;       // open now
    Counter slow_streams;  // closed since they were read too slowly
    Counter unauthorized;
};

// The HTTP interface of one reactor (docs/http.md):
//
//   POST /v1/events    publish             (publish.cpp)
//   GET  /v1/stream    server-sent events  (stream.cpp)
//   POST /v1/tickets   a ticket for a stream of a browser
//   DELETE /v1/groups/NAME/TOPIC  the end of a consumer group  (operators.cpp)
//   POST /v1/retention/resume     the end of a hold of retention  (operators.cpp)
//   GET  /healthz /readyz /metrics
//
// Every answer carries the visible end of the log, Event-Bus-Offset, so that a page can subscribe
// from what it has fetched.
//
// Thread: reactor.
class Api {
 public:
    struct Context {
        Reactor& reactor;
        const Clock& clock;
        Log& log;
        Publisher& publisher;
        Admissions& admissions;
        SignIn& sign_in;
        const CorsPolicy& cors;
        std::function<std::string()> metrics;  // the page, of all reactors
        std::function<Result<>()> is_ready;    // else why not
        // As EmbeddedLog::resume_retention().
        std::function<void(Executor& reply_to, Callback<Result<bool>> done)> resume_retention;
        Random& random;
        SealKey ticket_key;
        std::size_t reactors;
        // Gives the request to the reactor with this index.
        std::function<void(std::size_t reactor_index, HttpExchange::Released)> hand_over;
    };

    Api(Context context, ReadLimits limits, std::size_t topics_max);

    // The way to the groups; before the first request.
    void set_groups(GroupsDirectory& groups) { groups_ = &groups; }

    // Answers a request of the public address.
    void on_request(const SharedExchange& exchange);

    // Of an answer that the server makes by itself, to a request of the public address.
    void complete(const HttpRequest& request, HttpResponse& response) const;

    // Answers a request of the admin address: health and metrics, for whoever reaches it, and what
    // operators do, with a token.
    void on_admin_request(const SharedExchange& exchange);
    // Of a body that the admin address does not read, what matters is that its path is not there.
    static void complete_admin(const HttpRequest& request, HttpResponse& response);

    // Whether a body is read for a request of this path.
    static bool takes_bodies(std::string_view path) { return path == "/v1/events"; }

    // Whether a request with this head brings a good token. Of a ticket it is known once used.
    bool is_known(const HttpRequest& head) const { return context_.sign_in(head).has_value(); }

    void close_streams();

    const ApiProbe& probe() const { return probe_; }

 private:
    friend class SseStream;

    void respond(HttpExchange& exchange, HttpResponse response) const;
    void refuse(HttpExchange& exchange, const Error& error) const;
    void answer_health(HttpExchange& exchange) const;
    void serve_metrics(HttpExchange& exchange);

    // publish.cpp
    void publish(const SharedExchange& exchange);
    Result<EventReader::Events> read_events(const HttpRequest& request);

    // operators.cpp
    Result<> may_operate(const HttpRequest& request, std::string_view what,
                         std::string_view permission);
    void delete_group(const SharedExchange& exchange, std::string_view key);
    void resume_retention(const SharedExchange& exchange);

    // stream.cpp
    void stream(const SharedExchange& exchange);
    void make_ticket(HttpExchange& exchange);
    Result<SharedPrincipal> sign_in_for_stream(const HttpRequest& request);
    void open_stream(HttpExchange& exchange, const Admitted& admitted, bool has_topics);
    void refuse_stream(HttpExchange& exchange, const Error& error) const;

    Context context_;
    const std::size_t topics_max_;
    GroupsDirectory* groups_ = nullptr;
    EventReader reader_;
    Tickets tickets_;
    SseEncoder chunk_encoder_;
    SseEncoder plain_encoder_;
    DueList sse_heartbeats_;
    Expiries expiries_;  // of streams, by their tokens
    std::unordered_set<SseStream*> streams_;
    ApiProbe probe_;
};

}  // namespace eventbus
