#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "net/stream.h"
#include "net/tls.h"

namespace eventbus {

// TLS of one stream. Between OpenSSL and the descriptor lie two places of ours: what was received
// and OpenSSL has not read yet, which is empty after each call, and what it wrote and the kernel
// has not taken. So no call of OpenSSL ever ends in the middle of a record:
//
//   descriptor ─► (64 KiB of the stack) ─► OpenSSL ─► plain bytes
//   descriptor ◄─ pending_ ◄──────────────  OpenSSL ◄─ plain bytes, records of ≤ 16 KiB
//
// Thread:  reactor. It may move to another one between two calls.
// Bounded: pending_ by one record, as more is encrypted only once it is gone, and a peer that makes
//          OpenSSL itself say more than kPendingBytesMax without reading it is closed. Idle, there
//          is none, and OpenSSL has no buffers.
// Invariants:
//   (1) After read() OpenSSL holds less than a record, and nothing that it could give: what comes
//       next is told by the descriptor.
//   (2) Bytes that write() took are encrypted; they leave before all later ones, whatever those
//       are.
class TlsSession {
 public:
    // Null: out of memory. `probe` must live until the handshake is over.
    static std::unique_ptr<TlsSession> start(const TlsContext& context, int descriptor,
                                             TlsProbe& probe);
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;
    ~TlsSession();

    // As those of Stream. `buffer` has kBufferMin bytes or more.
    Stream::Outcome read(std::span<char> buffer);
    Stream::Outcome write(std::span<const std::string_view> pieces);

    // Says that nothing follows (close_notify), once; blocked: call it again when there is room.
    Stream::Outcome say_goodbye();

    bool is_shaking_hands() const { return is_shaking_hands_; }
    bool has_pending() const { return !pending_.empty(); }

    static constexpr std::size_t kBufferMin = 32 * 1024;
    static constexpr std::size_t kPendingBytesMax = 128 * 1024;

 private:
    friend struct TlsBio;
    TlsSession(ssl_st* ssl, int descriptor, TlsProbe& probe)
        : ssl_(ssl), descriptor_(descriptor), probe_(&probe) {}

    // What OpenSSL reads and writes by.
    std::size_t give_received(std::span<char> buffer);
    void take_encrypted(std::string_view bytes);

    bool shake_hands();
    bool flush_pending();
    void end_handshake(bool is_good);
    void refuse_plain_http();
    std::size_t decrypt(std::span<char> buffer);
    bool encrypt(std::string_view record);
    void fail(const char* what);

    ssl_st* const ssl_;
    const int descriptor_;
    bool is_shaking_hands_ = true;
    bool has_ended_ = false;  // the peer says that it sends nothing more; we still may
    bool is_broken_ = false;  // the descriptor or OpenSSL failed: neither is asked for more
    bool said_goodbye_ = false;
    TlsProbe* probe_;  // until the handshake is over
    std::span<const char> received_;
    std::string pending_;
};

}  // namespace eventbus
