#include "event/event_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "event/attributes.h"

namespace eventbus {
namespace {

TEST(EventReader, ReadsOneEventAndKeepsItsDataAsWritten) {
    EventReader reader;
    const auto read = reader.read(
        R"( { "id" : "a\"b", "type":"photo.uploaded", "data" :  {"n": 1.50, "s":"}\"]{", "a":[1,{}]} , )"
        R"("source":"urn:x","subject":"photo:1","time":"2024-05-01T12:00:00Z",)"
        R"("traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"} )");
    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_FALSE(read->is_list);
    ASSERT_EQ(read->events.size(), 1u);
    const Event& event = read->events[0];
    EXPECT_EQ(event.id, "a\"b");
    EXPECT_EQ(event.type, "photo.uploaded");
    EXPECT_EQ(event.source, "urn:x");
    EXPECT_EQ(event.subject, "photo:1");
    EXPECT_EQ(event.time, "2024-05-01T12:00:00Z");
    EXPECT_EQ(event.traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    EXPECT_EQ(event.data, R"({"n": 1.50, "s":"}\"]{", "a":[1,{}]})");
}

TEST(EventReader, ReadsAListInOrder) {
    EventReader reader;
    const auto read =
        reader.read(R"([{"type":"a","data":{"x":1}} , {"data":{"x":"2"},"id":null,"type":"b"}])");
    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_TRUE(read->is_list);
    ASSERT_EQ(read->events.size(), 2u);
    EXPECT_EQ(read->events[0].type, "a");
    EXPECT_EQ(read->events[0].data, R"({"x":1})");
    EXPECT_EQ(read->events[1].type, "b");
    EXPECT_EQ(read->events[1].data, R"({"x":"2"})");
    EXPECT_EQ(read->events[1].id, "");
    const auto empty = reader.read("[]");
    ASSERT_TRUE(empty);
    EXPECT_TRUE(empty->events.empty());
}

TEST(EventReader, ANameMayBeWrittenWithEscapes) {
    EventReader reader;
    const auto event = reader.read_event(R"({"ty\u0070e":"\u0061","d\u0061ta":{"x":"\u0061"}})");
    ASSERT_TRUE(event) << event.error().detail;
    EXPECT_EQ(event->type, "a");
    EXPECT_EQ(event->data, R"({"x":"\u0061"})");
}

TEST(EventReader, LineBreaksBetweenTokensBecomeSpaces) {
    EventReader reader;
    const auto event = reader.read_event("{\"type\":\"a\",\n \"data\":{\r\n\"x\":\"a\\nb\"\n}\n}");
    ASSERT_TRUE(event) << event.error().detail;
    EXPECT_EQ(event->data, "{  \"x\":\"a\\nb\" }");
}

