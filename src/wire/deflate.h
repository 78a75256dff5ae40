#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace eventbus {

// Message payloads of permessage-deflate (RFC 7692, 7.2) without context takeover: each message
// stands alone, so one Inflater and one Deflater serve all connections of a reactor.

// Thread:  one at a time.
// Bounded: by `bytes_max` of each call; its 40 kB of state are made at the first use. A buffer of
// more
//          than kInflateKeptBytes is given back at the next call.
class Inflater {
 public:
    static constexpr std::size_t kInflateKeptBytes = 256 * 1024;

    Inflater();
    Inflater(Inflater&&) noexcept;
    Inflater& operator=(Inflater&&) noexcept;
    ~Inflater();

    // The message whose compressed payload this is; lives until the next call.
    // Errors: kTooLarge as soon as it grows past `bytes_max`; kBadRequest, not a deflated message.
    Result<std::string_view> inflate(std::string_view compressed, std::size_t bytes_max);

 private:
    struct Stream;
    std::unique_ptr<Stream> stream_;
};

// Thread:  one at a time.
// Bounded: 270 kB of state, made at the first use; the result by the payload.
class Deflater {
 public:
    // Windows of 2^15 bytes: one compressed frame serves all who negotiated. `level` as zlib's: 1
    // to 9.
    explicit Deflater(int level = 1);
    Deflater(Deflater&&) noexcept;
    Deflater& operator=(Deflater&&) noexcept;
    ~Deflater();

    // The payload of a frame with rsv1 set.
    std::string deflate(std::string_view message);

 private:
    struct Stream;
    int level_;
    std::unique_ptr<Stream> stream_;
};

}  // namespace eventbus
