#include "app/data_directory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "support/folder.h"

namespace eventbus {
namespace {

TEST(DataDirectory, TheFolderOfOneStoreIsNone) {
    const Folder folder;
    std::ofstream(folder.path() / "CURRENT") << "MANIFEST-000005\n";
    const auto taken = DataDirectory::take(folder.path().string());
    ASSERT_FALSE(taken.has_value());
    EXPECT_NE(taken.error().detail.find("name the folder above it"), std::string::npos);
}

TEST(DataDirectory, OneProcessHasItAndTheOtherIsToldWhich) {
    const Folder folder;
    const std::string path = folder.path();
    std::optional<Result<DataDirectory>> first(DataDirectory::take(path));
    ASSERT_TRUE(first->has_value());

    const auto second = DataDirectory::take(path);
    ASSERT_FALSE(second.has_value());
    EXPECT_NE(second.error().detail.find("another server uses this data directory, " + path),
              std::string::npos)
        << second.error().detail;

    first.reset();
    EXPECT_TRUE(DataDirectory::take(path).has_value());
}

TEST(DataDirectory, WhatIsNoDirectoryIsRefused) {
    const Folder folder;
    const auto taken = DataDirectory::take(folder.path() / "nothing");
    ASSERT_FALSE(taken.has_value());
    EXPECT_NE(taken.error().detail.find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace eventbus
