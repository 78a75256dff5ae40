#pragma once

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
        bool is_over = false;  // the peer has closed, or the connection failed
    };

    Stream() = default;
    explicit Stream(int descriptor) : descriptor_(descriptor) {}
    Stream(Stream&& other) noexcept;
    Stream& operator=(Stream&& other) noexcept;
    ~Stream() { close(); }

    // Takes what has arrived, at most buffer.size(); 0 bytes and not over: nothing has.
    Outcome read(std::span<char> buffer);

    // Gives `pieces`, at most kPiecesMax of them, to the kernel in one call; less than all of their
    // bytes: the peer is slow, wait until the stream is writable.
    Outcome write(std::span<const std::string_view> pieces);

    void close();
    bool is_open() const { return descriptor_ >= 0; }
    int descriptor() const { return descriptor_; }

    static constexpr std::size_t kPiecesMax = 1024;  // IOV_MAX; a lower cap makes bursts dearer

 private:
    Outcome write_one(std::string_view piece);

    int descriptor_ = -1;
};

}  // namespace eventbus
