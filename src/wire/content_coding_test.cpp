#include "wire/content_coding.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace eventbus {
namespace {

TEST(ContentCoding, TheHeaviestThatIsAllowedIsChosen) {
    const struct {
        const char* accept_encoding;
        const char* chosen;
    } cases[] = {
        {"", "identity"},           {"gzip", "gzip"},
        {"GZip , Deflate", "gzip"}, {"deflate", "deflate"},
        {"deflate, gzip", "gzip"},  {"gzip;q=0.5, deflate;q=0.8", "deflate"},
        {"gzip;q=0", "identity"},   {"gzip; q=0.000, deflate ; Q = 1", "deflate"},
        {"gzip;q=0, *", "deflate"}, {"*", "gzip"},
        {"*;q=0", "identity"},      {"*;q=0, gzip;q=0.1", "gzip"},
        {"identity", "identity"},   {"br, zstd", "identity"},
        {"gzip;q=2", "identity"},   {"gzip;q=x", "identity"},
        {"gzip;q=", "identity"},    {"gzip;level=9", "gzip"},
        {"gzipped", "identity"},    {",,;q=1, gzip", "gzip"},
    };
    for (const auto& c : cases) {
        SCOPED_TRACE(c.accept_encoding);
        EXPECT_EQ(to_string(choose_content_coding(c.accept_encoding)), c.chosen);
    }
}

// zlib finds out by itself which of both it has.
std::string decoded(std::string_view bytes) {
    z_stream z{};
    EXPECT_EQ(inflateInit2(&z, 15 + 32), Z_OK);
    std::string out(1 << 20, '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    z.avail_in = static_cast<uInt>(bytes.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(::inflate(&z, Z_FINISH), Z_STREAM_END);
    EXPECT_EQ(z.avail_in, 0u);
    out.resize(z.total_out);
    inflateEnd(&z);
    return out;
}

TEST(ContentCoding, WhatIsEncodedComesBack) {
    ContentEncoder encoder;
    std::string mixed;
    for (unsigned i = 0; i < 100'000; ++i) mixed += static_cast<char>(i * i >> 5);
    for (int round = 0; round < 2; ++round) {
        for (const std::string& body : {std::string(), std::string(5'000, 'x'), mixed}) {
            const std::string gzip = encoder.encode(body, ContentCoding::kGzip);
            const std::string deflate = encoder.encode(body, ContentCoding::kDeflate);
            EXPECT_TRUE(gzip.starts_with("\x1f\x8b"));
            EXPECT_TRUE(deflate.starts_with("\x78"));
            EXPECT_EQ(decoded(gzip), body);
            EXPECT_EQ(decoded(deflate), body);
        }
    }
}

}  // namespace
}  // namespace eventbus
