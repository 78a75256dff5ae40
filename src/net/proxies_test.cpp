// What a server makes of the balancers in front of it.
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

constexpr std::string_view kProxy = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";

std::string get(std::string_view forwarded_for = {}) {
    std::string text = "GET /a HTTP/1.1\r\nHost: x\r\n";
    if (!forwarded_for.empty()) text += "X-Forwarded-For: " + std::string(forwarded_for) + "\r\n";
    return text + "\r\n";
}

// One server that this machine is a trusted proxy of, or is not.
class Proxies : public testing::Test {
 protected:
    ~Proxies() override {
        if (served_ == nullptr) return;
        served_->server.connections().close_all();
        served_->reactor.run_once();
    }

    void serve(bool proxy_protocol, std::string_view trusted) {
        served_ = std::make_unique<Served>(
            0, clock_,
            HttpSettings{.proxy_protocol = proxy_protocol,
                         .trusted_proxies = TrustedProxies({*IpRange::parse(trusted)})});
        loop_ = std::make_unique<ReactorLoop>(std::initializer_list<Reactor*>{&served_->reactor});
    }
    RawClient& client() {
        clients_.push_back(std::make_unique<RawClient>(RawClient::connect(served_->port)));
        loop_->add(*clients_.back());
        return *clients_.back();
    }
    // The clients of all requests so far, once nothing moves.
    std::vector<std::string> seen() {
        loop_->settle();
        return served_->script.clients;
    }
    std::uint64_t refusals() const { return served_->server.probe().proxy_refusals.get(); }

    FakeClock clock_;
    std::unique_ptr<Served> served_;
    std::unique_ptr<ReactorLoop> loop_;
    std::vector<std::unique_ptr<RawClient>> clients_;
};

TEST_F(Proxies, ARequestIsOfThePeerIfNobodyIsTrusted) {
    serve(false, "10.0.0.0/8");
    client().send(get("192.0.2.1"));
    EXPECT_EQ(seen(), std::vector<std::string>{"127.0.0.1"});
}

TEST_F(Proxies, ATrustedPeersWordCountsForEachRequestOfItsOwn) {
    serve(false, "127.0.0.0/8");
    client().send(get("198.51.100.7, 192.0.2.1") + get() + get("192.0.2.2"));
    EXPECT_EQ(seen(), (std::vector<std::string>{"192.0.2.1", "127.0.0.1", "192.0.2.2"}));
}

TEST_F(Proxies, AnUpgradedConnectionIsItsClients) {
    class Silent final : public Protocol {
        void on_bytes(std::span<char>) override {}
        void on_closed() override {}
    };
    serve(false, "127.0.0.0/8");
    std::string behind;
    served_->script.act = [&](const SharedExchange& exchange) {
        const auto connection = exchange->connection();
        EXPECT_EQ(exchange->upgrade("HTTP/1.1 101 Go on\r\n\r\n", std::make_unique<Silent>()), "");
        behind = connection->client().text();
    };
    client().send(get("192.0.2.1"));
    loop_->settle();
    EXPECT_EQ(behind, "192.0.2.1");
}

TEST_F(Proxies, ThePeerBeginsWithWhomItSpeaksFor) {
    serve(true, "127.0.0.0/8");
    client().send(std::string(kProxy) + get() + get());
    RawClient& cut = client();
    for (const char byte : std::string(kProxy) + get()) {
        cut.send(std::string_view(&byte, 1));
        loop_->turn();
    }
    client().send("PROXY UNKNOWN\r\n" + get());

    EXPECT_EQ(seen(),
              (std::vector<std::string>{"192.0.2.1", "192.0.2.1", "192.0.2.1", "127.0.0.1"}));
    EXPECT_EQ(refusals(), 0u);
}

TEST_F(Proxies, BehindABalancerThatKnowsNoHttpAProxysWordCountsToo) {
    serve(true, "127.0.0.0/8");
    client().send("PROXY TCP4 127.0.0.9 198.51.100.7 56324 443\r\n" + get("192.0.2.7"));
    client().send(std::string(kProxy) + get("192.0.2.7"));
    EXPECT_EQ(seen(), (std::vector<std::string>{"192.0.2.7", "192.0.2.1"}));
}

TEST_F(Proxies, TheHeaderComesBeforeTls) {
    serve(true, "127.0.0.0/8");
    served_->server.use_tls(context_of(make_certificate()));
    RawClient& raw = client();
    TlsClient tls(raw);
    raw.send(kProxy);
    tls.send(get());
    EXPECT_TRUE(loop_->run_until([&] {
        tls.tick();
        return tls.received().ends_with("/a");
    }));
    EXPECT_EQ(seen(), std::vector<std::string>{"192.0.2.1"});
}

TEST_F(Proxies, WhoSaysNothingOfTheKindIsClosedAndNowAndThenNamed) {
    serve(true, "127.0.0.0/8");
    testing::internal::CaptureStderr();
    for (int i = 0; i < 3; ++i) client().send(get());
    loop_->settle();
    clock_.advance(seconds(11));
    client().send(get());
    loop_->settle();
    const std::string said = testing::internal::GetCapturedStderr();

    EXPECT_EQ(served_->script.clients.size(), 0u);
    EXPECT_EQ(refusals(), 4u);
    for (const auto& one : clients_) EXPECT_TRUE(one->saw_end());
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 2) << said;
    EXPECT_NE(said.find("from=127.0.0.1 why=\"it begins with something else\""), std::string::npos)
        << said;
}

TEST_F(Proxies, WhoIsNotTrustedIsClosedWhateverItSays) {
    serve(true, "10.0.0.0/8");
    RawClient& c = client();
    c.send(std::string(kProxy) + get());
    EXPECT_EQ(seen(), std::vector<std::string>{});
    EXPECT_TRUE(c.saw_end());
    EXPECT_EQ(refusals(), 1u);
}

TEST_F(Proxies, HalfAHeaderIsClosedWithTheHeadsTime) {
    serve(true, "127.0.0.0/8");
    client().send("PROXY TCP4 192.0.2.1");
    client();
    loop_->settle();
    EXPECT_EQ(served_->server.connections().size(), 2u);
    clock_.advance(seconds(11));
    loop_->settle();
    EXPECT_EQ(served_->server.connections().size(), 0u);
    EXPECT_EQ(refusals(), 0u);
    EXPECT_EQ(served_->server.probe().timeouts.get(), 2u);
}

}  // namespace
}  // namespace eventbus
