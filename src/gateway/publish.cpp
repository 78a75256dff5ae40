// publish: one event or a list of them.

#include <utility>

#include "gateway/gateway.h"
#include "gateway/notices.h"

namespace eventbus {

void Gateway::on_publish(Socket& socket, const Arguments& arguments, Ack given) {
    probe_.publishes.add();
    if (arguments.json.size() != 1) {
        probe_.publish_refusals.add();
        return given(notices::refusal(
            Error{ErrorCode::kBadRequest,
                  "publish takes one event {type, data, …}, or one list of them"}));
    }
    // The log keeps JSON: what a placeholder stands for would be lost, and nobody would know.
    if (!arguments.attachments.empty()) {
        probe_.publish_refusals.add();
        return given(notices::refusal(
            Error{ErrorCode::kBadRequest,
                  "events hold JSON and no bytes; write bytes as base64, or where they are kept"}));
    }
    Result<EventReader::Events> read = arguments.is_strict ? reader_.read_checked(arguments.json[0])
                                                           : reader_.read(arguments.json[0]);
    if (!read) {
        probe_.publish_refusals.add();
        return given(notices::refusal(read.error()));
    }
    context_.publisher.publish(BusSocket::of(socket).principal(), std::move(read->events),
                               [this, is_list = read->is_list, ack = std::move(given)](
                                   Result<std::vector<Receipt>> receipts) mutable {
                                   if (!receipts) {
                                       probe_.publish_refusals.add();
                                       return ack(notices::refusal(receipts.error()));
                                   }
                                   if (!ack) return;
                                   std::string json = "[{\"ok\":true,";
                                   if (is_list) json += "\"events\":[";
                                   bool is_first = true;
                                   for (const Receipt& receipt : *receipts) {
                                       if (is_list) json += is_first ? "{" : ",{";
                                       append_receipt(json, receipt, context_.log);
                                       if (is_list) json += '}';
                                       is_first = false;
                                   }
                                   ack(json += is_list ? "]}]" : "}]");
                               });
}

}  // namespace eventbus
