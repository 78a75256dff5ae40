#include "groups/group_key.h"
#include "support/position_literal.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace eventbus {
namespace {

TEST(GroupKey, NamesAndTopicsThatAreNoneAreRefused) {
    struct Case {
        const char* name;
        GroupKey key;
        std::optional<ErrorCode> refused;
    };
    const Case cases[] = {
        {"a type", {"thumbnails", "photo.uploaded"}, {}},
        {"a pattern", {"a-1", "photo.**"}, {}},
        {"64 characters", {std::string(64, 'a'), "**"}, {}},
        {"65 characters", {std::string(65, 'a'), "**"}, ErrorCode::kBadRequest},
        {"no name", {"", "**"}, ErrorCode::kBadRequest},
        {"capitals", {"Thumbs", "**"}, ErrorCode::kBadRequest},
        {"a colon", {"a:b", "**"}, ErrorCode::kBadRequest},
        {"no topic", {"a", ""}, ErrorCode::kBadTopic},
        {"a subject", {"a", "photo:123"}, ErrorCode::kBadTopic},
        {"half a star", {"a", "pho*"}, ErrorCode::kBadTopic},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const Result<> checked = check(c.key);
        EXPECT_EQ(checked.has_value(), !c.refused);
        if (c.refused && !checked) {
            EXPECT_EQ(checked.error().code, *c.refused);
        }
    }
}

TEST(DeliveryId, ComesBackFromItsText) {
    struct Case {
        DeliveryId id;
        const char* text;
    };
    const GroupKey group{"thumbnails", "photo.**"};
    const Case cases[] = {
        {{group, "k3x9q2ab", 18446744073709551615_pos, 4294967295U},
         "thumbnails:photo.**:k3x9q2ab.18446744073709551615.4294967295"},
        {{group, "1", 2_pos, 3}, "thumbnails:photo.**:1.2.3"},
        {{group, "", 2_pos, 3}, "thumbnails:photo.**:2.3"},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(to_string(c.id), c.text);
        const Result<DeliveryId> read = parse_delivery_id(c.text);
        ASSERT_TRUE(read) << c.text;
        EXPECT_EQ(*read, c.id);
    }
}

TEST(DeliveryId, EveryOtherTextIsNotFound) {
    const char* const texts[] = {
        "",
        ":",
        "::",
        "a:b",
        "a:b:",
        "a:b:1",
        "a:b:1.",
        "a:b:.1",
        "a:b:0.1",
        "a:b:1.0",
        "a:b:01.1",
        "a:b:1.01",
        "a:b:1.1 ",
        " a:b:1.1",
        "a:b:-1.1",
        "a:b:+1.1",
        "a:b:1.1.1.1",
        "a:b:e1.0.1",
        "a:b:e1.1.0",
        "a:b:e1.1",
        "a:b:E1.1.1",
        "a:b:.1.1",
        "a::1.1",
        ":b:1.1",
        "A:b:1.1",
        "a:b*:1.1",
        "a:b:c:1.1",
        "a:b:1.4294967296",
        "a:b:18446744073709551616.1",
    };
    for (const char* text : texts) {
        SCOPED_TRACE(text);
        const Result<DeliveryId> read = parse_delivery_id(text);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code, ErrorCode::kNotFound);
    }
    EXPECT_FALSE(parse_delivery_id(std::string_view("a:b\0:1.1", 8)));
}

TEST(GroupKey, GroupsSpreadOverTheReactors) {
    std::set<std::size_t> homes;
    for (int i = 0; i < 100; ++i) homes.insert(home_of({"g" + std::to_string(i), "a.b"}, 4));
    EXPECT_EQ(homes, (std::set<std::size_t>{0, 1, 2, 3}));
}

}  // namespace
}  // namespace eventbus
