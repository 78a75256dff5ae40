#include "event/topic.h"

#include <gtest/gtest.h>

#include <string>

#include "event/subject.h"

namespace eventbus {
namespace {

TEST(Topic, AColonMakesASubject) {
    struct Case {
        std::string text;
        Topic::Kind kind;
    };
    const Case cases[] = {
        {"photo:123", Topic::Kind::kSubject},
        {"photo:a.b:c d", Topic::Kind::kSubject},
        {"my_kind-2:x", Topic::Kind::kSubject},
        {"photo:" + std::string(256, 'x'), Topic::Kind::kSubject},
        {"photo.uploaded", Topic::Kind::kPattern},
        {"photo.*", Topic::Kind::kPattern},
        {"**", Topic::Kind::kPattern},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text);
        const Result<Topic> topic = parse_topic(c.text);
        ASSERT_TRUE(topic);
        EXPECT_EQ(topic->kind, c.kind);
        EXPECT_EQ(topic->text, c.text);
    }
}

TEST(Topic, WhatIsNoTopicIsRefusedWithTheMend) {
    struct Case {
        std::string text;
        const char* says;
    };
    const Case cases[] = {
        {"", "photo:123"},
        {":", "kind"},
        {"photo:", "1 to 256 bytes"},
        {":123", "kind"},
        {"Photo:123", "lower-case"},
        {"2photo:123", "lower-case"},
        {"photo.x:123", "lower-case"},
        {"photo:" + std::string(257, 'x'), "1 to 256 bytes"},
        {"photo:a\nb", "control"},
        {std::string("photo:a\0b", 9), "control"},
        {"photo:a\x7f", "control"},
        {"photo:a\xc2\x85", "control"},
        {"user:123", "by its token"},
        {"role:admin", "by its token"},
        {"everyone:", "by its token"},
        {"photo:*", "photo.**"},
        {"photo..x", "between dots"},
        {"pho*", "between dots"},
        {std::string(257, 'x'), "256"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text);
        const Result<Topic> topic = parse_topic(c.text);
        ASSERT_FALSE(topic);
        EXPECT_EQ(topic.error().code, ErrorCode::kBadTopic);
        EXPECT_NE(topic.error().detail.find(c.says), std::string::npos) << topic.error().detail;
    }
}

TEST(Subject, IsKindAndId) {
    EXPECT_EQ(subject_kind("photo:1:2"), "photo");
    EXPECT_EQ(subject_id("photo:1:2"), "1:2");
    EXPECT_EQ(subject_kind("photo"), "");
    EXPECT_TRUE(check_subject("photo:1:2"));
    EXPECT_TRUE(check_subject("photo:é"));
    EXPECT_FALSE(check_subject("photo"));
    EXPECT_FALSE(check_subject("role:admin"));
    EXPECT_EQ(check_subject("role:admin").error().code, ErrorCode::kBadSubject);
}

}  // namespace
}  // namespace eventbus
