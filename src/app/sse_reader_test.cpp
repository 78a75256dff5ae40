#include "app/sse_reader.h"

#include <gtest/gtest.h>

namespace eventbus {
namespace {

// Each event as id|name|data; in pieces of `size` bytes.
std::string read(std::string_view stream, std::size_t size) {
    SseReader reader(1000);
    std::string text;
    for (std::size_t at = 0; at < stream.size(); at += size) {
        EXPECT_TRUE(reader.feed(stream.substr(at, size), [&](const SseEvent& event) {
            text += event.id + "|" + event.name + "|" + event.data + "\n";
        }));
    }
    return text;
}

TEST(SseReader, ReadsStreamsHoweverTheyAreCut) {
    struct Case {
        const char* stream;
        const char* events;
    };
    const Case cases[] = {
        {"id: 1\nevent: a\ndata: {}\n\n", "1|a|{}\n"},
        {"id: 1\r\nevent: a\r\ndata: {}\r\n\r\nid: 2\r\ndata: x\r\n\r\n", "1|a|{}\n2|message|x\n"},
        {"id: 1\revent: a\rdata: {}\r\r", "1|a|{}\n"},
        {"id:1\ndata:{}\n\ndata:  x\n\n", "1|message|{}\n1|message| x\n"},  // the id stays
        {"data: a\ndata\ndata: b\n\n", "|message|a\n\nb\n"},
        {": hello\n\n: again\n\ndata: x\n\n", "|message|x\n"},
        {"event: a\n\ndata: x\n\n", "|message|x\n"},  // no data, no event
        {"id: 1\n\nretry: 5\nother: x\ndata: y\n\n", "1|message|y\n"},
        {"data: unfinished\n", ""},
    };
    for (const Case& c : cases) {
        for (std::size_t size = 1; size < 20; ++size) {
            EXPECT_EQ(read(c.stream, size), c.events) << c.stream << " by " << size;
        }
    }
}

TEST(SseReader, EndsAtItsBound) {
    const auto ignore = [](const SseEvent&) {};
    EXPECT_TRUE(SseReader(10).feed("data: 1234\n\n", ignore));
    EXPECT_FALSE(SseReader(9).feed("data: 1234\n\n", ignore));
    SseReader endless(10);
    bool is_good = true;
    for (int i = 0; i < 10 && is_good; ++i) is_good = endless.feed("data: x\n", ignore);
    EXPECT_FALSE(is_good);
}

}  // namespace
}  // namespace eventbus
