#include "app/descriptors.h"

#include <gtest/gtest.h>

#include <string>

namespace eventbus {
namespace {

TEST(Descriptors, WhatStoresAndReactorsNeedIsKeptBackFromConnections) {
    struct Case {
        std::size_t limit;
        std::size_t open_now;
        std::size_t reactors;
        std::size_t connections;
        std::size_t table_files;
    };
    const Case cases[]{
        {1'048'576, 4, 8, 1'048'576 - 4 - 128 - 8 * 6 - 384, 384},
        {1'024, 4, 2, 1'024 - 4 - 128 - 2 * 6 - 384, 384},
        {256, 4, 2, 56, 56},  // shared evenly where there is little
        {190, 4, 2, 16, 30},  // the least
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.limit);
        const Result<Descriptors> shared = share_descriptors(c.limit, c.open_now, c.reactors);
        ASSERT_TRUE(shared);
        EXPECT_EQ(shared->connections, c.connections);
        EXPECT_EQ(shared->table_files, c.table_files);
        EXPECT_EQ(shared->kept + shared->connections, c.limit);
    }
}

TEST(Descriptors, TooFewToRunWithAreRefusedWithTheNumberThatItTakes) {
    const Result<Descriptors> shared = share_descriptors(189, 4, 2);

    ASSERT_FALSE(shared);
    EXPECT_NE(shared.error().detail.find("189"), std::string::npos) << shared.error().detail;
    EXPECT_NE(shared.error().detail.find("190"), std::string::npos) << shared.error().detail;
    EXPECT_NE(shared.error().detail.find("ulimit -n"), std::string::npos);
}

}  // namespace
}  // namespace eventbus
