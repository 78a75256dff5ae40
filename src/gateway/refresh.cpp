// auth.refresh: another token of the same user or service, in place of a drop and a CONNECT; and
// what is told before a token ends.

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "gateway/gateway.h"
#include "gateway/notices.h"

namespace eventbus {
namespace {

// Each costs a check of a signature, and one that is taken a question for every room.
constexpr std::size_t kRefreshesMax = 4;
constexpr auto kRefreshesWithin = std::chrono::seconds(1);

constexpr auto kWarnBefore = std::chrono::seconds(60);

Result<std::string> read_token(JsonChecker& json, const Arguments& arguments) {
    const Error wrong{ErrorCode::kBadRequest, "auth.refresh takes one object, {token}"};
    if (arguments.json.size() != 1) return wrong;
    const Result<simdjson::dom::element> parsed = json.parse(arguments.json[0]);
    if (!parsed) return parsed.error();
    std::string_view token;
    if ((*parsed)["token"].get_string().get(token) != simdjson::SUCCESS) return wrong;
    return std::string(token);
}

std::chrono::milliseconds until(Clock::WallTime end, Clock::WallTime now) {
    return std::max(std::chrono::duration_cast<std::chrono::milliseconds>(end - now),
                    std::chrono::milliseconds(0));
}

}  // namespace

void Gateway::on_refresh(Socket& socket, const Arguments& arguments, Ack given) {
    BusSocket& member = BusSocket::of(socket);
    BusSocket::Renewal& renewal = member.renewal();
    const auto refuse = [&](const Error& error) {
        probe_.refresh_refusals.add();
        given(notices::refusal(error));
    };
    if (!renewal.may_try(context_.clock.now(), kRefreshesMax, kRefreshesWithin)) {
        return refuse(
            {ErrorCode::kTooMany, "a refresh of this socket is under way, or there were " +
                                      std::to_string(kRefreshesMax) + " in the last second"});
    }
    const Result<std::string> token = read_token(json_, arguments);
    if (!token) return refuse(token.error());
    Result<SharedPrincipal> principal = context_.tokens.verify(*token);
    if (!principal) return refuse(principal.error());
    if ((*principal)->key() != member.principal().key()) {
        return refuse({ErrorCode::kForbidden,
                       "the token is that of another user or service; connect anew to be another"});
    }
    renewal.is_under_way = true;
    member.refresh(std::move(*principal),
                   [this, &member, ack = std::move(given)](const Result<>& refreshed) mutable {
                       member.renewal().is_under_way = false;
                       if (!refreshed) {
                           probe_.refresh_refusals.add();
                           return ack(notices::refusal(refreshed.error()));
                       }
                       probe_.refreshes.add();
                       const Clock::WallTime end = member.principal().expires_at;
                       if (end == Clock::WallTime::max()) return ack("[{\"ok\":true}]");
                       ack(fmt::format(R"([{{"ok":true,"expiresInMs":{}}}])",
                                       until(end, context_.clock.wall_now()).count()));
                   });
}

// Its token is another one: what hangs on it begins anew.
void Gateway::on_refreshed(BusSocket& member) {
    member.forget_end_of_token();
    await_end_of_token(member);
    if (member.is_in_groups) seats_.recheck(member.socket());
}

void Gateway::await_end_of_token(BusSocket& member) {
    const Clock::WallTime end = member.principal().expires_at;
    expiries_.add(member, end);
    if (!member.wants_warning || end == Clock::WallTime::max()) return;
    // By the token's own end: whoever made it may not renew one that has ended.
    const Clock::WallTime exp = end - settings_.clock_skew;
    const auto life = exp - context_.clock.wall_now();
    expiries_.add(member.renewal().warning, exp - std::min<decltype(life)>(kWarnBefore, life / 2));
}

void Gateway::tell_that_token_ends(BusSocket& member) {
    const Clock::WallTime exp = member.principal().expires_at - settings_.clock_skew;
    const auto left = until(exp, context_.clock.wall_now());
    member.socket().emit(notices::token_expiring(left));
}

void Gateway::end_with_token(Socket& socket) {
    probe_.expired_tokens.add();
    socket.emit(notices::token_expired());
    socket.close(CloseReason::kServer);
}

}  // namespace eventbus
