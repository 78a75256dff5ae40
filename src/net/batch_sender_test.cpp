#include "net/batch_sender.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "support/undisturbed.h"

namespace eventbus {
namespace {

class BatchSenderTest : public testing::Test {
 protected:
    void SetUp() override {
        if (!opened_) GTEST_SKIP() << opened_.error().detail;
    }
    // Two ends of a connection.
    struct Pair {
        Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0); }
        ~Pair() {
            for (const int end : ends) ::close(end);
        }
        Pair(const Pair&) = delete;
        Pair& operator=(const Pair&) = delete;
        std::string read() const {
            std::string all;
            std::array<char, 4096> some{};
            for (;;) {
                const ssize_t got = ::recv(ends[1], some.data(), some.size(), 0);
                if (got <= 0) return all;
                all.append(some.data(), static_cast<std::size_t>(got));
            }
        }
        std::array<int, 2> ends{};
    };
    BatchSender& sender() { return **opened_; }

    Result<std::unique_ptr<BatchSender>> opened_ = BatchSender::open();
};

TEST_F(BatchSenderTest, EachSocketGetsItsPiecesInOrderAndNothingOfAnother) {
    std::vector<Pair> pairs(BatchSender::kSendsMax);
    std::vector<std::vector<std::string>> texts;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        auto& pieces = texts.emplace_back();
        for (std::size_t k = 0; k < 1 + i % 5; ++k) {
            pieces.push_back(std::to_string(i) + "/" + std::to_string(k) + " ");
        }
    }
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            ASSERT_FALSE(sender().is_full());
            const std::vector<std::string_view> pieces(texts[i].begin(), texts[i].end());
            sender().add(pairs[i].ends[0], pieces);
        }
        EXPECT_TRUE(sender().is_full());
        const auto outcomes = sender().send();
        ASSERT_EQ(outcomes.size(), pairs.size());
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            std::string expected;
            for (const std::string& piece : texts[i]) expected += piece;
            EXPECT_EQ(pairs[i].read(), expected);
            EXPECT_EQ(outcomes[i].bytes, expected.size());
            EXPECT_FALSE(outcomes[i].is_blocked || outcomes[i].is_over);
        }
    }
}

TEST_F(BatchSenderTest, AFullSocketTakesAPartAndAClosedOneIsOverAndTheOthersAreServed) {
    const Pair full, closed, good;
    ::close(closed.ends[1]);
    const std::string much(8 << 20, 'x');
    const std::array<std::string_view, 1> large{much};
    const std::array<std::string_view, 2> two{"a", "b"};
    sender().add(full.ends[0], large);
    EXPECT_TRUE(sender().is_full());  // by its bytes
    const Stream::Outcome part = sender().send()[0];
    EXPECT_TRUE(part.is_blocked);
    EXPECT_GT(part.bytes, 0u);
    EXPECT_LT(part.bytes, much.size());

    sender().add(full.ends[0], two);
    sender().add(closed.ends[0], two);
    sender().add(good.ends[0], two);
    const auto outcomes = sender().send();
    EXPECT_TRUE(outcomes[0].is_blocked);
    EXPECT_EQ(outcomes[0].bytes, 0u);
    EXPECT_TRUE(outcomes[1].is_over);
    EXPECT_EQ(outcomes[2].bytes, 2u);
    EXPECT_EQ(good.read(), "ab");
    ::dup2(good.ends[1], closed.ends[1]);  // for its destructor
}

// As a sandbox does that allows the set-up alone. For the rest of this process.
bool forbid_io_uring_enter() {
    sock_filter filter[]{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_enter, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{std::size(filter), filter};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(BatchSenderTest, WhereOnlyItsSetUpIsAllowedItDoesNotOpen) {
    EXPECT_TRUE(in_a_process_of_its_own(
        [] { return forbid_io_uring_enter() && !BatchSender::open().has_value(); }));
}

TEST_F(BatchSenderTest, ASystemCallThatFailsLaterLosesNothing) {
    EXPECT_TRUE(in_a_process_of_its_own([] {
        const auto opened = BatchSender::open();
        if (!opened || !forbid_io_uring_enter()) return false;
        BatchSender& sender = **opened;
        const std::vector<Pair> pairs(3);
        for (int round = 0; round < 2; ++round) {
            sender.add(pairs[0].ends[0], std::vector<std::string_view>{"one"});
            sender.add(pairs[1].ends[0], std::vector<std::string_view>{"t", "wo"});
            sender.add(pairs[2].ends[0], std::vector<std::string_view>{"three"});
            const auto outcomes = sender.send();
            if (outcomes[0].bytes != 3 || outcomes[1].bytes != 3 || outcomes[2].bytes != 5) {
                return false;
            }
        }
        return sender.is_broken() && pairs[0].read() == "oneone" && pairs[1].read() == "twotwo" &&
               pairs[2].read() == "threethree";
    }));
}

}  // namespace
}  // namespace eventbus
