#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "base/executor.h"
#include "net/ip_address.h"

namespace eventbus {

class TlsContext;
class TlsSession;
struct TlsProbe;

// A connected socket of the operating system, not blocking, with or without TLS. Owns its
// descriptor.
//
// Thread: reactor.
class Stream {
 public:
    struct Outcome {
        std::size_t bytes = 0;
        bool is_over = false;     // the peer has closed, or the connection failed
        bool is_blocked = false;  // of a write: something has not left yet, and cannot now
        bool has_more = false;    // of a read: there may be more than it had room for
    };

    // Of a call that asked for `asked` bytes: what it returned, or -errno. Not for one to repeat.
    static Outcome outcome_of(ssize_t result, std::size_t asked);

    // Sends what the kernel takes of `bytes` now.
    static Outcome send(int descriptor, std::string_view bytes);

    Stream();
    explicit Stream(int descriptor, const IpAddress& peer = {});
    Stream(Stream&& other) noexcept;
    Stream& operator=(Stream&& other) noexcept;
    ~Stream();

    // Has the peer begin with the PROXY protocol, before TLS too. peer() is then whom it speaks
    // for. `refused` is called with the reason if it does not; the stream is over then.
    void expect_proxy_header(Callback<const char*> refused);

    // Speaks TLS from the first byte on, as a server. `probe` outlives the handshake, which has no
    // time limit of its own. False: out of memory.
    bool start_tls(const TlsContext& context, TlsProbe& probe);

    // Takes what has arrived, at most buffer.size(); 0 bytes and not over: nothing has. With TLS
    // the buffer has kReadBufferMin bytes or more, and last bytes can come with the end.
    Outcome read(std::span<char> buffer);

    // Gives `pieces`, at most kPiecesMax of them, to the kernel. `bytes` were taken, and are kept
    // if need be: others may follow. Blocked: call it again, with what was not taken if that still
    // is to be sent, when waits_for_room() and the descriptor is writable, or else after a read().
    Outcome write(std::span<const std::string_view> pieces);

    // Tells the peer that nothing follows. Blocked: as with write().
    Outcome shut_down();

    void close();
    bool is_open() const { return descriptor_ >= 0; }
    int descriptor() const { return descriptor_; }

    // Where what comes is from, as far as that is known.
    const IpAddress& peer() const { return peer_; }
    void set_peer(const IpAddress& peer) { peer_ = peer; }

    // Without TLS: what is written is what leaves.
    bool is_plain() const { return tls_ == nullptr; }

    // Whether bytes that were taken have not left; never on a plain stream.
    bool has_pending() const;

    // Whether a blocked write waits for room in the kernel, and not for the peer's handshake.
    bool waits_for_room() const { return is_plain() || has_pending(); }

    // TLS: neither side knows yet that the other can be talked to.
    bool is_shaking_hands() const;

    static constexpr std::size_t kPiecesMax = 1024;  // IOV_MAX; a lower cap makes bursts dearer
    static constexpr int kSendFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
    static constexpr std::size_t kReadBufferMin = 32 * 1024;

 private:
    struct Preface;
    Outcome read_preface();

    int descriptor_ = -1;
    IpAddress peer_;
    std::unique_ptr<Preface> preface_;  // until the PROXY protocol's header has come
    std::unique_ptr<TlsSession> tls_;
};

}  // namespace eventbus
