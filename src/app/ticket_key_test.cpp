#include "app/ticket_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/folder.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

struct TicketKeyTest : testing::Test {
    // What is said to standard error meanwhile goes to `said`.
    SealKey key_of(const std::filesystem::path& data) {
        testing::internal::CaptureStderr();
        const SealKey key = ticket_key(data.string(), random);
        said = testing::internal::GetCapturedStderr();
        return key;
    }

    SeededRandom random{1};
    Folder folder;
    const std::string path = (folder.path() / "ticket-key").string();
    std::string said;
};

TEST_F(TicketKeyTest, IsMadeOnceForThisUserOnly) {
    const SealKey made = key_of(folder.path());
    EXPECT_EQ(key_of(folder.path()).bytes, made.bytes);
    EXPECT_EQ(said, "");
    struct stat file {};
    ASSERT_EQ(::stat(path.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777U, 0600U);
    EXPECT_EQ(file.st_size, 32);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST_F(TicketKeyTest, AFileThatIsNoKeyStaysAndIsSaid) {
    std::ofstream(path) << "short";
    const SealKey first = key_of(folder.path());
    EXPECT_NE(said.find(path), std::string::npos) << said;
    EXPECT_NE(said.find("it does not hold the 32 bytes of a key: delete it"), std::string::npos);
    EXPECT_NE(key_of(folder.path()).bytes, first.bytes);
    EXPECT_EQ(std::filesystem::file_size(path), 5U);
}

TEST_F(TicketKeyTest, AFolderThatTakesNoFileIsSaid) {
    key_of(folder.path() / "nowhere");
    EXPECT_NE(said.find("No such file"), std::string::npos) << said;
}

}  // namespace
}  // namespace eventbus
