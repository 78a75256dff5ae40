#include "wire/deflate.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "base/assert.h"

namespace eventbus {
namespace {

// What a sender takes off the end of each message and a receiver puts back: an empty stored block.
constexpr std::string_view kTail{"\x00\x00\xff\xff", 4};
constexpr int kRawWindow15 = -15;   // negative: deflate without zlib's header
constexpr int kMemoryLevel = 8;     // zlib's default
constexpr int kAtBlockStart = 128;  // of z_stream::data_type
constexpr int kBitsLeft = 63;       // of z_stream::data_type: bits of the last byte not yet used

// zlib does not write to its input, but its C interface does not say so.
Bytef* input_of(std::string_view bytes) {
    return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

uInt count_of(std::size_t bytes) {
    BUS_ASSERT(bytes <= std::numeric_limits<uInt>::max());
    return static_cast<uInt>(bytes);
}

}  // namespace

struct Inflater::Stream {
    Stream() { BUS_ASSERT(inflateInit2(&z, kRawWindow15) == Z_OK); }
    ~Stream() { inflateEnd(&z); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    z_stream z{};
    std::string output;
    std::size_t size = 0;  // of the message so far; the rest of `output` is room

    // Appends what `input` inflates to, to at most `bytes_max` bytes in all.
    Result<> append(std::string_view input, std::size_t bytes_max) {
        z.next_in = input_of(input);
        z.avail_in = count_of(input.size());
        for (;;) {
            if (size == output.size()) {
                if (size > bytes_max) break;
                // One byte more than allowed: so much shows that it is too large.
                output.resize(std::min(bytes_max + 1, std::max<std::size_t>(2 * size, 4096)));
            }
            z.next_out = reinterpret_cast<Bytef*>(output.data() + size);
            z.avail_out = count_of(output.size() - size);
            const int status = ::inflate(&z, Z_SYNC_FLUSH);
            size = output.size() - z.avail_out;
            if (size > bytes_max) break;
            if (status == Z_STREAM_END) {
                // A final block may stand inside of a message (RFC 7692, 7.2.3.4).
                inflateReset(&z);
            } else if (status != Z_OK && status != Z_BUF_ERROR) {
                return Error{ErrorCode::kBadRequest, "the compressed message is malformed"};
            }
            if (z.avail_in == 0 && z.avail_out > 0) return {};
        }
        return Error{ErrorCode::kTooLarge, "the message is too large when inflated"};
    }
};

Inflater::Inflater() = default;
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;
Inflater::~Inflater() = default;

Result<std::string_view> Inflater::inflate(std::string_view compressed, std::size_t bytes_max) {
    if (!stream_) stream_ = std::make_unique<Stream>();
    if (stream_->output.capacity() > kInflateKeptBytes) stream_->output = std::string();
    // What an earlier message left must not count as room beyond this one's bound.
    if (stream_->output.size() > bytes_max) stream_->output.resize(bytes_max + 1);
    stream_->size = 0;
    inflateReset(&stream_->z);

    for (const std::string_view part : {compressed, kTail}) {
        if (const Result<> appended = stream_->append(part, bytes_max); !appended) {
            return appended.error();
        }
    }
    if ((stream_->z.data_type & (kAtBlockStart | kBitsLeft)) != kAtBlockStart) {
        return Error{ErrorCode::kBadRequest, "the compressed message is cut off"};
    }
    return std::string_view(stream_->output).substr(0, stream_->size);
}

struct Deflater::Stream {
    explicit Stream(int level) {
        BUS_ASSERT(deflateInit2(&z, level, Z_DEFLATED, kRawWindow15, kMemoryLevel,
                                Z_DEFAULT_STRATEGY) == Z_OK);
    }
    ~Stream() { deflateEnd(&z); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    z_stream z{};
};

Deflater::Deflater(int level) : level_(level) { BUS_ASSERT(level >= 1 && level <= 9); }
Deflater::Deflater(Deflater&&) noexcept = default;
Deflater& Deflater::operator=(Deflater&&) noexcept = default;
Deflater::~Deflater() = default;

std::string Deflater::deflate(std::string_view message) {
    if (message.empty()) return std::string(1, '\0');  // RFC 7692, 7.2.3.6
    if (!stream_) stream_ = std::make_unique<Stream>(level_);
    z_stream& z = stream_->z;
    deflateReset(&z);

    std::string compressed(deflateBound(&z, count_of(message.size())) + 16, '\0');
    z.next_in = input_of(message);
    z.avail_in = count_of(message.size());
    z.next_out = reinterpret_cast<Bytef*>(compressed.data());
    z.avail_out = count_of(compressed.size());
    BUS_ASSERT(::deflate(&z, Z_SYNC_FLUSH) == Z_OK);
    BUS_ASSERT(z.avail_in == 0 && z.avail_out > 0);

    compressed.resize(compressed.size() - z.avail_out);
    BUS_ASSERT(compressed.ends_with(kTail));
    compressed.resize(compressed.size() - kTail.size());
    return compressed;
}

}  // namespace eventbus
