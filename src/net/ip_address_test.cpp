#include "net/ip_address.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace eventbus {
namespace {

IpAddress address(std::string_view text) { return IpAddress::parse(text).value(); }

TrustedProxies trusted(const std::vector<std::string>& texts) {
    std::vector<IpRange> ranges;
    ranges.reserve(texts.size());
    for (const std::string& text : texts) ranges.push_back(IpRange::parse(text).value());
    return TrustedProxies(std::move(ranges));
}

TEST(IpAddress, IsWrittenAsItWasRead) {
    for (const char* text : {"192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::1"}) {
        EXPECT_EQ(address(text).text(), text);
    }
    EXPECT_EQ(IpAddress().text(), "unknown");
    EXPECT_FALSE(IpAddress().is_known());
}

TEST(IpAddress, OfVersion4IsTheSameInVersion6sWords) {
    EXPECT_EQ(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    EXPECT_TRUE(address("::ffff:192.0.2.1").is_v4());
    EXPECT_FALSE(address("::1").is_v4());
}

TEST(IpAddress, IsOfThisMachineIfItIsALoopbackAddress) {
    for (const char* own : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
        EXPECT_TRUE(IpAddress::parse(own)->is_loopback()) << own;
    }
    for (const char* other : {"128.0.0.1", "::2", "2001:db8::1", "::ffff:126.0.0.1"}) {
        EXPECT_FALSE(IpAddress::parse(other)->is_loopback()) << other;
    }
}

TEST(IpAddress, WhatIsNoneIsNotRead) {
    for (const char* text : {"", "192.0.2", "192.0.2.256", "1.2.3.4:80", "[::1]", "fe80::1%eth0",
                             "localhost", " 1.2.3.4", "1.2.3.4 ", "12345::", "unknown",
                             "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"}) {
        EXPECT_FALSE(IpAddress::parse(text)) << text;
    }
}

TEST(IpRange, HoldsWhatBeginsWithItsBits) {
    struct Case {
        const char* range;
        const char* first;
        const char* last;
        const char* outside;
    };
    const Case cases[] = {
        {"10.0.0.0/8", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
        {"192.168.4.0/22", "192.168.4.0", "192.168.7.255", "192.168.8.0"},
        {"192.0.2.7/32", "192.0.2.7", "::ffff:192.0.2.7", "192.0.2.6"},
        {"192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.8"},
        {"0.0.0.0/0", "0.0.0.0", "255.255.255.255", "::1"},
        {"2001:db8::/33", "2001:db8::", "2001:db8:7fff::1", "2001:db8:8000::"},
        {"::/0", "::1", "1.2.3.4", nullptr},
        {"::1", "::1", "::1", "::2"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.range);
        const auto range = IpRange::parse(c.range);
        ASSERT_TRUE(range);
        EXPECT_TRUE(range->contains(address(c.first)));
        EXPECT_TRUE(range->contains(address(c.last)));
        if (c.outside == nullptr) continue;
        EXPECT_FALSE(range->contains(address(c.outside)));
    }
}

TEST(IpRange, ASlipIsRefused) {
    for (const char* text : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8 ",
                             "/8", "10/8", "::/129", "2001:db8::1/64", "10.0.0.0/08a", "a/8"}) {
        EXPECT_FALSE(IpRange::parse(text)) << text;
    }
}

TEST(TrustedProxies, TheClientIsTheFirstFromTheRightThatIsNoProxy) {
    const TrustedProxies proxies = trusted({"10.0.0.0/8", "2001:db8::/32"});
    struct Case {
        const char* name;
        const char* peer;
        const char* forwarded_for;
        const char* client;
    };
    const Case cases[] = {
        {"one proxy", "10.0.0.1", "192.0.2.1", "192.0.2.1"},
        {"two proxies", "10.0.0.1", "192.0.2.1, 10.0.0.2", "192.0.2.1"},
        {"of both families", "2001:db8::9", "192.0.2.1 ,10.0.0.2", "192.0.2.1"},
        {"what the client wrote itself", "10.0.0.1", "198.51.100.7, 192.0.2.1", "192.0.2.1"},
        {"a client that names proxies", "10.0.0.1", "10.9.9.9, 192.0.2.1", "192.0.2.1"},
        {"a peer that is no proxy", "192.0.2.9", "192.0.2.1", "192.0.2.9"},
        {"no word", "10.0.0.1", "", "10.0.0.1"},
        {"proxies only", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
        {"no address", "10.0.0.1", "192.0.2.1, unknown", "10.0.0.1"},
        {"no address further left", "10.0.0.1", "nonsense, 10.0.0.2", "10.0.0.2"},
        {"an empty entry", "10.0.0.1", "192.0.2.1,", "10.0.0.1"},
        {"with a port", "10.0.0.1", "192.0.2.1:4711", "192.0.2.1"},
        {"in brackets with a port", "10.0.0.1", "[2001:db9::1]:4711", "2001:db9::1"},
        {"half a bracket", "10.0.0.1", "[2001:db9::1", "10.0.0.1"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(proxies.client_of(address(c.peer), c.forwarded_for).text(), c.client);
    }
    EXPECT_EQ(TrustedProxies().client_of(address("10.0.0.1"), "192.0.2.1").text(), "10.0.0.1");
}

}  // namespace
}  // namespace eventbus
