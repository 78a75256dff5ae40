#include "api/tickets.h"

#include <charconv>
#include <cstdint>
#include <utility>

#include "base/assert.h"
#include "base/text.h"

namespace eventbus {
namespace {

constexpr std::size_t kNonceCharacters = 16;  // with which a sealed text begins, 96 bits
constexpr std::size_t kLifeCharacters = 11;   // 66 bits

using Millis = std::chrono::milliseconds;

std::optional<std::size_t> number_in(std::string_view text) {
    std::size_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, why] = std::from_chars(text.data(), end, number);
    if (text.empty() || why != std::errc() || stopped != end) return std::nullopt;
    return number;
}

std::string nonce_of(std::string_view ticket) {
    return std::string(ticket.substr(0, kNonceCharacters));
}

Error refused(const char* why) { return {ErrorCode::kUnauthorized, why}; }

}  // namespace

Tickets::Tickets(std::size_t reactor, std::size_t reactors, const SealKey& key, Random& random,
                 const Clock& clock)
    : reactor_(reactor),
      reactors_(reactors),
      key_(key),
      random_(random),
      clock_(clock),
      life_(random_token(random, kLifeCharacters)),
      used_({.window = kTimeToLive, .keys_max = kUsedMax}) {}

Result<std::string> Tickets::make(std::string_view token) {
    if (token.size() > kTokenBytesMax) {
        return Error{
            ErrorCode::kTooLarge,
            "the token has more than " + std::to_string(kTokenBytesMax) +
                " bytes, and its ticket would not fit into a URL; use a cookie, or a token "
                "with fewer claims"};
    }
    // A step of this clock makes the minute of a first use shorter or longer, and nothing else.
    const auto made_at =
        std::chrono::duration_cast<Millis>(clock_.wall_now().time_since_epoch()).count();
    return seal(key_, random_,
                std::to_string(made_at) + ' ' + std::to_string(reactor_) + '.' + life_ + ' ' +
                    std::string(token));
}

Result<std::string> Tickets::open(std::string_view ticket, bool shows_a_place) const {
    std::optional<Opened> opened = unsealed(ticket);
    if (!opened) {
        return refused("the ticket is not one of this server; POST /v1/tickets gives one");
    }
    if (shows_a_place) return std::move(opened->token);
    BUS_ASSERT(opened->home == reactor_);

    if (clock_.wall_now() >= opened->made_at + kTimeToLive) {
        return refused("the ticket is older than a minute; POST /v1/tickets gives another");
    }
    if (opened->life != life_) {
        return refused(
            "the ticket was made before the server was started again, and whether it was used is "
            "not known; POST /v1/tickets gives another");
    }
    if (used_.find(nonce_of(ticket)) != nullptr) {
        return refused(
            "the ticket was used; whoever comes back shows the last id of the stream as "
            "Last-Event-ID, and POST /v1/tickets gives another");
    }
    return std::move(opened->token);
}

std::optional<std::size_t> Tickets::home_of(std::string_view ticket) const {
    const std::optional<Opened> opened = unsealed(ticket);
    if (!opened) return std::nullopt;
    return opened->home;
}

std::optional<Tickets::Opened> Tickets::unsealed(std::string_view ticket) const {
    const std::optional<std::string> text = unseal(key_, ticket);
    if (!text) return std::nullopt;
    std::string_view token = *text;
    const auto made_at = number_in(take_part(token, ' '));
    std::string_view life = take_part(token, ' ');
    const auto reactor = number_in(take_part(life, '.'));
    if (!made_at || !reactor) return std::nullopt;
    return Opened{.made_at = Clock::WallTime{Millis(static_cast<std::int64_t>(*made_at))},
                  // A server that was started again may have fewer.
                  .home = *reactor % reactors_,
                  .life = std::string(life),
                  .token = std::string(token)};
}

void Tickets::note_use(std::string_view ticket, const Principal& principal) {
    used_.add(nonce_of(ticket), principal.key(), {}, clock_.now());
    used_.forget(clock_.now());
}

}  // namespace eventbus
