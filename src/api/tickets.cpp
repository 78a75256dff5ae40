#include "api/tickets.h"

#include <charconv>
#include <utility>

namespace eventbus {
namespace {

constexpr std::size_t kSecretBytes = 32;

}  // namespace

std::string Tickets::make(SharedPrincipal principal, Clock::Time now) {
    while (by_age_.size() >= kTicketsMax) {
        made_.erase(by_age_.front());
        by_age_.pop_front();
    }
    std::string ticket = std::to_string(reactor_) + '.' + random_token(random_, kSecretBytes);
    made_.emplace(ticket, Made{std::move(principal), now + kTimeToLive});
    by_age_.push_back(ticket);
    return ticket;
}

SharedPrincipal Tickets::take(std::string_view ticket, Clock::Time now) {
    const auto found = made_.find(ticket);
    if (found == made_.end()) return nullptr;
    Made made = std::move(found->second);
    made_.erase(found);
    return made.expires_at > now ? std::move(made.principal) : nullptr;
}

std::optional<std::size_t> Tickets::reactor_of(std::string_view ticket) {
    const auto dot = ticket.find('.');
    if (dot == std::string_view::npos || ticket.size() != dot + 1 + kSecretBytes) {
        return std::nullopt;
    }
    std::size_t reactor = 0;
    const auto [end, why] = std::from_chars(ticket.data(), ticket.data() + dot, reactor);
    if (why != std::errc() || end != ticket.data() + dot) return std::nullopt;
    return reactor;
}

}  // namespace eventbus
