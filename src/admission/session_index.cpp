#include "admission/session_index.h"

#include <functional>
#include <utility>

#include "base/assert.h"

namespace eventbus {
namespace {

std::uint64_t hash_of(std::string_view principal) {
    return std::hash<std::string_view>{}(principal);
}

}  // namespace

void SessionIndex::restore(std::string_view pid, std::string_view principal,
                           Clock::Time expires_at) {
    add({.pid = Pid(pid.data(), pid.size()),
         .principal = hash_of(principal),
         .is_service = principal.starts_with("service:"),
         .expires_at = expires_at});
}

Result<SessionIndex::Made> SessionIndex::create(std::string_view pid, std::string_view principal,
                                                SessionOwner& owner) {
    BUS_ASSERT(pid.size() <= kPidBytesMax);
    Made made{.claim = Claim{++last_claim_}, .pushed_out = {}};
    const std::uint64_t whose = hash_of(principal);
    const bool is_service = principal.starts_with("service:");
    const std::size_t own_max = is_service ? settings_.per_service_max : settings_.per_user_max;
    const auto push_out = [&](auto oldest) {
        made.pushed_out.emplace_back(oldest->pid.data(), oldest->pid.size());
        erase(sessions_.project<ByPid>(oldest));
    };
    // Its principal's own come before anybody's. More than one only after a start with a lower
    // bound.
    auto& by_principal = sessions_.get<ByPrincipal>();
    for (auto own = disconnected_.find(whose); own != disconnected_.end() && own->second >= own_max;
         own = disconnected_.find(whose)) {
        push_out(by_principal.lower_bound(whose));
    }
    auto& by_expiry = sessions_.get<ByExpiry>();
    while (sessions_.size() >= settings_.sessions_max) {
        const auto oldest = by_expiry.begin();
        if (oldest == by_expiry.end() || oldest->owner != nullptr) {
            return Error{ErrorCode::kUnavailable,
                         "as many sessions as there may be are of connected sockets"};
        }
        push_out(oldest);
    }
    add({.pid = Pid(pid.data(), pid.size()),
         .principal = whose,
         .is_service = is_service,
         .expires_at = kConnected,
         .claim = made.claim,
         .owner = &owner});
    return made;
}

std::optional<SessionIndex::Taken> SessionIndex::claim(std::string_view pid,
                                                       std::string_view principal,
                                                       SessionOwner& owner, Clock::Time now) {
    const auto found = find(pid);
    if (found == sessions_.end() || found->expires_at <= now) return std::nullopt;
    if (found->principal != hash_of(principal)) return std::nullopt;
    const Taken taken{Claim{++last_claim_}, found->owner, found->claim, found->given};
    set_connected(found, &owner, kConnected);
    sessions_.modify(found, [&](Session& session) { session.claim = taken.claim; });
    return taken;
}

bool SessionIndex::is_owned(std::string_view pid, Claim claim) const {
    const auto found = find(pid);
    return found != sessions_.end() && found->owner != nullptr && found->claim == claim;
}

SessionStore::Claimed SessionIndex::Taken::with(SessionRecord record) const {
    record.taken_over_at = std::max(record.taken_over_at, given);
    return {std::move(record), claim, from != nullptr};
}

bool SessionIndex::release(std::string_view pid, Claim claim, Clock::Time now, Position given) {
    const auto found = find(pid);
    if (is_owned(pid, claim)) {
        set_connected(found, nullptr, expiry(now));
        return true;
    }
    if (found == sessions_.end()) return false;
    sessions_.modify(found, [&](Session& s) { s.given = std::max(s.given, given); });
    return false;
}

bool SessionIndex::is_known(std::string_view pid, Clock::Time now) const {
    const auto found = find(pid);
    return found != sessions_.end() && found->expires_at > now;
}

bool SessionIndex::erase(std::string_view pid) {
    const auto found = find(pid);
    if (found == sessions_.end()) return false;
    erase(found);
    return true;
}

std::vector<std::string> SessionIndex::take_expired(Clock::Time now, std::size_t count) {
    std::vector<std::string> expired;
    auto& by_expiry = sessions_.get<ByExpiry>();
    while (expired.size() < count && !by_expiry.empty() && by_expiry.begin()->expires_at <= now) {
        const auto first = by_expiry.begin();
        expired.emplace_back(first->pid.data(), first->pid.size());
        erase(sessions_.project<ByPid>(first));
    }
    return expired;
}

SessionIndex::Sessions::const_iterator SessionIndex::find(std::string_view pid) const {
    if (pid.size() > kPidBytesMax) return sessions_.end();
    return sessions_.find(Pid(pid.data(), pid.size()));
}

void SessionIndex::add(const Session& session) {
    const bool is_connected = session.owner != nullptr;
    const std::uint64_t principal = session.principal;
    if (!sessions_.insert(session).second) return;
    if (is_connected) {
        ++connected_;
    } else {
        ++disconnected_[principal];
    }
}

void SessionIndex::erase(Sessions::const_iterator session) {
    set_connected(session, nullptr, Clock::Time());
    const auto own = disconnected_.find(session->principal);
    if (--own->second == 0) disconnected_.erase(own);
    sessions_.erase(session);
}

void SessionIndex::set_connected(Sessions::const_iterator session, SessionOwner* owner,
                                 Clock::Time expires_at) {
    const bool was_connected = session->owner != nullptr;
    if (was_connected != (owner != nullptr)) {
        if (was_connected) {
            --connected_;
            ++disconnected_[session->principal];
        } else {
            ++connected_;
            const auto own = disconnected_.find(session->principal);
            if (--own->second == 0) disconnected_.erase(own);
        }
    }
    sessions_.modify(session, [&](Session& changed) {
        changed.owner = owner;
        changed.expires_at = expires_at;
    });
}

}  // namespace eventbus
