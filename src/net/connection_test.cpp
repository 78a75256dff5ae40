#include "net/connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "support/reactor_loop.h"

namespace eventbus {
namespace {

constexpr std::size_t kQueueBytes = 64 * 1024;

// What a test sees of a protocol, and makes it do.
struct Seen {
    std::string bytes;
    int drained = 0;
    int closed = 0;
    std::function<void(std::string_view)> on_bytes;
    std::function<void()> on_closed;
};

class Recorder final : public Protocol {
 public:
    explicit Recorder(Seen& seen) : seen_(seen) {}
    void on_bytes(std::span<char> bytes) override {
        const std::string_view text(bytes.data(), bytes.size());
        seen_.bytes += text;
        if (seen_.on_bytes) seen_.on_bytes(text);
    }
    void on_drained() override { ++seen_.drained; }
    void on_closed() override {
        ++seen_.closed;
        if (seen_.on_closed) seen_.on_closed();
    }

 private:
    Seen& seen_;
};

SharedFrame frame(std::string bytes) {
    return std::make_shared<const Frame>(Frame{std::move(bytes)});
}

class ConnectionTest : public testing::Test {
 protected:
    ConnectionTest() {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        const int bytes = 4096;  // the kernel holds little, so that queues fill
        for (const int end : ends) {
            ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
            ::setsockopt(end, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
        }
        peer_ = std::make_unique<RawClient>(ends[1]);
        loop_.add(*peer_);
        connection_ =
            std::make_shared<Connection>(reactor_, connections_, Stream(ends[0]), kQueueBytes);
        EXPECT_TRUE(connection_->start(std::make_unique<Recorder>(seen_)));
    }
    ~ConnectionTest() override {
        connections_.close_all();
        connection_.reset();
        loop_.turn();
    }

    FakeClock clock_;
    Reactor reactor_{0, clock_};
    ReactorLoop loop_{&reactor_};
    Connections connections_{std::make_shared<ConnectionBudget>()};
    Seen seen_;
    std::unique_ptr<RawClient> peer_;
    std::shared_ptr<Connection> connection_;
};

TEST_F(ConnectionTest, WhatIsPushedInATurnLeavesInOrderAtItsEnd) {
    connection_->push("a");
    connection_->push("b");
    connection_->tell_when_drained();
    connection_->push_urgent(frame("1"));
    connection_->push_urgent(frame("2"));
    EXPECT_EQ(connection_->queued_bytes(), 4u);

    loop_.settle();

    EXPECT_EQ(peer_->received(), "12ab");
    EXPECT_EQ(seen_.drained, 1);
}

TEST_F(ConnectionTest, ASlowPeerGetsEverythingInOrderOnceItReads) {
    peer_->read(false);
    std::string expected;
    for (char c = 'a'; c < 'k'; ++c) {
        expected += std::string(5'000, c);
        ASSERT_TRUE(connection_->push(std::string(5'000, c)));
        loop_.settle();
    }
    EXPECT_GT(connection_->queued_bytes(), 0u);

    peer_->read(true);
    loop_.settle();

    EXPECT_EQ(peer_->received(), expected);
    EXPECT_EQ(connection_->queued_bytes(), 0u);
}

TEST_F(ConnectionTest, APeerThatDoesNotReadIsClosedAtTheBound) {
    peer_->read(false);
    std::size_t taken = 0;
    while (connection_->push(std::string(1'000, 'x'))) {
        taken += 1'000;
        loop_.turn();
        ASSERT_LT(taken, std::size_t{10} << 20);
    }

    EXPECT_TRUE(connection_->was_too_slow());
    EXPECT_FALSE(connection_->is_open());
    EXPECT_EQ(seen_.closed, 1);
    EXPECT_EQ(connection_->queued_bytes(), 0u);
    EXPECT_FALSE(connection_->push("more"));
    EXPECT_EQ(seen_.closed, 1);
}

TEST_F(ConnectionTest, UrgentFramesThatNobodyTakesCloseItALittleAboveTheBound) {
    peer_->read(false);
    std::size_t pushed = 0;
    while (connection_->is_open()) {
        connection_->push_urgent(frame(std::string(100, 'p')));
        pushed += 100;
        ASSERT_LT(pushed, 2 * kQueueBytes);
    }
    EXPECT_TRUE(connection_->was_too_slow());
    EXPECT_GT(pushed, kQueueBytes);
}

TEST_F(ConnectionTest, CloseWhenSentDeliversEverythingAndThenEnds) {
    peer_->read(false);
    ASSERT_TRUE(connection_->push(std::string(30'000, 'x')));
    connection_->close_when_sent();
    EXPECT_FALSE(connection_->push("late"));
    loop_.settle();
    EXPECT_EQ(seen_.closed, 0);

    peer_->read(true);
    loop_.settle();
    EXPECT_EQ(peer_->received().size(), 30'000u);
    EXPECT_TRUE(peer_->saw_end());
    peer_->close();
    loop_.settle();

    EXPECT_EQ(seen_.closed, 1);
    EXPECT_EQ(connections_.size(), 0u);
}

TEST_F(ConnectionTest, CloseWhenSentReadsNoMoreForTheProtocolButTakesItOff) {
    connection_->push("bye");
    connection_->close_when_sent();
    peer_->send("more");
    loop_.settle();

    EXPECT_EQ(seen_.bytes, "");
    EXPECT_EQ(peer_->received(), "bye");
    EXPECT_TRUE(peer_->saw_end());
}

TEST_F(ConnectionTest, APeerThatDoesNotTakeTheLastBytesIsCutOff) {
    peer_->read(false);
    ASSERT_TRUE(connection_->push(std::string(30'000, 'x')));
    connection_->close_when_sent();
    loop_.settle();
    EXPECT_EQ(seen_.closed, 0);

    clock_.advance(std::chrono::seconds(6));
    loop_.settle();

    EXPECT_EQ(seen_.closed, 1);
}

TEST_F(ConnectionTest, ThePeersEndIsToldOnceAfterItsLastBytes) {
    peer_->send("last words");
    peer_->close();

    loop_.settle();

    EXPECT_EQ(seen_.bytes, "last words");
    EXPECT_EQ(seen_.closed, 1);
    connection_->close();
    EXPECT_EQ(seen_.closed, 1);
}

TEST_F(ConnectionTest, AProtocolMayCloseAndSwitchWhileItReads) {
    Seen next;
    seen_.on_bytes = [&](std::string_view) {
        connection_->switch_to(std::make_unique<Recorder>(next));
        connection_->push("switched");
    };
    next.on_bytes = [&](std::string_view) { connection_->close(); };
    peer_->send("one");
    loop_.settle();
    peer_->send("two");
    loop_.settle();

    EXPECT_EQ(seen_.bytes, "one");
    EXPECT_EQ(next.bytes, "two");
    EXPECT_EQ(seen_.closed, 0);
    EXPECT_EQ(next.closed, 1);
    EXPECT_EQ(peer_->received(), "switched");
    loop_.settle();  // `next` ends before the loop does
}

TEST_F(ConnectionTest, APausedConnectionLeavesTheBytesInTheKernel) {
    connection_->pause_reading(true);
    peer_->send("later");
    loop_.settle();
    EXPECT_EQ(seen_.bytes, "");

    connection_->pause_reading(false);
    loop_.settle();
    EXPECT_EQ(seen_.bytes, "later");
}

TEST_F(ConnectionTest, AReleasedStreamGoesOnElsewhereWithWhatWasQueued) {
    connection_->push("unsent ");
    Connection::Released released = connection_->release();
    EXPECT_EQ(seen_.closed, 0);
    EXPECT_EQ(released.unsent, "unsent ");

    Seen there;
    auto next = std::make_shared<Connection>(reactor_, connections_, std::move(released.stream),
                                             kQueueBytes);
    ASSERT_TRUE(next->start(std::make_unique<Recorder>(there)));
    next->push(std::move(released.unsent));
    next->push("sent");
    peer_->send("hello");
    loop_.settle();

    EXPECT_EQ(there.bytes, "hello");
    EXPECT_EQ(peer_->received(), "unsent sent");
    next->close();
    loop_.settle();  // `there` ends before the loop does
}

TEST_F(ConnectionTest, WhatAReleasedStreamHadQueuedWaitsNoMoreHere) {
    connection_->push(std::string(kQueueBytes / 2, 'x'));
    loop_.turn();  // the kernel takes a part
    ASSERT_GT(connections_.queued_bytes().get(), 0u);

    const Connection::Released released = connection_->release();

    EXPECT_GT(released.unsent.size(), 0u);
    EXPECT_EQ(connections_.queued_bytes().get(), 0u);
}

TEST_F(ConnectionTest, ClosingAllClosesThoseThatAClosingOneAlsoCloses) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    RawClient other_peer(ends[1]);
    Seen other_seen;
    auto other = std::make_shared<Connection>(reactor_, connections_, Stream(ends[0]), kQueueBytes);
    ASSERT_TRUE(other->start(std::make_unique<Recorder>(other_seen)));
    other_seen.on_closed = [&] { connection_->close(); };
    EXPECT_EQ(connections_.size(), 2u);

    connections_.close_all();

    EXPECT_EQ(connections_.size(), 0u);
    EXPECT_EQ(seen_.closed, 1);
    EXPECT_EQ(other_seen.closed, 1);
    loop_.settle();  // `other_seen` ends before the loop does
}

}  // namespace
}  // namespace eventbus
