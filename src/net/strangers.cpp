#include "net/strangers.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "base/assert.h"

namespace eventbus {
namespace {

OriginHash hash_of(Random& random) {
    std::array<std::byte, sizeof(std::uint64_t)> bytes{};
    random.fill(bytes);
    OriginHash hash;
    std::memcpy(&hash.secret, bytes.data(), bytes.size());
    return hash;
}

}  // namespace

std::uint64_t origin_of(const IpAddress& address) {
    const std::size_t first = address.is_v4() ? 12 : 0;
    const std::size_t last = address.is_v4() ? 16 : 8;
    std::uint64_t origin = 0;
    for (std::size_t i = first; i < last; ++i) origin = (origin << 8U) | address.bytes[i];
    return origin;
}

std::size_t OriginHash::operator()(std::uint64_t origin) const {
    std::array<char, sizeof origin> bytes{};
    std::memcpy(bytes.data(), &origin, sizeof origin);
    return keyed_hash(secret, {bytes.data(), bytes.size()});
}

Strangers::Strangers(std::size_t max, Random& random) : max_(max), shares_(hash_of(random)) {
    BUS_ASSERT(max_ > 0);
}

void Strangers::add(Stranger& stranger, const IpAddress& from, Clock::Time now) {
    const std::uint64_t origin = origin_of(from);
    stranger.since_ = now;
    shares_.add(stranger, origin);
    by_age_.push_back(stranger);
    now_.add();
    if (size() > max_) return make_room(now);
    if (size() <= max_ / 2 || shares_.count_of(origin) <= kPerOriginMax || from.is_loopback())
        return;
    auto& oldest = static_cast<Stranger&>(*shares_.oldest_of(origin));
    if (now - oldest.since_ >= kGrace) see_off(oldest);
}

void Strangers::remove(Stranger& stranger) {
    if (!stranger.is_held()) return;
    shares_.remove(stranger);
    by_age_.remove(stranger);
    now_.subtract();
}

void Strangers::make_room(Clock::Time now) {
    auto* next = static_cast<Stranger*>(shares_.next_to_go());
    if (next == nullptr) return;
    const bool is_new = now - next->since_ < kGrace;
    if (is_new && now - by_age_.first()->since_ >= kGrace) next = by_age_.first();
    see_off(*next);
}

void Strangers::see_off(Stranger& stranger) {
    remove(stranger);
    crowded_out_.add();
    stranger.give_way();
}

}  // namespace eventbus
