// Consumer groups: ack and nack.

#include <simdjson.h>

#include <utility>

#include "gateway/gateway.h"
#include "gateway/notices.h"

namespace eventbus {
namespace {

struct Answer {
    std::string delivery;
    std::optional<std::chrono::milliseconds> delay;  // nack
};

Result<Answer> read_answer(JsonChecker& json, const Arguments& arguments) {
    const Error wrong{ErrorCode::kBadRequest,
                      "give the `delivery` of the event's last argument, and with nack an object "
                      "{delayMs?, reason?}"};
    if (arguments.json.empty() || arguments.json.size() > 2) return wrong;
    Answer answer;
    const Result<simdjson::dom::element> delivery = json.parse(arguments.json[0]);
    std::string_view text;
    if (!delivery || delivery->get_string().get(text) != simdjson::SUCCESS) return wrong;
    answer.delivery = text;
    if (arguments.json.size() == 1) return answer;

    const Result<simdjson::dom::element> options = json.parse(arguments.json[1]);
    simdjson::dom::object object;
    if (!options || options->get_object().get(object) != simdjson::SUCCESS) return wrong;
    for (const auto [name, value] : object) {
        if (name != "delayMs" && name != "reason") return wrong;
    }
    const auto delay = (*options)["delayMs"];
    if (delay.error() == simdjson::NO_SUCH_FIELD) return answer;
    std::uint64_t delay_ms = 0;
    if (delay.get_uint64().get(delay_ms) != simdjson::SUCCESS || delay_ms > 86'400'000) {
        return Error{ErrorCode::kBadRequest, "'delayMs' is no number from 0 to 86400000"};
    }
    answer.delay = std::chrono::milliseconds(delay_ms);
    return answer;
}

Callback<Result<>> answer_to(Ack ack) {
    return [ack = std::move(ack)](const Result<>& done) mutable {
        ack(done ? "[{\"ok\":true}]" : notices::refusal(done.error()));
    };
}

}  // namespace

void Gateway::on_ack(Socket& socket, const Arguments& arguments, Ack ack) {
    const Result<Answer> answer = read_answer(json_, arguments);
    if (!answer) return ack(notices::refusal(answer.error()));
    context_.groups.post_ack(BusSocket::of(socket).group_member(), answer->delivery,
                             context_.reactor, answer_to(std::move(ack)));
}

void Gateway::on_nack(Socket& socket, const Arguments& arguments, Ack ack) {
    const Result<Answer> answer = read_answer(json_, arguments);
    if (!answer) return ack(notices::refusal(answer.error()));
    context_.groups.post_nack(BusSocket::of(socket).group_member(), answer->delivery, answer->delay,
                              context_.reactor, answer_to(std::move(ack)));
}

}  // namespace eventbus
