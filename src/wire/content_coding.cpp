#include "wire/content_coding.h"

#include <zlib.h>

#include <charconv>
#include <limits>
#include <optional>

#include "base/assert.h"
#include "base/text.h"

namespace eventbus {
namespace {

constexpr int kWindowBits = 15;
constexpr int kGzipFraming = 16;  // added to the window bits
constexpr int kMemoryLevel = 8;   // zlib's default
constexpr int kFast = 1;          // a poll is answered once, and the reactor waits for it

// In thousandths; a weight that cannot be read is none.
int weight_of(std::string_view parameters) {
    while (!parameters.empty()) {
        std::string_view value = take_part(parameters, ';');
        if (!equals_ignoring_case(trim(take_part(value, '=')), "q")) continue;
        value = trim(value);
        double weight = 0;
        const char* const end = value.data() + value.size();
        const auto [last, error] = std::from_chars(value.data(), end, weight);
        const bool is_good = error == std::errc() && last == end && weight >= 0 && weight <= 1;
        return is_good ? static_cast<int>(weight * 1000) : 0;
    }
    return 1000;
}

}  // namespace

std::string_view to_string(ContentCoding coding) {
    switch (coding) {
        case ContentCoding::kIdentity:
            return "identity";
        case ContentCoding::kGzip:
            return "gzip";
        case ContentCoding::kDeflate:
            return "deflate";
    }
    BUS_ASSERT(!"a coding that is not in the list");
}

ContentCoding choose_content_coding(std::string_view accept_encoding) {
    std::optional<int> gzip;
    std::optional<int> deflate;
    int others = 0;
    while (!accept_encoding.empty()) {
        std::string_view item = take_part(accept_encoding, ',');
        const std::string_view name = take_part(item, ';');
        const int weight = weight_of(item);
        if (equals_ignoring_case(name, "gzip")) gzip = weight;
        if (equals_ignoring_case(name, "deflate")) deflate = weight;
        if (name == "*") others = weight;
    }
    const int of_gzip = gzip.value_or(others);
    const int of_deflate = deflate.value_or(others);
    if (of_gzip == 0 && of_deflate == 0) return ContentCoding::kIdentity;
    return of_gzip >= of_deflate ? ContentCoding::kGzip : ContentCoding::kDeflate;
}

struct ContentEncoder::Stream {
    explicit Stream(int window_bits) {
        BUS_ASSERT(deflateInit2(&z, kFast, Z_DEFLATED, window_bits, kMemoryLevel,
                                Z_DEFAULT_STRATEGY) == Z_OK);
    }
    ~Stream() { deflateEnd(&z); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    z_stream z{};
};

ContentEncoder::ContentEncoder() = default;
ContentEncoder::~ContentEncoder() = default;

std::string ContentEncoder::encode(std::string_view body, ContentCoding coding) {
    BUS_ASSERT(coding != ContentCoding::kIdentity);
    BUS_ASSERT(body.size() <= std::numeric_limits<uInt>::max());
    const bool is_gzip = coding == ContentCoding::kGzip;
    std::unique_ptr<Stream>& stream = is_gzip ? gzip_ : deflate_;
    if (!stream) {
        stream = std::make_unique<Stream>(is_gzip ? kWindowBits + kGzipFraming : kWindowBits);
    }
    z_stream& z = stream->z;
    deflateReset(&z);

    std::string encoded(deflateBound(&z, static_cast<uLong>(body.size())), '\0');
    // zlib does not write to its input, but its C interface does not say so.
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
    z.avail_in = static_cast<uInt>(body.size());
    z.next_out = reinterpret_cast<Bytef*>(encoded.data());
    z.avail_out = static_cast<uInt>(encoded.size());
    BUS_ASSERT(::deflate(&z, Z_FINISH) == Z_STREAM_END);
    encoded.resize(encoded.size() - z.avail_out);
    return encoded;
}

}  // namespace eventbus
