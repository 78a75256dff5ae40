#include "base/diagnostics.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>

#include "base/json_check.h"
#include "base/write_line.h"

namespace eventbus {
namespace {

// Standard error as a pipe of one page, which nobody reads but read_all().
class PipedError {
 public:
    PipedError() : real_(::dup(STDERR_FILENO)) {
        std::array<int, 2> ends{};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        EXPECT_GE(::fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
        EXPECT_EQ(::dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
        ::close(ends[1]);
        reader_ = ends[0];
        EXPECT_EQ(::fcntl(reader_, F_SETFL, O_NONBLOCK), 0);
    }
    ~PipedError() {
        ::dup2(real_, STDERR_FILENO);
        ::close(real_);
        ::close(reader_);
    }
    PipedError(const PipedError&) = delete;
    PipedError& operator=(const PipedError&) = delete;

    std::string read_all() const {
        std::string text;
        std::array<char, 4096> block{};
        for (ssize_t got = 1; got > 0;) {
            got = ::read(reader_, block.data(), block.size());
            if (got > 0) text.append(block.data(), static_cast<std::size_t>(got));
        }
        return text;
    }

 private:
    const int real_;
    int reader_ = -1;
};

TEST(Diagnostics, APipeThatNobodyReadsStopsNobodyAndTheNextLineSaysHowManyWereDropped) {
    const std::uint64_t before = lines_dropped();
    const PipedError piped;
    for (int i = 0; i < 200; ++i) diagnostics::warn("a line", {{"text", std::string(100, 'x')}});
    const std::uint64_t dropped = lines_dropped() - before;
    EXPECT_GT(dropped, 100U);
    EXPECT_LT(dropped, 200U);
    const std::string kept = piped.read_all();
    EXPECT_EQ(kept.back(), '\n');
    EXPECT_EQ(kept.find("dropped"), std::string::npos);

    diagnostics::warn("the reader is back");
    const std::string said = piped.read_all();
    EXPECT_TRUE(
        said.ends_with("the reader is back lines_dropped_before=" + std::to_string(dropped) + "\n"))
        << said;

    diagnostics::warn("once more");
    EXPECT_EQ(piped.read_all().find("dropped"), std::string::npos);
}

TEST(Diagnostics, LongValuesAreCutSoThatTheLineFitsAndIsStillJson) {
    const PipedError piped;
    const std::string newlines(10'000, '\n');  // six bytes each, as JSON
    diagnostics::use_json(true);
    diagnostics::warn("long",
                      {{"short", "stays"}, {"a", newlines}, {"b", std::string(9'000, 'y')}});
    diagnostics::use_json(false);
    const std::string json = piped.read_all();
    diagnostics::warn("long", {{"a", newlines}});
    const std::string text = piped.read_all();

    EXPECT_LE(json.size(), kLogLineBytesMax);
    EXPECT_TRUE(JsonChecker().check(json)) << json;
    EXPECT_NE(json.find(R"("short":"stays")"), std::string::npos) << json;
    EXPECT_NE(json.find("(cut)"), std::string::npos) << json;
    EXPECT_LE(text.size(), kLogLineBytesMax);
    EXPECT_NE(text.find("(cut)"), std::string::npos) << text;
}

TEST(WriteLine, IsCutToWhatAPipeTakesWhole) {
    const PipedError piped;
    EXPECT_TRUE(write_line(STDERR_FILENO, std::string(4'095, 'x')));
    EXPECT_EQ(piped.read_all(), std::string(4'095, 'x') + "\n");
    EXPECT_TRUE(write_line(STDERR_FILENO, std::string(4'096, 'x')));
    const std::string cut = piped.read_all();
    EXPECT_EQ(cut.size(), kLogLineBytesMax);
    EXPECT_TRUE(cut.ends_with("x … (cut)\n"));
}

TEST(WriteLine, WhatADeviceThatIsFullDoesNotTakeIsCounted) {
    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    const std::uint64_t before = lines_dropped();
    EXPECT_FALSE(write_line(full, "a line"));
    EXPECT_EQ(lines_dropped() - before, 1U);
    ::close(full);
}

}  // namespace
}  // namespace eventbus
