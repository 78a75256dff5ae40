#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "net/stream.h"

namespace eventbus {

// Sends to many sockets in one system call, by io_uring: a seventh cheaper than a call for each.
// Kernels and sandboxes may forbid it, so its users must do without, too: at the start, and from
// any moment on. A batch whose system call fails is sent by a call for each. No send waits for a
// slow peer: it takes what it takes.
//
// Thread:  reactor; made by the wiring.
// Bounded: kSendsMax sends, and no further one beyond kBytesMax bytes, so that a batch is done
//          within a part of a millisecond.
class BatchSender {
 public:
    static constexpr std::size_t kSendsMax = 64;
    static constexpr std::size_t kBytesMax = 128 * 1024;

    // Errors: kUnavailable: kernel or sandbox do not allow it, or a trial failed; says which.
    static Result<std::unique_ptr<BatchSender>> open();
    ~BatchSender();

    bool is_full() const;

    // Whether the system call has failed: it still sends, but saves nothing. Any thread.
    bool is_broken() const;

    // Adds a send of `pieces`, at most Stream::kPiecesMax, whose bytes live until send(). Requires
    // that it is not full.
    void add(int descriptor, std::span<const std::string_view> pieces);

    // Does what was added. Returns the outcomes in the order of add(); they live until the next
    // call.
    std::span<const Stream::Outcome> send();

 private:
    struct Ring;
    explicit BatchSender(std::unique_ptr<Ring> ring);
    Result<> try_out();
    void collect();
    void break_down(int why);

    const std::unique_ptr<Ring> ring_;
};

}  // namespace eventbus
