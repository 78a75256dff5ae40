#include "app/certificate.h"

#include <gtest/gtest.h>

#include <string>

#include "support/certificate.h"
#include "support/fake_clock.h"

namespace eventbus {
namespace {

class CertificateTest : public testing::Test {
 protected:
    CertificateTest() { clock_.set_wall(Clock::WallTime::clock::now()); }

    void put(const TestCertificate& made) {
        files_ = {write_file(folder_, "certificate.pem", made.certificate),
                  write_file(folder_, "key.pem", made.key)};
    }
    template <class Read>
    std::string said_by(Read&& read) {
        testing::internal::CaptureStderr();
        read();
        return testing::internal::GetCapturedStderr();
    }

    const Folder folder_;
    FakeClock clock_;
    TlsFiles files_;
    Certificate certificate_{clock_};
};

TEST_F(CertificateTest, AnotherOneIsTakenAndItsEndIsKnown) {
    put(make_certificate(3'600));
    ASSERT_TRUE(certificate_.read(files_));
    const auto first = certificate_.expires_at_s();
    EXPECT_GT(first, 0);

    put(make_certificate(7'200));
    EXPECT_NE(certificate_.read_again(files_), nullptr);

    EXPECT_NEAR(static_cast<double>(certificate_.expires_at_s() - first), 3'600, 60);
}

TEST_F(CertificateTest, OneThatCanNotBeUsedChangesNothingAndSaysWhy) {
    const TestCertificate made = make_certificate();
    put(made);
    ASSERT_TRUE(certificate_.read(files_));
    const auto first = certificate_.expires_at_s();
    put({made.certificate, make_certificate().key});

    const std::string said = said_by([&] { EXPECT_EQ(certificate_.read_again(files_), nullptr); });

    EXPECT_EQ(certificate_.expires_at_s(), first);
    EXPECT_NE(said.find("the old one stays"), std::string::npos) << said;
    EXPECT_NE(said.find(files_.key + " does not belong to"), std::string::npos) << said;
}

TEST_F(CertificateTest, OneThatHasExpiredIsTakenAtTheStartOnly) {
    put(make_certificate(-60));

    const std::string at_start = said_by([&] { EXPECT_TRUE(certificate_.read(files_)); });
    EXPECT_NE(at_start.find("clients may refuse the TLS certificate: it has expired"),
              std::string::npos);
    const std::string later = said_by([&] { EXPECT_EQ(certificate_.read_again(files_), nullptr); });
    EXPECT_NE(later.find("what lies there has expired"), std::string::npos) << later;
}

TEST_F(CertificateTest, OneThatIsNotValidYetIsTakenAtTheStartOnly) {
    put(make_certificate({.starts_in_s = 3'600, .ends_in_s = 7'200}));

    const std::string at_start = said_by([&] { EXPECT_TRUE(certificate_.read(files_)); });
    EXPECT_NE(at_start.find("it is not valid yet"), std::string::npos) << at_start;
    const std::string later = said_by([&] { EXPECT_EQ(certificate_.read_again(files_), nullptr); });
    EXPECT_NE(later.find("is not valid yet"), std::string::npos) << later;
}

TEST_F(CertificateTest, AChainThatClientsMayRefuseIsToldAtTheStartAndAtEachExchange) {
    const TestCertificate root = make_certificate({.name = "root"});
    put(make_certificate({.signer = &root}));

    for (const std::string& said :
         {said_by([&] { EXPECT_TRUE(certificate_.read(files_)); }),
          said_by([&] { EXPECT_TRUE(certificate_.read_again(files_)); })}) {
        EXPECT_NE(said.find("signed by \"CN=root\""), std::string::npos) << said;
    }
    put(make_certificate());
    EXPECT_EQ(said_by([&] { EXPECT_TRUE(certificate_.read(files_)); }), "");
}

}  // namespace
}  // namespace eventbus
