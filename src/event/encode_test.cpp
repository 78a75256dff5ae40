#include "event/encode.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json_check.h"

namespace eventbus {
namespace {

TEST(Encode, MetaLeavesOutWhatTheEventDoesNotHave) {
    const Event whole{.id = "1",
                      .type = "photo.uploaded",
                      .source = "service:\"api\"",
                      .subject = "photo:123",
                      .time = "2024-05-01T12:00:00Z",
                      .traceparent = "00-x",
                      .data = "{}"};
    const Event bare{.id = "1",
                     .type = "t",
                     .source = "s",
                     .subject = {},
                     .time = "x",
                     .traceparent = {},
                     .data = "{}"};
    EXPECT_EQ(
        encode_meta(whole, "e.7"),
        R"({"id":"1","type":"photo.uploaded","source":"service:\"api\"","subject":"photo:123",)"
        R"("time":"2024-05-01T12:00:00Z","offset":"e.7","traceparent":"00-x"})");
    EXPECT_EQ(encode_meta(bare, ""), R"({"id":"1","type":"t","source":"s","time":"x"})");
    EXPECT_TRUE(JsonChecker().check(encode_meta(whole, "e.7")));
}

}  // namespace
}  // namespace eventbus
