#include "gateway/gateway.h"

#include <utility>

#include "gateway/notices.h"

namespace eventbus {

Gateway::Gateway(Context context, GatewaySettings settings, std::shared_ptr<const Catalog> catalog)
    : context_(context),
      settings_(std::move(settings)),
      catalog_(std::move(catalog)),
      reader_(settings_.read_limits),
      expiries_(context_.reactor, context_.clock),
      seats_(
          {.reactor = context_.reactor,
           .groups = context_.groups,
           .encoder_of = [this](const Namespace& nsp) -> SocketEncoder& { return encoder_of(nsp); },
           .groups_max = settings_.rooms_per_socket_max},
          catalog_) {}

void Gateway::serve(SocketServer& server) {
    serve(server.of(socketio::kMainNamespace));
    for (const std::string& name : settings_.namespaces) serve(server.of(name));
}

void Gateway::serve(Namespace& nsp) {
    encoders_.try_emplace(nsp.name(), context_.log, nsp.name());
    nsp.on_connect([this](const auto& connecting) { on_connect(connecting); })
        .on_disconnect(
            [this](Socket& socket, CloseReason reason) { on_disconnect(socket, reason); })
        .on_drained([this](Socket& socket) {
            BusSocket& member = BusSocket::of(socket);
            if (member.is_attached()) member.drained();
            seats_.drained(socket);
        })
        .on_receipt([](Socket& socket) {
            BusSocket& member = BusSocket::of(socket);
            if (member.is_attached()) member.on_receipt();
        })
        .on("auth.refresh", [this](Socket& socket, const Arguments& arguments,
                                   Ack ack) { on_refresh(socket, arguments, std::move(ack)); })
        .on("subscribe", [this](Socket& socket, const Arguments& arguments,
                                Ack ack) { on_subscribe(socket, arguments, std::move(ack)); })
        .on("unsubscribe", [this](Socket& socket, const Arguments& arguments,
                                  Ack ack) { on_unsubscribe(socket, arguments, std::move(ack)); })
        .on("publish", [this](Socket& socket, const Arguments& arguments,
                              Ack ack) { on_publish(socket, arguments, std::move(ack)); })
        .on("ack", [this](Socket& socket, const Arguments& arguments,
                          Ack ack) { on_ack(socket, arguments, std::move(ack)); })
        .on("nack", [this](Socket& socket, const Arguments& arguments,
                           Ack ack) { on_nack(socket, arguments, std::move(ack)); })
        .on_any([](Socket&, std::string_view name, const Arguments&, Ack ack) {
            ack(notices::refusal(
                Error{ErrorCode::kNotFound,
                      "there is no command '" + std::string(name.substr(0, 64)) +
                          "'; there are subscribe, unsubscribe, publish, ack, nack and "
                          "auth.refresh"}));
        });
}

SocketEncoder& Gateway::encoder_of(const Namespace& nsp) {
    return encoders_.find(nsp.name())->second;
}

std::string Gateway::offset(Position position) const { return offset_text(context_.log, position); }

std::string Gateway::resume_done(std::uint64_t missed, const Principal& who, Position place) const {
    return notices::resume_done(missed, {.principal = who.fingerprint(),
                                         .dedupe_window = settings_.dedupe_window,
                                         .place = offset(place)});
}

}  // namespace eventbus
