#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace eventbus {

// How the body of an HTTP answer is compressed (RFC 9110, 8.4.1).
enum class ContentCoding : std::uint8_t { kIdentity, kGzip, kDeflate };

std::string_view to_string(ContentCoding coding);  // `gzip`

// The best coding that an Accept-Encoding field allows (RFC 9110, 12.5.3): the one with the highest
// weight, gzip before deflate among equals. Without the field, or with `gzip;q=0`: kIdentity.
ContentCoding choose_content_coding(std::string_view accept_encoding);

// Thread:  one at a time.
// Bounded: 270 kB of state for each coding, made at its first use; the result by the body.
class ContentEncoder {
 public:
    ContentEncoder();
    ~ContentEncoder();

    // `body` in `coding`, which is not kIdentity.
    std::string encode(std::string_view body, ContentCoding coding);

 private:
    struct Stream;
    std::unique_ptr<Stream> gzip_;
    std::unique_ptr<Stream> deflate_;
};

}  // namespace eventbus
