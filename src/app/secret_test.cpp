#include "app/secret.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace eventbus {
namespace {

namespace fs = std::filesystem;

class Secrets : public testing::Test {
 protected:
    Secrets() {
        std::string name = (fs::temp_directory_path() / "eventbus-secret-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        config_.data = folder_ / "data";
    }
    ~Secrets() override { fs::remove_all(folder_); }

    std::string file(const std::string& text) const {
        const std::string path = folder_ / "secret";
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }

    fs::path folder_;
    Config config_;
    SystemRandom random_;
    bool made_ = false;
};

const std::string kText = "a secret of thirty-two bytes, ok";

TEST_F(Secrets, AreTakenFromTheSettingsOrAFile) {
    config_.jwt_secret = kText;
    EXPECT_EQ(find_secret(config_)->bytes, kText);

    config_.jwt_secret.clear();
    for (const char* end : {"", "\n", "\r\n"}) {
        config_.jwt_secret_file = file(kText + end);
        ASSERT_TRUE(find_secret(config_));
        EXPECT_EQ(find_secret(config_)->bytes, kText);
    }
}

TEST_F(Secrets, ThatHoldWhatWasHardlyMeantAreTakenAndTold) {
    struct Case {
        std::string bytes;
        const char* oddity;
    };
    const Case cases[] = {
        {kText, ""},
        {kText + "\n", "holds a line break"},
        {"\n" + kText, "holds a line break"},
        {kText + " ", "ends with a blank"},
        {"\t" + kText, "begins with a blank"},
        {'"' + kText + '"', "stands in quotes"},
        {"'" + kText + "'", "stands in quotes"},
        {"'" + kText, ""},
        {"\xEF\xBB\xBF" + kText, "begins with a byte order mark"},
        {kText + std::string(1, '\0') + "a", "holds zero bytes; is the file UTF-16?"}};
    for (const Case& c : cases) {
        SCOPED_TRACE(c.oddity);
        // A file may end with a line break; these stand in front of it.
        config_.jwt_secret_file = file(c.bytes + "\n");
        const auto secret = find_secret(config_);
        ASSERT_TRUE(secret) << secret.error().detail;
        EXPECT_EQ(secret->bytes, c.bytes);
        EXPECT_EQ(oddity_of(*secret), c.oddity);
    }
}

TEST_F(Secrets, ThatAreMissingOrUnusableAreRefusedWithTheFix) {
    const auto detail = [&] { return find_or_make_secret(config_, random_, made_).error().detail; };

    EXPECT_NE(detail().find("EVENTBUS_JWT_SECRET"), std::string::npos) << detail();
    config_.jwt_secret = "short";
    EXPECT_NE(detail().find("openssl rand"), std::string::npos) << detail();
    EXPECT_EQ(detail().find("\"short\""), std::string::npos) << detail();
    config_.jwt_secret.clear();
    config_.jwt_secret_file = folder_ / "none";
    EXPECT_NE(detail().find("jwt_secret_file"), std::string::npos) << detail();
    config_.jwt_secret_file = folder_;
    EXPECT_FALSE(find_secret(config_));
    config_.jwt_secret_file = file(std::string(600, 's'));
    EXPECT_NE(detail().find("right file"), std::string::npos) << detail();
    EXPECT_FALSE(made_);
}

TEST_F(Secrets, OfDevAreMadeOnceForThisUserOnly) {
    config_.dev = true;
    const auto first = find_or_make_secret(config_, random_, made_);
    ASSERT_TRUE(first) << first.error().detail;
    EXPECT_TRUE(made_);
    EXPECT_EQ(first->bytes.size(), 48u);
    struct stat info {};
    ASSERT_EQ(::stat(dev_secret_path(config_).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
    EXPECT_EQ(std::distance(fs::directory_iterator(config_.data), fs::directory_iterator()), 1);

    const auto second = find_or_make_secret(config_, random_, made_);
    ASSERT_TRUE(second);
    EXPECT_FALSE(made_);
    EXPECT_EQ(second->bytes, first->bytes);
    config_.dev = false;
    EXPECT_EQ(find_secret(config_)->bytes, first->bytes);        // the command line finds it
    EXPECT_FALSE(find_or_make_secret(config_, random_, made_));  // a server for others does not
}

TEST_F(Secrets, OfDevAreNotMadeWhenOneIsNamed) {
    config_.dev = true;
    config_.jwt_secret = kText;

    EXPECT_EQ(find_or_make_secret(config_, random_, made_)->bytes, kText);
    EXPECT_FALSE(made_);
    EXPECT_FALSE(fs::exists(dev_secret_path(config_)));
}

}  // namespace
}  // namespace eventbus
