#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_reader.h"

namespace eventbus {

// Reads the body of a chunked message (RFC 9112, 7.1), however it is cut:
//
//    5;extension CRLF hello CRLF … 0 CRLF [trailer: value CRLF …] CRLF
//
// Extensions and trailers are passed over. Ours because Beast's parser asserts what a client
// decides: `0 CRLF` with one byte behind it ends the process.
//
// Bounded: by `body_bytes_max`; extensions and trailers together by kPassedOverBytesMax.
class HttpChunks {
 public:
    static constexpr std::size_t kPassedOverBytesMax = 4096;

    explicit HttpChunks(std::size_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

    // Takes what belongs to the body off the front of `bytes`, and appends its data to `body`.
    // After a failure it must not be called again.
    std::optional<HttpFailure> feed(std::string_view& bytes, std::string& body);

    bool is_done() const { return next_ == Next::kNothing; }

 private:
    // What the next byte belongs to.
    enum class Next : std::uint8_t {
        kSize,
        kExtension,
        kSizeLf,
        kData,
        kDataCr,
        kDataLf,
        kTrailerBegin,
        kTrailer,
        kTrailerLf,
        kLastLf,
        kNothing,
    };
    bool read_byte(char byte);
    bool read_size(char byte);
    bool pass_over(char byte, Next stay, Next at_cr);
    bool expect(char byte, char expected, Next then);

    std::size_t body_bytes_max_;
    std::uint64_t size_ = 0;  // of the chunk, less what was read of it
    std::size_t digits_ = 0;
    std::size_t passed_over_ = 0;
    Next next_ = Next::kSize;
};

}  // namespace eventbus
