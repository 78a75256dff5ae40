#include "event/subject.h"

#include <gtest/gtest.h>

#include <string>

namespace eventbus {
namespace {

TEST(Subject, NamesOfServicesAreKnown) {
    EXPECT_TRUE(is_service_name("photo-api-2"));
    EXPECT_TRUE(is_service_name(std::string(64, 'a')));
    EXPECT_FALSE(is_service_name(std::string(65, 'a')));
    EXPECT_FALSE(is_service_name(""));
    EXPECT_FALSE(is_service_name("Api"));
    EXPECT_FALSE(is_service_name("a.b"));
}

}  // namespace
}  // namespace eventbus
