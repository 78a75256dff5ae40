#include "gateway/encode.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json_check.h"
#include "log/memory_log.h"
#include "support/fake_clock.h"
#include "support/plain_binder.h"
#include "support/plans.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

class SocketEncoderTest : public testing::Test {
 protected:
    SocketEncoderTest() {
        log_.start();
        entry_.position = 7_pos;
        entry_.event = make_plan("e1").event;
        entry_.name = "photo:uploaded";
        offset_ = offset_text(log_, entry_.position);
    }

    // What the last argument of the frame is: all behind meta.
    std::string last(const Encoder::As& as, const std::string& nsp = "/") {
        const SharedFrame frame = SocketEncoder(log_, nsp).encode(entry_, 0, as);
        const std::string packet = frame->bytes.substr(frame->payload_at);
        const std::string json = packet.substr(packet.find('['));
        EXPECT_TRUE(JsonChecker().check(json)) << json;
        const std::size_t meta_ends = json.find("},", json.find("\"source\"")) + 2;
        return json.substr(meta_ends, json.size() - meta_ends - 1);
    }

    FakeClock clock_;
    PlainBinder binder_;
    MemoryDisk disk_;
    MemoryLog log_{disk_, binder_, clock_, {}};
    Entry entry_;
    std::string offset_;
};

TEST_F(SocketEncoderTest, AnEventInOrderEndsInItsPlace) {
    EXPECT_EQ(last(Encoder::As::in_order()), "\"" + offset_ + "\"");
}

TEST_F(SocketEncoderTest, AnEventOfAHistoryEndsInItsOffset) {
    EXPECT_EQ(last(Encoder::As::history()), R"({"offset":")" + offset_ + R"("})");
}

TEST_F(SocketEncoderTest, AnEventOfAHistoryThatIsNamedEndsInItsOffsetAndTopic) {
    const std::string begin = R"({"offset":")" + offset_ + R"(","topic":)";
    EXPECT_EQ(last(Encoder::As::history("photo:1")), begin + R"("photo:1"})");
    EXPECT_EQ(last(Encoder::As::history("photo.*"), "/app"), begin + R"("photo.*"})");
    EXPECT_EQ(last(Encoder::As::history("photo:\"1\\")), begin + R"("photo:\"1\\"})");
}

}  // namespace
}  // namespace eventbus
