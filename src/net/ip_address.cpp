#include "net/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace eventbus {
namespace {

constexpr std::array<std::uint8_t, 12> kV4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kTextMax = INET6_ADDRSTRLEN;

// An entry of X-Forwarded-For. Some proxies add the port: "192.0.2.1:80", "[2001:db8::1]:80".
std::optional<IpAddress> parse_entry(std::string_view entry) {
    if (entry.starts_with('[')) {
        const std::size_t end = entry.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        return IpAddress::parse(entry.substr(1, end - 1));
    }
    if (std::count(entry.begin(), entry.end(), ':') == 1) entry = entry.substr(0, entry.find(':'));
    return IpAddress::parse(entry);
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.empty() || text.size() >= kTextMax) return std::nullopt;
    std::array<char, kTextMax> terminated{};
    std::copy(text.begin(), text.end(), terminated.begin());
    std::array<std::uint8_t, 4> four{};
    if (::inet_pton(AF_INET, terminated.data(), four.data()) == 1) return v4(four);
    IpAddress address;
    if (::inet_pton(AF_INET6, terminated.data(), address.bytes.data()) != 1) return std::nullopt;
    return address;
}

IpAddress IpAddress::v4(std::span<const std::uint8_t, 4> bytes) {
    IpAddress address;
    const auto rest = std::copy(kV4Prefix.begin(), kV4Prefix.end(), address.bytes.begin());
    std::copy(bytes.begin(), bytes.end(), rest);
    return address;
}

IpAddress IpAddress::of(const sockaddr& address) {
    std::array<std::uint8_t, 16> bytes{};
    if (address.sa_family == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
        std::copy_n(reinterpret_cast<const std::uint8_t*>(&four), 4, bytes.begin());
        return v4(std::span(bytes).first<4>());
    }
    if (address.sa_family == AF_INET6) {
        const auto& six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
        std::copy_n(reinterpret_cast<const std::uint8_t*>(&six), 16, bytes.begin());
    }
    return v6(bytes);
}

bool IpAddress::is_v4() const {
    return std::equal(kV4Prefix.begin(), kV4Prefix.end(), bytes.begin());
}

bool IpAddress::is_loopback() const {
    if (is_v4()) return bytes[12] == 127;
    IpAddress one;
    one.bytes[15] = 1;
    return *this == one;
}

std::string IpAddress::text() const {
    if (!is_known()) return "unknown";
    std::array<char, kTextMax> text{};
    const int family = is_v4() ? AF_INET : AF_INET6;
    ::inet_ntop(family, bytes.data() + (is_v4() ? kV4Prefix.size() : 0), text.data(), kTextMax);
    return text.data();
}

std::optional<IpRange> IpRange::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto first = IpAddress::parse(text.substr(0, slash));
    if (!first) return std::nullopt;
    IpRange range;
    range.first_ = *first;
    if (slash == std::string_view::npos) return range;

    const std::string_view digits = text.substr(slash + 1);
    unsigned bits = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    const bool is_v4 = text.substr(0, slash).find(':') == std::string_view::npos;
    if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || digits.size() > 3 ||
        bits > (is_v4 ? 32U : 128U)) {
        return std::nullopt;
    }
    range.bits_ = is_v4 ? bits + 96 : bits;
    for (unsigned bit = range.bits_; bit < 128; ++bit) {
        if ((range.first_.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return std::nullopt;
    }
    return range;
}

bool IpRange::contains(const IpAddress& address) const {
    const unsigned whole = bits_ / 8;
    if (!std::equal(address.bytes.begin(), address.bytes.begin() + whole, first_.bytes.begin())) {
        return false;
    }
    if (bits_ % 8 == 0) return true;
    const unsigned differing = address.bytes[whole] ^ first_.bytes[whole];
    return differing >> (8 - bits_ % 8) == 0;
}

bool TrustedProxies::contains(const IpAddress& address) const {
    return std::any_of(ranges_.begin(), ranges_.end(),
                       [&](const IpRange& range) { return range.contains(address); });
}

IpAddress TrustedProxies::client_of(const IpAddress& peer, std::string_view forwarded_for) const {
    IpAddress client = peer;
    while (!forwarded_for.empty() && contains(client)) {
        const std::size_t comma = forwarded_for.rfind(',');
        const bool is_last = comma == std::string_view::npos;
        const auto entry = parse_entry(trim(forwarded_for.substr(is_last ? 0 : comma + 1)));
        if (!entry) break;
        client = *entry;
        forwarded_for = is_last ? std::string_view() : forwarded_for.substr(0, comma);
    }
    return client;
}

}  // namespace eventbus
