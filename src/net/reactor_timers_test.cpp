// Timers wait for the input that came before they were due.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "net/reactor.h"
#include "support/fake_clock.h"

namespace eventbus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A client that is given 10 s to answer; its answers are counted by its descriptor.
class Client final : public Watcher, private Due {
 public:
    Client(Reactor& reactor, DueList& list, Clock::Time now) : reactor_(reactor) {
        EXPECT_TRUE(reactor.watch(descriptor_, *this, EPOLLIN));
        list.arm(*this, now);
    }
    ~Client() {
        reactor_.unwatch(descriptor_);
        ::close(descriptor_);
    }
    void answer() const {
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(descriptor_, &one, sizeof one), ssize_t{sizeof one});
    }
    void heard() {
        disarm();
        has_answered = true;
    }

    std::function<void(Client&)> read = [](Client& client) { client.take(); };
    void take() {
        std::uint64_t count = 0;
        EXPECT_EQ(::read(descriptor_, &count, sizeof count), ssize_t{sizeof count});
        heard();
    }
    std::atomic<bool> has_answered = false;
    std::atomic<bool> has_timed_out = false;

 private:
    void on_ready(std::uint32_t) override { read(*this); }
    void on_due() override { has_timed_out = true; }

    Reactor& reactor_;
    const int descriptor_ = ::eventfd(0, EFD_NONBLOCK);
};

class ReactorTimersTest : public testing::Test {
 protected:
    ReactorTimersTest() { reactor_.add_due_list(list_); }

    Client& client() {
        clients_.push_back(std::make_unique<Client>(reactor_, list_, clock_.now()));
        return *clients_.back();
    }
    template <class IsDone>
    bool turns_until(IsDone is_done, std::size_t turns = 1'000) {
        for (std::size_t turn = 0; turn < turns && !is_done(); ++turn) reactor_.run_once();
        return is_done();
    }

    FakeClock clock_;
    Reactor reactor_{0, clock_};
    DueList list_{seconds(10)};
    std::vector<std::unique_ptr<Client>> clients_;
};

TEST_F(ReactorTimersTest, NobodysTimeRunsOutOnWhatLayInTheSocketsOverAPause) {
    for (int i = 0; i < 200; ++i) client().answer();
    Client& silent = client();
    bool timed_came_first = false;
    reactor_.post_at(clock_.now() + seconds(10), [&] {
        for (const auto& one : clients_) {
            if (one.get() != &silent && !one->has_answered) timed_came_first = true;
        }
    });

    clock_.advance(seconds(60));

    ASSERT_TRUE(turns_until([&] { return silent.has_timed_out.load(); }));
    EXPECT_FALSE(timed_came_first);
    for (const auto& one : clients_) {
        if (one.get() == &silent) continue;
        EXPECT_TRUE(one->has_answered);
        EXPECT_FALSE(one->has_timed_out);
    }
}

TEST_F(ReactorTimersTest, NobodysTimeRunsOutOnWhatWasNotReadToItsEnd) {
    Client& client = this->client();
    int parts = 0;
    client.read = [&](Client& self) {
        if (++parts == 5) return self.take();  // before, other things are read
        reactor_.expect_more();
    };
    client.answer();

    clock_.advance(seconds(60));

    ASSERT_TRUE(turns_until([&] { return client.has_answered.load(); }));
    EXPECT_FALSE(client.has_timed_out);
}

TEST_F(ReactorTimersTest, NobodysTimeRunsOutOnAConnectionThatWasOnlyJustAccepted) {
    Client& listener = client();
    Client& waits = client();
    std::unique_ptr<Client> accepted;
    listener.read = [&](Client& self) {
        self.take();
        accepted = std::make_unique<Client>(reactor_, list_, clock_.now());
        accepted->read = [&](Client& its) {
            its.take();
            waits.heard();  // as when a POST brings the answer of a session
        };
        accepted->answer();
    };
    listener.answer();

    clock_.advance(seconds(60));

    ASSERT_TRUE(turns_until([&] { return waits.has_answered.load(); }));
    EXPECT_FALSE(waits.has_timed_out);
}

TEST_F(ReactorTimersTest, NobodysTimeRunsOutOnWhatWasPostedBefore) {
    Client& client = this->client();
    reactor_.run_once();
    clock_.advance(seconds(10) - milliseconds(1));
    for (int i = 0; i < 40; ++i) {
        reactor_.post([&, i] {
            clock_.advance(Reactor::kSlice);
            if (i == 39) client.heard();  // long behind the 10 s
        });
    }

    ASSERT_TRUE(turns_until([&] { return client.has_answered.load(); }));
    EXPECT_FALSE(client.has_timed_out);
}

