// TLS as a Connection speaks it, against OpenSSL's client.
#include "net/tls_session.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "net/connection.h"
#include "support/reactor_loop.h"
#include "support/tls_client.h"

namespace eventbus {
namespace {

constexpr std::size_t kQueueBytes = 4U << 20U;

class Recorder final : public Protocol {
 public:
    struct Seen {
        std::string bytes;
        int closed = 0;
        int drained = 0;
    };
    explicit Recorder(Seen& seen) : seen_(seen) {}
    void on_bytes(std::span<char> bytes) override {
        seen_.bytes.append(bytes.data(), bytes.size());
    }
    void on_drained() override { ++seen_.drained; }
    void on_closed() override { ++seen_.closed; }

 private:
    Seen& seen_;
};

SharedFrame frame(std::string bytes) {
    return std::make_shared<const Frame>(Frame{std::move(bytes)});
}

class TlsSessionTest : public testing::TestWithParam<int> {
 protected:
    TlsSessionTest() {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        const int bytes = 4096;  // the kernel holds little, so that records break
        for (const int end : ends) {
            ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
            ::setsockopt(end, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
        }
        raw_ = std::make_unique<RawClient>(ends[1]);
        client_ = std::make_unique<TlsClient>(*raw_, GetParam());
        loop_.add(*raw_);
        Stream stream(ends[0]);
        EXPECT_TRUE(stream.start_tls(*context_, probe_));
        EXPECT_FALSE(stream.is_plain());
        connection_ =
            std::make_shared<Connection>(reactor_, connections_, std::move(stream), kQueueBytes);
        EXPECT_TRUE(connection_->start(std::make_unique<Recorder>(seen_)));
    }
    ~TlsSessionTest() override {
        connections_.close_all();
        connection_.reset();
        loop_.turn();
    }

    // Turns until nothing moves, with at most `count` bytes from the client in each.
    void settle(std::size_t count = std::numeric_limits<std::size_t>::max()) {
        for (int quiet = 0; quiet < 8;) {
            client_->tick(count);
            quiet = loop_.turn() || client_->has_encrypted() ? 0 : quiet + 1;
        }
        client_->tick(count);
    }

    static const std::shared_ptr<const TlsContext> context_;
    FakeClock clock_;
    Reactor reactor_{0, clock_};
    ReactorLoop loop_{&reactor_};
    Connections connections_{std::make_shared<ConnectionBudget>()};
    TlsProbe probe_;
    Recorder::Seen seen_;
    std::unique_ptr<RawClient> raw_;
    std::unique_ptr<TlsClient> client_;
    std::shared_ptr<Connection> connection_;
};

const std::shared_ptr<const TlsContext> TlsSessionTest::context_ = context_of(make_certificate());

INSTANTIATE_TEST_SUITE_P(Versions, TlsSessionTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                             return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(TlsSessionTest, BytesGoBothWaysOverHttp11) {
    client_->send("hello");
    settle();
    EXPECT_EQ(seen_.bytes, "hello");
    EXPECT_EQ(client_->alpn(), "http/1.1");
    EXPECT_STREQ(client_->version(), GetParam() == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");

    connection_->push("a");
    connection_->tell_when_drained();
    connection_->push("b");
    settle();

    EXPECT_EQ(client_->received(), "ab");
    EXPECT_EQ(seen_.drained, 1);
    EXPECT_EQ(probe_.handshakes.get(), 1u);
    EXPECT_EQ(probe_.failures.get(), 0u);
}

TEST_P(TlsSessionTest, BytesThatComeOneByOneAreTheSame) {
    client_->send("hello");
    settle(1);
    connection_->push("world");
    settle(1);
    client_->send(" again");
    settle(1);

    EXPECT_EQ(seen_.bytes, "hello again");
    EXPECT_EQ(client_->received(), "world");
}

TEST_P(TlsSessionTest, WhatIsPushedBeforeTheHandshakeLeavesAfterIt) {
    connection_->push("early ");
    connection_->tell_when_drained();
    loop_.settle();
    EXPECT_EQ(seen_.drained, 0);
    EXPECT_EQ(connection_->queued_bytes(), 6u);

    settle();
    connection_->push("late");
    settle();

    EXPECT_EQ(client_->received(), "early late");
    EXPECT_EQ(seen_.drained, 1);
}

TEST_P(TlsSessionTest, ManyRecordsPassBothWaysAtOnce) {
    settle();
    std::string up;
    std::string down;
    for (int i = 0; i < 40; ++i) {
        up += std::string(static_cast<std::size_t>(i) * 997, static_cast<char>('a' + i % 26));
        down += std::string(static_cast<std::size_t>(i) * 1'499, static_cast<char>('A' + i % 26));
    }
    client_->send(up);
    for (std::size_t at = 0; at < down.size(); at += 7'001) {
        ASSERT_TRUE(connection_->push(down.substr(at, 7'001)));
    }

    settle();

    EXPECT_EQ(seen_.bytes, up);
    EXPECT_EQ(client_->received(), down);
}

TEST_P(TlsSessionTest, UrgentFramesOvertakeWhatWaitsAndBreakNoRecord) {
    settle();
    raw_->read(false);
    std::string waiting;
    for (int i = 0; i < 30; ++i) {
        const std::string one(9'000, static_cast<char>('a' + i % 26));
        waiting += one;
        ASSERT_TRUE(connection_->push(one));
        if (i % 3 == 0) loop_.settle();
    }
    EXPECT_GT(connection_->queued_bytes(), 200'000u);
    connection_->push_urgent(frame("[ping]"));
    loop_.settle();

    raw_->read(true);
    settle();

    std::string& received = client_->received();
    const auto ping = received.find("[ping]");
    ASSERT_NE(ping, std::string::npos);
    EXPECT_LT(ping, 60'000u);
    EXPECT_EQ(ping % 9'000, 0u);
    received.erase(ping, 6);
    EXPECT_EQ(received, waiting);
    EXPECT_FALSE(client_->has_failed());
}

TEST_P(TlsSessionTest, APeerThatDoesNotReadIsStillRead) {
    settle();
    raw_->read(false);
    ASSERT_TRUE(connection_->push(std::string(200'000, 'x')));
    settle();
    const std::size_t waits = connection_->queued_bytes();
    EXPECT_GT(waits, 100'000u);
    client_->send("still here");
    settle();

    EXPECT_EQ(seen_.bytes, "still here");
    EXPECT_EQ(connection_->queued_bytes(), waits);

    raw_->read(true);
    settle();
    EXPECT_EQ(client_->received(), std::string(200'000, 'x'));
}

TEST_P(TlsSessionTest, CloseWhenSentDeliversEverythingThenSaysGoodbye) {
    settle();
    raw_->read(false);
    ASSERT_TRUE(connection_->push(std::string(50'000, 'x')));
    connection_->close_when_sent();
    loop_.settle();
    EXPECT_EQ(seen_.closed, 0);

    raw_->read(true);
    settle();
    EXPECT_EQ(client_->received().size(), 50'000u);
    EXPECT_TRUE(client_->saw_goodbye());
    EXPECT_TRUE(raw_->saw_end());
    raw_->close();
    loop_.settle();

    EXPECT_EQ(seen_.closed, 1);
}

TEST_P(TlsSessionTest, WhoWaitsForThePeersEndHoldsNoBuffer) {
    const std::string bytes(20'000, 'x');
    client_->send(bytes);
    connection_->push(bytes);
    settle();
    ASSERT_EQ(client_->received(), bytes);
    ASSERT_EQ(seen_.bytes, bytes);
    const std::size_t before = ::mallinfo2().uordblks;

    connection_->close_when_sent();
    settle();

    ASSERT_TRUE(client_->saw_goodbye());
    ASSERT_EQ(seen_.closed, 0);
    EXPECT_LT(::mallinfo2().uordblks, before + 4'096);
}

TEST_P(TlsSessionTest, CloseSaysGoodbyeToo) {
    settle();
    connection_->close();
    settle();

    EXPECT_TRUE(client_->saw_goodbye());
    EXPECT_TRUE(raw_->saw_end());
}

TEST_P(TlsSessionTest, LastWordsThatComeWithTheEndAreAnswered) {
    settle();
    client_->send("last words");
    client_->say_goodbye();
    client_->tick();
    connection_->push("answer");
    settle();

    EXPECT_EQ(seen_.bytes, "last words");
    EXPECT_EQ(seen_.closed, 1);
    EXPECT_EQ(client_->received(), "answer");
}

TEST_P(TlsSessionTest, APeerThatCutsTheWireIsGone) {
    settle();
    raw_->close();
    loop_.settle();

    EXPECT_EQ(seen_.closed, 1);
    EXPECT_EQ(probe_.failures.get(), 0u);
}

TEST_P(TlsSessionTest, HalfAHandshakeIsCountedWhenItEnds) {
    client_->tick(40);
    loop_.settle();
    EXPECT_EQ(seen_.closed, 0);
    EXPECT_EQ(probe_.failures.get(), 0u);

    raw_->close();
    loop_.settle();

    EXPECT_EQ(seen_.closed, 1);
    EXPECT_EQ(probe_.failures.get(), 1u);
    EXPECT_EQ(probe_.handshakes.get(), 0u);
}

TEST_P(TlsSessionTest, PlainHttpIsToldToSpeakTls) {
    raw_->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    loop_.settle();

    EXPECT_TRUE(raw_->received().starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(
        raw_->received().ends_with("\r\n\r\nthis port speaks TLS: use https:// or wss:// here\n"));
    EXPECT_TRUE(raw_->saw_end());
    EXPECT_EQ(seen_.bytes, "");
    EXPECT_EQ(probe_.failures.get(), 1u);
}

TEST_P(TlsSessionTest, OtherNoiseIsClosed) {
    raw_->send(std::string(200, '\x01'));
    loop_.settle();

    EXPECT_TRUE(raw_->saw_end());
    EXPECT_EQ(seen_.closed, 1);
    EXPECT_EQ(probe_.failures.get(), 1u);
}

TEST_P(TlsSessionTest, NoiseInsideOfAConnectionEndsIt) {
    settle();
    raw_->send(std::string(200, '\x17'));
    loop_.settle();

    EXPECT_EQ(seen_.closed, 1);
    EXPECT_EQ(seen_.bytes, "");
}

TEST_P(TlsSessionTest, AReleasedStreamGoesOnElsewhereInTheMiddleOfARecord) {
    settle();
    raw_->read(false);
    ASSERT_TRUE(connection_->push(std::string(100'000, 'x')));
    loop_.settle();
    client_->send("half of it");
    client_->tick(15);
    loop_.settle();
    Connection::Released released = connection_->release();
    EXPECT_TRUE(released.stream.has_pending());
    EXPECT_LT(released.unsent.size(), 100'000u);

    Recorder::Seen there;
    Reactor other(1, clock_);
    ReactorLoop loop{&other};
    loop.add(*raw_);
    Connections connections{std::make_shared<ConnectionBudget>()};
    auto next =
        std::make_shared<Connection>(other, connections, std::move(released.stream), kQueueBytes);
    ASSERT_TRUE(next->start(std::make_unique<Recorder>(there)));
    next->push(std::move(released.unsent));
    next->push("sent");
    raw_->read(true);
    for (int i = 0; i < 60; ++i) {
        client_->tick();
        loop.turn();
    }

    EXPECT_EQ(there.bytes, "half of it");
    EXPECT_EQ(client_->received(), std::string(100'000, 'x') + "sent");
    next->close();
    loop.settle();  // `there` ends before the loop does
}

TEST(TlsSession, APeerThatMakesUsTalkAndNeverReadsIsClosed) {
    const auto context = context_of(make_certificate());
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    RawClient raw(ends[1]);
    TlsClient client(raw, TLS1_3_VERSION);
    FakeClock clock;
    Reactor reactor(0, clock);
    ReactorLoop loop{&reactor};
    loop.add(raw);
    Connections connections{std::make_shared<ConnectionBudget>()};
    TlsProbe probe;
    Recorder::Seen seen;
    Stream stream(ends[0]);
    ASSERT_TRUE(stream.start_tls(*context, probe));
    auto connection =
        std::make_shared<Connection>(reactor, connections, std::move(stream), 1 << 16);
    ASSERT_TRUE(connection->start(std::make_unique<Recorder>(seen)));
    while (!client.is_ready()) {
        client.tick();
        loop.turn();
    }

    raw.read(false);
    for (int i = 0; i < 30'000 && connection->is_open(); ++i) {
        client.update_key();
        client.send("?");  // OpenSSL answers an update with its next record
        client.tick();
        loop.turn();
    }

    EXPECT_FALSE(connection->is_open());
    EXPECT_EQ(seen.closed, 1);
    connection.reset();
    loop.settle();
}

TEST(TlsSession, AClientThatSpeaksNoHttp11IsRefused) {
    const auto context = context_of(make_certificate());
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    RawClient raw(ends[1]);
    TlsClient client(raw, TLS1_3_VERSION, "h2");
    Stream stream(ends[0]);
    TlsProbe probe;
    ASSERT_TRUE(stream.start_tls(*context, probe));
    client.tick();

    std::string buffer(Stream::kReadBufferMin, '\0');
    EXPECT_TRUE(stream.read(buffer).is_over);
    raw.tick();
    client.tick();

    EXPECT_TRUE(client.has_failed());
    EXPECT_EQ(probe.failures.get(), 1u);
}

}  // namespace
}  // namespace eventbus
