#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct sockaddr;

namespace eventbus {

// Where a client is. An IPv4 address is kept as IPv6 writes it, ::ffff:a.b.c.d, so that both ways
// to say it are one. Any thread.
struct IpAddress {
    std::array<std::uint8_t, 16> bytes{};

    // "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"; nothing else: no port, no brackets, no zone.
    static std::optional<IpAddress> parse(std::string_view text);
    static IpAddress v4(std::span<const std::uint8_t, 4> bytes);
    static IpAddress v6(std::span<const std::uint8_t, 16> bytes) {
        IpAddress address;
        std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
        return address;
    }
    // Unknown, if it is of neither family (a socket of Unix).
    static IpAddress of(const sockaddr& address);

    bool is_known() const { return *this != IpAddress{}; }
    bool is_v4() const;
    bool is_loopback() const;  // of this machine: 127.0.0.0/8, ::1
    std::string text() const;  // as parse() reads it; "unknown"

    bool operator==(const IpAddress&) const = default;
};

// Addresses that begin with the same bits: 10.0.0.0/8, 2001:db8::/32, or a single one.
class IpRange {
 public:
    // Nothing: it is no range, or has bits behind the prefix (10.0.0.1/8), which is a slip.
    static std::optional<IpRange> parse(std::string_view text);
    bool contains(const IpAddress& address) const;

 private:
    IpAddress first_;
    unsigned bits_ = 128;  // of the 16 bytes
};

// The balancers in front of us, and what follows from their word. Any thread.
class TrustedProxies {
 public:
    TrustedProxies() = default;
    explicit TrustedProxies(std::vector<IpRange> ranges) : ranges_(std::move(ranges)) {}

    bool contains(const IpAddress& address) const;

    // Who the client is behind `peer`, which is connected to us and sent `forwarded_for`: the first
    // from the right that is no trusted proxy. What stands left of it, anybody may have written.
    // Where an entry is no address, whoever wrote it is taken for the client.
    IpAddress client_of(const IpAddress& peer, std::string_view forwarded_for) const;

 private:
    std::vector<IpRange> ranges_;
};

}  // namespace eventbus
