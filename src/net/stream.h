#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string_view>

namespace eventbus {

// A connected socket of the operating system, not blocking. Owns its descriptor.
//
// Thread: reactor.
class Stream {
 public:
    struct Outcome {
        std::size_t bytes = 0;
        bool is_over = false;     // the peer has closed, or the connection failed
        bool is_blocked = false;  // it takes no more now: wait until the stream is ready for it
    };

    // Of a call that asked for `asked` bytes: what it returned, or -errno. Not for one to repeat.
    static Outcome outcome_of(ssize_t result, std::size_t asked);

    Stream() = default;
    explicit Stream(int descriptor) : descriptor_(descriptor) {}
    Stream(Stream&& other) noexcept;
    Stream& operator=(Stream&& other) noexcept;
    ~Stream() { close(); }

    // Takes what has arrived, at most buffer.size().
    Outcome read(std::span<char> buffer);

    // Gives `pieces`, at most kPiecesMax of them, to the kernel in one call.
    Outcome write(std::span<const std::string_view> pieces);

    void close();
    bool is_open() const { return descriptor_ >= 0; }
    int descriptor() const { return descriptor_; }

    static constexpr std::size_t kPiecesMax = 1024;  // IOV_MAX; a lower cap makes bursts dearer
    static constexpr int kSendFlags = MSG_NOSIGNAL | MSG_DONTWAIT;

 private:
    int descriptor_ = -1;
};

}  // namespace eventbus
