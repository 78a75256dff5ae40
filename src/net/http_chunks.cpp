#include "net/http_chunks.h"

#include <algorithm>

#include "base/assert.h"

namespace eventbus {
namespace {

constexpr std::size_t kDigitsMax = 15;  // below 2^60, and far above any limit

std::optional<unsigned> hex_digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    return {};
}

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; }

}  // namespace

std::optional<HttpFailure> HttpChunks::feed(std::string_view& bytes, std::string& body) {
    while (!bytes.empty() && !is_done()) {
        if (next_ == Next::kData) {
            const auto data = bytes.substr(
                0, static_cast<std::size_t>(std::min<std::uint64_t>(size_, bytes.size())));
            body += data;
            bytes.remove_prefix(data.size());
            size_ -= data.size();
            if (size_ == 0) next_ = Next::kDataCr;
            continue;
        }
        if (!read_byte(bytes.front()))
            return HttpFailure{400, "the chunks of the body are malformed"};
        bytes.remove_prefix(1);
        if (size_ > body_bytes_max_ - body.size())
            return HttpFailure{413, "the body is larger than the limit"};
        if (passed_over_ > kPassedOverBytesMax)
            return HttpFailure{400, "the chunks have too much beside the body"};
    }
    return {};
}

bool HttpChunks::read_byte(char byte) {
    switch (next_) {
        case Next::kSize:
            return read_size(byte);
        case Next::kExtension:
            return pass_over(byte, Next::kExtension, Next::kSizeLf);
        case Next::kSizeLf:
            return expect(byte, '\n', size_ > 0 ? Next::kData : Next::kTrailerBegin);
        case Next::kDataCr:
            return expect(byte, '\r', Next::kDataLf);
        case Next::kDataLf:
            return expect(byte, '\n', Next::kSize);
        case Next::kTrailerBegin:
            return pass_over(byte, Next::kTrailer, Next::kLastLf);
        case Next::kTrailer:
            return pass_over(byte, Next::kTrailer, Next::kTrailerLf);
        case Next::kTrailerLf:
            return expect(byte, '\n', Next::kTrailerBegin);
        case Next::kLastLf:
            return expect(byte, '\n', Next::kNothing);
        case Next::kData:
        case Next::kNothing:
            break;
    }
    BUS_ASSERT(!"data and what is behind the end are not read byte by byte");
}

bool HttpChunks::read_size(char byte) {
    if (const auto digit = hex_digit(byte)) {
        size_ = size_ * 16 + *digit;
        return ++digits_ <= kDigitsMax;
    }
    if (digits_ == 0 || (byte != ';' && byte != '\r')) return false;
    digits_ = 0;
    next_ = byte == ';' ? Next::kExtension : Next::kSizeLf;
    return true;
}

bool HttpChunks::pass_over(char byte, Next stay, Next at_cr) {
    next_ = byte == '\r' ? at_cr : stay;
    ++passed_over_;
    return byte == '\r' || !is_control(byte);
}

bool HttpChunks::expect(char byte, char expected, Next then) {
    next_ = then;
    return byte == expected;
}

}  // namespace eventbus
