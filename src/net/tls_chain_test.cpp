#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/tls.h"
#include "support/certificate.h"

namespace eventbus {
namespace {

class TlsChain : public testing::Test {
 protected:
    // What is doubted of a server that shows `own` with the others behind it.
    std::vector<std::string> doubts(const TestCertificate& own, const std::string& behind) {
        const auto context =
            TlsContext::load({write_file(folder_, "certificate.pem", own.certificate + behind),
                              write_file(folder_, "key.pem", own.key)});
        if (!context) return {context.error().detail};
        return (*context)->doubts();
    }

    const Folder folder_;
    const TestCertificate root_ = make_certificate({.name = "root"});
    const TestCertificate middle_ = make_certificate({.name = "middle", .signer = &root_});
    const TestCertificate own_ = make_certificate({.signer = &middle_});
};

TEST_F(TlsChain, OneThatLeadsToAnAuthorityIsNotDoubted) {
    EXPECT_EQ(doubts(own_, middle_.certificate + root_.certificate), std::vector<std::string>());
    EXPECT_EQ(doubts(root_, ""), std::vector<std::string>());
}

TEST_F(TlsChain, OneThatEndsBeforeItsAuthorityIsDoubtedByTheNameOfTheNext) {
    const auto without_middle = doubts(own_, "");
    ASSERT_EQ(without_middle.size(), 1u);
    EXPECT_TRUE(without_middle[0].starts_with("it ends with one signed by \"CN=middle\""))
        << without_middle[0];
    const auto without_root = doubts(own_, middle_.certificate);
    ASSERT_EQ(without_root.size(), 1u);
    EXPECT_TRUE(without_root[0].starts_with("it ends with one signed by \"CN=root\""))
        << without_root[0];
}

TEST_F(TlsChain, OneInAnotherOrderIsDoubtedByItsNumbers) {
    const auto unordered = doubts(own_, root_.certificate + middle_.certificate);
    ASSERT_EQ(unordered.size(), 2u);
    EXPECT_TRUE(unordered[0].starts_with("its number 2 did not sign its number 1; "))
        << unordered[0];
    EXPECT_TRUE(unordered[1].starts_with("its number 3 did not sign its number 2; "))
        << unordered[1];
}

// An authority that was made anew has the name of the old one and another key.
TEST_F(TlsChain, ASignerOfTheSameNameIsNotEnough) {
    const TestCertificate renewed = make_certificate({.name = "middle", .signer = &root_});
    EXPECT_EQ(doubts(own_, renewed.certificate + root_.certificate).size(), 1u);
}

TEST_F(TlsChain, AnAuthorityThatThisMachineTrustsNeedNotBeThere) {
    const std::string trusted = write_file(folder_, "trusted.pem", root_.certificate);
    ASSERT_EQ(::setenv("SSL_CERT_FILE", trusted.c_str(), 1), 0);
    const auto none = doubts(own_, middle_.certificate);
    ::unsetenv("SSL_CERT_FILE");
    EXPECT_EQ(none, std::vector<std::string>());
}

}  // namespace
}  // namespace eventbus
