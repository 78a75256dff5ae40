#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/http_message.h"

namespace eventbus {

struct HttpLimits {
    std::size_t head_bytes_max = 16 * 1024;   // a JWT in a header and another in a cookie fit
    std::size_t target_bytes_max = 8 * 1024;  // request line's target
    std::size_t fields_max = 64;              // browsers send about 20
};

// What is answered before the connection closes: after it nothing can be read as a request.
struct HttpFailure {
    int status = 400;
    std::string detail;  // what was wrong, and the fix
};

// Reads requests from a connection's bytes, however they are cut, one at a time.
//
//   kNeedMore ─► kHead ─ accept_body() ─► kNeedMore … ─► kComplete ─ take() ─► (idle)
//                  └─ an upgrade: take() at once; what was not consumed is the other protocol's
//
// Thread:  one at a time.
// Bounded: by HttpLimits, and the body by accept_body(); what is beside chunks by 4 KiB. Time is
//          the connection's.
// Cost:    linear in the bytes; a head that comes in one piece is not copied.
// Invariants:
//   (1) Idle, between requests, it holds no memory but itself: one pointer and the limits' address.
//   (2) Nothing of a body is read before accept_body(), so a route can refuse by the head alone.
//   (3) After kFailed it takes no more bytes.
class HttpRequestReader {
 public:
    enum class State : std::uint8_t {
        kNeedMore,  // everything was consumed
        kHead,      // request() has all but the body; answer with accept_body() or take()
        kComplete,  // request() is whole; take() it
        kFailed,    // answer failure() and close
    };
    struct Step {
        State state;
        std::size_t consumed;  // of the bytes that feed() was given; feed the rest again
    };

    // `limits` must outlive the reader.
    explicit HttpRequestReader(const HttpLimits& limits);
    HttpRequestReader(HttpRequestReader&&) noexcept;
    HttpRequestReader& operator=(HttpRequestReader&&) noexcept;
    ~HttpRequestReader();

    // Reads up to the end of the head or of the message. Call it again with what was not consumed
    // after accept_body() (also with nothing: a request without a body is complete then) and
    // take().
    Step feed(std::string_view bytes);

    // After kHead: the route lets the body have up to `body_bytes_max` bytes. A Content-Length
    // above it fails with 413 at the next feed(), before any byte of the body.
    void accept_body(std::size_t body_bytes_max);

    // After accept_body(): the client waits for `100 Continue` (kContinue) before it sends the
    // body.
    bool wants_continue() const;

    const HttpRequest& request() const;  // from kHead on, until take()
    const HttpRequest* head() const;     // the same, after kFailed too; null: none was read
    HttpRequest take();                  // after kHead or kComplete; the reader is idle again
    const HttpFailure& failure() const;  // after kFailed

    // No byte of a next request has come: the connection may be closed without harm.
    bool is_idle() const { return progress_ == nullptr; }

 private:
    struct Progress;
    Step read_head(std::string_view bytes);
    Step read_body(std::string_view bytes);
    Step fail(int status, std::string detail);

    const HttpLimits* limits_;
    std::unique_ptr<Progress> progress_;  // of a request that has begun
};

}  // namespace eventbus
