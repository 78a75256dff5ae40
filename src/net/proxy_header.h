#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/ip_address.h"

namespace eventbus {

// The PROXY protocol, by which a balancer says for whom it speaks, before all else on a connection
// (HAProxy's proxy-protocol.txt, 2.1 and 2.2):
//
//   1   "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"     at most 107 bytes
//   2   "\r\n\r\n\0\r\nQUIT\n"  | 2, command | family, protocol | length, 2 bytes | addresses, more
//
// Reads one from bytes, however they are cut, and not one byte more.
//
// Thread:  one at a time.
// Bounded: kBytesMax.
class ProxyHeaderReader {
 public:
    static constexpr std::size_t kBytesMax = 16 + 4096;  // 2 may go on with 64 KiB of anything

    enum class State : std::uint8_t {
        kNeedMore,  // everything was consumed
        kComplete,  // client() is known
        kFailed,    // why() it is none; nothing more can be read
    };
    struct Step {
        State state;
        std::size_t consumed;  // of the bytes that feed() was given
    };
    Step feed(std::string_view bytes);

    // After kComplete: the client. Nothing: the balancer speaks for itself (a check of our health),
    // or of no address.
    const std::optional<IpAddress>& client() const { return client_; }

    const char* why() const { return why_; }  // after kFailed

 private:
    std::size_t bytes_wanted(std::string_view bytes) const;
    Step fail(const char* why);
    bool parse_1();
    bool parse_2();

    std::string header_;  // so far
    std::optional<IpAddress> client_;
    const char* why_ = nullptr;
};

}  // namespace eventbus
