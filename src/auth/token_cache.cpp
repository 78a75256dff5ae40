#include "auth/token_cache.h"

#include <openssl/sha.h>

#include <utility>

#include "base/assert.h"

namespace eventbus {

TokenCache::TokenCache(std::size_t entries_max) : entries_max_(entries_max) {
    BUS_ASSERT(entries_max_ > 0);
}

TokenCache::Key TokenCache::key_of(std::string_view token) {
    Key key;
    static_assert(sizeof key == SHA256_DIGEST_LENGTH);
    ::SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), key.data());
    return key;
}

SharedPrincipal TokenCache::find(std::string_view token, Clock::WallTime now) {
    BUS_ASSERT(owner_.is_here());
    const auto* const found = entries_.find(key_of(token));
    if (found == nullptr || found->second->expires_at <= now) return nullptr;
    return found->second;
}

void TokenCache::put(std::string_view token, SharedPrincipal principal) {
    BUS_ASSERT(owner_.is_here());
    BUS_ASSERT(principal != nullptr);
    const auto [place, is_new] = entries_.emplace(key_of(token), principal);
    if (!is_new) {
        place->second = std::move(principal);
        return;
    }
    order_.push_back(&place->first);
    if (order_.size() <= entries_max_) return;
    entries_.erase(*order_.front());
    order_.pop_front();
    BUS_ASSERT(entries_.size() == order_.size());
}

}  // namespace eventbus
