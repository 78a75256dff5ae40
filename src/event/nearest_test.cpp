#include "event/nearest.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eventbus {
namespace {

TEST(Nearest, IsTheOneWithTheFewestChanges) {
    const std::vector<std::string_view> keys{"subject", "owner",  "audience",
                                             "emit",    "retain", "latest"};
    struct Case {
        std::string word;
        const char* near;
    };
    const Case cases[] = {
        {"subjct", "subject"},
        {"sujbect", "subject"},
        {"Subject", "subject"},
        {"audeince", "audience"},
        {"emitt", "emit"},
        {"retian", "retain"},
        {"lates", "latest"},
        {"xyzzy", ""},
        {"", ""},
        {"o", ""},
        {std::string(65, 'a'), ""},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.word);
        EXPECT_EQ(nearest(c.word, keys), c.near);
    }
    EXPECT_EQ(did_you_mean("emitt", keys, "none"), "; did you mean 'emit'?");
    EXPECT_EQ(did_you_mean("xyzzy", keys, "none"), "; none");
}

}  // namespace
}  // namespace eventbus
