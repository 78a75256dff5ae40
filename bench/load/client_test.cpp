#include "load/client.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace bench {
namespace {

// A frame as a server sends it: not masked.
std::string server_frame(const std::string& text) {
    std::string frame = "\x81";
    if (text.size() < 126) return frame + static_cast<char>(text.size()) + text;
    frame += static_cast<char>(126);
    frame += static_cast<char>(text.size() >> 8);
    frame += static_cast<char>(text.size() & 0xff);
    return frame + text;
}

TEST(TakeFrame, WaitsUntilTheFrameIsWhole) {
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{125}, std::size_t{126}, std::size_t{4000}}) {
        SCOPED_TRACE(size);
        const std::string text(size, 'x');
        const std::string frame = server_frame(text);
        for (std::size_t length = 0; length < frame.size(); ++length) {
            std::string_view bytes = std::string_view(frame).substr(0, length);
            std::string_view taken;
            ASSERT_FALSE(take_frame(bytes, taken));
            ASSERT_EQ(bytes.size(), length);
        }
        const std::string two = frame + "rest";
        std::string_view bytes = two;
        std::string_view taken;
        ASSERT_TRUE(take_frame(bytes, taken));
        EXPECT_EQ(taken, text);
        EXPECT_EQ(bytes, "rest");
    }
}

TEST(TakeFrame, RefusesWhatIsNoWholeTextFrame) {
    for (const std::string bytes :
         {"\x01\x01x", "\x88\x01x", "\x82\x01x", "\xc1\x01x", "\x81\x81xxxxx"}) {
        SCOPED_TRACE(bytes);
        std::string_view view = bytes;
        std::string_view taken;
        EXPECT_THROW(take_frame(view, taken), std::runtime_error);
    }
}

TEST(TextFrame, IsMaskedAsTheRfcsExampleIs) {
    EXPECT_EQ(text_frame("Hello"),
              "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");  // RFC 6455, 5.7
}

}  // namespace
}  // namespace bench
