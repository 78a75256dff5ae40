#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/assert.h"

namespace eventbus {

// A life is a test of the same program that works in a folder, says lines, and never ends: another
// test runs it in a process of its own and kills it.
inline std::optional<std::filesystem::path> folder_of_life() {
    const char* const folder = std::getenv("EVENTBUS_TEST_LIFE");
    return folder == nullptr ? std::nullopt : std::optional<std::filesystem::path>(folder);
}

// One line to the test, at once.
inline void say(const std::string& line) {
    const std::string whole = "> " + line + '\n';
    if (::write(STDOUT_FILENO, whole.data(), whole.size()) < 0) ::_exit(1);
}

// Runs the life `test` ("Suite.Name") in `folder`, kills it with signal 9 once it has said `lines`
// lines, and returns all that it said.
inline std::vector<std::string> live_and_be_killed(const std::string& test,
                                                   const std::filesystem::path& folder,
                                                   std::size_t lines) {
    std::array<int, 2> ends{};
    BUS_ASSERT(::pipe(ends.data()) == 0);
    const pid_t child = ::fork();
    BUS_ASSERT(child >= 0);
    if (child == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        ::close(ends[0]);
        ::setenv("EVENTBUS_TEST_LIFE", folder.c_str(), 1);
        const std::string filter = "--gtest_filter=" + test;
        ::execl("/proc/self/exe", "life", filter.c_str(), nullptr);
        ::_exit(1);
    }
    ::close(ends[1]);
    std::vector<std::string> said;
    FILE* const out = ::fdopen(ends[0], "r");
    std::array<char, 256> line{};
    bool is_killed = false;
    while (std::fgets(line.data(), static_cast<int>(line.size()), out) != nullptr) {
        const std::string text(line.data());
        if (text.starts_with("> ") && text.back() == '\n') {
            said.push_back(text.substr(2, text.size() - 3));
        }
        if (said.size() >= lines && !is_killed) {
            ::kill(child, SIGKILL);  // what it has said since is read to the end
            is_killed = true;
        }
    }
    std::fclose(out);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(is_killed && WIFSIGNALED(status)) << "the life ended by itself";
    return said;
}

}  // namespace eventbus
