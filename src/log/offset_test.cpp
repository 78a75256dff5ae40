#include "log/offset.h"
#include "support/position_literal.h"

#include <gtest/gtest.h>

namespace eventbus {
namespace {

TEST(Offset, WhatWasWrittenIsReadAgain) {
    for (const Offset& offset : {Offset{"k3q9", 0_pos}, Offset{"a", 42_pos},
                                 Offset{"0123456789abcdef", 18'446'744'073'709'551'615_pos}}) {
        SCOPED_TRACE(to_string(offset));
        const Result<Offset> again = parse_offset(to_string(offset));
        ASSERT_TRUE(again.has_value());
        EXPECT_EQ(*again, offset);
    }
    EXPECT_EQ(to_string(Offset{"k3q9", 42_pos}), "k3q9.42");
}

TEST(Offset, AnythingElseIsRefused) {
    for (const char* text : {"", ".", "k3q9", "k3q9.", ".42", "K3Q9.42", "k3q9.042", "k3q9.+1",
                             "k3q9.-1", "k3q9.4 ", " k3q9.4", "k3q9.4.2", "k3q9.0x1", "k3-9.42",
                             "0123456789abcdefg.1", "k3q9.18446744073709551616", "42"}) {
        const Result<Offset> offset = parse_offset(text);
        ASSERT_FALSE(offset.has_value()) << text;
        EXPECT_EQ(offset.error().code, ErrorCode::kBadOffset);
    }
}

}  // namespace
}  // namespace eventbus
