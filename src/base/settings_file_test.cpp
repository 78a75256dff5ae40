#include "base/settings_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

#include "support/folder.h"

namespace eventbus {
namespace {

using namespace std::chrono_literals;

class SettingsFile : public testing::Test {
 protected:
    std::string path(const char* name) const { return folder_.path() / name; }
    std::string pipe() const {
        EXPECT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
        return path("pipe");
    }
    static std::string why(const std::string& path) {
        const auto text = read_settings_file(path, 8);
        return text ? "it was read" : text.error().detail;
    }

    const Folder folder_;
};

TEST_F(SettingsFile, IsReadWholeUpToItsBound) {
    std::ofstream(path("eight")) << "12345678";
    std::ofstream(path("nine")) << "123456789";
    std::ofstream(path("empty")) << "";

    EXPECT_EQ(*read_settings_file(path("eight"), 8), "12345678");
    EXPECT_EQ(*read_settings_file(path("empty"), 8), "");
    EXPECT_EQ(*read_settings_file("/dev/null", 8), "");
    EXPECT_EQ(why(path("nine")), "is larger than 8 bytes");
    EXPECT_EQ(why("/dev/zero"), "is larger than 8 bytes");
    EXPECT_EQ(read_settings_file("/dev/zero", 64U << 10U).error().detail, "is larger than 64 KiB");
    EXPECT_EQ(read_settings_file("/dev/zero", 1U << 20U).error().detail, "is larger than 1 MiB");
}

TEST_F(SettingsFile, ThatCannotBeReadSaysWhy) {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::strncpy(address.sun_path, path("socket").c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);

    EXPECT_EQ(why(path("none")), "cannot be read: No such file or directory");
    EXPECT_EQ(why(folder_.path()), "cannot be read: Is a directory");
    EXPECT_EQ(why(path("socket")), "cannot be read: No such device or address");
    ASSERT_EQ(::symlink("gone", path("link").c_str()), 0);
    EXPECT_EQ(why(path("link")),
              "cannot be read: No such file or directory (it is a link to gone)");
    ::close(socket);
}

TEST_F(SettingsFile, OfAPipeIsWhatIsWrittenUntilItIsClosed) {
    const std::string name = pipe();
    std::thread writer([&] {
        const int file = ::open(name.c_str(), O_WRONLY | O_CLOEXEC);  // waits for the reader
        EXPECT_EQ(::write(file, "1234", 4), 4);
        EXPECT_EQ(::write(file, "5678", 4), 4);
        ::close(file);
    });
    const auto text = read_settings_file(name, 8);
    writer.join();
    ASSERT_TRUE(text) << text.error().detail;
    EXPECT_EQ(*text, "12345678");
}

TEST_F(SettingsFile, OfAPipeThatNobodyWritesIntoIsNotWaitedForLong) {
    const auto from = std::chrono::steady_clock::now();
    EXPECT_EQ(why(pipe()),
              "is a pipe or a device that did not end within 3 s; name a file, or write into the "
              "pipe and close it");
    EXPECT_LT(std::chrono::steady_clock::now() - from, 10s);
}

TEST_F(SettingsFile, OfAPipeThatStaysOpenIsNotWaitedForLong) {
    const std::string name = pipe();
    const int writer = ::open(name.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(::write(writer, "1234", 4), 4);
    EXPECT_NE(why(name).find("did not end within 3 s"), std::string::npos);
    ::close(writer);
}

}  // namespace
}  // namespace eventbus
