#include "net/tls.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "support/certificate.h"

namespace eventbus {
namespace {

using std::chrono::hours;
using std::chrono::system_clock;

TEST(TlsContext, GoodFilesGiveTheDateOfTheEnd) {
    const Folder folder;
    const TestCertificate made = make_certificate(7L * 24 * 3'600);
    const auto loaded = TlsContext::load({write_file(folder, "certificate.pem", made.certificate),
                                          write_file(folder, "key.pem", made.key)});

    ASSERT_TRUE(loaded) << loaded.error().detail;
    EXPECT_GT((*loaded)->expires_at(), system_clock::now() + hours(6 * 24));
    EXPECT_LT((*loaded)->expires_at(), system_clock::now() + hours(8 * 24));
}

TEST(TlsContext, AChainIsTakenWhole) {
    const Folder folder;
    const TestCertificate own = make_certificate();
    const TestCertificate next = make_certificate();

    const auto loaded = TlsContext::load(
        {write_file(folder, "certificate.pem", own.certificate + "a comment\n" + next.certificate),
         write_file(folder, "key.pem", own.key)});

    EXPECT_TRUE(loaded) << loaded.error().detail;
}

TEST(TlsContext, WhatCanNotBeUsedIsNamedWithItsFileAndTheMend) {
    const Folder folder;
    const TestCertificate made = make_certificate();
    const TestCertificate other = make_certificate();
    std::string damaged = made.certificate;
    damaged.replace(damaged.size() / 2, 4, "####");
    std::string many;
    for (int i = 0; i < 17; ++i) many += made.certificate;
    const std::string passphrase =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + made.key.substr(made.key.find('\n') + 1);
    struct Case {
        const char* name;
        std::string certificate;
        std::string key;
        const char* file;
        const char* says;
    };
    const Case cases[] = {
        {"no PEM", "hello", made.key, "certificate.pem", "-----BEGIN CERTIFICATE-----"},
        {"an empty file", "", made.key, "certificate.pem", "holds no certificate"},
        {"a key instead", made.key, made.key, "certificate.pem", "holds no certificate"},
        {"damaged", damaged, made.key, "certificate.pem", "is damaged at its number 1"},
        {"damaged behind", made.certificate + damaged, made.key, "certificate.pem", "number 2"},
        {"too many", many, made.key, "certificate.pem", "more than 15"},
        {"too large", made.certificate + std::string(70'000, '\n'), made.key, "certificate.pem",
         "larger than 64 KiB"},
        {"a certificate as key", made.certificate, made.certificate, "key.pem",
         "-----BEGIN PRIVATE KEY-----"},
        {"with a passphrase", made.certificate, passphrase, "key.pem", "openssl pkey -in"},
        {"the key of another", made.certificate, other.key, "key.pem", "does not belong to"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const auto loaded = TlsContext::load({write_file(folder, "certificate.pem", c.certificate),
                                              write_file(folder, "key.pem", c.key)});
        ASSERT_FALSE(loaded);
        EXPECT_NE(loaded.error().detail.find(folder.path() / c.file), std::string::npos)
            << loaded.error().detail;
        EXPECT_NE(loaded.error().detail.find(c.says), std::string::npos) << loaded.error().detail;
    }
}

TEST(TlsContext, AFileThatIsMissingIsNamedWithItsSetting) {
    const Folder folder;
    const TestCertificate made = make_certificate();
    const std::string certificate = write_file(folder, "certificate.pem", made.certificate);
    const std::string missing = (folder.path() / "nowhere.pem").string();

    const auto no_key = TlsContext::load({certificate, missing});
    ASSERT_FALSE(no_key);
    EXPECT_EQ(no_key.error().detail, "the TLS key " + missing +
                                         " cannot be read: No such file or directory; check "
                                         "tls_key_file");

    const auto no_certificate = TlsContext::load({folder.path().string(), certificate});
    ASSERT_FALSE(no_certificate);
    EXPECT_NE(no_certificate.error().detail.find(
                  "cannot be read: Is a directory; check tls_certificate_file"),
              std::string::npos)
        << no_certificate.error().detail;
}

TEST(TlsContext, AKeyThatEverybodyCanReadIsTakenWithAWarning) {
    const Folder folder;
    const TestCertificate made = make_certificate();
    const std::string key = write_file(folder, "key.pem", made.key);
    std::filesystem::permissions(key, std::filesystem::perms::others_read,
                                 std::filesystem::perm_options::add);

    testing::internal::CaptureStderr();
    const auto loaded =
        TlsContext::load({write_file(folder, "certificate.pem", made.certificate), key});
    const std::string said = testing::internal::GetCapturedStderr();

    EXPECT_TRUE(loaded);
    EXPECT_NE(said.find("can read the TLS key"), std::string::npos) << said;
    EXPECT_NE(said.find(key), std::string::npos) << said;
}

}  // namespace
}  // namespace eventbus
