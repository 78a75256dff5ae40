#include "event/pattern.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace eventbus {
namespace {

TEST(Pattern, MatchesWholeSegmentsAndWholeIds) {
    struct Case {
        const char* pattern;
        const char* what;
        bool matches;
    };
    const Case cases[] = {
        {"photo.uploaded", "photo.uploaded", true},
        {"photo.uploaded", "photo.uploade", false},
        {"photo.uploaded", "photo.uploaded.now", false},
        {"photo.*", "photo.uploaded", true},
        {"photo.*", "photo", false},
        {"photo.*", "photo.processing.started", false},
        {"*.uploaded", "photo.uploaded", true},
        {"*", "photo", true},
        {"*", "photo.uploaded", false},
        {"photo.**", "photo.uploaded", true},
        {"photo.**", "photo.processing.started", true},
        {"photo.**", "photo", true},
        {"photo.**", "photos.uploaded", false},
        {"**", "photo.uploaded", true},
        {"**.started", "photo.processing.started", true},
        {"**.started", "started", true},
        {"photo.**.started", "photo.a.b.started", true},
        {"photo.**.started", "photo.started", true},
        {"photo.**.started", "photo.started.not", false},
        {"a.**.b.**.c", "a.b.b.x.c", true},
        {"a.**.b.**.c", "a.c.b", false},
        {"a.**.*", "a", false},
        {"photo:123", "photo:123", true},
        {"photo:123", "photo:1234", false},
        {"photo:*", "photo:123", true},
        {"photo:*", "photo:with.dots:and:colons", true},
        {"photo:*", "album:123", false},
        {"*:*", "album:123", true},
        {"**", "album:123", true},
        {"photo.*", "photo:123", false},
        {"photo:*", "photo.uploaded", false},
        {"*", "album:123", false},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(testing::Message() << c.pattern << " on " << c.what);
        EXPECT_EQ(matches(c.pattern, c.what), c.matches);
    }
}

TEST(Pattern, CoversOnlyWhatItMatchesItself) {
    struct Case {
        const char* outer;
        const char* inner;
        bool covers;
    };
    const Case cases[] = {
        {"**", "**", true},
        {"**", "photo.*", true},
        {"**", "photo:123", true},
        {"photo.**", "photo.*", true},
        {"photo.**", "photo.**", true},
        {"photo.**", "photo.processing.**", true},
        {"photo.**", "**", false},
        {"photo.*", "photo.*", true},
        {"photo.*", "photo.**", false},
        {"photo.*", "photo.uploaded", true},
        {"photo.uploaded", "photo.*", false},
        {"photo:*", "photo:123", true},
        {"photo:123", "photo:*", false},
        {"*.**", "photo.**", true},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(testing::Message() << c.outer << " over " << c.inner);
        EXPECT_EQ(covers(c.outer, c.inner), c.covers);
    }
}

TEST(Pattern, OverlapsWhereOneTypeIsCoveredByBoth) {
    struct Case {
        const char* a;
        const char* b;
        bool overlaps;
    };
    const Case cases[] = {
        {"photo.*", "*.uploaded", true},
        {"photo.*", "*.*.uploaded", false},
        {"photo.**", "**.uploaded", true},
        {"photo.**", "album.**", false},
        {"a.**.b", "a.*", true},
        {"a.**.b", "*.c", false},
        {"**", "a", true},
        {"a.b", "a.b", true},
        {"a.b", "a.c", false},
        {"a", "a.**", true},
        {"a.*", "a", false},
        {"**.a.**", "**.b.**", true},
        {"photo:*", "photo:1", true},
        {"photo:*", "*:1", true},
        {"photo:1", "photo:2", false},
        {"photo:*", "photo.*", false},
        {"photo:*", "**", true},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(testing::Message() << c.a << " and " << c.b);
        EXPECT_EQ(overlaps(c.a, c.b), c.overlaps);
        EXPECT_EQ(overlaps(c.b, c.a), c.overlaps);
    }
}

TEST(Pattern, GrammarIsChecked) {
    struct Case {
        std::string text;
        bool is_type;
        bool is_pattern;
    };
    const Case cases[] = {
        {"photo.uploaded", true, true},
        {"Photo-2.up_loaded", true, true},
        {"photo.*", false, true},
        {"**", false, true},
        {"pho*", false, false},
        {"***", false, false},
        {"", false, false},
        {".", false, false},
        {"photo.", false, false},
        {".photo", false, false},
        {"photo..uploaded", false, false},
        {"photo uploaded", false, false},
        {"photo:1", false, false},
        {"fotó", false, false},
        {std::string(256, 'a'), true, true},
        {std::string(257, 'a'), false, false},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text);
        EXPECT_EQ(is_type(c.text), c.is_type);
        EXPECT_EQ(is_type_pattern(c.text), c.is_pattern);
    }
}

// The obvious definition, which may take exponential time.
bool slow_match(const std::vector<std::string>& pattern, std::size_t p,
                const std::vector<std::string>& text, std::size_t t) {
    if (p == pattern.size()) return t == text.size();
    if (pattern[p] == "**") {
        return slow_match(pattern, p + 1, text, t) ||
               (t < text.size() && slow_match(pattern, p, text, t + 1));
    }
    return t < text.size() && (pattern[p] == "*" || pattern[p] == text[t]) &&
           slow_match(pattern, p + 1, text, t + 1);
}

std::string joined(const std::vector<std::string>& segments) {
    std::string text;
    for (const std::string& segment : segments) text += (text.empty() ? "" : ".") + segment;
    return text;
}

TEST(Pattern, EqualsTheSlowDefinition) {
    std::mt19937 random(7);
    const std::vector<std::string> letters{"a", "b", "*", "**"};
    const auto draw = [&](std::size_t kinds) {
        std::vector<std::string> segments(1 + random() % 5);
        for (std::string& segment : segments) segment = letters[random() % kinds];
        return segments;
    };
    for (int i = 0; i < 20'000; ++i) {
        const auto pattern = draw(4);
        const auto type = draw(2);
        const auto outer = draw(4);
        SCOPED_TRACE(joined(pattern) + " on " + joined(type) + ", " + joined(outer));
        const bool expected = slow_match(pattern, 0, type, 0);
        ASSERT_EQ(matches(joined(pattern), joined(type)), expected);
        if (expected && slow_match(outer, 0, type, 0)) {
            ASSERT_TRUE(overlaps(joined(outer), joined(pattern)));
        }
        if (expected && covers(joined(outer), joined(pattern))) {
            ASSERT_TRUE(slow_match(outer, 0, type, 0)) << "covers() was wrong";
        }
    }
}

}  // namespace
}  // namespace eventbus
