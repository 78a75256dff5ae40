// HTTP over TLS: what a server does beside speaking it.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/reactor_loop.h"
#include "support/served.h"
#include "support/tls_client.h"

namespace eventbus {
namespace {

using std::chrono::seconds;

std::string get(std::string_view path) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

// A client with both its layers.
struct Client {
    explicit Client(std::uint16_t port) : raw(RawClient::connect(port)), tls(raw) {}
    RawClient raw;
    TlsClient tls;
};

class Https : public testing::Test {
 protected:
    Https() { here_.server.use_tls(context_of(make_certificate())); }
    ~Https() override {
        for (Served* const served : {&here_, &there_}) {
            served->server.connections().close_all();
            served->reactor.run_once();
        }
    }

    Client& client() {
        clients_.push_back(std::make_unique<Client>(here_.port));
        loop_.add(clients_.back()->raw);
        return *clients_.back();
    }
    // Turns, the clients' TLS too, until `is_done`.
    template <class IsDone>
    bool run_until(IsDone&& is_done) {
        return loop_.run_until([&] {
            for (const auto& one : clients_) one->tls.tick();
            return is_done();
        });
    }
    std::string answer(Client& to) {
        EXPECT_TRUE(
            run_until([&] { return to.tls.received().find("\r\n\r\n") != std::string::npos; }));
        return std::exchange(to.tls.received(), {});
    }

    FakeClock clock_;
    Served here_{0, clock_, {.connections_max = 8}};
    Served there_{1, clock_, {}};
    ReactorLoop loop_{&here_.reactor, &there_.reactor};
    std::vector<std::unique_ptr<Client>> clients_;
};

TEST_F(Https, RequestsOfOneConnectionAreAnsweredInOrder) {
    Client& c = client();
    c.tls.send(get("/one") + get("/two"));
    EXPECT_TRUE(run_until([&] { return c.tls.received().ends_with("/two"); }));
    EXPECT_NE(c.tls.received().find("/one"), std::string::npos);
    EXPECT_EQ(here_.server.probe().tls.handshakes.get(), 1u);
}

TEST_F(Https, AHandshakeThatDoesNotEndIsClosedWithTheHeadsTime) {
    Client& silent = client();
    Client& half = client();
    half.tls.tick(40);
    loop_.settle();
    clock_.advance(seconds(9));
    loop_.settle();
    EXPECT_EQ(here_.server.connections().size(), 2u);

    clock_.advance(seconds(2));
    loop_.settle();

    EXPECT_TRUE(silent.raw.saw_end());
    EXPECT_TRUE(half.raw.saw_end());
    EXPECT_EQ(here_.server.connections().size(), 0u);
    EXPECT_EQ(here_.server.probe().timeouts.get(), 2u);
    EXPECT_EQ(here_.server.probe().tls.failures.get(), 1u);  // the other one has begun none
}

TEST_F(Https, HandshakesThatCameInTimeAreDoneAfterAPause) {
    for (int i = 0; i < 6; ++i) client().tls.send(get("/a"));
    for (const auto& one : clients_) one->tls.tick();
    loop_.settle();  // the server has answered

    for (const auto& one : clients_) one->tls.tick();  // the end of the handshake and the request
    clock_.advance(seconds(100));

    for (const auto& one : clients_) ASSERT_TRUE(answer(*one).starts_with("HTTP/1.1 200 "));
}

TEST_F(Https, ABodyOfSeveralReadsThatCameInTimeIsServedAfterAPause) {
    here_.script.body_max = 1 << 20;
    RawClient raw = here_.roomy_client();
    TlsClient tls(raw);
    loop_.add(raw);
    const auto run_until = [&](const auto& is_done) {
        return loop_.run_until([&] {
            tls.tick();
            return is_done();
        });
    };
    const std::string body(200'000, 'x');
    tls.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + body.substr(0, 1));
    tls.tick();
    loop_.settle();
    tls.tick();
    loop_.settle();
    EXPECT_EQ(here_.server.probe().tls.handshakes.get(), 1u);

    tls.send(body.substr(1));
    tls.tick();
    ASSERT_FALSE(raw.wants_to_send());
    clock_.advance(seconds(100));

    EXPECT_TRUE(run_until([&] { return tls.received().ends_with("x"); }));
    EXPECT_TRUE(tls.received().starts_with("HTTP/1.1 200 ")) << tls.received();
    loop_.forget(raw);
}

TEST_F(Https, AnotherCertificateIsShownToNewConnectionsOnly) {
    Client& old = client();
    old.tls.send(get("/old"));
    answer(old);

    here_.server.use_tls(context_of(make_certificate()));
    Client& young = client();
    young.tls.send(get("/young"));
    EXPECT_TRUE(answer(young).ends_with("/young"));
    old.tls.send(get("/still"));
    EXPECT_TRUE(answer(old).ends_with("/still"));

    EXPECT_EQ(young.tls.serial(), old.tls.serial() + 1);
}

TEST_F(Https, ARequestIsHandedOverToAnotherReactorWithItsTls) {
    HttpExchange::Released released;
    here_.script.act = [&](const SharedExchange& exchange) { released = exchange->release(); };
    Client& c = client();
    c.tls.send(get("/moved") + get("/next"));
    ASSERT_TRUE(run_until([&] { return released.stream.is_open(); }));

    there_.server.adopt(std::move(released));
    ASSERT_TRUE(run_until([&] { return c.tls.received().ends_with("/next"); }));
    c.tls.send(get("/later"));
    ASSERT_TRUE(run_until([&] { return c.tls.received().ends_with("/later"); }));

    EXPECT_EQ(here_.server.connections().size(), 0u);
    EXPECT_EQ(there_.server.connections().size(), 1u);
}

TEST_F(Https, AStormOfHandshakesIsDoneInSlices) {
    for (int i = 0; i < 6; ++i) client().tls.send(get("/a"));
    for (const auto& one : clients_) one->tls.tick();  // each first message has come
    std::uint64_t turns = 0;
    std::uint64_t before = 0;
    EXPECT_TRUE(run_until([&] {
        const std::uint64_t done = here_.server.probe().tls.handshakes.get();
        EXPECT_LE(done, before + 2);
        before = done;
        ++turns;
        return done == 6;
    }));
    EXPECT_GE(turns, 6u);  // twelve steps, two in a turn
}

TEST_F(Https, AboveItsConnectionsItRefusesWithAWordInTls) {
    for (int i = 0; i < 9; ++i) client();
    clients_.back()->tls.send(get("/a"));
    EXPECT_TRUE(answer(*clients_.back()).starts_with("HTTP/1.1 503 "));
    EXPECT_TRUE(run_until([&] { return clients_.back()->raw.saw_end(); }));
}

}  // namespace
}  // namespace eventbus