TEST(EventReader, RefusesWithThePlaceAndTheMend) {
    struct Case {
        std::string json;
        ErrorCode code;
        const char* says;
    };
    const std::string long_id(257, 'x');
    const Case cases[] = {
        {"", ErrorCode::kBadRequest, "empty"},
        {"{", ErrorCode::kBadRequest, "JSON"},
        {R"({"type":"a","data":{}}x)", ErrorCode::kBadRequest, "JSON"},
        {R"({"type":"a","type":"b","data":{}})", ErrorCode::kBadRequest, "twice"},
        {"7", ErrorCode::kBadEvent, "object"},
        {R"("photo.uploaded")", ErrorCode::kBadEvent, "object"},
        {"{}", ErrorCode::kBadEvent, "`type` is missing"},
        {R"({"type":"a"})", ErrorCode::kBadEvent, "`data` is missing"},
        {R"({"type":"a","data":null})", ErrorCode::kBadEvent, "`data` is a JSON object"},
        {R"({"type":"a","data":[1]})", ErrorCode::kBadEvent, "`data` is a JSON object"},
        {R"({"typ":"a","data":{}})", ErrorCode::kBadEvent, "did you mean 'type'?"},
        {R"({"type":"a","data":{},"colour":1})", ErrorCode::kBadEvent, "'colour'"},
        {R"({"type":7,"data":{}})", ErrorCode::kBadEvent, "`type` is text"},
        {R"({"type":"a b","data":{}})", ErrorCode::kBadEvent, "`type`"},
        {R"({"type":"a.*","data":{}})", ErrorCode::kBadEvent, "`type`"},
        {R"({"type":"a","data":{},"id":""})", ErrorCode::kBadEvent, "leave it out"},
        {R"({"type":"a","data":{},"id":")" + long_id + "\"}", ErrorCode::kBadEvent, "`id`"},
        {R"({"type":"a","data":{},"id":"a\u0000b"})", ErrorCode::kBadEvent, "`id`"},
        {R"({"type":"a","data":{},"id":7})", ErrorCode::kBadEvent, "`id` is text"},
        {R"({"type":"a","data":{},"source":"a b"})", ErrorCode::kBadEvent, "`source`"},
        {R"({"type":"a","data":{},"subject":"photo"})", ErrorCode::kBadSubject, "kind:id"},
        {R"({"type":"a","data":{},"subject":"user:1"})", ErrorCode::kBadSubject, "people"},
        {R"({"type":"a","data":{},"time":"yesterday"})", ErrorCode::kBadEvent, "RFC 3339"},
        {R"({"type":"a","data":{},"traceparent":"00-1"})", ErrorCode::kBadEvent, "W3C"},
        {R"([{"type":"a","data":{}},{"type":"a"}])", ErrorCode::kBadEvent, "event 1: "},
        {R"([[]])", ErrorCode::kBadEvent, "event 0: "},
    };
    EventReader reader;
    for (const Case& c : cases) {
        SCOPED_TRACE(c.json);
        const auto read = reader.read(c.json);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code, c.code);
        EXPECT_NE(read.error().detail.find(c.says), std::string::npos) << read.error().detail;
    }
}

TEST(EventReader, OneMoreThanTheLimitIsTooLarge) {
    EventReader reader({.events_max = 2, .data_bytes_max = 9});
    EXPECT_TRUE(reader.read(R"([{"type":"a","data":{}},{"type":"a","data":{"x":123}}])"));
    const auto many =
        reader.read(R"([{"type":"a","data":{}},{"type":"a","data":{}},{"type":"a","data":{}}])");
    const auto big = reader.read(R"({"type":"a","data":{"x":1234}})");
    ASSERT_FALSE(many);
    ASSERT_FALSE(big);
    EXPECT_EQ(many.error().code, ErrorCode::kTooLarge);
    EXPECT_EQ(big.error().code, ErrorCode::kTooLarge);
}

TEST(EventReader, ReadsCloudEventsAndLeavesExtensionsOut) {
    EventReader reader;
    const auto event = reader.read_cloud_event(
        R"({"specversion":"1.0","type":"a","source":"/s","id":"1","comexampleextension1":"v","other":5,)"
        R"("datacontenttype":"application/json; charset=utf-8","dataschema":"x","data":{"y":2}})");
    ASSERT_TRUE(event) << event.error().detail;
    EXPECT_EQ(event->source, "/s");
    EXPECT_EQ(event->data, R"({"y":2})");

    const auto bare =
        reader.read_cloud_event(R"({"specversion":"1.0","type":"a","source":"/s","id":"1"})");
    ASSERT_TRUE(bare) << bare.error().detail;
    EXPECT_EQ(bare->data, "{}");

    const auto batch =
        reader.read_cloud_batch(R"([{"specversion":"1.0","type":"a","source":"/s","id":"1"}])");
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->events.size(), 1u);
}

TEST(EventReader, RefusesWhatIsNoCloudEvent) {
    struct Case {
        const char* json;
        const char* says;
    };
    const Case cases[] = {
        {R"({"type":"a","source":"/s","id":"1"})", "specversion"},
        {R"({"specversion":"0.3","type":"a","source":"/s","id":"1"})", "specversion"},
        {R"({"specversion":1,"type":"a","source":"/s","id":"1"})", "specversion"},
        {R"({"specversion":"1.0","type":"a","source":"/s"})", "`id`"},
        {R"({"specversion":"1.0","type":"a","id":"1"})", "`source`"},
        {R"({"specversion":"1.0","source":"/s","id":"1"})", "`type`"},
        {R"({"specversion":"1.0","type":"a","source":"/s","id":"1","data":"text"})", "`data`"},
        {R"({"specversion":"1.0","type":"a","source":"/s","id":"1","data_base64":"AA=="})",
         "base64"},
        {R"({"specversion":"1.0","type":"a","source":"/s","id":"1","datacontenttype":"text/xml"})",
         "datacontenttype"},
        {R"([])", "list"},
    };
    EventReader reader;
    for (const Case& c : cases) {
        SCOPED_TRACE(c.json);
        const auto event = reader.read_cloud_event(c.json);
        ASSERT_FALSE(event);
        EXPECT_EQ(event.error().code, ErrorCode::kBadEvent);
        EXPECT_NE(event.error().detail.find(c.says), std::string::npos) << event.error().detail;
    }
    EXPECT_FALSE(
        reader.read_cloud_batch(R"({"specversion":"1.0","type":"a","source":"/s","id":"1"})"));
}

