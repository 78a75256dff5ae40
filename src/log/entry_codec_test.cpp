#include "log/entry_codec.h"
#include "support/position_literal.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

namespace eventbus {
namespace {

using namespace std::string_literals;

Entry full_entry() {
    Entry entry;
    entry.position = 7_pos;
    entry.event = {.id = "id-1",
                   .type = "photo.uploaded",
                   .source = "service:api",
                   .subject = "photo:1",
                   .time = "2024-05-01T12:00:00Z",
                   .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                   .data = R"({"x":1})"};
    entry.name = "photo:new";
    entry.variants = {R"({})", std::string(300, ' ')};
    entry.deliveries = {{Room::user("ann"), 0},
                        {Room::subject("photo:1"), 2},
                        {Room::everyone(), 1},
                        {Room::role("admin"), 0}};
    entry.evictions = {{"photo:1", Room::user("bob")}, {"photo:1", Room::role("guest")}};
    entry.latest = true;
    entry.has_client_id = true;
    entry.unowned = true;
    entry.durability = Durability::kTransient;
    entry.retention = {.age = std::chrono::hours(24 * 7), .bytes_max = 1ULL << 40U};
    entry.publisher = "service:api";
    entry.content_hash = 0xfedc'ba98'7654'3210U;
    return entry;
}

TEST(EntryCodec, AnEntryIsReadAsItWasWritten) {
    const Entry entry = full_entry();

    const Result<Entry> again = decode_entry(7_pos, encode_entry(entry));

    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->position, 7_pos);
    EXPECT_EQ(again->event.id, entry.event.id);
    EXPECT_EQ(again->event.type, entry.event.type);
    EXPECT_EQ(again->event.source, entry.event.source);
    EXPECT_EQ(again->event.subject, entry.event.subject);
    EXPECT_EQ(again->event.time, entry.event.time);
    EXPECT_EQ(again->event.traceparent, entry.event.traceparent);
    EXPECT_EQ(again->event.data, entry.event.data);
    EXPECT_EQ(again->name, entry.name);
    EXPECT_EQ(again->variants, entry.variants);
    ASSERT_EQ(again->deliveries.size(), entry.deliveries.size());
    for (std::size_t i = 0; i < entry.deliveries.size(); ++i) {
        EXPECT_EQ(again->deliveries[i].room, entry.deliveries[i].room);
        EXPECT_EQ(again->deliveries[i].variant, entry.deliveries[i].variant);
    }
    ASSERT_EQ(again->evictions.size(), 2u);
    EXPECT_EQ(again->evictions[1].subject, "photo:1");
    EXPECT_EQ(again->evictions[1].who, Room::role("guest"));
    EXPECT_TRUE(again->latest);
    EXPECT_TRUE(again->has_client_id);
    EXPECT_TRUE(again->unowned);
    EXPECT_EQ(again->durability, Durability::kTransient);
    EXPECT_EQ(again->retention.age, entry.retention.age);
    EXPECT_EQ(again->retention.bytes_max, entry.retention.bytes_max);
    EXPECT_EQ(again->publisher, entry.publisher);
    EXPECT_EQ(again->content_hash, entry.content_hash);
}

TEST(EntryCodec, TheBytesOfVersionOneStayAsTheyAre) {
    Entry entry;
    entry.event = {.id = "i", .type = "t", .source = "s", .data = "{}"};
    entry.name = "n";
    entry.publisher = "p";
    entry.content_hash = 5;
    entry.retention.age = std::chrono::seconds(300);
    entry.deliveries = {{Room::user("a"), 0}};
    entry.unowned = true;

    EXPECT_EQ(encode_entry(entry),
              "\x01\x04"s
              "\0\0\0\0\0\0\0\x05"s
              "\xac\x02\0"s
              "\1i\1t\1s\0\0\0\2{}\1n\1p"s
              "\0\1\3u:a\0\0"s);
}

TEST(EntryCodec, BytesThatAreCutOffAnywhereAreNoEntry) {
    const std::string bytes = encode_entry(full_entry());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const Result<Entry> entry = decode_entry(7_pos, std::string_view(bytes).substr(0, size));
        ASSERT_FALSE(entry.has_value()) << size;
        EXPECT_EQ(entry.error().code, ErrorCode::kInternal);
    }
    EXPECT_FALSE(decode_entry(7_pos, bytes + '\0').has_value());
}

TEST(EntryCodec, WhatNoEncoderWritesIsRefused) {
    const std::string good =
        "\x01\x00"s
        "\0\0\0\0\0\0\0\x05"s
        "\0\0"s
        "\1i\1t\1s\0\0\0\2{}\1n\1p"s;
    ASSERT_TRUE(decode_entry(1_pos, good + "\0\0\0"s).has_value());
    const struct {
        const char* name;
        std::string bytes;
    } cases[] = {
        {"a newer version", '\2' + good.substr(1) + "\0\0\0"s},
        {"an unknown flag", good.substr(0, 1) + '\x10' + good.substr(2) + "\0\0\0"s},
        {"a number longer than it must be",
         good.substr(0, 10) + "\x80\0\0"s + good.substr(12) + "\0\0\0"s},
        {"more variants than bytes", good + "\x7f\0\0"s},
        {"a delivery of a variant that is not there", good + "\0\1\1e\1\0"s},
        {"a room without a kind", good + "\0\1\3x:a\0\0"s},
        {"a room without a name", good + "\0\1\2u:\0\0"s},
        {"an eviction without a room", good + "\0\0\1\1s\0"s},
        {"a number of more than 64 bits", good.substr(0, 10) +
                                              "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\0"s +
                                              good.substr(12) + "\0\0\0"s},
    };
    for (const auto& c : cases) EXPECT_FALSE(decode_entry(1_pos, c.bytes).has_value()) << c.name;
}

}  // namespace
}  // namespace eventbus
