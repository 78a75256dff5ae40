#include "catalog/content_hash.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <set>
#include <string>

namespace eventbus {
namespace {

std::uint64_t hash(std::initializer_list<std::string_view> texts) {
    ContentHash made;
    for (const std::string_view text : texts) made.add(text);
    return made.value();
}

TEST(ContentHash, BoundsAndEachByteMatter) {
    EXPECT_NE(hash({"ab", "c"}), hash({"a", "bc"}));
    EXPECT_NE(hash({"a", ""}), hash({"a"}));
    EXPECT_NE(hash({std::string_view("a\0", 2)}), hash({"a"}));
    EXPECT_EQ(hash({"a", "b"}), hash({"a", "b"}));

    std::set<std::uint64_t> seen;
    const std::string text(40, 'x');
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (int c = 0; c < 256; ++c) {
            std::string changed = text;
            changed[at] = static_cast<char>(c);
            if (changed != text) seen.insert(hash({changed}));
        }
    }
    EXPECT_EQ(seen.size(), 40u * 255u);
}

}  // namespace
}  // namespace eventbus