TEST(EventReader, ReadsBinaryModeWithPercentEncoding) {
    EventReader reader;
    using Attribute = EventReader::Attribute;
    const std::vector<Attribute> attributes{{"SpecVersion", "1.0"},
                                            {"type", "a"},
                                            {"source", "/s"},
                                            {"id", "1%20%E2%82%AC%2"},
                                            {"extra", "x"}};
    const auto event = reader.read_binary(attributes, " {\"x\":1} ");
    ASSERT_TRUE(event) << event.error().detail;
    EXPECT_EQ(event->id, "1 €%2");
    EXPECT_EQ(event->data, "{\"x\":1}");
    EXPECT_EQ(reader.read_binary(attributes, "")->data, "{}");
    EXPECT_FALSE(reader.read_binary(attributes, "[1]"));
    EXPECT_FALSE(reader.read_binary(attributes, "{\"x\":1"));
    const std::vector<Attribute> broken{
        {"specversion", "1.0"}, {"type", "a"}, {"source", "/s"}, {"id", "%ff"}};
    EXPECT_FALSE(reader.read_binary(broken, "{}"));
    const std::vector<Attribute> no_version{{"type", "a"}, {"source", "/s"}, {"id", "1"}};
    EXPECT_FALSE(reader.read_binary(no_version, "{}"));
    std::vector<Attribute> twice = attributes;
    twice.push_back({"ID", "2"});
    const auto refused = reader.read_binary(twice, "{}");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().detail, "the header ce-id stands there twice");
}

TEST(EventReader, TheTypeOfTheDataIsReadWithoutCase) {
    EventReader reader;
    for (const char* type : {"Application/JSON", "application/json ; charset=UTF-8", "TEXT/Json",
                             "application/vnd.Photo+JSON"}) {
        const auto event = reader.read_cloud_event(
            R"({"specversion":"1.0","type":"a","source":"/s","id":"1","datacontenttype":")" +
            std::string(type) + "\"}");
        EXPECT_TRUE(event) << type;
    }
}

TEST(Attributes, TimeIsRfc3339) {
    const char* good[] = {"2024-05-01T12:00:00Z", "2024-02-29T23:59:60z",
                          "2024-05-01t12:00:00.123456789+02:00", "1999-12-31T00:00:00-23:59"};
    const char* bad[] = {"",
                         "2024-05-01",
                         "2024-05-01T12:00:00",
                         "2024-05-01 12:00:00Z",
                         "2023-02-29T00:00:00Z",
                         "2024-13-01T00:00:00Z",
                         "2024-05-01T24:00:00Z",
                         "2024-05-01T12:60:00Z",
                         "2024-05-01T12:00:00.Z",
                         "2024-05-01T12:00:00.1234567890Z",
                         "2024-05-01T12:00:00+2:00",
                         "2024-05-01T12:00:00Zx",
                         "2024-00-01T12:00:00Z",
                         "2024-05-00T12:00:00Z"};
    for (const char* time : good) EXPECT_TRUE(check_time(time)) << time;
    for (const char* time : bad) EXPECT_FALSE(check_time(time)) << time;
}

TEST(Attributes, TraceparentIsW3C) {
    EXPECT_TRUE(check_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    EXPECT_FALSE(check_traceparent("00-00000000000000000000000000000000-b7ad6b7169203331-01"));
    EXPECT_FALSE(check_traceparent("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"));
    EXPECT_FALSE(check_traceparent("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    EXPECT_FALSE(check_traceparent("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
}

}  // namespace
}  // namespace eventbus