TEST_F(ReactorTimersTest, SomeoneWhoAlwaysHasMoreDoesNotHoldTheTimersUpForever) {
    Client& endless = client();
    endless.read = [&](Client&) { reactor_.expect_more(); };
    endless.answer();
    Client& silent = client();
    bool timed_ran = false;
    reactor_.post_at(clock_.now() + seconds(10), [&] { timed_ran = true; });

    clock_.advance(seconds(10));

    EXPECT_TRUE(
        turns_until([&] { return silent.has_timed_out.load(); }, InputSweep::kBehindOne + 10));
    EXPECT_TRUE(timed_ran);
}

TEST_F(ReactorTimersTest, MoreSocketsThanOneTurnTakesDoNotHoldTheTimersUpForever) {
    for (int i = 0; i < 200; ++i) {
        Client& endless = client();
        endless.read = [&](Client&) { clock_.advance(Reactor::kSlice); };  // so few fit in a turn
        endless.answer();
    }
    Client& silent = client();

    clock_.advance(seconds(10));

    EXPECT_TRUE(turns_until([&] { return silent.has_timed_out.load(); }));
}

TEST_F(ReactorTimersTest, TasksThatPostEachOtherDoNotHoldTheTimersUpForever) {
    Client& silent = client();
    std::function<void()> again = [&] {
        clock_.advance(Reactor::kSlice);
        reactor_.post([&] { again(); });
    };
    for (int i = 0; i < 40; ++i) reactor_.post([&] { again(); });

    clock_.advance(seconds(10));

    EXPECT_TRUE(turns_until([&] { return silent.has_timed_out.load(); }));
}

// ---- with a thread of its own, which sleeps ----

class Running {
 public:
    explicit Running(Reactor& reactor) : reactor_(reactor), thread_([this] { reactor_.run(); }) {}
    ~Running() {
        reactor_.stop();
        thread_.join();
    }
    pthread_t handle() { return thread_.native_handle(); }

 private:
    Reactor& reactor_;
    std::thread thread_;
};

// Is done when the reactor has made a turn that began after the call.
void pass_turn(Reactor& reactor) {
    std::promise<void> passed;
    reactor.post([&] { reactor.post([&] { passed.set_value(); }); });
    passed.get_future().wait();
}

// What a signal handler can reach.
std::function<void()>* on_signal = nullptr;

// SIGSTOP and SIGCONT end a sleep in epoll_wait() with EINTR, whatever has come meanwhile.
TEST_F(ReactorTimersTest, ASleepThatASignalEndsHasNotLookedIntoTheSockets) {
    Client& client = this->client();
    std::atomic<bool> paused = false;
    std::function<void()> pause = [&] {
        client.answer();
        clock_.advance(seconds(60));
        paused = true;
    };
    on_signal = &pause;
    struct sigaction action {};
    action.sa_handler = [](int) { (*on_signal)(); };
    struct sigaction before {};
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
    {
        Running running(reactor_);
        pass_turn(reactor_);
        ::pthread_kill(running.handle(), SIGUSR1);
        while (!paused) std::this_thread::yield();
        pass_turn(reactor_);
    }
    ::sigaction(SIGUSR1, &before, nullptr);

    EXPECT_TRUE(client.has_answered);
    EXPECT_FALSE(client.has_timed_out);
}

class ReactorAfterAPauseTest : public ReactorTimersTest,
                               public testing::WithParamInterface<milliseconds> {};

TEST_P(ReactorAfterAPauseTest, OtherReactorsHaveAMomentToHandOverWhatTheyFoundMeanwhile) {
    Client& client = this->client();
    Client& silent = this->client();
    std::atomic<int> turns = 0;
    reactor_.add_turn_hook([&] {
        ++turns;
        return Reactor::Again::kNo;
    });
    const Running running(reactor_);
    pass_turn(reactor_);
    for (int i = 0; i < 1'000; ++i) std::this_thread::yield();  // it sleeps

    clock_.advance(GetParam());
    turns = 0;
    for (int turn = 0; turn < 10; ++turn) pass_turn(reactor_);
    for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
    EXPECT_LT(turns, 100);  // it sleeps while it waits
    clock_.advance(InputSweep::kGrace - milliseconds(1));
    reactor_.post([&] { client.heard(); });  // as a request that another reactor has read
    for (int turn = 0; turn < 10; ++turn) pass_turn(reactor_);
    EXPECT_FALSE(silent.has_timed_out);
    clock_.advance(milliseconds(1));
    while (!silent.has_timed_out) pass_turn(reactor_);

    EXPECT_TRUE(client.has_answered);
    EXPECT_FALSE(client.has_timed_out);
}

// The second ends just after the only timer was due.
INSTANTIATE_TEST_SUITE_P(Pauses, ReactorAfterAPauseTest,
                         testing::Values(seconds(60), seconds(10) + milliseconds(1)));

}  // namespace
}  // namespace eventbus
